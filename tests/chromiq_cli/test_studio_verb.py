"""What ``chromiq studio`` and ``chromiq deliver`` refuse, and how they say it."""

import socket
import sys

import pytest


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_it_says_how_to_install_what_is_missing(chromiq, monkeypatch, tmp_path, package):
    monkeypatch.setitem(sys.modules, package, None)
    result = chromiq("studio", tmp_path)
    assert result.code == 2
    assert "the studio needs packages that are missing or too old (" in result.err
    assert result.err.endswith("); run: pip install 'chromiq[studio]'\n")


def test_a_fault_of_its_own_is_not_taken_for_a_missing_package(chromiq, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "chromiq.studio.app", None)
    with pytest.raises(ImportError, match=r"chromiq\.studio\.app"):
        chromiq("studio", tmp_path)


def test_a_file_is_refused(chromiq):
    result = chromiq("studio", __file__, "--no-browser")
    assert result.code == 2
    assert "not a folder" in result.err


def test_a_port_that_is_taken_is_refused_if_it_was_asked_for(chromiq, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = chromiq("studio", tmp_path, "--no-browser", "--port", str(taken.getsockname()[1]))
    assert result.code == 2
    assert "cannot be used" in result.err


def test_what_is_no_batch_cannot_be_delivered(chromiq, tmp_path):
    result = chromiq("deliver", tmp_path, "--out", tmp_path / "out")
    assert result.code == 2
    assert "holds no results that can be read" in result.err
