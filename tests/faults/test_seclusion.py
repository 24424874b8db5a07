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
    reported = []
    write_catalogue(catalogue, pairs=2, size_wh=(120, 150))
    verbs = {
        ("build", catalogue, "--out", tmp_path / "again", "--segmenter", "auto", "--workers", 1): {0},
        ("doctor", dataset): {0},
        ("render", "kontext", "--dataset", dataset, "--out", config): {0},
        ("doctor", config, "--offline"): {0, 10},
        (
            "score",
            "--gt",
            dataset / "gt",
            "--control",
            dataset / "control",
            "--generated",
            dataset / "gt",
            "--out",
            tmp_path / "scores",
        ): {0},
        (
            "correct",
            catalogue / "still-life1.jpg",
            catalogue / "on_model1.jpg",
            "--out",
            tmp_path / "corrected.png",
        ): {0, 3},
        ("train", config, "--dry-run"): {0, 1, 10},
        ("train", config, "--dry-run", "--offline"): {0, 1, 10},
        ("status", tmp_path / "no-run"): {2},
        (
            "crops",
            "suggest",
            "--gt",
            dataset / "gt",
            "--masks",
            dataset / "masks",
            "--out",
            tmp_path / "crops.json",
        ): {0},
        ("evaluate", dataset, "--out", tmp_path / "evaluated"): {0, 3},
        ("toolkit", "info"): {0, 1},
    }
    for arguments, wanted in verbs.items():
        code, document, said = chromiq(*arguments)
        assert code in wanted, f"{arguments}: {said}"
        reported += [repr(document), said]
    assert not any(TOKEN in text for text in reported)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
