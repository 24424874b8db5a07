"""``chromiq status`` of several runs."""

import json
from dataclasses import replace

import pytest
from run_records import a_record

from chromiq.toolkit_configs.runs.record import write_record

RECORD = a_record(name="first", engine="ai-toolkit", state="done")


@pytest.fixture
def runs(tmp_path):
    for record in (RECORD, replace(RECORD, name="second", state="failed", message="out of memory")):
        (tmp_path / "runs" / record.name).mkdir(parents=True)
        write_record(tmp_path / "runs" / record.name, record)
    return tmp_path / "runs"


def test_a_folder_of_runs_is_listed(chromiq, runs):
    listed = chromiq("status", runs)
    assert listed.code == 0
    assert [name in listed.out for name in ("first", "second", "failed")] == [True] * 3
    document = json.loads(chromiq("status", runs, "--json").out)
    assert [(run["name"], run["state"]) for run in document["runs"]] == [
        ("first", "done"),
        ("second", "failed"),
    ]


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_damaged_record_hides_no_other_run(chromiq, runs, option):
    (runs / "first" / "run.json").write_text("{")
    listed = chromiq("status", runs, *option)
    assert listed.code == 3
    assert "second" in listed.out
    assert "first/run.json: cannot be read" in listed.err


def test_several_runs_cannot_be_watched(chromiq, runs):
    refused = chromiq("status", runs, "--watch")
    assert refused.code == 2
    assert "holds several runs" in refused.err
