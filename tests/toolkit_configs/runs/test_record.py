"""The record of a run."""

from dataclasses import replace
from pathlib import Path

import pytest

from chromiq.errors import UsageError
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.record import (
    RunRecord,
    config_of,
    dataset_digest,
    read_record,
    write_record,
    written_config_of,
)
from chromiq.toolkit_configs.schema.trainer_job import read_job


def test_files_that_the_trainer_leaves_in_a_dataset_do_not_change_its_digest(dataset, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(render_job("kontext", dataset, preset="smoke", name="run"))
    job = read_job(config)
    before = dataset_digest(job)
    (dataset / "gt" / ".aitk_size.json").write_text("{}")
    assert dataset_digest(job) == before
    caption = next(Path(dataset / "gt").glob("*.txt"))
    caption.write_text(caption.read_text() + " again")
    assert dataset_digest(job) != before


def test_a_session_keeps_what_an_audit_asks_for_and_old_records_load(tmp_path):
    record = RunRecord(
        "run", "smoke", "failed", 1, "12:00", "13:00", 9, "c.yaml", "c", "d", {"torch": "2"}, "cpu"
    )
    kept = record.as_session()
    assert (kept["state"], kept["started"], kept["versions"]) == ("failed", "12:00", {"torch": "2"})
    assert kept.keys() & {"process", "checkpoints", "config", "sessions"} == set()
    write_record(tmp_path, replace(record, sessions=({"state": "done", "of_an_old_version": 1},)))
    assert read_record(tmp_path).sessions == ({"state": "done", "of_an_old_version": 1},)


def test_a_record_of_another_version_is_refused_with_the_reason(tmp_path):
    record = RunRecord("run", "smoke", "paused", 1, "12:00", None, 9, "c.yaml", "c", "d", {}, "cpu")
    write_record(tmp_path, record)
    with pytest.raises(UsageError, match=r"cannot be read: state must be 'running'.*update chromiq"):
        read_record(tmp_path)


def test_a_record_that_is_a_folder_is_refused_with_the_reason(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(UsageError, match=r"run\.json: cannot be read: is a directory\. Make it readable"):
        read_record(tmp_path)


def test_the_trainer_s_copy_of_a_config_says_what_was_trained_and_another_what_was_written(tmp_path):
    record = RunRecord("run", "ai-toolkit", "done", 1, "", "", 9, "gone.yml", "c", "d", {}, "cpu")
    assert config_of(tmp_path, record) is None
    written, trainers = tmp_path / "config_as_written.yml", tmp_path / "config.yaml"
    written.touch()
    assert config_of(tmp_path, record) == written_config_of(tmp_path, record) == written
    trainers.touch()
    assert (config_of(tmp_path, record), written_config_of(tmp_path, record)) == (trainers, written)


def test_a_run_of_the_trainer_alone_is_refused_with_the_command_that_takes_its_loras(tmp_path):
    (tmp_path / "my_lora.safetensors").touch()
    with pytest.raises(UsageError, match=r"it has no run\.json.* compared by chromiq evaluate"):
        read_record(tmp_path)
