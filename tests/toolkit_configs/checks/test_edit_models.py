"""Settings that one edit model cannot take, found before the trainer meets them."""

import numpy as np
import pytest

from chromiq.photos.images import write_photo
from chromiq.toolkit_configs.checks.settings import edit_model_findings
from chromiq.toolkit_configs.render.compose import as_read, compose_job


def findings_of(job):
    return {finding.code: finding for finding in edit_model_findings(as_read(job), "config.yaml")}


@pytest.fixture
def folder(tmp_path):
    """Three examples of one size whose still-lifes have two shapes."""
    for index, still_life_wh in enumerate([(128, 160), (128, 160), (160, 128)]):
        for name, (width_px, height_px) in (
            ("gt", (128, 160)),
            ("control", (128, 160)),
            ("reference", still_life_wh),
        ):
            write_photo(tmp_path / name / f"pair{index}.png", np.zeros((height_px, width_px, 3), np.uint8))
    return tmp_path


def job_of(model, folder, batch_size):
    job = compose_job(model, folder, preset="published").job
    job.process.train.batch_size = batch_size
    return job


@pytest.mark.parametrize("model", ["qwen-image-edit-2509", "qwen-image-edit-2511"])
def test_qwen_plus_without_cached_text_is_an_error(model, tmp_path):
    job = compose_job(model, tmp_path / "data").job
    assert findings_of(job) == {}
    job.process.train.cache_text_embeddings = False
    finding = findings_of(job)["config.text_cache"]
    assert finding.severity == "error"
    assert finding.hint == "Set train.cache_text_embeddings to true."


def test_other_models_need_no_cached_text(tmp_path):
    for model in ("kontext", "qwen-image-edit", "flux2-klein"):
        job = compose_job(model, tmp_path / "data").job
        job.process.train.cache_text_embeddings = False
        assert findings_of(job) == {}, model


@pytest.mark.parametrize("model", ["qwen-image-edit-2509", "flux2", "flux2-klein"])
def test_references_of_different_shapes_cannot_share_a_batch(model, folder):
    assert findings_of(job_of(model, folder, 1)) == {}
    finding = findings_of(job_of(model, folder, 2))["config.batch"]
    assert "pair0 and pair2" in finding.message
    assert finding.hint == "Set train.batch_size to 1 and train.gradient_accumulation to 2."


def test_mage_flow_takes_no_batch_at_all(folder):
    assert findings_of(job_of("mage-flow-edit", folder, 1)) == {}
    finding = findings_of(job_of("mage-flow-edit", folder, 2))["config.batch"]
    assert "takes one example at a time" in finding.message


def test_models_that_pad_references_take_any_batch(folder):
    for model in ("krea2-edit", "boogu-image-edit"):
        assert findings_of(job_of(model, folder, 2)) == {}, model


@pytest.mark.parametrize(
    ("model", "size_wh", "clash"),
    [("qwen-image-edit-2509", (256, 320), False), ("flux2", (256, 320), True), ("flux2", (130, 161), False)],
)
def test_only_the_shape_that_the_model_is_shown_counts(model, size_wh, clash, folder):
    """Qwen scales every reference to one area; FLUX.2 leaves small ones as they are, cut to 16 px."""
    width_px, height_px = size_wh
    write_photo(folder / "reference" / "pair2.png", np.zeros((height_px, width_px, 3), np.uint8))
    assert ("config.batch" in findings_of(job_of(model, folder, 2))) is clash


def test_targets_of_different_shapes_are_never_in_one_batch(folder):
    write_photo(folder / "gt" / "pair2.png", np.zeros((128, 160, 3), np.uint8))
    assert findings_of(job_of("flux2", folder, 2)) == {}


def test_flux2_ignores_qtype_te(tmp_path):
    job = compose_job("flux2", tmp_path / "data").job
    assert findings_of(job) == {}
    job.process.model.qtype = "uint4"
    finding = findings_of(job)["config.qtype_te"]
    assert (finding.severity, finding.wanted, finding.got) == ("warning", "uint4", "qfloat8")
