"""Finished photos are handed on byte for byte, with a table and a proof sheet."""

import csv
import io
import json
import os
import re
import zipfile
from pathlib import Path

from chromiq.files import folder_lock


def test_only_what_is_finished_is_delivered_unless_asked(shoot, page):
    client, address = page
    assert client.get(f"{address}/deliver/photos.zip").status_code == 404
    client.post(f"{address}/decision/1", json={"decision": "accept", "note": "<b>fine</b>"})
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{address}/deliver/photos.zip?state=accepted").content))
    assert archive.testzip() is None
    assert archive.namelist() == ["on_model1.jpg", "delivery.csv", "proof_sheet.html"]
    assert archive.read("on_model1.jpg") == (shoot / "corrected" / "on_model1.jpg").read_bytes()
    (row,) = csv.DictReader(archive.read("delivery.csv").decode("utf-8-sig").splitlines())
    assert (row["key"], row["file"], row["state"]) == ("1", "on_model1.jpg", "accepted")
    sheet = archive.read("proof_sheet.html").decode()
    assert "&lt;b&gt;fine" in sheet
    assert sheet.count("<img") == 2
    assert not re.search(r'(?:src|href)="(?!data:)', sheet)


def test_a_folder_gets_the_same_and_nothing_is_overwritten(shoot, page):
    client, address = page
    client.post(f"{address}/decision/2", json={"decision": "accept"})
    out = shoot / "to client"
    assert client.post(f"{address}/deliver", json={"out": "to client"}).json()["delivered"] == 1
    assert sorted(path.name for path in out.iterdir()) == [
        "delivery.csv",
        "on_model2.jpg",
        "proof_sheet.html",
    ]
    again = client.post(f"{address}/deliver", json={"out": str(out)})
    assert again.status_code == 400
    assert "not empty" in again.json()["error"]
    assert client.post(f"{address}/deliver", json={"out": "/elsewhere"}).status_code == 403
    assert client.post(f"{address}/deliver", json={"out": "x", "states": ["burnt"]}).status_code == 400


def test_the_proof_sheet_shows_its_pictures_under_the_policy_of_the_page(shoot, page):
    client, address = page
    answer = client.get(f"{address}/deliver/proof_sheet?state=corrected&state=left alone")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    (stated,) = re.findall(r"'(sha256-[^']+)'", policy)
    assert stated in answer.text


def test_the_command_delivers_the_same(shoot, page, chromiq):
    client, address = page
    client.post(f"{address}/decision/3", json={"decision": "accept"})
    zipped, folder = shoot / "out.zip", shoot / "out"
    assert chromiq("deliver", str(shoot / "corrected"), "--out", str(zipped)).code == 0
    assert chromiq("deliver", str(shoot / "corrected"), "--out", str(folder), "--state", "accepted").code == 0
    with zipfile.ZipFile(zipped) as archive:
        for path in folder.iterdir():
            assert archive.read(path.name) == path.read_bytes()
    assert chromiq("deliver", str(shoot / "corrected"), "--out", str(zipped)).code == 2


def test_the_command_is_kept_out_while_decisions_are_written(shoot, page, chromiq):
    with folder_lock(shoot / "corrected", "chromiq correct"):
        result = chromiq("deliver", shoot / "corrected", "--out", shoot / "out")
    assert result.code == 11
    assert not (shoot / "out").exists()


def test_results_that_may_only_be_read_are_delivered(shoot, page, chromiq, monkeypatch):
    client, address = page
    client.post(f"{address}/decision/2", json={"decision": "accept"})
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with folder_lock(shoot / "corrected", "what a lock would wait for"):
        assert chromiq("deliver", shoot / "corrected", "--out", shoot / "out").code == 0


def test_the_command_names_what_it_leaves_behind(shoot, page, chromiq):
    client, address = page
    client.post(f"{address}/decision/2", json={"decision": "accept"})
    result = chromiq("deliver", shoot / "corrected", "--out", shoot / "out", "--json")
    document = json.loads(result.out)
    assert [Path(path).name for path in document["delivered"]] == ["on_model2.jpg"]
    assert "1" in document["not_delivered"]
    assert "2" not in document["not_delivered"]


def test_an_interrupted_delivery_is_resumed_and_a_file_of_others_is_not_replaced(shoot, page, chromiq):
    client, address = page
    for key in "12":
        client.post(f"{address}/decision/{key}", json={"decision": "accept"})
    words = ("deliver", shoot / "corrected", "--out", shoot / "out")
    assert chromiq(*words).code == 0
    whole = {path.name: path.read_bytes() for path in (shoot / "out").iterdir()}
    assert chromiq(*words).code == 2  # the table, which is written last, says that it is complete
    for name in ("delivery.csv", "on_model2.jpg"):
        (shoot / "out" / name).unlink()
    (shoot / "out" / ".chromiq-part-1.jpg").write_bytes(b"half")
    assert chromiq(*words).code == 0
    assert {path.name: path.read_bytes() for path in (shoot / "out").iterdir()} == whole
    (shoot / "out" / "delivery.csv").unlink()
    (shoot / "out" / "on_model1.jpg").write_bytes(b"other")
    part = shoot / "out" / "deeper" / ".chromiq-part-1.jpg"
    part.parent.mkdir()
    part.write_bytes(b"of a command that writes there")
    refused = chromiq(*words)
    assert refused.code == 2
    assert "is not empty: on_model1.jpg" in refused.err
    assert part.exists()
    assert (shoot / "out" / "on_model1.jpg").read_bytes() == b"other"


def test_a_chosen_photo_whose_file_is_missing_is_not_left_out_in_silence(shoot, page, chromiq):
    client, address = page
    for key in "12":
        client.post(f"{address}/decision/{key}", json={"decision": "accept"})
    gone = shoot / "corrected" / "on_model2.jpg"
    gone.unlink()
    result = chromiq("deliver", shoot / "corrected", "--out", shoot / "out")
    assert (result.code, (shoot / "out").exists()) == (10, False)
    assert f"{gone}: is accepted, but there is no such file" in result.err
    answers = [client.post(f"{address}/deliver", json={"out": "out"})]
    answers += [
        client.get(f"{address}/deliver/{name}?state=accepted") for name in ("photos.zip", "proof_sheet")
    ]
    assert [(answer.status_code, gone.name in answer.text) for answer in answers] == [(422, True)] * 3
