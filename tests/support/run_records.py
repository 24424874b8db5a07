"""A record of a run that no engine trained."""

from chromiq.toolkit_configs.runs.record import RunRecord


def a_record(**values):
    """The record of a run of 20 steps, with some of its values."""
    usual = {
        "name": "r",
        "engine": "smoke",
        "state": "running",
        "process": 1,
        "started": "2026-01-01T00:00:00+00:00",
        "ended": None,
        "total_steps": 20,
        "config": "c.yaml",
        "config_sha256": "",
        "dataset_sha256": "",
        "versions": {},
        "device": "cpu",
    }
    return RunRecord(**{**usual, **values})
