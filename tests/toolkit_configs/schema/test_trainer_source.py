"""Keys, defaults and architectures are read from the vendored trainer's source."""

import json

import pytest
from trainer_files import write_trainer_files

from chromiq.toolkit_configs.schema.trainer_source import (
    TrainerSource,
    differences,
    pinned_source,
    read_source,
    section_keys,
)
from chromiq.toolkit_configs.trainer.checkout import toolkit_folder


@pytest.fixture
def checkout(tmp_path):
    write_trainer_files(tmp_path)
    return tmp_path


def test_what_every_rendered_config_uses_is_known_and_what_is_wrong_is_not():
    assert {"lr", "steps", "optimizer", "timestep_type"} <= set(section_keys("train"))
    assert {"mask_path", "mask_min_value", "control_path", "control_path_2"} <= set(section_keys("datasets"))
    assert "learning_rate" not in section_keys("train")
    assert section_keys("no such section") == {}


def test_defaults_are_constants_or_those_of_another_key():
    train = section_keys("train")
    assert (train["steps"].default, train["lr"].default) == (1000, 1e-6)
    assert train["unet_lr"].default_of == "lr"
    assert section_keys("samples")["width"].default_of == "sample.width"
    assert section_keys("datasets")["cache_latents_num_workers"].computed
    assert {"flux_kontext", "wan22_14b"} <= set(pinned_source().archs)
    assert "diffusion_trainer" in pinned_source().extension_processes


def test_keys_are_read_from_source_in_every_form(checkout):
    found = read_source(checkout)
    train = found.sections["train"]
    assert set(train) == {"named", "got", "indexed", "asked", "popped", "other", "cast"}
    assert (train["got"].kind, train["got"].default) == ("float", 2)
    assert (train["other"].kind, train["other"].default_of) == ("bool", "a")
    assert (train["cast"].kind, train["cast"].default) == ("float", 1.0)
    process = found.sections["process"]
    assert (process["conf"].default, process["direct"].default) == (3, None)
    assert (found.archs, found.legacy_archs, found.extension_processes) == (["own"], ["sdxl"], ["trainer"])
    assert (found.train_processes, found.optimizers) == (["slider"], ["adamw"])
    assert found.optimizer_prefixes == ["prodigy"]


def test_the_file_holds_all_and_its_differences_are_reported(checkout):
    before = read_source(checkout)
    assert TrainerSource.model_validate(json.loads(before.as_text())) == before
    modules = checkout / "toolkit" / "config_modules.py"
    modules.write_text(modules.read_text().replace("'got', 2", "'got', 5").replace("'asked'", "'wanted'"))
    lines = differences(before, read_source(checkout))
    assert {"train.got: default 2 -> 5", "train.wanted: new key", "train.asked: no longer read"} <= set(lines)


@pytest.mark.ai_toolkit
def test_the_committed_file_is_that_of_the_vendored_commit():
    folder = toolkit_folder()
    if not (folder / "run.py").is_file():
        pytest.skip("the vendored trainer is not checked out: git submodule update --init vendor/ai-toolkit")
    assert read_source(folder) == pinned_source().model_copy(update={"commit": ""})
