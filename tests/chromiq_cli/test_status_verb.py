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


def test_a_damaged_record_hides_no_other_run(chromiq, runs):
    (runs / "first" / "run.json").write_text("{")
    listed = chromiq("status", runs)
    assert (listed.code, "second" in listed.out) == (3, True)
    reason = f"{runs / 'first' / 'run.json'}: cannot be read"
    assert reason in listed.err
    listed = chromiq("status", runs, "--json")
    assert (listed.code, reason in listed.err) == (3, True)
    damaged, other = listed.document["runs"]
    assert (set(damaged), damaged["run"], damaged["error"].startswith(reason)) == (
        {"run", "error"},
        str(runs / "first"),
        True,
    )
    assert (other["name"], other["state"]) == ("second", "failed")


def test_of_damaged_records_alone_nothing_is_listed(chromiq, runs):
    for name in ("first", "second"):
        (runs / name / "run.json").write_text("{")
    listed = chromiq("status", runs)
    assert (listed.code, listed.out) == (1, "")
    assert [f"{name}/run.json: cannot be read" in listed.err for name in ("first", "second")] == [True] * 2
    listed = chromiq("status", runs, "--json")
    assert (listed.code, [set(run) for run in listed.document["runs"]]) == (1, [{"run", "error"}] * 2)


def test_several_runs_cannot_be_watched(chromiq, runs):
    refused = chromiq("status", runs, "--watch")
    assert refused.code == 2
    assert "holds several runs" in refused.err
