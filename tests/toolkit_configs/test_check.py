"""Configs are checked before anything is paid for."""

import pytest
import yaml

from toolkit_configs.check import check_config
from toolkit_configs.known_keys import keys_in_source, known_keys, known_kinds
from toolkit_configs.render import render_job
from toolkit_configs.toolkit import toolkit_folder


@pytest.fixture
def config(dataset, tmp_path):
    checkpoint = tmp_path / "tiny"
    checkpoint.mkdir()
    (checkpoint / "model_index.json").write_text("{}")
    path = tmp_path / "config.yaml"
    overrides = {"model.name_or_path": str(checkpoint)}
    path.write_text(render_job("kontext", dataset, preset="smoke", overrides=overrides))
    return path


def changed(path, change):
    document = yaml.safe_load(path.read_text())
    change(document["config"]["process"][0])
    path.write_text(yaml.safe_dump(document))
    return {finding.code: finding for finding in check_config(path)}


def test_a_rendered_config_is_sound(config):
    # At 256 squared the trainer cuts rows off, and says nothing.
    assert [finding.code for finding in check_config(config)] == ["image.cropped"]


@pytest.mark.parametrize(
    ("section", "key", "meant"),
    [("train", "learning_rat", None), ("train", "step", "steps"), ("datasets", "mask_pth", "mask_path"),
     ("sample", "sample_evry", "sample_every"), ("model", "quantise", "quantize"),
     (None, "trigger_wrd", "trigger_word")],
)  # fmt: skip
def test_a_misspelt_key_is_named_with_what_was_meant(config, section, key, meant):
    def misspell(process):
        target = process if section is None else process[section]
        (target[0] if isinstance(target, list) else target)[key] = 1

    finding = changed(config, misspell)["config.key"]
    assert finding.where.endswith(key)
    if meant:
        assert finding.cure == f"did you mean {meant}?"


def test_missing_folders_files_and_checkpoints(config):
    def spoil(process):
        process["datasets"][0]["mask_path"] = "/nowhere/masks"
        process["sample"]["samples"][0]["ctrl_img"] = "/nowhere/a.jpg"
        process["model"]["name_or_path"] = "/nowhere/kontext"

    assert {"dataset.folder", "config.sample", "model.folder"} <= set(changed(config, spoil))


def test_faults_of_the_dataset_are_found_through_the_config(config, dataset):
    (dataset / "control" / "pair1.jpg").unlink()
    assert "dataset.control" in {finding.code for finding in check_config(config)}


def test_an_existing_run_is_refused_unless_resumed(config, dataset):
    run = dataset.parent / "runs" / "chromiq_v1"
    run.mkdir(parents=True)
    (run / "chromiq_v1_000000010.safetensors").write_bytes(b"x")
    assert [f.code for f in check_config(config) if f.severity == "error"] == ["run.exists"]
    assert [f.code for f in check_config(config, resume=True) if f.severity == "error"] == []


def test_checkpoints_that_come_after_the_end_are_a_warning(config):
    finding = changed(config, lambda process: process["save"].update(save_every=500))["config.save_every"]
    assert finding.severity == "warning"


def test_known_keys_hold_what_every_rendered_config_uses_and_not_what_is_wrong():
    keys = known_keys()
    assert {"lr", "steps", "optimizer", "timestep_type"} <= keys["train"]
    assert {"mask_path", "mask_min_value", "control_path", "control_path_2"} <= keys["datasets"]
    assert "learning_rate" not in keys["train"]


def test_keys_are_read_from_source_in_every_form(tmp_path):
    source = tmp_path / "toolkit" / "config_modules.py"
    source.parent.mkdir()
    names = ("Network", "Save", "Dataset", "Train", "Model", "Sample", "Logging", "Adapter", "EMA")
    body = (
        "    def __init__(self, named=1, **kwargs):\n"
        "        self.a = kwargs.get('got', 2)\n        self.b = kwargs['indexed']\n"
        "        if 'asked' in kwargs: pass\n        self.c = kwargs.pop('popped')\n"
        "        other.get('not_read')\n"
    )
    source.write_text(
        "".join(f"class {name}Config:\n{body}\n" for name in names) + f"class SampleItem:\n{body}"
    )
    process = "class P:\n    def f(self):\n        self.get_conf('conf')\n        self.config.get('direct')\n"
    for path in (
        "jobs/process/BaseProcess.py", "jobs/process/BaseTrainProcess.py",
        "jobs/process/BaseSDTrainProcess.py",
        "extensions_built_in/sd_trainer/SDTrainer.py", "extensions_built_in/sd_trainer/DiffusionTrainer.py",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(process)
    found = keys_in_source(tmp_path)
    assert set(found["train"]) == {"named", "got", "indexed", "asked", "popped"}
    assert found["train"]["got"] == "float"
    assert {"conf", "direct"} <= set(found["process"])


@pytest.mark.ai_toolkit
def test_the_committed_keys_are_those_of_the_vendored_commit():
    folder = toolkit_folder()
    if not (folder / "run.py").is_file():
        pytest.skip("the vendored trainer is not checked out: git submodule update --init vendor/ai-toolkit")
    assert keys_in_source(folder) == known_kinds()
