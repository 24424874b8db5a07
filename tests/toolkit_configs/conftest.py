"""The tiny checkpoint, built once, and the stand-in trainer with a run to launch."""

import pytest
from standin_trainer import behave, make_trainer

import chromiq.toolkit_configs.trainer.engine as engine
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.trainer import checkout as toolkit


@pytest.fixture(scope="session")
def tiny_kontext(tmp_path_factory):
    """A FLUX.1-Kontext checkpoint of the real classes with random weights."""
    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    return build_tiny_kontext(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trainer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainer") / "ai-toolkit"
    return folder, make_trainer(folder)


@pytest.fixture
def trainer(trainer_folder, monkeypatch):
    """Makes the trainer end in the way asked for."""
    folder, commit = trainer_folder
    monkeypatch.setenv("CHROMIQ_AI_TOOLKIT", str(folder))
    monkeypatch.setattr(toolkit, "PINNED_COMMIT", commit)
    monkeypatch.setattr(engine, "_PATIENCE_S", 1)
    return lambda ending: behave(folder, ending)


@pytest.fixture
def config(dataset, tmp_path):
    path = tmp_path / "config.yaml"
    overrides = {"train.steps": "20"}
    path.write_text(render_job("kontext", dataset, preset="smoke", name="chromiq_v1", overrides=overrides))
    return path


@pytest.fixture
def run_folder(dataset):
    return dataset.parent / "runs" / "chromiq_v1"
