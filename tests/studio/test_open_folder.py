"""Photos are opened, paired by pattern, copied in and corrected from the page."""

import threading
import time

import numpy as np
import pytest
from studio_client import client_of

from chromiq.photos.images import encode_photo, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair
from chromiq.studio import jobs


def test_a_command_finds_weights_and_proxies_as_the_studio_does(monkeypatch):
    monkeypatch.setattr(jobs, "MAIN", "import os, sys; sys.stderr.write(os.environ['HF_HOME'])")
    monkeypatch.setenv("HF_HOME", "/weights")
    commands, ended = jobs.Commands(), threading.Event()
    assert commands.start(["correct"], lambda code: ended.set())
    assert ended.wait(30)
    assert commands.status.said == "/weights"


@pytest.fixture
def photos(tmp_path):
    """Two garments as a studio names them, one with two on-model photos, and a stranger."""
    pair = draw_pair(0, size_wh=(160, 200))
    folder = tmp_path / "given" / "monday"
    names = ["A-1_flat", "A-1_front", "A-1_front_b", "A-2_flat", "A-2_front", "logo"]
    for name in names:
        rgb = pair.on_model if "front" in name else pair.still_life
        write_photo(folder / f"{name}.png", rgb)
    return tmp_path / "given"


def wishes(photos, **more):
    return {"source": str(photos / "monday"), "out": str(photos / "done"), **more}


PATTERNS = {"still_life": "{sku}_flat*", "on_model": "{sku}_front*"}


def test_a_pattern_shows_at_once_what_belongs_together(photos):
    client, _ = client_of(photos)
    assert client.post("/open/preview", json=wishes(photos)).json()["photos"] == 0
    found = client.post("/open/preview", json=wishes(photos, **PATTERNS)).json()
    assert (found["photos"], found["garments"], found["leftover"]) == (3, 2, ["logo.png"])
    assert ["A-1_flat.png", "A-1_front_b.png"] in [pair[1:] for pair in found["pairs"]]
    assert "--pattern '{sku}_flat*' '{sku}_front*'" in found["command"]
    half = client.post("/open/preview", json=wishes(photos, still_life="{sku}_flat"))
    assert half.status_code == 400


def test_a_name_with_reversed_text_reads_as_it_is_written(photos):
    (photos / "monday").rename(photos / "mon\u202eyad")
    (photos / "mon\u202eyad" / "logo.png").rename(photos / "mon\u202eyad" / "a\u202egnp.exe.png")
    client, _ = client_of(photos)
    shown = client.get("/open").text
    found = client.post(
        "/open/preview", json=wishes(photos, source=str(photos / "mon\u202eyad"), **PATTERNS)
    ).json()
    assert found["leftover"] == [r"a\u202egnp.exe.png"]
    for command in (shown[shown.index("<code") :], found["command"]):
        assert "\u202e" not in command
        assert rf"--batch $'{photos}/mon\u202eyad'" in command.replace("&#39;", "'")
    assert f'value="{photos}/mon\u202eyad"' in shown


def test_they_are_corrected_by_the_command_that_is_shown(photos):
    client, _ = client_of(photos)
    assert str(photos / "monday") in client.get("/open").text
    shown = client.post("/open/preview", json=wishes(photos, **PATTERNS)).json()["command"]
    started = client.post("/open/start", json=wishes(photos, **PATTERNS)).json()
    assert started["command"] == shown
    assert shown.startswith("chromiq correct --batch ")
    assert client.post("/open/start", json=wishes(photos, **PATTERNS)).status_code == 409
    end = time.monotonic() + 120
    while (status := client.get("/open/status").json())["exit_code"] is None:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert (status["exit_code"] in (0, 3), status["done"]) == (True, 3), status["said"]
    assert "A-1_front_b.png" in client.get(status["address"]).text


@pytest.mark.parametrize("where", ["source", "out"])
def test_folders_that_were_not_given_are_refused(photos, where):
    client, _ = client_of(photos)
    for path in ("/etc", str(photos / ".."), ".."):
        answer = client.post("/open/preview", json={**wishes(photos, **PATTERNS), where: path})
        assert answer.status_code == 403


def test_a_dropped_photo_is_copied_whole_and_never_over_another(photos):
    client, _ = client_of(photos)
    data = encode_photo(draw_pair(1, size_wh=(160, 200)).on_model, "PNG")
    there = {"folder": str(photos / "dropped"), "name": "../../on_model1.png"}
    answer = client.post("/open/upload", params=there, content=data)
    assert answer.json() == {"file": str(photos / "dropped" / "on_model1.png")}
    assert (photos / "dropped" / "on_model1.png").read_bytes() == data
    assert client.post("/open/upload", params=there, content=b"x").status_code == 400
    assert (photos / "dropped" / "on_model1.png").read_bytes() == data


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.exe", b"MZ"), ("a.png", b"no photo"), ("a.jpg", b""), ("", b""), ("a.svg", b"<svg/>")],
)
def test_what_is_no_photo_is_not_kept(photos, name, data):
    client, _ = client_of(photos)
    answer = client.post(
        "/open/upload", params={"folder": str(photos / "dropped"), "name": name}, content=data
    )
    assert answer.status_code == 400
    assert not any((photos / "dropped").glob("*"))


def test_a_photo_of_too_many_pixels_is_not_kept(photos, monkeypatch):
    client, _ = client_of(photos)
    monkeypatch.setattr("chromiq.photos.reader.MAX_PIXELS", 100)
    data = encode_photo(np.zeros((64, 64, 3), np.uint8), "PNG")
    answer = client.post(
        "/open/upload", params={"folder": str(photos / "dropped"), "name": "a.png"}, content=data
    )
    assert answer.status_code == 400
    assert not any((photos / "dropped").glob("*"))


def test_an_upload_of_too_many_bytes_is_refused(photos):
    client, _ = client_of(photos)
    there = {"folder": str(photos / "dropped"), "name": "a.png"}
    answer = client.post("/open/upload", params=there, headers={"content-length": "300000001"})
    assert answer.status_code == 413
