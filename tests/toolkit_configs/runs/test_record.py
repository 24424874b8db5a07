"""The record of a run."""

from pathlib import Path

from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.runs.record import dataset_digest
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
