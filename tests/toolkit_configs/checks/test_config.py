"""Configs are checked before anything is paid for."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chromiq.photos.images import read_photo, write_mask
from chromiq.toolkit_configs.checks.config import examine_config
from chromiq.toolkit_configs.checks.data import crop_lines, mask_weights
from chromiq.toolkit_configs.checks.machine import disk_findings, disk_need, gpu_findings
from chromiq.toolkit_configs.render.compose import compose_job
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.render.memory import GIB, estimate_memory
from chromiq.toolkit_configs.render.settings import Settings, assigned_settings
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.trainer.devices import Gpu


@pytest.fixture
def config(dataset, tmp_path):
    checkpoint = tmp_path / "tiny"
    checkpoint.mkdir()
    (checkpoint / "model_index.json").write_text("{}")
    path = tmp_path / "config.yaml"
    overrides = {"model.name_or_path": str(checkpoint), "dataset.resolution": "[1328]", "train.steps": "20"}
    path.write_text(render_job("kontext", dataset, preset="smoke", overrides=overrides))
    return path


def changed(path, change):
    document = yaml.load(path.read_text(), yaml.CSafeLoader)
    change(document["config"]["process"][0])
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper))
    return {finding.code: finding for finding in examine_config(path).findings}


def test_a_rendered_config_is_sound(config):
    assert examine_config(config).findings == ()


def test_a_job_that_trains_nothing_is_not_called_sound(tmp_path):
    config = tmp_path / "config.yaml"
    process = {"type": "rescale_lora", "input_path": "no.safetensors"}
    config.write_text(yaml.safe_dump({"job": "mod", "config": {"name": "a", "process": [process]}}))
    (finding,) = examine_config(config).findings
    assert (finding.code, finding.severity) == ("config.unchecked", "warning")
    assert finding.message == "a process 'rescale_lora' of the 'mod' job trains no LoRA, and was not checked"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [found.code for found in examine_config(tmp_path / "pipe.yaml").findings] == ["config.unreadable"]


@pytest.mark.parametrize("value", ["/x" * 3000, ["/x", "/x" * 3000]])
@pytest.mark.parametrize("key", ["folder_path", "control_path"])
def test_a_path_that_no_file_system_takes_is_named(config, key, value):
    def change(process):
        process["datasets"][0][key] = value
        process["train"]["steps"] = -3

    found = changed(config, change)
    assert found["config.setting"].where == "config.yaml: train.steps"
    assert found["config.path"].where == f"config.yaml: datasets.0.{key}"
    assert len(found["config.path"].message) < 120


@pytest.mark.parametrize(
    ("section", "key", "meant"),
    [
        ("train", "learning_rat", None),
        ("train", "step", "steps"),
        ("datasets", "mask_pth", "mask_path"),
        ("sample", "sample_evry", "sample_every"),
        ("model", "quantise", "quantize"),
        (None, "trigger_wrd", "trigger_word"),
    ],
)
def test_a_misspelt_key_is_named_with_what_was_meant(config, section, key, meant):
    def misspell(process):
        target = process if section is None else process[section]
        (target[0] if isinstance(target, list) else target)[key] = 1

    finding = changed(config, misspell)["config.key"]
    assert finding.severity == "warning"
    assert finding.where.endswith(key)
    if meant:
        assert finding.hint == f"Did you mean {meant}?"


@pytest.mark.parametrize(
    ("section", "key", "place"),
    [
        ("sample", "skip_first_sample", "train"),
        ("train", "quantize", "model"),
        ("model", "mask_path", "the dataset"),
        ("train", "trigger_word", "the process"),
    ],
)
def test_a_key_that_another_section_reads_is_to_be_moved(config, section, key, place):
    found = changed(config, lambda process: process[section].update({key: None}))
    assert found["config.key"].hint == f"Move it to {place}."


def test_a_key_of_other_trainers_is_translated(config):
    found = changed(config, lambda process: process["train"].update(learning_rate=1e-4))
    assert found["config.key"].hint == "Did you mean lr?"


def test_a_place_for_anchors_is_no_unknown_key(config):
    text = config.read_text()
    config.write_text("x-common: &common\n  cache_latents: true\n" + text)
    assert "config.key" not in {finding.code for finding in examine_config(config).findings}


def test_a_mapping_where_a_plain_value_belongs_is_no_section(config):
    found = changed(config, lambda process: process.update(adapter={"train": {"own": 1}}))
    assert found["config.kind"].where.endswith("adapter.train")
    assert "config.key" not in found


def test_missing_folders_files_and_checkpoints(config):
    def spoil(process):
        process["datasets"][0]["mask_path"] = "/nowhere/masks"
        process["sample"]["samples"][0]["ctrl_img"] = "/nowhere/a.jpg"
        process["train"]["disable_sampling"] = False
        process["model"]["name_or_path"] = "/nowhere/kontext"

    assert {"dataset.folder", "config.sample", "model.folder"} <= set(changed(config, spoil))


def test_faults_of_the_dataset_are_found_through_the_config(config, dataset):
    (dataset / "control" / "pair1.jpg").unlink()
    assert "dataset.control" in {finding.code for finding in examine_config(config).findings}


def test_an_existing_run_is_refused_unless_resumed(config, dataset):
    run = dataset.parent / "runs" / "chromiq_v1"
    run.mkdir(parents=True)
    (run / "chromiq_v1_000000010.safetensors").write_bytes(b"x")
    assert [f.code for f in examine_config(config).findings if f.severity == "error"] == ["run.exists"]
    assert [f.code for f in examine_config(config, resume=True).findings if f.severity == "error"] == []


def test_checkpoints_that_come_after_the_end_are_a_warning(config):
    finding = changed(config, lambda process: process["save"].update(save_every=500))["config.save_every"]
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    ("section", "key", "value", "code", "said", "severity"),
    [
        ("train", "timestep_type", "wieghted", "config.choice", "Did you mean weighted?", "warning"),
        ("train", "optimizer", "adamw8bits", "config.choice", "Did you mean adamw8bit?", "error"),
        ("train", "dtype", "bfloat1", "config.choice", "Did you mean bfloat16?", "error"),
        ("model", "arch", "flux_kontex", "config.choice", "Did you mean flux_kontext?", "error"),
        ("train", "max_grad_norm", "high", "config.kind", "Fix", "warning"),
        ("train", "steps", "20", "config.value", "Fix", "error"),
        ("model", "quantize", "false", "config.kind", "Fix", "warning"),
        ("logging", "use_ui_logger", "maybe", "config.kind", "Fix", "warning"),
    ],
)
def test_words_and_kinds_that_the_trainer_reads_otherwise(config, section, key, value, code, said, severity):
    finding = changed(config, lambda process: process.setdefault(section, {}).update({key: value}))[code]
    assert finding.where == f"config.yaml: {section}.{key}"
    assert finding.severity == severity
    assert said in finding.hint


def test_numbers_as_the_trainer_reads_them_are_no_fault(config):
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 1e-3\n      max_grad_norm: 5e-1"))
    assert examine_config(config).findings == ()


def test_a_key_that_stands_twice_and_a_variable_that_the_trainer_lacks(config):
    text = config.read_text().replace("      steps: 20", "      steps: 20\n      steps: 30")
    config.write_text(text.replace('default_caption: ""', 'default_caption: "${MY_CAPTION}"'))
    found = {finding.code: finding for finding in examine_config(config).findings}
    assert found["config.twice"].where == "config.yaml: train.steps"
    assert found["config.variable"].where == "config.yaml: ${MY_CAPTION}"


def test_faults_of_keys_and_types_come_together(config):
    def spoil(process):
        process["train"].update(lr="fast", stepz=1)

    assert {"config.key", "config.value"} <= set(changed(config, spoil))


def test_what_buckets_cut_off_is_reported(config):
    found = changed(config, lambda process: process["datasets"][0].update(resolution=[1328, 1024, 512]))
    assert found["image.cropped"].severity == "warning"
    assert examine_config(config).data.crops[1] == (
        "3 x 1328x800 is trained at 1328x784, 16 of 800 rows cut off"
    )


def test_qwen_s_buckets_are_multiples_of_32():
    assert crop_lines(Counter({(1328, 800): 2}), [1328], 32) == [
        "2 x 1328x800 is trained at 1312x800, 16 of 1328 columns cut off"
    ]


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=40),
    st.lists(st.integers(0, 255), min_size=1, max_size=40),
    st.floats(0.01, 1),
)
def test_weights_are_those_of_the_trainer_s_normalisation(first, second, min_value):
    shares = [sum(values) / len(values) / 255 for values in (first, second)]
    found = mask_weights(shares, min_value)
    for white in (0.0, 1.0):
        # As the trainer does it: to min..1, then divided by the mean of a batch of both masks.
        mean = sum(min_value + (1 - min_value) * share for share in shares) / 2
        weight = (min_value + (1 - min_value) * white) / mean
        assert weight == pytest.approx(found.white if white else found.black)
    assert found.heaviest >= found.white - 1e-9


def test_masks_that_weigh_too_much_or_too_little_are_warned_about(config, dataset):
    light = changed(config, lambda process: process["datasets"][0].update(mask_min_value=0.6))
    assert light["mask.light"].severity == "warning"
    changed(config, lambda process: process["datasets"][0].update(mask_min_value=0.0))
    for path in (dataset / "masks").glob("*.png"):
        mask = np.zeros((800, 1328), np.uint8)
        mask[300:400, 900:1000] = 255
        write_mask(path, mask)
    found = {finding.code: finding for finding in examine_config(config).findings}
    assert "106.2 times the mean" in found["mask.heavy"].message
    assert "mask.light" not in found


def test_steps_are_held_against_the_dataset(config):
    assert changed(config, lambda process: process["train"].update(steps=2, batch_size=1))["config.epochs"]
    many = changed(config, lambda process: process["train"].update(steps=2000))["config.epochs"]
    assert many.hint.startswith("Lower it")
    changed(config, lambda process: process["train"].update(steps=600, batch_size=2))
    assert examine_config(config).data.epochs == pytest.approx(600 * 2 / 3)


def test_a_resumed_run_needs_more_steps_than_are_done(config, dataset):
    run = dataset.parent / "runs" / "chromiq_v1"
    run.mkdir(parents=True)
    (run / "chromiq_v1_000000020.safetensors").write_bytes(b"x")
    assert [finding.code for finding in examine_config(config, resume=True).findings] == ["run.done"]


def test_a_name_that_leads_elsewhere_is_refused(config):
    config.write_text(config.read_text().replace('name: "chromiq_v1"', 'name: "../../elsewhere"', 1))
    (finding,) = (found for found in examine_config(config).findings if found.severity == "error")
    assert (finding.code, finding.message) == (
        "config.name",
        "'../../elsewhere' cannot name a folder: it is a path",
    )


def test_a_process_name_decides_the_folder_and_not_the_files(config, dataset):
    changed(config, lambda process: process.update(name="../../elsewhere"))
    (finding,) = (found for found in examine_config(config).findings if found.severity == "error")
    assert finding.code == "config.name"
    changed(config, lambda process: process.update(name="other"))
    assert read_job(config).run_folder == dataset.parent / "runs" / "other"
    (dataset.parent / "runs" / "other").mkdir(parents=True)
    (dataset.parent / "runs" / "other" / "chromiq_v1_000000020.safetensors").write_bytes(b"x")
    assert "run.exists" in [finding.code for finding in examine_config(config).findings]


def test_an_empty_base_model_is_an_error_as_a_missing_one_is(config):
    for value in ("", None):
        findings = changed(config, lambda process, value=value: process["model"].update(name_or_path=value))
        (message,) = (each.message for each in findings.values() if each.where.endswith("name_or_path"))
        assert message == "no base model is named"


@pytest.mark.parametrize("controls", ["gt/", "control/../gt"])
def test_targets_as_their_own_controls_are_a_warning(config, dataset, controls):
    found = changed(
        config, lambda process: process["datasets"][0].update(control_path=f"{dataset}/{controls}")
    )
    assert found["config.controls"].severity == "warning"
    assert found["config.controls"].message.startswith("is the targets' own folder")


def test_a_fault_in_a_dataset_is_not_called_a_lack_of_datasets(config):
    found = changed(config, lambda process: process["datasets"][0].update(resolution="1024"))
    assert "config.value" in found
    assert "config.datasets" not in found


@pytest.mark.skipif(os.name == "nt", reason="there it is an ordinary path")
def test_runs_on_a_drive_of_windows_are_a_warning(config):
    found = changed(config, lambda process: process.update(training_folder="D:\\ai-toolkit\\output"))
    assert found["config.path"].where == "config.yaml: training_folder"
    assert found["config.path"].severity == "warning"
    assert found["config.path"].message.startswith("D:\\ai-toolkit\\output is a path of Windows")


@pytest.mark.parametrize("folder", ["//mnt/data/runs", "a:b"])
def test_colons_and_two_slashes_make_no_path_of_windows(config, folder):
    found = changed(config, lambda process: process.update(training_folder=folder))
    assert "config.path" not in found


def test_controls_fit_the_model(config):
    one = changed(config, lambda process: process["model"].update(arch="flux2"))
    assert one["config.controls"].message == "one folder, so the model sees no still-life"


AS_PUBLISHED = Settings("a test", values=assigned_settings(["train.steps=10000"], "set"))


class TestDisk:
    def test_latents_checkpoints_and_samples_are_counted(self, dataset):
        job = compose_job("kontext", dataset, layers=[AS_PUBLISHED]).job
        need = disk_need(job, {(1328, 800): 60})
        # Kontext: 16 channels at an eighth of each side, 2 bytes each.
        assert need.latents == 60 * 166 * 100 * 16 * 2
        lora = 32 * 5_369_856
        assert need.checkpoints == pytest.approx(51 * (lora * 2 + 100_000) + lora * 2)
        assert need.samples > 41 * 2 * 1328 * 800 * 0.2

    def test_a_disk_that_is_too_small_is_reported(self, dataset, monkeypatch):
        job = compose_job("kontext", dataset, layers=[AS_PUBLISHED]).job
        # Stands for a disk with 1 GB left.
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**9}))
        (finding,) = disk_findings(job, disk_need(job, {(1328, 800): 60}))
        assert finding.code == "run.disk"
        assert finding.message.startswith("1.0 GB free")
        assert "take about 18." in finding.message


class TestGpu:
    def findings(self, gpus, device="cuda", preset="published"):
        composed = compose_job("kontext", Path("/data/set"), preset=preset)
        job = composed.job
        job.process.device = device
        return gpu_findings(job, composed.memory, "config.yaml", gpus)

    @pytest.mark.parametrize("layer_offloading", [False, True])
    @pytest.mark.parametrize("share", [None, "auto"])
    def test_a_share_that_is_no_number_counts_as_all(self, layer_offloading, share):
        job = compose_job("kontext", Path("/data/set"), preset="published").job
        job.process.model.layer_offloading = layer_offloading
        as_default = estimate_memory(job)
        job.process.model.model_extra["layer_offloading_transformer_percent"] = share
        assert estimate_memory(job) == as_default

    def test_none_seen(self):
        (finding,) = self.findings([])
        assert finding.code == "machine.gpu"
        assert "training takes about 44." in finding.message

    def test_too_small_names_the_preset_that_fits(self):
        (finding,) = self.findings([Gpu("RTX 4090", 24564 * 2**20, 24000 * 2**20)])
        assert finding.code == "machine.memory"
        assert "the preset 24gb" in finding.hint

    def test_large_enough(self):
        gpus = [Gpu("RTX 4090", 24564 * 2**20, 24000 * 2**20)]
        assert self.findings(gpus, preset="24gb") == []
        assert self.findings([Gpu("H100", 80 * GIB, 79 * GIB)]) == []

    def test_in_use(self):
        (finding,) = self.findings([Gpu("H100", 80 * GIB, 20 * GIB)])
        assert finding.code == "machine.busy"

    def test_devices(self):
        gpus = [Gpu("H100", 80 * GIB, 79 * GIB)]
        (missing,) = self.findings(gpus, "cuda:1")
        assert (missing.code, missing.severity) == ("machine.gpu", "error")
        assert [finding.code for finding in self.findings(gpus, "cuda0")] == ["config.device"]
        assert self.findings([], "cpu") == []

    @pytest.mark.parametrize("device", ["cuda:0,cuda:1", "cuda:0,1", "0", "gpu"])
    def test_one_run_trains_on_one_device(self, device):
        (finding,) = self.findings([Gpu("H100", 80 * GIB, 79 * GIB)] * 2, device)
        assert (finding.code, finding.severity) == ("config.device", "error")
        assert "sweep-train" in finding.hint


class TestOthersConfigs:
    """A hand-made dataset and a config as AI-Toolkit's examples have it."""

    @pytest.fixture
    def by_hand(self, dataset):
        """A built dataset without all that only chromiq writes."""
        for name in ("manifest.jsonl", ".chromiq/build.json"):
            (dataset / name).unlink(missing_ok=True)
        return dataset

    @pytest.fixture
    def example(self, by_hand, tmp_path):
        checkpoint = tmp_path / "tiny"
        checkpoint.mkdir()
        (checkpoint / "model_index.json").write_text("{}")
        process = {
            "type": "sd_trainer",
            "training_folder": str(tmp_path / "output"),
            "device": "cpu",
            "network": {"type": "lora", "linear": 16, "linear_alpha": 16},
            "save": {"dtype": "float16", "save_every": 250, "max_step_saves_to_keep": 4},
            "datasets": [
                {
                    "folder_path": str(by_hand / "gt"),
                    "control_path": str(by_hand / "control"),
                    "caption_ext": "txt",
                    "resolution": [512, 768],
                }
            ],
            "train": {
                "batch_size": 1,
                "steps": 1000,
                "lr": 1e-4,
                "optimizer": "adamw",
                "dtype": "bf16",
                "noise_scheduler": "flowmatch",
                "gradient_accumulation_steps": 1,
            },
            "model": {"name_or_path": str(checkpoint), "arch": "flux_kontext"},
            "sample": {
                "sampler": "flowmatch",
                "sample_every": 250,
                "prompts": [f"red --ctrl_img {by_hand / 'control' / 'pair1.jpg'}"],
            },
        }
        path = tmp_path / "example.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "job": "extension",
                    "config": {"name": "mine", "process": [process]},
                    "meta": {"name": "[name]", "version": 1.0},
                }
            )
        )
        return path

    def test_it_has_no_findings(self, example):
        assert [str(finding) for finding in examine_config(example).findings] == []

    def test_a_wrong_value_hides_no_other_check(self, example, by_hand):
        (by_hand / "control" / "pair1.jpg").unlink()
        found = changed(example, lambda process: process["train"].update(steps="many"))
        assert {"config.value", "dataset.control", "config.sample"} <= set(found)

    def test_a_rate_left_out_trains_nothing_and_is_reported(self, example):
        found = changed(example, lambda process: process["train"].pop("lr"))
        assert "AI-Toolkit takes 1e-06" in found["config.setting"].message

    def test_what_may_be_meant_is_one_warning_for_each_kind(self, example, by_hand):
        for path in (by_hand / "gt").glob("*.txt"):
            path.unlink()
        (finding,) = examine_config(example).findings
        assert (finding.code, finding.severity) == ("caption.missing", "warning")
        assert "2 more like it" in finding.message

    @pytest.mark.parametrize(
        ("arch", "extra"), [("wan22_14b:t2v", {"num_frames": 41}), ("sdxl", {}), ("qwen_image", {})]
    )
    def test_models_that_chromiq_does_not_know(self, example, arch, extra):
        def other(process):
            process["model"]["arch"] = arch
            del process["datasets"][0]["control_path"]
            process["datasets"][0] |= extra
            process["train"]["noise_scheduler"] = "ddpm"

        assert changed(example, other) == {}
        missing = changed(example, lambda process: process["datasets"][0].update(folder_path="/nowhere"))
        assert missing["dataset.folder"].severity == "error"

    @pytest.mark.parametrize(
        ("arch", "kwargs", "found"),
        [
            ("flux2_klein_4b", {}, set()),
            ("krea2", {}, set()),
            ("krea2:o_edit", {"edit": True}, {"config.controls", "config.sample"}),
            ("flux_kontext", {}, {"config.controls", "config.sample"}),
        ],
    )
    def test_controls_are_missed_only_where_the_model_edits(self, example, arch, kwargs, found):
        def without_controls(process):
            del process["datasets"][0]["control_path"]
            process["model"].update(arch=arch, model_kwargs=kwargs)
            process["sample"]["prompts"] = ["red"]

        assert set(changed(example, without_controls)) == found

    def test_krea2_is_shown_no_controls_unless_it_edits(self, example):
        found = changed(example, lambda process: process["model"].update(arch="krea2:o_edit"))
        assert found["config.edit"].hint == "Set model.model_kwargs.edit to true."

    def test_a_sampler_that_is_not_used_is_no_fault(self, example):
        def no_samples(process):
            del process["sample"]
            process["train"]["disable_sampling"] = True

        assert changed(example, no_samples) == {}

    def test_weights_beside_the_base_model_are_looked_for(self, example, tmp_path):
        def names(process):
            process["model"].update(
                vae_path=str(tmp_path / "vae"), assistant_lora_path="owner/lora/a.safetensors"
            )
            process["network"]["pretrained_lora_path"] = str(tmp_path / "start.safetensors")

        changed(example, names)
        found = {each.where.rpartition(" ")[2]: each.severity for each in examine_config(example).findings}
        assert found == {"model.vae_path": "warning", "network.pretrained_lora_path": "error"}
        for name in ("vae", "start.safetensors"):
            (tmp_path / name).touch()
        assert examine_config(example).findings == ()

    @pytest.mark.parametrize(
        ("kind", "needed"), [("image_reference_slider_trainer", False), ("concept_slider", True)]
    )
    def test_which_processes_train_on_datasets(self, example, kind, needed):
        def other(process):
            process.update(type=kind, datasets=[], slider={})
            process["model"]["arch"] = "sdxl"

        assert ("config.datasets" in changed(example, other)) == needed

    def test_a_slider_has_no_dataset(self, example):
        document = yaml.safe_load(example.read_text())
        process = document["config"]["process"][0]
        process |= {"type": "slider", "datasets": None, "slider": {"targets": []}}
        process["model"]["arch"] = "sdxl"
        document["job"] = "train"
        document["config"]["training_folder"] = process.pop("training_folder")
        example.write_text(yaml.safe_dump(document))
        assert examine_config(example).findings == ()

    def test_masks_that_are_black_where_to_train(self, example, by_hand):
        for path in (by_hand / "masks").glob("*.png"):
            write_mask(path, 255 - read_photo(path).rgb[..., 0])
        masks = {"mask_path": str(by_hand / "masks")}
        found = changed(example, lambda process: process["datasets"][0].update(masks))
        assert found["mask.inverted"].severity == "warning"
        found = changed(example, lambda process: process["datasets"][0].update(masks, invert_mask=True))
        assert set(found) == {"config.setting"}
