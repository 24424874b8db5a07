"""Ctrl-C reaches a verb and all its processes at once; only the verb answers."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from chromiq.files import LOCK_NAME
from chromiq.sample_catalogue.catalogue import write_catalogue


@pytest.mark.parametrize(("pairs_before", "after_s"), [(0, 0), (0, 0.15), (1, 0)])
def test_a_build_says_that_it_was_stopped_and_resumes(tmp_path, pairs_before, after_s):
    """While its workers are started, while they import, and at work."""
    write_catalogue(tmp_path / "catalogue", pairs=4, size_wh=(96, 120))
    verb = "from chromiq_cli.main import main; main()"
    command = [
        *(sys.executable, "-c", verb, "build", str(tmp_path / "catalogue"), "--out", str(tmp_path / "out")),
        *("--segmenter", "classic", "--workers", "2", "--size", "192x128", "--keep-doubtful"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    out = tmp_path / "out"
    while not (out / LOCK_NAME).exists() or len([*out.glob(".chromiq/records/*.json")]) < pairs_before:
        time.sleep(0.005)
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    _, reported = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted. No file is half-written" in reported
    assert "Traceback" not in reported
    if pairs_before:
        assert subprocess.run(command, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["typer", "pydantic", "chromiq.dataset_builder.doctor.dataset"])
def test_a_verb_that_is_still_importing_says_so_too(tmp_path, number, module):
    """Before Typer is there, while it reads the command line, and in the verb itself."""
    program = (
        "import os, sys\n"
        f"sys.addaudithook(lambda event, a: event == 'import' and a[0] == {module!r}"
        f" and os.kill(os.getpid(), {int(number)}))\n"
        "from chromiq_cli.main import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "doctor", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 130
    assert json.loads(ended.stdout)["exit_code"] == 130
    assert ended.stderr.splitlines() == [f"chromiq: {json.loads(ended.stdout)['error']}"]
