"""What a preset and a model set, and that the trainer reads all of it."""

from pathlib import Path

import pytest
import yaml

from toolkit_configs.known_keys import known_keys
from toolkit_configs.presets import MODELS, PRESETS
from toolkit_configs.render import render_job

DATASET = Path("/data/set")
SECTIONS = ("network", "save", "train", "model", "sample")


def process_of(model, preset):
    return yaml.safe_load(render_job(model, DATASET, preset=preset))["config"]["process"][0]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", MODELS)
def test_every_key_of_every_config_is_one_that_the_trainer_reads(model, preset):
    process, known = process_of(model, preset), known_keys()
    assert set(process) - known["process"] == set()
    for section in SECTIONS:
        assert set(process[section]) - known[section] == set(), section
    (dataset,) = process["datasets"]
    assert set(dataset) - known["datasets"] == set()


def test_24_gb_is_what_ai_toolkit_advises_for_kontext():
    process = process_of("kontext", "24gb")
    assert (process["network"]["linear"], process["network"]["linear_alpha"]) == (16, 16)
    assert process["model"]["quantize"] is True
    assert process["train"]["batch_size"] == 1
    assert process["datasets"][0]["resolution"] == [512, 768]
    assert process["save"]["dtype"] == "float16"


def test_more_memory_is_used_for_more_pixels_and_less_rounding():
    small, middle, large = (process_of("kontext", preset) for preset in ("24gb", "48gb", "80gb"))
    sides = [max(process["datasets"][0]["resolution"]) for process in (small, middle, large)]
    assert sides == sorted(set(sides))
    assert [process["model"]["quantize"] for process in (small, middle, large)] == [True, True, False]
    assert [process["network"]["linear"] for process in (small, middle, large)] == [16, 32, 32]


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
