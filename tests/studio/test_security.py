"""What protects photos and files: who is let in, what the page may load, how much it takes."""

import os
import re
import subprocess

import pytest
from starlette.testclient import TestClient
from studio_client import OWN, TOKEN, client_of

from chromiq.studio.app import create_app
from chromiq.studio.pages import shell_command
from chromiq.studio.security import MAX_BODY_BYTES
from chromiq.studio.workplace import OutsideError, open_workplace


@pytest.fixture
def stranger(made_shoot):
    """A client without the cookie."""
    return TestClient(
        create_app(open_workplace([made_shoot]), TOKEN), base_url="http://localhost", headers=OWN
    )


def test_the_token_opens_one_session_and_only_once(stranger):
    assert stranger.get("/").status_code == 403
    assert stranger.get("/", params={"token": "guess"}).status_code == 403
    opened = stranger.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert stranger.get("/").status_code == 200
    stranger.cookies.clear()
    assert stranger.get("/", params={"token": TOKEN}).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "10.0.0.1:80", "a@b@evil"])
def test_another_host_name_is_refused(made_shoot, host):
    client, _ = client_of(made_shoot)
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:1234", "[::1]:8765"])
def test_this_machine_through_a_tunnel_is_not_refused(made_shoot, host):
    client, address = client_of(made_shoot)
    assert client.get(f"{address}/", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:81", "https://localhost"]
)
def test_another_origin_is_refused(made_shoot, origin):
    client, address = client_of(made_shoot)
    assert client.post(f"{address}/decision/1", headers={"origin": origin}).status_code == 403
    assert client.get(f"{address}/", headers={"origin": origin}).status_code == 403


def test_a_change_without_an_origin_is_refused(made_shoot):
    client, address = client_of(made_shoot)
    del client.headers["origin"]
    assert client.get(f"{address}/").status_code == 200
    assert client.post(f"{address}/decision/1").status_code == 403


def test_every_answer_forbids_what_comes_from_elsewhere(stranger, made_shoot):
    client, address = client_of(made_shoot)
    for answer in (
        stranger.get("/"),
        client.get(f"{address}/"),
        client.get("/static/base.js"),
        client.get("/no"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"https?:|\*", policy)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_large_body_is_refused(made_shoot):
    client, address = client_of(made_shoot)
    assert client.post(f"{address}/decision/1", content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    chunks = (b" " * 10_000 for _ in range(10))  # sent without saying how long it is
    assert client.post(f"{address}/decision/1", content=chunks).status_code == 413


@pytest.mark.parametrize(
    "path", ["/static/../security.py", "/static/%2e%2e/security.py", "/f/nothing/", "/f/../../etc"]
)
def test_no_path_leads_out_of_the_page(made_shoot, path):
    client, _ = client_of(made_shoot)
    assert client.get(path).status_code == 404


def test_links_out_of_the_folders_are_refused(tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "given" / "link").symlink_to(tmp_path / "secret")
    workplace = open_workplace([tmp_path / "given"])
    for path in (tmp_path / "given" / "link", tmp_path / "given" / ".." / "secret", tmp_path):
        with pytest.raises(OutsideError):
            workplace.inside(path)
    assert workplace.inside(tmp_path / "given" / "new" / "file.png")


def test_photos_that_have_moved_do_not_open_the_folder_they_lay_in(shoot):
    (shoot / "photos").rename(shoot / "moved")
    corrected = (shoot / "corrected").resolve()
    assert open_workplace([corrected]).roots == (corrected,)


@pytest.mark.parametrize(
    "name", ["it's a", "a\n\x1b[31m'", "a\x85b", "a\udcffb", "mon\u202eyad\\n", "$(id) `id` !\t"]
)
def test_a_command_on_a_page_names_the_same_file_in_a_shell(name):
    command = shell_command("printf", "%s", name)
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=True
    )
    assert done.stdout == os.fsencode(name)
