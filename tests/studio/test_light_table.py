"""The light table: which photos, in which order, in which state."""

import errno
import json
import os
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from studio_browser import served
from studio_client import client_of

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.results import read_run
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import Finding
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.generate.lora_network import LoraNetwork
from chromiq.evaluate.generate.pipelines import Loading
from chromiq.studio.screens import light_table
from chromiq.studio.screens.light_table import batch_command


def cards(text):
    return re.findall(r'data-key="([^"]+)" data-state="([^"]+)"', text)


def test_all_photos_are_listed_and_counted(made_shoot):
    client, address = client_of(made_shoot)
    text = client.get("/").text  # one batch: it opens at once
    assert sorted(key for key, _ in cards(text)) == ["1", "2", "3"]
    counts = re.findall(r'data-state="([^"]*)" aria-pressed="\w+">[^<]*<span class="count">(\d+)', text)
    stated = [state for _, state in cards(text)]
    assert dict(counts) == {"": "3", **{state: str(stated.count(state)) for state, _ in counts if state}}
    assert client.get(f"{address}/states").json()["job"] == {"waiting": [], "done": 0, "message": ""}


def test_the_command_names_all_that_decides_the_results(made_shoot):
    run = read_run(made_shoot / "corrected")
    assert shlex.split(batch_command(run))[-2:] == ["--segmenter", "classic"]
    options = replace(run.options, exports=("cube", "layers"), alike=False)
    bad = Finding("photo.broken", "on_model9.jpg", "cut short", "Export it again.")
    run = replace(run, segmenter="mediapipe-two-models:upper", options=options, findings=(bad,))
    words = shlex.split(batch_command(run))
    assert words[6:] == [
        *("--segmenter", "mediapipe", "--part", "upper", "--each-alone", "--skip-bad"),
        *("--export", "cube", "--export", "layers"),
    ]


def test_the_command_of_a_lora_names_its_settings(made_shoot, tmp_path):
    (tmp_path / "a.safetensors").touch()
    options = GenerateOptions(checkpoint="a/b", steps=8, seed=0, loading=Loading(dtype="float16"))
    network = LoraNetwork(tmp_path / "a.safetensors", options, "published", "{trigger} {garment}")
    run = read_run(made_shoot / "corrected")
    run = replace(run, options=replace(run.options, method="hybrid"), network=network.settings())
    words = shlex.split(batch_command(run))
    assert words[words.index("--method") :] == [
        *("--method", "hybrid", "--lora", "LORA", "--model", "kontext", "--checkpoint", "a/b"),
        *("--geometry", "published", "--caption", "{trigger} {garment}", "--steps", "8", "--seed", "0"),
        *("--dtype", "float16"),
    ]


def test_photos_of_one_name_are_shown_with_their_folders(made_shoot, tmp_path):
    for key in "12":
        (tmp_path / "photos" / f"A-{key}").mkdir(parents=True)
        for file, name in ((f"still-life{key}", "still"), (f"on_model{key}", "front")):
            shutil.copy(made_shoot / "photos" / f"{file}.jpg", tmp_path / f"photos/A-{key}/{name}.jpg")
    inputs = BatchInputs(tmp_path / "photos", pattern=PairPattern("{sku}/still", "{sku}/front"))
    correct_batch(inputs, tmp_path / "corrected", ClassicSegmenter())
    client, address = client_of(tmp_path)
    names = ["A-1/front.jpg", "A-2/front.jpg"]
    assert sorted(re.findall(r"/photo/[^\"]+\">([^<]+)", client.get(f"{address}/").text)) == names
    assert "<title>A-1/front.jpg ·" in client.get(f"{address}/photo/A-1_front").text


def test_photos_without_results_are_opened_to_be_corrected(made_shoot):
    client, _ = client_of(made_shoot / "photos")
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/open")


def test_photos_beyond_the_first_come_with_their_names_and_their_cards_on_request(made_shoot, monkeypatch):
    monkeypatch.setattr(light_table, "AT_ONCE", 1)
    client, address = client_of(made_shoot)
    text = client.get(f"{address}/").text
    first, *others = [key for key, _ in cards(text)]
    assert sorted([first, *others]) == ["1", "2", "3"]
    assert (text.count("data-empty"), text.count(f"/thumbnail/{others[1]}/")) == (2, 0)
    filled = client.get(f"{address}/cards", params={"key": [*others, "no such photo"]}).text
    assert sorted(key for key, _ in cards(filled)) == sorted(others)
    assert filled.count(f"/thumbnail/{others[1]}/") == 3
    assert "data-empty" not in filled


@pytest.mark.browser
def test_a_long_list_is_filled_while_the_first_cards_are_looked_at(browser, made_shoot, monkeypatch):
    monkeypatch.setattr(light_table, "AT_ONCE", 1)
    with served(made_shoot) as address:
        browser.screen(1500, 950)
        browser.enter(address)
        browser.press("End")
        last = "document.querySelector('.card:last-child')"
        assert browser.evaluate(f"document.activeElement === {last}")
        browser.until("!document.querySelector('[data-empty]')")
        browser.until(f"[...{last}.querySelectorAll('img')].every((image) => image.naturalWidth)")
        assert browser.evaluate(f"document.activeElement === {last} && {last}.tabIndex") == 0
        assert browser.problems() == []


def test_what_is_decided_moves_to_the_end(shoot, page):
    client, address = page
    first = cards(client.get(f"{address}/").text)[0][0]
    client.post(f"{address}/decision/{first}", json={"decision": "accept"})
    assert cards(client.get(f"{address}/").text)[-1] == (first, "accepted")


def test_a_photo_without_a_record_is_to_be_looked_at(shoot, page):
    client, address = page
    (shoot / "corrected" / ".chromiq" / "corrections" / "2.json").write_text("{")
    assert cards(client.get(f"{address}/").text)[0] == ("2", "to look at")
    assert "not corrected yet" in client.get(f"{address}/photo/2").text
    assert client.get(f"{address}/figures/2").status_code == 404


def failing(monkeypatch, method, name, error):
    """Let a method of `Path` fail for files of a name, as a machine may; the tests run as root."""
    real = getattr(Path, method)

    def fail(path, *arguments, **more):
        if path.name == name:
            raise OSError(error, os.strerror(error), str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(Path, method, fail)


def test_a_record_that_may_not_be_read_is_named(shoot, monkeypatch):
    failing(monkeypatch, "read_text", "1.json", errno.EACCES)
    client, address = client_of(shoot)
    answer = client.get(f"{address}/", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert "1.json: cannot read or write: Permission denied. Check permissions and free space." in answer.text
    assert "Errno" not in answer.text


def test_a_fault_of_the_disk_is_said_in_words(page, shoot, monkeypatch):
    client, address = page
    failing(monkeypatch, "read_bytes", "decisions.csv", errno.EIO)
    answer = client.post(f"{address}/decision/1", json={"decision": "accept"})
    file = shoot / "corrected" / "decisions.csv"
    said = f"{file}: cannot read or write: Input/output error. Check permissions and free space."
    assert (answer.status_code, answer.json()) == (422, {"error": said})


def test_decisions_that_cannot_be_understood_are_reported(shoot, page):
    client, address = page
    path = shoot / "corrected" / "decisions.csv"
    before = path.read_bytes()
    path.write_text("key,decision\n1,burn\n")
    answer = client.get(f"{address}/", headers={"accept": "text/html"})
    assert answer.status_code == 422
    assert client.post(f"{address}/decision/1", json={"decision": "accept"}).status_code == 422
    assert path.read_text() == "key,decision\n1,burn\n"
    path.write_bytes(before)


def test_an_outline_cannot_bring_markup_with_it(shoot):
    client, address = client_of(shoot)
    path = shoot / "corrected" / ".chromiq" / "panels" / "1" / "panel.json"
    panel = json.loads(path.read_text())
    path.write_text(json.dumps({**panel, "outline": '"/><script>alert(1)</script>'}))
    assert "<script" not in client.get(f"{address}/outline/1/panel.svg").text


@pytest.mark.parametrize("folder", [{"out": "/etc/passwd"}, {"out": "../on_model1.jpg"}])
def test_a_record_that_leads_out_of_its_folder_is_not_read(shoot, folder):
    path = shoot / "corrected" / ".chromiq" / "run.json"
    record = json.loads(path.read_text())
    record["pairs"][0] |= folder
    path.write_text(json.dumps(record))
    client, address = client_of(shoot)
    assert client.get(f"{address}/").status_code == 404
