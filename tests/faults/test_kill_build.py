"""A build killed at any instant ends, by the same command, with the bytes of one that was not.

Three instants are drawn for the suite; ``CHROMIQ_KILLS=50 pytest tests/faults/test_kill_build.py -s`` draws
more and prints a record of them.
"""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from file_digests import digests

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import ChromiqError
from chromiq.files import LOCK_NAME
from chromiq.sample_catalogue.catalogue import write_catalogue

KILLS = int(os.environ.get("CHROMIQ_KILLS", "3"))
PAIRS = 6


def records(folder):
    return len(list((folder / ".chromiq" / "records").glob("*.json")))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill") / "catalogue"
    write_catalogue(folder, pairs=PAIRS, size_wh=(96, 120))
    return folder


@pytest.fixture
def start(catalogue):
    """Start the same command into a folder."""

    def run(folder):
        masks = str(catalogue / "truth" / "garment_masks")
        options = [
            "--segmenter",
            "classic",
            "--size",
            "192x128",
            "--held-out",
            "0.3",
            "--workers",
            "2",
            "--json",
        ]
        command = [sys.executable, "-c", "from chromiq_cli.main import main; main()", "build", str(catalogue)]
        return subprocess.Popen(
            [*command, "--out", str(folder), "--masks", masks, *options, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    return run


def finish(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out)


def wait_until_at_work(process, folder):
    while process.poll() is None and not (folder / LOCK_NAME).exists():
        time.sleep(0.005)


@pytest.mark.timeout(40 * KILLS + 200)
def test_a_build_killed_again_and_again_ends_with_the_same_bytes(start, tmp_path):
    whole = tmp_path / "whole"
    process = start(whole)
    wait_until_at_work(process, whole)
    began = time.monotonic()
    assert finish(process)["resumed_pairs"] == 0
    span_s = time.monotonic() - began
    wanted = digests(whole)
    lots = random.Random(0)
    folder, log, killed = tmp_path / "killed0", [], 0
    while killed < KILLS:
        before = records(folder)
        process = start(folder)
        wait_until_at_work(process, folder)
        if lots.random() < 0.5 and before < PAIRS:  # while pairs are written
            goal = lots.randrange(before, PAIRS)
            while process.poll() is None and records(folder) <= goal:
                time.sleep(0.002)
            time.sleep(lots.uniform(0, 0.1))
        else:  # whenever
            time.sleep(lots.uniform(0, span_s))
        if process.poll() is not None:  # it was faster: its bytes are compared and another folder begun
            assert digests(folder) == wanted
            folder = tmp_path / f"killed{killed}-{len(log)}"
            log.append("finished first")
            continue
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += 1
        log.append(f"{before} -> {records(folder)} of {PAIRS} pairs")
        print(f"kill {killed}: {log[-1]}", flush=True)
        at_end = records(folder)
        if killed == KILLS or (at_end == PAIRS and lots.random() < 0.5):
            assert finish(start(folder))["resumed_pairs"] >= at_end
            assert digests(folder) == wanted
            print("went on, and ended with the same bytes", flush=True)
            folder = tmp_path / f"killed{killed}-{len(log)}"


@pytest.mark.parametrize("pairs_before", [0, 1])  # while the other one is still started, and at work
def test_a_worker_that_the_system_ends_is_reported_and_the_build_continues(catalogue, tmp_path, pairs_before):
    """As for want of memory, when one of its processes is killed and the others are not."""
    options = BuildOptions(segmenter="classic", size_wh=(192, 128))

    def kill_one():
        while not multiprocessing.active_children() or records(tmp_path / "out") < pairs_before:
            time.sleep(0.001)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(ChromiqError, match=r"a worker process was killed.*the same command resumes"):
        build(catalogue, tmp_path / "out", options, workers=2, keep_doubtful=True)
    killer.join()
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    assert build(catalogue, tmp_path / "out", options, keep_doubtful=True).examples == PAIRS
