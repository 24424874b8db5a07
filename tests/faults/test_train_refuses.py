"""A spoilt mask, control or target is found by doctor, and train launches nothing on it unless forced."""

import numpy as np
import pytest

from chromiq.errors import EXIT_DONE, EXIT_UNSOUND
from chromiq.photos.images import read_photo, write_mask, write_photo
from chromiq.toolkit_configs.render.job import render_job


def change_mask(change):
    def spoil(dataset):
        path = dataset / "masks" / "pair1.png"
        write_mask(path, np.ascontiguousarray(change(read_photo(path).rgb[..., 0])))

    return spoil


def shift_target(dataset):
    path = dataset / "gt" / "pair1.jpg"
    write_photo(path, np.roll(read_photo(path).rgb, (6, 8), axis=(0, 1)))


FAULTS = {
    "mask missing": (lambda dataset: (dataset / "masks" / "pair1.png").unlink(), "dataset.mask"),
    "mask inverted": (change_mask(lambda mask: 255 - mask), "mask.inverted"),
    "mask black": (change_mask(np.zeros_like), "mask.black"),
    "mask of another size": (change_mask(lambda mask: mask[:-16]), "mask.size"),
    "control missing": (lambda dataset: (dataset / "control" / "pair1.jpg").unlink(), "dataset.control"),
    "build not ended": (lambda dataset: (dataset / "manifest.jsonl").unlink(), "dataset.unfinished"),
    "target shifted": (shift_target, "control.shifted"),
}


@pytest.fixture
def config(dataset, tmp_path):
    """Of a run of the vendored trainer, whose checkpoint folder is not looked into before it is launched."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_index.json").write_text("{}")
    path = tmp_path / "config.yaml"
    overrides = {"model.name_or_path": str(tmp_path / "model")}
    path.write_text(render_job("kontext", dataset, preset="smoke", overrides=overrides))
    return path


@pytest.fixture
def launched(monkeypatch):
    """What was launched; stands for the training itself."""
    calls = []

    def train(job, **_):
        calls.append(job.config.name)
        final = job.run_folder / f"{job.config.name}.safetensors"
        final.write_bytes(b"")
        return final

    monkeypatch.setattr("chromiq.toolkit_configs.smoke_engine.engine.train", train)
    return calls


def errors(document):
    """Codes of the errors; the manifest and the config's samples miss a file that is gone as well."""
    found = {finding["code"] for finding in document["findings"] if finding["severity"] == "error"}
    return found - {"manifest.missing", "config.sample"}


@pytest.mark.parametrize("fault", FAULTS)
def test_found_refused_and_forced(chromiq, dataset, config, launched, fault):
    spoil, code = FAULTS[fault]
    spoil(dataset)
    exit_code, document, _ = chromiq("doctor", dataset)
    assert exit_code == EXIT_UNSOUND
    assert errors(document) == {code}
    where = [finding["where"] for finding in document["findings"] if finding["code"] == code]
    assert all("pair1" in each or each.endswith("manifest.jsonl") for each in where)

    train = ("train", config, "--engine", "smoke")
    exit_code, document, reported = chromiq(*train)
    assert exit_code == document["exit_code"] == EXIT_UNSOUND
    assert errors(document) == {code}
    assert code in reported
    assert not launched
    assert not (dataset.parent / "runs").exists()

    exit_code, _, reported = chromiq(*train, "--force")
    assert exit_code == EXIT_DONE, reported
    assert code in reported
    assert launched == ["chromiq_v1"]


def test_a_sound_dataset_is_launched(chromiq, config, launched):
    exit_code, _, reported = chromiq("train", config, "--engine", "smoke")
    assert exit_code == EXIT_DONE, reported
    assert launched == ["chromiq_v1"]
