"""The demo runs the whole way, and says so when it cannot."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import evaluate.demo
from chromiq_cli.main import main

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["chromiq", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


@pytest.mark.models
@pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'")
def test_the_whole_way_twice(monkeypatch, capsys, tmp_path):
    out = tmp_path / "demo"
    assert not run(monkeypatch, "demo", "--out", str(out), "--json")
    document = json.loads(capsys.readouterr().out)
    average = document["average"]
    assert average["transfer_vs_truth"] < 0.7 * average["control_vs_truth"]
    columns = ("control", "transfer", "generated", "hybrid")
    assert set(average) == {f"{column}_vs_truth" for column in columns}
    for name in (
        "catalogue/truth/garments.json", "dataset/manifest.jsonl", "dataset/contact_sheet.jpg", "config.yaml",
        "runs/demo/demo.safetensors", "runs/demo/run.json", "scores.csv", "report.html",
    ):  # fmt: skip
        assert (out / name).is_file(), name
    page = (out / "report.html").read_text()
    assert "says nothing about what a full-size LoRA can do" in page
    assert Path(document["report"]) == out / "report.html"
    lora = (out / "runs/demo/demo.safetensors").read_bytes()
    scores = (out / "scores.json").read_bytes()
    assert not run(monkeypatch, "demo", "--out", str(out))
    assert (out / "runs/demo/demo.safetensors").read_bytes() == lora
    assert (out / "scores.json").read_bytes() == scores


def test_without_the_model_libraries_it_does_the_rest_and_exits_3(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(evaluate.demo, "find_spec", lambda name: None)
    monkeypatch.setattr(evaluate.demo, "PAIRS", 4)
    assert run(monkeypatch, "demo", "--out", str(tmp_path)) == 3
    told = capsys.readouterr()
    assert "training and generating were left out: torch, diffusers, transformers, peft" in told.err
    assert "generated" not in told.out
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "runs").exists()


def test_out_may_not_be_a_file(monkeypatch, capsys, tmp_path):
    (tmp_path / "taken").touch()
    assert run(monkeypatch, "demo", "--out", str(tmp_path / "taken")) == 2
    assert "wanted a folder to write to, got a file" in capsys.readouterr().err
