"""The config: what is chosen on the page is what the command writes, with its memory, passes and findings."""

import json
import shlex
import shutil
from types import SimpleNamespace

import pytest
from studio_browser import served
from studio_client import client_of


@pytest.fixture
def page(dataset):
    client, _ = client_of(dataset.parent)
    return SimpleNamespace(client=client, dataset=dataset)


def test_the_command_writes_the_config_that_is_shown(page, chromiq, tmp_path, monkeypatch):
    query = {
        "model": "kontext",
        "preset": "24gb",
        "name": "night",
        "settings": "train.lr=2e-4\n\ntrain.steps=77",
    }
    result = page.client.get("/config/result", params=query).json()
    monkeypatch.chdir(tmp_path)
    chromiq(*shlex.split(result["command"])[1:])
    assert (tmp_path / "night.yaml").read_text() == result["text"]
    assert "steps: 77" in result["text"]


def test_memory_adds_up_and_has_the_preset_s_limit(page):
    memory = page.client.get("/config/result", params={"preset": "48gb", "model": "kontext"}).json()["memory"]
    assert memory["limit_gib"] == 48
    assert sum(part["gib"] for part in memory["parts"]) == pytest.approx(memory["training_gib"], abs=0.2)


def test_differences_from_the_published_run_say_what_they_do(page):
    wanted = {"model": "kontext", "preset": "24gb"}
    found = page.client.get("/config/result", params=wanted).json()["differences"]
    rank = next(each for each in found if each["key"] == "network.linear")
    assert rank["here"] == "16" != rank["there"]
    assert rank["effect"]


def test_findings_and_passes_are_those_of_doctor(page, chromiq, tmp_path):
    query = {"model": "kontext", "preset": "48gb", "name": "one"}
    report = page.client.get("/config/findings", params=query).json()
    text = page.client.get("/config/result", params=query).json()["text"]
    (tmp_path / "one.yaml").write_text(text)
    said = json.loads(chromiq("doctor", tmp_path / "one.yaml", "--offline", "--json").out)
    assert len(report["findings"]) == len(said["findings"])
    assert report["passes"] == round(said["epochs"], 2)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"model": "nothing"}, "nothing"),
        ({"preset": "1gb"}, "1gb"),
        ({"settings": "train.lr=fast"}, "train.lr"),
        ({"settings": "train.lrr=1"}, "lr"),
        ({"name": "../up"}, "name a run"),
    ],
)
def test_what_cannot_be_is_refused_in_words(page, query, words):
    answer = page.client.get("/config/result", params={"model": "kontext", **query})
    assert answer.status_code in (400, 422)
    assert words in answer.json()["error"]


def test_without_a_dataset_the_page_says_what_to_do(tmp_path):
    client, _ = client_of(tmp_path)
    answer = client.get("/config")
    assert answer.status_code == 400
    assert "start chromiq studio with one" in answer.json()["error"]


@pytest.mark.browser
def test_a_choice_changes_memory_findings_and_command_at_once(browser, built_dataset, tmp_path):
    shutil.copytree(built_dataset, tmp_path / "dataset")
    browser.screen(1500, 1000)
    with served(tmp_path) as address:
        browser.enter(address)
        browser.visit("/config")
        browser.until("document.querySelector('[data-config]').dataset.examined === '1'")
        before = browser.evaluate("document.querySelector('#command').textContent")
        browser.evaluate("document.querySelector('[name=name]').focus()")
        browser.type("night")
        browser.until("document.querySelector('#command').textContent.includes('--name night')")
        browser.evaluate("document.querySelector('[name=settings]').focus()")
        browser.type("train.steps=1")
        browser.until("document.querySelector('#command').textContent.includes('--set train.steps=1')")
        browser.until("document.querySelector('[data-part=passes]').textContent.includes('passes')")
        assert "night" not in before
        assert browser.evaluate("document.querySelectorAll('[data-part=memory] span').length") > 3
        browser.type("\nnonsense")
        browser.until("document.querySelector('[data-part=error]').textContent.includes('nonsense')")
        assert [text for text in browser.problems() if "400" not in text] == []
        browser.screen(390, 844)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
