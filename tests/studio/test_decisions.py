"""Decisions made on the page: the command line keeps them, and the reverse."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from studio_client import finish, until

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.results import read_run, write_run
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.files import folder_lock
from chromiq.photos.images import read_photo, write_photo
from chromiq.studio import jobs


def rows(shoot):
    text = (shoot / "corrected" / "decisions.csv").read_text(encoding="utf-8-sig")
    return {row["key"]: row for row in csv.DictReader(text.splitlines())}


def test_a_report_too_long_to_write_each_time_is_not_claimed_to_be_new(shoot, page, monkeypatch):
    monkeypatch.setattr(jobs, "_MOST_REPORTED", 2)
    client, address = page
    before = (shoot / "corrected" / "report.html").read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "keep"})
    assert "report.html still shows the state before" in finish(client, address)["message"]
    assert (shoot / "corrected" / "report.html").read_bytes() == before


def test_results_of_a_lora_say_that_the_page_only_decides_about_them(shoot, page):
    client, address = page
    assert "made with a LoRA" not in client.get(f"{address}/photo/1").text
    run = read_run(shoot / "corrected")
    write_run(replace(run, options=replace(run.options, method="hybrid")))
    shown = client.get(f"{address}/photo/1").text
    assert "made with a LoRA (hybrid)" in shown
    answer = client.post(f"{address}/decision/1", json={"decision": "accept"})
    assert answer.json()["decision"] == "accept"


def test_what_the_page_decides_the_command_keeps(shoot, page):
    client, address = page
    answer = client.post(f"{address}/decision/1", json={"decision": "reject", "note": "sleeve\n=too red"})
    assert answer.json() == {"state": "rejected", "decision": "reject", "note": "sleeve =too red"}
    client.post(f"{address}/decision/2", json={"decision": "accept"})
    finish(client, address)
    result = correct_batch(BatchInputs(shoot / "photos"), shoot / "corrected", ClassicSegmenter())
    assert [done.decision for done in result.corrections] == ["reject", "accept", ""]
    assert (rows(shoot)["1"]["decision"], rows(shoot)["1"]["note"]) == ("reject", "sleeve =too red")
    assert (shoot / "corrected" / "on_model1.jpg").read_bytes() == (
        shoot / "photos" / "on_model1.jpg"
    ).read_bytes()


def test_what_was_written_in_a_spreadsheet_is_shown_and_kept(shoot, page):
    client, address = page
    path = shoot / "corrected" / "decisions.csv"
    path.write_text("key;decision;strength;price\n1;Accept;0,50;12\n", encoding="utf-8")
    assert client.post(f"{address}/decision/2", json={"strength": 0.8}).json()["decision"] == ""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[1].startswith("1;Accept;0,50;12;")
    assert lines[2].startswith("2;;0.8;")


@pytest.mark.parametrize(
    "wishes",
    [
        {"decision": "burn"},
        {"strength": 9},
        {"strength": "much"},
        {"target_lab": [1, 2]},
        {"mask": "/etc/x"},
        {"target_lab": [500, 0, 0]},
    ],
)
def test_what_cannot_be_decided_is_refused_and_nothing_is_written(shoot, page, wishes):
    client, address = page
    before = (shoot / "corrected" / "decisions.csv").read_bytes()
    answer = client.post(f"{address}/decision/1", json=wishes)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert (shoot / "corrected" / "decisions.csv").read_bytes() == before


def test_a_command_at_work_is_answered_by_the_same_lock(shoot, page):
    client, address = page
    with folder_lock(shoot / "corrected", "chromiq correct"):
        answer = client.post(f"{address}/decision/1", json={"decision": "accept"})
    assert answer.status_code == 423
    assert "chromiq correct" in answer.json()["error"]
    assert client.post(f"{address}/decision/1", json={"decision": "accept"}).status_code == 200


def test_a_rejected_photo_is_delivered_as_it_came_and_accepting_brings_the_correction_back(shoot, page):
    client, address = page
    delivered, original = shoot / "corrected" / "on_model1.jpg", shoot / "photos" / "on_model1.jpg"
    red = np.clip(read_photo(original).rgb * np.array([1.2, 1, 0.9]), 0, 255).astype(np.uint8)
    write_photo(original, red)
    client.post(f"{address}/decision/1", json={"decision": "force"})
    assert finish(client, address)["done"] == 1
    corrected = delivered.read_bytes()
    assert corrected != original.read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "reject"})
    finish(client, address)
    assert delivered.read_bytes() == original.read_bytes()
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    finish(client, address)
    assert delivered.read_bytes() == corrected
    correct_batch(BatchInputs(shoot / "photos"), shoot / "corrected", ClassicSegmenter())
    assert delivered.read_bytes() == corrected
    assert (rows(shoot)["1"]["result"], rows(shoot)["2"]["result"]) == ("accepted", "left alone")


def test_another_strength_takes_an_acceptance_back(shoot, page):
    client, address = page
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    answer = client.post(f"{address}/decision/1", json={"strength": 0.5}).json()
    assert answer["decision"] == ""
    finish(client, address)


def test_a_file_changed_by_hand_is_recognised_and_kept_until_it_is_to_be_replaced(shoot, page):
    client, address = page
    delivered = shoot / "corrected" / "on_model2.jpg"
    work = (shoot / "photos" / "on_model3.jpg").read_bytes()
    delivered.write_bytes(work)
    assert client.get(f"{address}/states").json()["photos"]["2"]["state"] == "changed by hand"
    client.post(f"{address}/decision/2", json={"decision": "force"})
    finish(client, address)
    assert delivered.read_bytes() == work
    client.post(f"{address}/decision/2", json={"redo": True})
    finish(client, address)
    assert delivered.read_bytes() != work


def test_background_work_waits_for_a_command(shoot, page):
    client, address = page
    client.post(f"{address}/decision/1", json={"decision": "accept"})
    with folder_lock(shoot / "corrected", "chromiq correct"):
        client.app.state.jobs.request(read_run(shoot / "corrected"), ["1"], redo=True)
        until(lambda: "waiting: " in client.get(f"{address}/states").json()["job"]["message"])
    assert finish(client, address)["message"] == ""
