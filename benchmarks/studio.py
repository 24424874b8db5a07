"""How fast the studio answers, in Chromium: its pages over 2,000 photos, and a mask on one of 25 megapixels.

    python benchmarks/studio.py OUT
        --pairs 2000        how many photos are listed
        --repeat 3          how often each is measured; the median is printed

The server is the command itself in a process of its own, whose memory is watched. The photos listed are links
to one drawn pair, so that making them takes no time; the pages cannot know. Times are of the whole way: from
the navigation, key or pointer event to the picture on the screen. Needs Debian's Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from studio_browser import Browser

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.garment_work import GARMENT_MASKS
from chromiq.correction.report import WORK
from chromiq.correction.results import read_run, write_run
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_layout import read_examples, write_manifest
from chromiq.photos.images import write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue

_LARGE_WH = (4096, 6144)
_EDITOR = "document.querySelector('[data-mask-editor]')"
_STATUS = "document.querySelector('[data-part=\"status\"]').textContent"
_MOVES = 60


def results_of(folder: Path, pairs: int) -> None:
    """Results of so many photos, all links to those of one drawn pair."""
    write_catalogue(folder / "photos", pairs=1, size_wh=(448, 560))
    results = folder / "results"
    correct_batch(BatchInputs(folder / "photos"), results, ClassicSegmenter())
    run = read_run(results)
    assert run is not None
    (pair,) = run.pairs
    out = run.outs[pair.key]
    record = json.loads((results / WORK / "corrections" / f"{pair.key}.json").read_text())
    many, outs = [], {}
    for number in range(pairs):
        key = f"{number:05d}"
        photo = folder / "photos" / f"on_model{key}{pair.on_model.suffix}"
        os.link(pair.on_model, photo)
        outs[key] = out.with_name(photo.name)
        os.link(out, outs[key])
        os.link(_mask(results, pair.key), _mask(results, key))
        panels = results / WORK / "panels"
        (panels / key).mkdir()
        for file in (panels / pair.key).iterdir():
            os.link(file, panels / key / file.name)
        correction = {**record["correction"], "key": key, "on_model": str(photo), "out": str(outs[key])}
        (results / WORK / "corrections" / f"{key}.json").write_text(
            json.dumps({**record, "correction": correction})
        )
        many.append(replace(pair, key=key, on_model=photo))
    write_run(replace(run, pairs=tuple(many), outs=outs))


def large_photo(folder: Path) -> None:
    """Results of one photo of 25 megapixels, with its mask."""
    results_of(folder, 1)
    run = read_run(folder / "results")
    assert run is not None
    drawn = draw_pair(0, size_wh=(448, 560))
    photo = cv2.resize(drawn.on_model, _LARGE_WH, interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(drawn.on_model_mask.astype(np.uint8), _LARGE_WH, interpolation=cv2.INTER_NEAREST)
    (pair,) = run.pairs
    pair.on_model.unlink()
    write_photo(pair.on_model, photo)
    _mask(folder / "results", pair.key).unlink()
    write_mask(_mask(folder / "results", pair.key), mask > 0)


def dataset_of(folder: Path, pairs: int) -> None:
    """A dataset whose manifest lists the examples of one pair under so many names."""
    write_catalogue(folder / "photos", pairs=1, size_wh=(448, 560))
    build(folder / "photos", folder / "dataset", BuildOptions(segmenter="classic"), keep_doubtful=True)
    (example,) = read_examples(folder / "dataset")
    write_manifest(
        folder / "dataset", (replace(example, name=f"pair{n}", key=str(n)) for n in range(1, pairs + 1))
    )


def _mask(results: Path, key: str) -> Path:
    return results / GARMENT_MASKS / f"on_model{key}.png"


@contextmanager
def studio(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """The command over a folder: its address with the token, and what gives its peak memory in MB."""
    words = "from chromiq_cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", words, "studio", str(folder), "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        watched = psutil.Process(process.pid)
        while not ended.wait(0.05):
            try:
                peak[0] = max(peak[0], watched.memory_info().rss / 1e6)
            except psutil.Error:
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield address, lambda: peak[0]
    finally:
        ended.set()
        process.send_signal(2)
        process.wait(10)
        process.stdout.close()


def enter(browser: Browser, address: str) -> str:
    """Log in; returns the path of the first results or dataset."""
    browser.address, _, query = address.partition("/?")
    browser.visit(f"/?{query}")
    path = browser.evaluate("location.pathname")
    links = browser.evaluate(
        "[...document.querySelectorAll('nav a')].map((link) => new URL(link.href).pathname)"
    )
    return str(path if path != "/" else next(link for link in links if link.endswith("/dataset")))


def timed(action: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def opened(browser: Browser, path: str, ready: str) -> float:
    """Seconds from the navigation until something holds on the page."""
    return timed(lambda: (browser.visit(path), browser.until(ready)))


def measure_lists(browser: Browser, folder: Path, pairs: int, repeat: int) -> dict[str, float]:
    """Both lists of so many pairs."""
    results_of(folder / "shoot", pairs)
    dataset_of(folder / "data", pairs)
    figures: dict[str, float] = {}
    with studio(folder / "shoot") as (address, peak_mb):
        path = enter(browser, address)
        ready = "document.readyState === 'complete' && document.body.innerText.length > 200"
        figures["light table, first time, s"] = opened(browser, path, ready)
        figures["light table, s"] = median(opened(browser, path, ready) for _ in range(repeat))
        figures["server after the light table, MB"] = peak_mb()
    with studio(folder / "data") as (address, peak_mb):
        path = enter(browser, address)
        ready = f"document.querySelectorAll('.pair').length === {pairs}"
        figures["dataset, s"] = median(opened(browser, path, ready) for _ in range(repeat))
        figures["server after the dataset, MB"] = peak_mb()
    return figures


def measure_mask(browser: Browser, folder: Path, repeat: int) -> dict[str, float]:
    """The mask of a large photo: opened, drawn on, saved."""
    large_photo(folder)
    figures: dict[str, float] = {}
    with studio(folder) as (address, peak_mb):
        path = f"{enter(browser, address)}mask/00000"
        figures["25 MP opened, first time, s"] = opened(browser, path, f"{_EDITOR}.dataset.ready")
        figures["25 MP opened, s"] = median(
            opened(browser, path, f"{_EDITOR}.dataset.ready") for _ in range(repeat)
        )
        strokes = [stroke for number in range(repeat) for stroke in stroke_ms(browser, number)]
        figures["stroke, median, ms"] = median(strokes)
        figures["stroke, 95 %, ms"] = float(np.percentile(strokes, 95))
        figures["stroke ended, ms"] = median(ended_ms(browser) for _ in range(repeat))
        figures["saved and corrected, s"] = median(saved_s(browser, number) for number in range(repeat))
        figures["server at its peak, MB"] = peak_mb()
    return figures


def stroke_ms(browser: Browser, number: int) -> list[float]:
    """From each pointer event to the frame that shows it, over one stroke with a large brush."""
    browser.evaluate(
        "window.times = []; window.watch ??= (document.querySelector('[data-part=stage]').addEventListener("
        "'pointermove', (event) => requestAnimationFrame(() => setTimeout(() =>"
        " times.push(performance.now() - event.timeStamp))), true), 1)"
    )
    stage = '[data-part="stage"]'
    browser.drag(
        *(browser.at(stage, 0.4 + 0.2 * step / _MOVES, 0.3 + 0.1 * number) for step in range(_MOVES))
    )
    time.sleep(0.2)
    found: list[float] = browser.evaluate("window.times")
    return found


def ended_ms(browser: Browser) -> float:
    """What the end of a stroke takes, when what changed is kept to be undone."""
    script = (
        f"(() => {{ const mask = {_EDITOR}.editor.mask;"
        " mask.stroke(500, 500, 3500, 5000, 200, mask.data[0] ^ 255);"
        " const start = performance.now(); mask.commit(); return performance.now() - start; })()"
    )
    taken: float = browser.evaluate(script)
    return taken


def saved_s(browser: Browser, number: int) -> float:
    """From Ctrl+S to the corrected photo."""
    stage = '[data-part="stage"]'
    browser.drag(browser.at(stage, 0.45, 0.4 + 0.05 * number), browser.at(stage, 0.5, 0.42 + 0.05 * number))
    time.sleep(1.0)  # the check that follows a stroke
    browser.press("s", "Control")
    return timed(lambda: browser.until(f"{_STATUS}.startsWith('saved')"))


def main() -> None:
    """Measure, print and write ``studio.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="chromiq-") as name:
        folder = Path(name)
        browser = Browser(folder / "chromium")
        try:
            browser.screen(1500, 1000)
            figures: dict[str, Any] = measure_mask(browser, folder / "large", arguments.repeat)
            figures |= measure_lists(browser, folder, arguments.pairs, arguments.repeat)
        finally:
            browser.close()
    for label, value in figures.items():
        print(f"{label:36} {value:9.2f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    document = {"pairs": arguments.pairs, "repeat": arguments.repeat, "figures": figures}
    (arguments.out / "studio.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
