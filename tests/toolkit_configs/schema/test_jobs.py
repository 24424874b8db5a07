"""A config file is read with its types checked, ours or somebody else's."""

from pathlib import Path

import pytest
import yaml

from chromiq.errors import UnsoundError
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.jobs import read_job


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
    assert job.model_dump() == yaml.safe_load(config.read_text())
    assert job.run_folder == tmp_path / "runs" / "lab"


def test_keys_that_we_do_not_model_are_kept(config):
    def add(process):
        process["logging"] = {"log_every": 1}
        process["train"]["max_grad_norm"] = 0.5
        process["datasets"][0]["buckets"] = True

    process = read_job(changed(config, add)).process.model_dump()
    assert process["logging"] == {"log_every": 1}
    assert process["train"]["max_grad_norm"] == 0.5
    assert process["datasets"][0]["buckets"] is True


def test_numbers_that_yaml_takes_for_text_are_read_as_the_trainer_reads_them(config):
    config.write_text(config.read_text().replace("lr: 0.0001", "lr: 5e-5"))
    assert read_job(config).process.train.lr == 0.00005


def test_all_wrong_values_are_named_at_once(config):
    def spoil(process):
        process["train"].update(lr="fast", batch_size=0, steps=2.5)
        process["datasets"][0]["mask_min_value"] = 2
        process["save"]["push_to_hub"] = "perhaps"
        del process["datasets"][0]["folder_path"]

    found = faults(changed(config, spoil))
    places = ("train.lr", "train.batch_size", "train.steps", "datasets.0.mask_min_value",
              "save.push_to_hub", "datasets.0.folder_path")  # fmt: skip
    assert set(found) == {f"config.yaml: config.process.0.{place}" for place in places}
    assert found["config.yaml: config.process.0.train.lr"].got == "'fast'"


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
    "text", ["", "just words", "- 1", "job: extension", "config: {name: a, process: []}"]
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
    assert len(job.config.process) == 2
    assert job.run_folder.parent != Path("/elsewhere")
