"""The one request to the hub, against a server that stands for it on the loopback."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chromiq.toolkit_configs.checks.config import access_findings
from chromiq.toolkit_configs.render.job import render_job

MODEL = "black-forest-labs/FLUX.1-Kontext-dev"
TOKEN = "hf_secret"  # a made-up one


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Stands for huggingface.co: a gated model, an open one, and no other."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            if self.path.startswith("/api/models/moved/"):
                self.send_response(307)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            elif MODEL in self.path:
                known = {None: 401, f"Bearer {TOKEN}": 200}
                self.send_response(known.get(self.headers.get("Authorization"), 403))
            else:
                self.send_response({"open": 200, "broken": 500}.get(self.path.split("/")[3], 404))
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "*")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def find(repository, *, offline=False):
    return access_findings(repository, "config.yaml: model.name_or_path", offline=offline)


def test_without_a_token_the_page_to_visit_is_named(hub):
    (finding,) = find(MODEL)
    assert (finding.code, finding.severity) == ("access.model", "error")
    assert finding.message == f"there is no token for {MODEL} (HTTP 401)"
    assert f"/{MODEL} and set HF_TOKEN" in finding.hint
    assert hub == [(f"/api/models/{MODEL}/auth-check", None)]


def test_a_token_that_may_not_is_reported_and_never_shown(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    (finding,) = find(MODEL)
    assert finding.message == f"the token may not read {MODEL} (HTTP 403)"
    assert "hf_other" not in str(finding)


def test_with_access_nothing_is_said(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert find(MODEL) == []
    assert len(hub) == 1


def test_the_token_of_a_login_is_used(hub, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(f"{TOKEN}\n")
    assert find(MODEL) == []


@pytest.mark.parametrize(
    ("repository", "codes"),
    [
        ("open/model", []),
        ("no/such", ["model.unknown"]),
        ("broken/model", ["model.network"]),
        ("moved/model", []),
    ],
)
def test_answers_of_the_hub(hub, repository, codes):
    assert [finding.code for finding in find(repository)] == codes
    assert len(hub) == 1


def test_nothing_is_asked_offline_or_when_the_model_is_here(hub, monkeypatch, tmp_path):
    assert find(MODEL, offline=True) == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find(MODEL) == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    snapshot = tmp_path / "hf" / "hub" / f"models--{MODEL.replace('/', '--')}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model_index.json").write_text("{}")
    assert find(MODEL) == []
    assert hub == []


def test_no_network_is_a_warning(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (finding,) = find(MODEL)
    assert (finding.code, finding.severity) == ("model.network", "warning")
    assert TOKEN not in str(finding)


def test_a_token_never_goes_over_an_open_line(hub, monkeypatch):
    sent = []

    class Opener:
        """Stands for urllib's: it keeps what would be sent."""

        def open(self, request, timeout):
            sent.append(dict(request.header_items()))
            raise OSError("not sent")

    monkeypatch.setattr("urllib.request.build_opener", lambda *_: Opener())
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for endpoint in ("http://hub.example", "https://hub.example"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        find(MODEL)
    assert [TOKEN in str(headers) for headers in sent] == [False, True]


@pytest.fixture
def verb(dataset, tmp_path, monkeypatch, chromiq):
    """Doctor or a launch on a config of the gated model: exit code, document, what was said."""
    config = tmp_path / "config.yaml"
    config.write_text(render_job("kontext", dataset, overrides={"device": "cpu", "train.steps": "100"}))
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(tmp_path / "nothing"))

    def run(name, *arguments):
        result = chromiq(*name.split(), config, "--json", *arguments)
        return result.code, result.document, result.err

    return run


VERBS = ["doctor", "train --dry-run", "train --engine smoke", "train"]


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("spoilt", [False, True])
def test_without_access_every_verb_ends_alike_whatever_else_is_wrong(hub, verb, dataset, name, spoilt):
    if spoilt:
        (dataset / "masks" / "pair1.png").unlink()
    code, document, said = verb(name)
    assert code == document["exit_code"] == 12
    assert f"/{MODEL} and set HF_TOKEN" in document["error"]
    codes = {finding["code"] for finding in document["findings"] if finding["severity"] == "error"}
    assert "access.model" in codes
    assert ("dataset.mask" in codes) is ("dataset.mask" in said) is spoilt
    assert (" more error" in document["error"]) is (len(codes) > 1)
    assert not (dataset.parent / "runs").exists()


def test_an_offline_launch_sends_no_request(hub, verb, monkeypatch):
    monkeypatch.setattr("chromiq.toolkit_configs.smoke_engine.engine.smoke_device", lambda _: "cpu")
    code, document, _ = verb("train --dry-run --engine smoke", "--offline")
    assert (code, hub) == (0, [])
    assert "access.model" not in {finding["code"] for finding in document["findings"]}


def test_a_missing_trainer_is_reported_with_what_else_is_wrong(hub, verb, dataset):
    assert verb("train", "--offline")[0] == 1
    (dataset / "masks" / "pair1.png").unlink()
    code, document, _ = verb("train", "--offline")
    assert code == 10
    assert {"dataset.mask", "toolkit.missing"} <= {finding["code"] for finding in document["findings"]}
