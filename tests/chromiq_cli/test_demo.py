"""The demo runs every stage, or reports what it had to leave out."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from chromiq.evaluate import demo as demo_module

MODEL_LIBRARIES = all(find_spec(name) for name in ("torch", "diffusers", "peft"))


@pytest.fixture
def small(monkeypatch):
    """Few photos and small; two garments are held out, and one photo of the batch needs no correction."""
    for name, value in {"PAIRS": 5, "SHOOT_PAIRS": 3, "PHOTO_WH": (224, 280), "TRAIN_STEPS": 2}.items():
        monkeypatch.setattr(demo_module, name, value)


@pytest.mark.models
@pytest.mark.skipif(not MODEL_LIBRARIES, reason="needs the model libraries: pip install '.[models]'")
def test_every_stage_and_again_without_a_change(small, chromiq, tmp_path):
    out = tmp_path / "demo"
    result = chromiq("demo", "--out", out, "--json")
    assert result.code == 0
    document = result.document
    average = document["average"]
    # Two errors of a single garment.
    assert average["transfer_vs_truth"] < 0.9 * average["control_vs_truth"]
    columns = ("control", "transfer", "generated", "hybrid")
    assert set(average) == {f"{column}_vs_truth" for column in columns}
    for name in (
        "catalogue/truth/garments.json",
        "dataset/manifest.jsonl",
        "dataset/contact_sheet.jpg",
        "config.yaml",
        "runs/demo/demo.safetensors",
        "runs/demo/run.json",
        "sweep/curve.png",
        "scores.csv",
        "report.html",
        "corrected/report.html",
        "corrected/decisions.csv",
    ):
        assert (out / name).is_file(), name
    page = (out / "report.html").read_text()
    assert "nothing about the quality of a full-size model" in page
    assert "Best: demo" in page
    assert "dE00 of the mean colours: uncorrected" in page
    assert Path(document["report"]) == out / "report.html"
    lora = (out / "runs/demo/demo.safetensors").read_bytes()
    scores = (out / "scores.json").read_bytes()
    again = chromiq("demo", "--out", out)
    assert again.code == 0
    assert again.out.splitlines()[-1] == f"to look at it in a browser: chromiq studio {out}"
    assert (out / "runs/demo/demo.safetensors").read_bytes() == lora
    assert (out / "scores.json").read_bytes() == scores


def test_without_the_model_libraries_the_rest_runs_and_it_exits_3(small, monkeypatch, chromiq, tmp_path):
    monkeypatch.setattr(demo_module, "find_spec", lambda name: None)
    result = chromiq("demo", "--out", tmp_path)
    assert result.code == 3
    assert "training and generating were skipped, because torch, diffusers, transformers, peft" in result.err
    counts = {}
    for line in result.err.splitlines():
        if match := re.fullmatch(r"(\d/6 .+): (\d+)/\d+", line):
            counts.setdefault(match[1], []).append(int(match[2]))
    assert "2/6 dataset: build" in counts
    assert all(each == sorted(set(each)) for each in counts.values())
    assert "generated" not in result.out
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "runs").exists()


def test_out_may_not_be_a_file(chromiq, tmp_path):
    (tmp_path / "taken").touch()
    result = chromiq("demo", "--out", tmp_path / "taken")
    assert result.code == 2
    assert "is a file, not a folder" in result.err
