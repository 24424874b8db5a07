"""No verb asks the network unless its work needs it, and a token in the environment goes nowhere."""

import socket

import pytest

from chromiq.sample_catalogue.catalogue import write_catalogue

TOKEN = "hf_thisisthesecretofthetest000000000"


@pytest.fixture
def alone(monkeypatch):
    """Sockets are refused, and a token is set."""

    def refuse(*_arguments, **_options):
        raise AssertionError("a socket was asked for")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_the_way_without_weights_needs_no_network_and_tells_no_token(alone, chromiq, dataset, tmp_path):
    config, catalogue = tmp_path / "config.yaml", dataset.parent / "catalogue"
    control, truth = dataset / "held_out" / "control", dataset / "held_out" / "gt"
    reported = []
    write_catalogue(catalogue, pairs=2, size_wh=(120, 150))
    verbs = {
        f"build {catalogue} --out {tmp_path}/again --segmenter auto --workers 1 --size 192x128": {0},
        f"doctor {dataset}": {0},
        f"render kontext --dataset {dataset} --out {config}": {0},
        f"doctor {config} --offline": {0, 10},
        f"score --gt {truth} --control {control} --generated {truth} --out {tmp_path}/scores": {0},
        f"correct {catalogue}/still-life1.jpg {catalogue}/on_model1.jpg --out {tmp_path}/out.png": {0, 3},
        f"train {config} --dry-run": {0, 1, 10},
        f"train {config} --dry-run --offline": {0, 1, 10},
        f"status {tmp_path}/no-run": {2},
        f"crops suggest --gt {dataset}/gt --masks {dataset}/masks --out {tmp_path}/crops.json": {10},
        f"evaluate {dataset} --out {tmp_path}/evaluated": {0, 3},
        "toolkit info": {0, 1},
    }
    for line, wanted in verbs.items():
        code, document, said = chromiq(*line.split())
        assert code in wanted, f"{line}: {said}"
        reported += [repr(document), said]
    assert not any(TOKEN in text for text in reported)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
