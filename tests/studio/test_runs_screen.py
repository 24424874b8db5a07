"""The runs: listed, followed while they train, stopped, and their checkpoints compared."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from run_records import a_record
from studio_browser import served
from studio_client import client_of

from chromiq.evaluate.score.scores import mean_interval
from chromiq.evaluate.sweep import Point, Sweep
from chromiq.files import write_json
from chromiq.photos.images import write_photo
from chromiq.studio.screens.runs import resume_words, status_facts
from chromiq.toolkit_configs.runs.events import Event, EventLog
from chromiq.toolkit_configs.runs.record import host, now, write_record
from chromiq.toolkit_configs.runs.status import read_status


def flat(path, level):
    write_photo(path, np.full((40, 64, 3), level, np.uint8))


def record(config, state="running", process=0):
    return a_record(
        name="shirts",
        engine="ai-toolkit",
        state=state,
        process=process or os.getpid(),
        started=now(),
        total_steps=40,
        config=str(config),
        device="cuda",
        host=host(),
    )


def write_events(run, steps):
    with EventLog(run) as log:
        for step in steps:
            log.write(Event("step", {"step": step, "loss": 1 / step, "learning_rate": 1e-4}))


def sweep_of(testset, *values):
    """A sweep whose control and checkpoints of steps 5, 10 and so on have these dE00 on pair1, pair2, ..."""
    points = []
    for number, each in enumerate(values):
        file = f"shirts_{5 * number:09d}.safetensors" if number else "control"
        images = {f"pair{index}": value for index, value in enumerate(each, 1)}
        points.append(Point(file, 5 * number, sum(each) / len(each), mean_interval(each), images, ""))
    return Sweep("shirts", "", points[0], tuple(points[1:]), testset)


@pytest.fixture
def trained(tmp_path):
    """A run as AI-Toolkit leaves it: config, events, samples, checkpoints; and a sweep of these."""
    data, run = tmp_path / "data", tmp_path / "runs" / "shirts"
    for number in (1, 2, 3):
        flat(data / "held_out" / "gt" / f"pair{number}.png", 200)
        flat(data / "held_out" / "control" / f"pair{number}.png", 60)
    run.mkdir(parents=True)
    sample = {"prompt": "x", "ctrl_img": str(data / "held_out" / "control" / "pair1.png")}
    process = {
        "type": "diffusion_trainer",
        "model": {"arch": "flux_kontext"},
        "train": {"steps": 40},
        "sample": {"samples": [sample]},
    }
    config = run / "config.yaml"
    config.write_text(
        yaml.safe_dump({"job": "extension", "config": {"name": "shirts", "process": [process]}})
    )
    write_record(run, record(config))
    write_events(run, range(1, 11))
    for step, level in ((5, 90), (10, 150)):
        flat(run / "samples" / f"17000__{step:09d}_0.png", level)
        (run / f"shirts_{step:09d}.safetensors").write_bytes(b"")
    result = sweep_of(str(data), (9.0, 8.0, 7.0), (4.0, 5.0, 6.0), (2.0, 3.0, 4.0))
    write_json(tmp_path / "sweep" / "sweep.json", result.as_dict())
    for number, point in enumerate((result.control, *result.points)):
        folder = tmp_path / "sweep" / "checkpoints" / Path(point.checkpoint).stem
        for image in point.images:
            flat(folder / f"{image}.png", 80 + 30 * number)
    return SimpleNamespace(root=tmp_path, run=run, config=config)


@pytest.fixture
def page(trained):
    client, _ = client_of(trained.root)
    (folder,) = client.app.state.workplace.of_kind("run")
    return SimpleNamespace(client=client, address=f"/f/{folder.id}/run", **vars(trained))


def level(answer):
    import cv2

    assert answer.status_code == 200, answer.text
    return int(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[20, 30, 0])


def test_all_runs_are_listed_a_damaged_one_included(page):
    damaged = page.root / "runs" / "other"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    client, _ = client_of(page.root)
    text = client.get("/runs").text
    assert "shirts</a>" in text
    assert "10 of 40" in text
    assert "cannot be read" in text


def test_samples_stand_between_their_control_and_truth(page):
    columns = [("control", 60), ("5", 90), ("10", 150), ("truth", 200)]
    for column, wanted in columns:
        assert level(page.client.get(f"{page.address}/sample/0/{column}")) == wanted
    for column in ("7", "..%2f5", "config.yaml"):
        assert page.client.get(f"{page.address}/sample/0/{column}").status_code == 404


def test_checkpoints_are_compared_on_a_held_out_image(page):
    place = f"{page.address}/sweep/0/pair2"
    assert level(page.client.get(f"{place}/control")) == 60
    assert level(page.client.get(f"{place}/shirts_000000010.safetensors")) == 140
    assert level(page.client.get(f"{place}/truth")) == 200
    for path in ("pair9/truth", "pair2/other.safetensors", "pair2/..%2f..%2fsweep"):
        assert page.client.get(f"{page.address}/sweep/0/{path}").status_code == 404
    text = page.client.get(page.address).text
    assert "Best: shirts_000000010.safetensors (step 10), mean dE00 3.00" in text


def test_a_sweep_of_too_few_images_for_an_interval_says_so(page):
    result = sweep_of("", (9.0, 8.0), (4.0, 3.0))
    write_json(page.root / "sweep" / "sweep.json", result.as_dict())
    text = page.client.get(page.address).text
    assert "mean dE00 3.50 (no interval from 2 images)" in text
    assert "not measurably better than no LoRA: -5.00 dE00 against uncorrected (no interval from" in text
    assert "Measure it on at least 3 images." in text


def test_a_sweep_of_an_earlier_version_is_shown_without_its_summary(page):
    path = page.root / "sweep" / "sweep.json"
    older = json.loads(path.read_text())
    del older["summary"]
    write_json(path, older)
    answer = page.client.get(page.address)
    assert answer.status_code == 200
    assert 'shirts_000000010.safetensors <span class="badge strong">best</span>' in answer.text
    assert "mean dE00 3.00" not in answer.text


def test_pictures_outside_the_opened_folders_are_not_shown(page):
    page.client.app.state.workplace.roots = (page.run,)
    assert page.client.get(f"{page.address}/sample/0/control").status_code == 404
    assert level(page.client.get(f"{page.address}/sample/0/5")) == 90


def test_a_run_is_stopped_by_an_interrupt(page):
    waits = "import time, sys; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        write_record(page.run, record(page.config, process=process.pid))
        assert page.client.post(f"{page.address}/stop").status_code == 200
        assert process.wait(30) in (-signal.SIGINT, 1)
    finally:
        process.kill()
        process.stdout.close()
    assert page.client.post(f"{page.address}/stop").status_code == 400
    assert page.client.get(f"{page.address}/status").json()["state"] == "killed"


def test_what_runs_elsewhere_or_has_ended_is_not_stopped_or_resumed(page):
    write_record(page.run, replace(record(page.config), host="another"))
    answer = page.client.post(f"{page.address}/stop")
    assert answer.status_code == 400
    assert "another" in answer.json()["error"]
    assert page.client.post(f"{page.address}/resume").status_code == 400
    write_record(page.run, record(page.config, state="done"))
    assert page.client.post(f"{page.address}/resume").status_code == 400
    assert page.client.post(f"{page.address}/explode").status_code == 404


def test_the_command_that_resumes_a_run_resumes_it(page):
    write_record(page.run, record(page.config, state="interrupted"))
    words = resume_words(read_status(page.run))
    assert words == ["train", str(page.config), "--engine", "ai-toolkit", "--resume"]
    assert f"chromiq {' '.join(words)}" in page.client.get(page.address).text


def test_many_losses_are_thinned_to_means(trained):
    write_events(trained.run, range(11, 2011))
    losses = status_facts(trained.run)["losses"]
    assert len(losses) == 500
    assert losses[-1][0] == 2010
    assert losses[0] == (5, pytest.approx(np.mean(1 / np.arange(1, 6))))


@pytest.mark.browser
def test_a_run_is_followed_and_its_checkpoints_compared(browser, trained):
    browser.screen(1500, 1000)
    with served(trained.root) as address:
        browser.enter(address)
        browser.visit("/runs")
        browser.click("tbody a")
        browser.until("document.querySelector('[data-run]').dataset.step === '10'")
        lines = "document.querySelectorAll('[data-part=losses] polyline').length"
        assert browser.evaluate(lines) == 2
        write_events(trained.run, range(11, 26))
        flat(trained.run / "samples" / "17001__000000020_0.png", 170)
        browser.until("document.querySelector('[data-run]').dataset.step === '25'")
        browser.until("!!document.querySelector('[data-part=samples] [alt=\"sample 0 at step 20\"]')")
        assert "step 25 of 40" in browser.evaluate(
            "document.querySelector('[data-part=progress]').textContent"
        )
        browser.evaluate("document.querySelector('[data-part=image]').focus()")
        browser.press("ArrowDown")
        browser.until("[...document.querySelectorAll('[data-column]')].every((each) => each.naturalWidth)")
        shown = browser.evaluate(
            "[...document.querySelectorAll('[data-part=one]')].map((each) => each.textContent)"
        )
        assert shown == ["8.00", "5.00", "3.00"]
        assert browser.evaluate("document.querySelectorAll('[data-part=intervals] .bar').length") == 2
        write_record(trained.run, replace(record(trained.config, state="failed"), message="out of memory"))
        browser.until("document.querySelector('[data-part=notice]').textContent.includes('out of memory')")
        assert not browser.evaluate("document.querySelector('[data-act=resume]').disabled")
        assert browser.problems() == []
        assert all(url.startswith(address) for url in browser.requests())
        browser.screen(390, 844)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
