"""What the trainer accepts silently although it spoils a run: settings, caches, names of files."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from model_presets import MODEL_PRESETS

from chromiq.photos.images import write_photo
from chromiq.toolkit_configs.checks.config import examine_config
from chromiq.toolkit_configs.checks.data import cache_findings
from chromiq.toolkit_configs.checks.keys import key_findings
from chromiq.toolkit_configs.checks.settings import edit_model_findings, setting_findings
from chromiq.toolkit_configs.render.compose import compose_job
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.render.settings import Settings, assigned_settings
from chromiq.toolkit_configs.schema.trainer_job import job_of


def document_of(model="kontext", **options):
    return yaml.load(render_job(model, Path("/data/set"), **options), yaml.CSafeLoader)


def first(document):
    return document["config"]["process"][0]


def with_sample(document, **controls):
    first(document)["sample"]["samples"] = [{"prompt": "chromiq", **controls}]


def findings_of(document):
    job, wrong = job_of(document, "c.yaml")
    return [*key_findings(document, "c.yaml"), *wrong, *setting_findings(job, "c.yaml")]


@pytest.mark.parametrize(("model", "preset"), MODEL_PRESETS)
def test_what_is_rendered_has_no_findings(model, preset):
    assert findings_of(document_of(model, preset=preset)) == []


SPOILT = {
    "datasets.0.invert_mask": (True, "config.setting", "warning"),
    "datasets.0.alpha_mask": (True, "config.setting", "warning"),
    "datasets.0.random_crop": (True, "config.setting", "warning"),
    "datasets.0.random_scale": (True, "config.setting", "warning"),
    "datasets.0.shuffle_tokens": (True, "config.setting", "warning"),
    "datasets.0.control_from_same_folder": (True, "config.setting", "warning"),
    "datasets.0.flip_x": (True, "config.setting", "warning"),
    "datasets.0.is_reg": (True, "config.setting", "warning"),
    "datasets.0.mask_min_value": (2, "config.setting", "warning"),
    "train.train_unet": (False, "config.setting", "error"),
    "train.validation_config": ({"validation_items": []}, "config.setting", "warning"),
    "train.noise_scheduler": ("ddpm", "config.setting", "warning"),
    "train.unload_text_encoder": (True, "config.setting", "warning"),
    "train.lr": (5e-3, "config.setting", "warning"),
    "train.steps": (0, "config.setting", "warning"),
    "save.push_to_hub": (True, "config.setting", "warning"),
    "train.start_step": (10_000, "config.setting", "warning"),
    "datasets.0.resolution": ([1024, 1024], "config.setting", "warning"),
    "datasets.0.name": ("shirts", "config.key", "warning"),
    "sample.samples": ([{"prompt": "it --ctrl_img /nowhere.png"}], "config.sample", "error"),
    "model.arch": ("qwen_image_edit", "config.arch", "error"),
    "model.model_kwargs": ({"match_target_re": True}, "config.key", "warning"),
    "type": ("difusion_trainer", "config.value", "error"),
    "network": (None, "config.network", "warning"),
}


@pytest.mark.parametrize("key", SPOILT)
def test_a_setting_that_spoils_a_run_is_reported_with_a_hint(key):
    value, code, severity = SPOILT[key]
    document = document_of()
    at = first(document)
    *sections, name = key.split(".")
    for section in sections:
        at = at[int(section) if section.isdecimal() else section]
    at[name] = value
    (finding,) = findings_of(document)
    assert (finding.code, finding.severity) == (code, severity)
    place = {"train.start_step": "train.steps"}.get(key, key)
    assert key == "type" or finding.where.startswith(f"c.yaml: {place}")
    assert finding.hint


def test_a_key_of_another_program_is_not_sent_to_the_process_where_it_means_something_else():
    document = document_of()
    first(document)["datasets"][0]["name"] = "shirts"
    assert [finding.hint for finding in findings_of(document)] == ["Remove it."]


def test_the_sampler_matters_only_where_there_are_samples(tmp_path):
    document = document_of()
    first(document)["sample"]["sampler"] = "ddpm"
    assert findings_of(document) == []
    (tmp_path / "1.png").touch()
    with_sample(document, ctrl_img=str(tmp_path / "1.png"))
    assert [finding.where for finding in findings_of(document)] == ["c.yaml: sample.sampler"]


def test_a_sample_whose_control_is_no_path(tmp_path):
    document = document_of()
    first(document)["sample"]["samples"] = [{"prompt": "undefined --ctrl_img "}]
    assert [finding.message for finding in findings_of(document)] == ["names no file"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda document: document.update(job="extensions"), "config.value"),
        (lambda document: document.update(jobs="extension"), "config.key"),
        (lambda document: document["config"].update(nmae="x"), "config.key"),
        (lambda document: document["config"]["process"].append(dict(first(document))), "config.process"),
    ],
)
def test_what_is_around_the_process_is_checked_too(change, code):
    document = document_of()
    change(document)
    assert [finding.code for finding in findings_of(document)] == [code]


def test_how_often_a_size_is_listed():
    document = document_of()
    first(document)["datasets"][0]["resolution"] = [1024, 512, 1024, 1024]
    (finding,) = findings_of(document)
    assert finding.message == "1024 is listed 3 times, so each image trains 3 times at that size"


def test_a_sample_whose_control_is_a_long_text():
    document = document_of()
    with_sample(document, ctrl_img="x" * 5000)
    where = "c.yaml: sample.samples.0.ctrl_img"
    assert (where, "config.sample") in [(finding.where, finding.code) for finding in findings_of(document)]


def test_the_old_kind_of_job_is_sent_to_the_one_that_knows_the_process():
    document = document_of()
    document.update(job="train")
    document["config"]["training_folder"] = "output"
    first(document)["type"] = "diffusion_trainer"
    hints = [finding.hint for finding in findings_of(document) if finding.where.endswith("process.0.type")]
    assert hints == ["Write job: extension and type: diffusion_trainer."]


def test_both_ways_of_accumulating_gradients_and_rates_of_their_own():
    document = document_of()
    train = first(document)["train"]
    train.update(gradient_accumulation=2, gradient_accumulation_steps=2)
    (finding,) = findings_of(document)
    assert finding.where.endswith("gradient_accumulation_steps")
    train.update(gradient_accumulation=1, lr=1.0, optimizer="prodigy")
    assert findings_of(document) == []
    train.update(unload_text_encoder=True, cache_text_embeddings=True)
    assert findings_of(document) == []


@pytest.mark.parametrize(
    ("model", "controls", "missing"),
    [
        ("kontext", {}, "ctrl_img"),
        ("kontext", {"ctrl_img": "a"}, None),
        ("flux2", {"ctrl_img_2": "b"}, "ctrl_img_1"),
        ("flux2", {"ctrl_img": "a", "ctrl_img_2": "b"}, None),
        ("qwen-image-edit-2511", {"ctrl_img_1": "a", "ctrl_img_2": "b"}, None),
    ],
)
def test_samples_show_what_the_model_looks_at(model, controls, missing, tmp_path):
    document = document_of(model)
    paths = {key: tmp_path / name for key, name in controls.items()}
    for path in paths.values():
        path.touch()
    with_sample(document, **{key: str(path) for key, path in paths.items()})
    found = [(finding.code, finding.message.split()[0]) for finding in findings_of(document)]
    assert found == ([("config.sample", missing)] if missing else [])


@pytest.fixture
def config(dataset, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(render_job("kontext", dataset, preset="smoke"))
    return path


def test_a_datasets_doctor_looks_at_them_as_well(dataset, chromiq):
    (dataset / "gt" / "old").mkdir()
    (dataset / "gt" / "old" / "pair1.jpg").write_bytes(b"")
    result = chromiq("doctor", dataset)
    assert result.code == 10
    assert "[dataset.nested]" in result.err


def codes(config):
    return {finding.code for finding in examine_config(config).findings if finding.severity == "error"}


def test_files_that_the_trainer_overlooks_or_takes_in(config, dataset):
    mask, target = dataset / "masks" / "pair1.png", dataset / "gt" / "pair1.jpg"
    mask.rename(mask.with_suffix(".PNG"))
    assert codes(config) == {"dataset.suffix"}
    mask.with_suffix(".PNG").rename(mask)
    # Of targets it takes any case.
    target.rename(target.with_suffix(".JPG"))
    assert codes(config) == set()
    (dataset / "gt" / "old").mkdir()
    (dataset / "gt" / "old" / "pair1.jpg").write_bytes(b"")
    assert codes(config) == {"dataset.nested"}
    (dataset / "gt" / "old").rename(dataset / "gt" / ".old")
    assert codes(config) == set()
    config.write_text(config.read_text().replace('caption_ext: "txt"', 'caption_ext: "caption"'))
    assert codes(config) == {"caption.missing"}


def test_what_was_encoded_of_other_pictures_is_not_trained_on(config, dataset):
    cache = dataset / "gt" / "_latent_cache"
    cache.mkdir()
    encoded = cache / f"pair1_{'A' * 22}.safetensors"
    encoded.touch()
    assert codes(config) == set()
    os.utime(encoded, (1, 1))
    (found,) = (each for each in examine_config(config).findings if each.severity == "error")
    assert (found.code, found.where) == ("dataset.cache", str(cache))
    assert encoded.name in found.message
    # A name that only begins alike is another picture.
    encoded.rename(cache / f"pair1_old_{'A' * 22}.safetensors")
    assert codes(config) == set()


def test_captions_that_were_encoded_with_another_control(dataset):
    cache = dataset / "gt" / "_t_e_cache"
    cache.mkdir()
    encoded = cache / f"pair2_{'B' * 22}.safetensors"
    encoded.touch()
    newest_ns = encoded.stat().st_mtime_ns + 10**9
    os.utime(dataset / "gt" / "pair2.jpg", ns=(newest_ns, newest_ns))
    assert cache_findings(dataset / "gt", [dataset / "control"]) == []
    os.utime(dataset / "control" / "pair2.jpg", ns=(newest_ns, newest_ns))
    (found,) = cache_findings(dataset / "gt", [dataset / "control"])
    assert found.where == str(cache)


def edit_findings_of(job):
    return {finding.code: finding for finding in edit_model_findings(job, "config.yaml")}


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


def edit_job(model, folder, batch_size):
    job = compose_job(model, folder, preset="published").job
    job.process.train.batch_size = batch_size
    return job


@pytest.mark.parametrize("model", ["qwen-image-edit-2509", "qwen-image-edit-2511"])
def test_qwen_plus_without_cached_text_is_an_error(model, tmp_path):
    job = compose_job(model, tmp_path / "data").job
    assert edit_findings_of(job) == {}
    job.process.train.cache_text_embeddings = False
    finding = edit_findings_of(job)["config.text_cache"]
    assert finding.severity == "error"
    assert finding.hint == "Set train.cache_text_embeddings to true."


def test_other_models_need_no_cached_text(tmp_path):
    for model in ("kontext", "qwen-image-edit", "flux2-klein"):
        job = compose_job(model, tmp_path / "data").job
        job.process.train.cache_text_embeddings = False
        assert edit_findings_of(job) == {}, model


@pytest.mark.parametrize("model", ["qwen-image-edit-2509", "flux2", "flux2-klein"])
def test_references_of_different_shapes_cannot_share_a_batch(model, folder):
    assert edit_findings_of(edit_job(model, folder, 1)) == {}
    finding = edit_findings_of(edit_job(model, folder, 2))["config.batch"]
    assert "pair0 and pair2" in finding.message
    assert finding.hint == "Set train.batch_size to 1 and train.gradient_accumulation to 2."


def test_mage_flow_takes_no_batch_at_all(folder):
    assert edit_findings_of(edit_job("mage-flow-edit", folder, 1)) == {}
    finding = edit_findings_of(edit_job("mage-flow-edit", folder, 2))["config.batch"]
    assert "takes one example at a time" in finding.message


def test_models_that_pad_references_take_any_batch(folder):
    for model in ("krea2-edit", "boogu-image-edit"):
        assert edit_findings_of(edit_job(model, folder, 2)) == {}, model


@pytest.mark.parametrize(
    ("model", "size_wh", "clash"),
    [("qwen-image-edit-2509", (256, 320), False), ("flux2", (256, 320), True), ("flux2", (130, 161), False)],
)
def test_only_the_shape_that_the_model_is_shown_counts(model, size_wh, clash, folder):
    """Qwen scales every reference to one area; FLUX.2 leaves small ones as they are, cut to 16 px."""
    width_px, height_px = size_wh
    write_photo(folder / "reference" / "pair2.png", np.zeros((height_px, width_px, 3), np.uint8))
    assert ("config.batch" in edit_findings_of(edit_job(model, folder, 2))) is clash


def test_targets_of_different_shapes_are_never_in_one_batch(folder):
    write_photo(folder / "gt" / "pair2.png", np.zeros((128, 160, 3), np.uint8))
    assert edit_findings_of(edit_job("flux2", folder, 2)) == {}


def test_flux2_ignores_qtype_te(tmp_path):
    job = compose_job("flux2", tmp_path / "data").job
    assert edit_findings_of(job) == {}
    job.process.model.qtype = "uint4"
    finding = edit_findings_of(job)["config.qtype_te"]
    assert (finding.severity, finding.wanted, finding.got) == ("warning", "uint4", "qfloat8")


def test_alpha_is_not_used_and_a_full_rank_lokr_has_none(tmp_path):
    def alpha_findings(*assignments):
        layer = Settings("a test", values=assigned_settings(assignments, "set"))
        return edit_findings_of(compose_job("kontext", tmp_path / "data", layers=[layer]).job)

    ranks = ("network.linear=64", "network.linear_alpha=32")
    finding = alpha_findings(*ranks)["config.alpha"]
    assert (finding.severity, finding.wanted, finding.got) == ("warning", "64", "32")
    assert alpha_findings(*ranks, "network.type=lokr") == {}
