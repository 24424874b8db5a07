"""Keys, defaults and architectures are read from the vendored trainer's source."""

import json

import pytest

from chromiq.toolkit_configs.schema.trainer_source import (
    TrainerSource,
    differences,
    read_source,
    section_keys,
    trainer_source,
)
from chromiq.toolkit_configs.trainer.checkout import toolkit_folder

PROCESSES = (
    "jobs/process/BaseProcess.py", "jobs/process/BaseTrainProcess.py", "jobs/process/BaseSDTrainProcess.py",
    "extensions_built_in/sd_trainer/SDTrainer.py", "extensions_built_in/sd_trainer/DiffusionTrainer.py",
)  # fmt: skip


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
    assert {"flux_kontext", "wan22_14b"} <= set(trainer_source().archs)
    assert "diffusion_trainer" in trainer_source().extension_processes


@pytest.fixture
def checkout(tmp_path):
    """A few lines of each file that is read, in every form that the trainer uses."""
    names = ("Network", "Save", "Dataset", "Train", "Model", "Sample", "Logging", "Adapter", "EMA")
    body = (
        "    def __init__(self, named=1, **kwargs):\n"
        "        self.a = kwargs.get('got', 2)\n        self.b = kwargs['indexed']\n"
        "        self.d: bool = kwargs.get('other', self.a)\n"
        "        self.e = float(kwargs.get('cast', 1.0))\n"
        "        if 'asked' in kwargs: pass\n        self.c = kwargs.pop('popped')\n"
        "        other.get('not_read')\n        if self.arch == 'sdxl': pass\n"
    )
    process = (
        "class P:\n    uid = 'trainer'\n    arch = 'own'\n    def f(self):\n"
        "        self.get_conf('conf', 3)\n        self.config.get('direct')\n"
    )
    files = dict.fromkeys(PROCESSES, process)
    files["toolkit/config_modules.py"] = "".join(f"class {name}Config:\n{body}\n" for name in names)
    files["toolkit/optimizer.py"] = "if lower_type == 'adamw': pass\nlower_type.startswith('prodigy')\n"
    files["jobs/TrainJob.py"] = "process_dict = {'slider': 'TrainSliderProcess'}\n"
    files["extensions/broken.py"] = "this is no Python\n"
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


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


def test_the_file_holds_all_and_its_differences_are_told(checkout):
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
    assert read_source(folder) == trainer_source()
