"""A config file is read as AI-Toolkit reads it, whoever wrote it."""

import json
from pathlib import Path

import pytest
import yaml

from chromiq.errors import UnsoundError
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import examine_job, read_job


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(render_job("kontext", tmp_path / "dataset", name="lab"))
    return path


def changed(path, change):
    document = yaml.safe_load(path.read_text())
    change(document["config"]["process"][0])
    path.write_text(yaml.safe_dump(document))
    return path


def faults(path):
    with pytest.raises(UnsoundError) as caught:
        read_job(path)
    return {finding.where: finding for finding in caught.value.findings}


def test_what_was_rendered_is_read(config, tmp_path):
    job = read_job(config)
    assert job.document == yaml.safe_load(config.read_text())
    assert job.run_folder == tmp_path / "runs" / "lab"


def test_keys_that_are_not_modelled_are_read_too(config):
    def add(process):
        process["logging"] = {"log_every": 1}
        process["train"]["max_grad_norm"] = 0.5

    process = read_job(changed(config, add)).process
    assert process.logging["log_every"] == 1
    assert process.train.max_grad_norm == 0.5
    assert process.datasets[0].buckets is True


def test_what_is_left_out_is_the_trainer_s_default(tmp_path):
    """Figures as read in the trainer's config_modules.py."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "job: extension\nconfig:\n  name: a\n  process:\n  - type: sd_trainer\n    training_folder: /runs\n"
        "    network: {}\n    datasets: [{folder_path: /data}]\n    model: {name_or_path: owner/model}\n"
    )
    process = read_job(path).process
    train, save, dataset = process.train, process.save, process.datasets[0]
    assert (train.steps, train.lr, train.batch_size, train.optimizer) == (1000, 1e-6, 1, "adamw")
    assert (train.timestep_type, train.dtype, train.noise_scheduler) == ("sigmoid", "fp32", "ddpm")
    assert (dataset.resolution, dataset.mask_min_value, dataset.cache_latents_to_disk) == ([512], 0.0, False)
    assert (process.network.linear, process.network.linear_alpha) == (4, 1.0)
    assert (save.save_every, save.max_step_saves_to_keep, save.dtype) == (1000, 5, "float16")
    assert (process.model.arch, process.sqlite_db_path) == ("sd1", "./aitk_db.db")


@pytest.mark.parametrize(
    ("dataset", "controls"),
    [
        ({"control_path": "/c"}, ["/c"]),
        ({"control_path": ["/c", "/d"]}, ["/c", "/d"]),
        ({}, []),
        ({"control_path": None, "control_path_1": "/c", "control_path_3": "/e"}, ["/c", "/e"]),
        ({"control_path": ""}, []),
    ],
)
def test_controls_in_every_form(config, dataset, controls):
    def give(process):
        del process["datasets"][0]["control_path"]
        process["datasets"][0] |= dataset

    assert read_job(changed(config, give)).process.datasets[0].control_paths == controls


def test_old_spellings_forms_of_samples_and_null(config):
    def rewrite(process):
        del process["network"]["linear"]
        process["network"]["rank"] = 8
        process["train"].update(gradient_accumulation_steps=4, ema_config=None)
        process["sample"].update(sample_every=None, prompts=["red --ctrl_img /c/1.jpg --w 64", "blue"])
        del process["sample"]["samples"]
        process["datasets"][0].update(resolution=768, caption_ext="caption", default_caption=None)
        process["model"].update(arch="qwen_image_edit_plus:2511", qtype="uint3|owner/adapter.safetensors")

    process = read_job(changed(config, rewrite)).process
    assert (process.network.linear, process.train.gradient_accumulation_steps) == (8, 4)
    assert process.sample.sample_every == 0
    assert [each.control_images for each in process.sample.samples] == [{"ctrl_img": "/c/1.jpg"}, {}]
    assert (process.datasets[0].resolution, process.datasets[0].caption_ext) == ([768], ".caption")
    assert (process.model.arch, process.model.trainer_arch) == (
        "qwen_image_edit_plus:2511",
        "qwen_image_edit_plus",
    )
    assert (process.model.qtype, process.model.precision) == ("uint3", "uint3|owner/adapter.safetensors")


def test_json_variables_and_the_name(config, monkeypatch):
    document = yaml.safe_load(config.read_text())
    document["config"]["process"][0]["training_folder"] = "${MY_RUNS}/[name]"
    path = config.with_suffix(".json")
    path.write_text(json.dumps(document))
    monkeypatch.setenv("MY_RUNS", "/runs")
    assert read_job(path).process.training_folder == "/runs/lab"
    monkeypatch.delenv("MY_RUNS")
    (finding,) = faults(path).values()
    assert (finding.code, finding.where) == ("config.variable", "config.json: ${MY_RUNS}")


def test_one_fault_does_not_hide_the_rest(config):
    job, findings = examine_job(changed(config, lambda process: process["train"].update(lr="fast", steps=30)))
    assert [finding.message for finding in findings] == ["must be a number, not 'fast'"]
    assert (job.process.train.lr, job.process.train.steps) == (1e-6, 30)


def test_numbers_that_yaml_takes_for_text_are_read_as_the_trainer_reads_them(config):
    config.write_text(config.read_text().replace("lr: 0.0001", "lr: 5e-5"))
    assert read_job(config).process.train.lr == 0.00005


def test_all_wrong_values_are_named_at_once(config):
    def spoil(process):
        process["train"].update(lr="fast", batch_size=0, steps=2.5)
        process["save"]["save_format"] = "ckpt"
        process["datasets"][0]["caption_dropout_rate"] = "often"
        process["model"]["name_or_path"] = None

    found = faults(changed(config, spoil))
    places = (
        "train.lr",
        "train.batch_size",
        "train.steps",
        "save.save_format",
        "model.name_or_path",
        "datasets.0.caption_dropout_rate",
    )
    assert set(found) == {f"config.yaml: {place}" for place in places}
    assert found["config.yaml: train.lr"].message == "must be a number, not 'fast'"


@pytest.mark.parametrize(
    "text", [b"a: [1,", b"\xff\xfe\x00", b"a: !!python/object/apply:os.getcwd []", b"a: 1\n---\nb: 2\n"]
)
def test_what_is_no_yaml_is_refused_with_its_file_named(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    (finding,) = faults(path).values()
    assert finding.code == "config.unreadable"
    assert finding.where == str(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "no.yaml", tmp_path):
        (finding,) = faults(path).values()
        assert finding.code == "config.unreadable"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- 1",
        "job: extension",
        "job: [a]\nconfig: {name: a, process: [{type: [b]}]}",
        "config: {name: a, process: []}",
    ],
)
def test_yaml_that_is_no_job_is_refused(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert all(finding.code == "config.value" for finding in faults(path).values())


def test_a_job_with_several_processes_trains_the_first(config):
    document = yaml.safe_load(config.read_text())
    second = {**document["config"]["process"][0], "training_folder": "/elsewhere"}
    document["config"]["process"].append(second)
    config.write_text(yaml.safe_dump(document))
    job = read_job(config)
    assert len(job.document["config"]["process"]) == 2
    assert job.run_folder.parent != Path("/elsewhere")


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        ("train", {"unload_text_encoder": True}, "train.unload_text_encoder"),
        (
            "train",
            {"gradient_accumulation": 2, "gradient_accumulation_steps": 2},
            "train.gradient_accumulation_steps",
        ),
        (
            "train",
            {"diff_output_preservation": True, "blank_prompt_preservation": True},
            "train.blank_prompt_preservation",
        ),
        ("train", {"bypass_guidance_embedding": True, "do_guidance_loss": True}, "train.do_guidance_loss"),
        ("model", {"attn_masking": True}, "model.attn_masking"),
        ("save", {"save_format": "ckpt"}, "save.save_format"),
    ],
)
def test_what_the_trainer_s_constructors_refuse(config, section, values, key):
    def change(process):
        process["model"]["arch"] = "qwen_image_edit"
        process["trigger_word"] = "chromiq"
        process[section] |= values

    assert f"config.yaml: {key}" in faults(changed(config, change))
