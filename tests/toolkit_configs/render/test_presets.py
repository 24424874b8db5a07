"""What a preset and a model set, and that the trainer reads all of it."""

from pathlib import Path

import pytest
import yaml
from model_presets import MODEL_PRESETS, TOO_SMALL

from chromiq.errors import UsageError
from chromiq.models import MODELS
from chromiq.toolkit_configs.render.compose import compose_job
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.render.memory import GIB
from chromiq.toolkit_configs.render.presets import PRESETS
from chromiq.toolkit_configs.schema.trainer_source import section_keys

DATASET = Path("/data/set")
SIZES_GIB = (24, 32, 48, 80, 96)
SECTIONS = ("network", "save", "train", "model", "sample")


def process_of(model, preset):
    return yaml.load(render_job(model, DATASET, preset=preset), yaml.CSafeLoader)["config"]["process"][0]


@pytest.mark.parametrize(("model", "preset"), MODEL_PRESETS)
def test_every_key_of_every_config_is_one_that_the_trainer_reads(model, preset):
    process = process_of(model, preset)
    assert set(process["train"]["ema_config"]) - set(section_keys("ema_config")) == set()
    assert set(process) - set(section_keys("process")) == set()
    for section in SECTIONS:
        assert set(process[section]) - set(section_keys(section)) == set(), section
    (dataset,) = process["datasets"]
    assert set(dataset) - set(section_keys("datasets")) == set()


def test_24_gb_is_what_ai_toolkit_advises_for_kontext():
    process = process_of("kontext", "24gb")
    assert (process["network"]["linear"], process["network"]["linear_alpha"]) == (16, 16)
    assert process["model"]["quantize"] is True
    assert process["train"]["batch_size"] == 1
    assert process["datasets"][0]["resolution"] == [512, 768]
    assert process["save"]["dtype"] == "float16"


def test_more_memory_is_used_for_more_pixels_and_less_rounding():
    sizes = [process_of("kontext", f"{gib}gb") for gib in SIZES_GIB]
    sides = [max(process["datasets"][0]["resolution"]) for process in sizes]
    batches = [process["train"]["batch_size"] for process in sizes]
    assert (sides, batches) == (sorted(sides), sorted(batches))
    assert (sides[0], sides[-1]) == (768, 1328)
    assert [process["model"]["quantize"] for process in sizes] == [True, True, True, False, False]


@pytest.mark.parametrize("gib", SIZES_GIB)
@pytest.mark.parametrize("model", MODELS)
def test_a_preset_fits_its_memory_by_the_estimate_or_is_refused(model, gib):
    # FLUX.2's text encoder goes to the GPU in 16 bit, whatever is set.
    if (model, f"{gib}gb") in TOO_SMALL:
        with pytest.raises(UsageError, match=f"flux2 does not fit preset {gib}gb: it takes .* GiB"):
            compose_job(model, DATASET, preset=str(gib))
        return
    composed = compose_job(model, DATASET, preset=str(gib))
    assert composed.memory.fits(gib * GIB)
    assert composed.warning is None


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", ["qwen-image-edit-2509", "qwen-image-edit-2511"])
def test_qwen_plus_always_caches_text_and_trains_one_at_a_time(model, preset):
    train = process_of(model, preset)["train"]
    assert (train["cache_text_embeddings"], train["batch_size"]) == (True, 1)
    assert train["gradient_accumulation"] == (1 if preset == "smoke" else 2)


def test_flux2_says_what_its_text_encoder_is_quantised_to():
    process = compose_job("flux2", DATASET, preset="48gb").job.process
    assert process.model.qtype_te == process.model.qtype


@pytest.mark.parametrize("gib", SIZES_GIB)
def test_a_small_model_gives_up_neither_pixels_nor_bits_for_nothing(gib):
    composed = compose_job("flux2-klein-4b", DATASET, preset=f"{gib}gb")
    process = composed.job.process
    assert (process.model.quantize, process.model.quantize_te, process.model.low_vram) == (False,) * 3
    assert process.datasets[0].resolution == [1328]
    assert composed.memory.fits(gib * GIB)
    # Twice the size: it is rounded where only that leaves room.
    larger = compose_job("flux2-klein-9b", DATASET, preset=f"{gib}gb").job.process
    assert larger.model.quantize is (gib < 48)


def test_what_a_preset_gives_up_to_fit_is_said():
    composed = compose_job("qwen-image-edit-2511", DATASET, preset="32gb")
    process = composed.job.process
    assert process.train.cache_text_embeddings is True
    assert process.model.precision == (
        "uint3|ostris/accuracy_recovery_adapters/qwen_image_edit_2511_torchao_uint3.safetensors"
    )
    assert composed.sources["model.qtype"] == "preset 32gb, to fit"


@pytest.mark.parametrize("model", MODELS)
def test_smoke_needs_neither_a_gpu_nor_what_only_runs_on_one(model):
    process = process_of(model, "smoke")
    assert process["device"] == "cpu"
    assert process["train"]["dtype"] == process["save"]["dtype"] == "float32"
    assert process["train"]["optimizer"] == "adamw"
    assert (process["model"]["quantize"], process["model"]["quantize_te"]) == (False, False)
    assert process["train"]["disable_sampling"] is True
    assert process["train"]["steps"] <= 50


@pytest.mark.parametrize("model", ["qwen-image-edit", "qwen-image-edit-2509"])
def test_qwen_is_quantised_as_ai_toolkit_sets_it(model):
    process = process_of(model, "published")
    assert process["model"]["quantize"] is True
    assert process["model"]["quantize_te"] is True
    assert process["model"]["low_vram"] is True
    assert process["model"]["qtype"] == "qfloat8"
    assert process["sample"]["guidance_scale"] == 4


def test_a_preset_does_not_reach_the_next_config():
    before = process_of("kontext", "published")
    process_of("kontext", "smoke")
    assert process_of("kontext", "published") == before
