"""One owner to a folder: the second learns who holds it, and a dead one holds nothing."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from chromiq.errors import LockedError
from chromiq.evaluate.score.scores import find_images
from chromiq.files import LOCK_NAME, folder_lock
from chromiq.toolkit_configs.render.job import render_job

HOLD = (
    "import sys, time; from pathlib import Path; from chromiq.files import folder_lock\n"
    "with folder_lock(Path(sys.argv[1]), 'chromiq build'):\n"
    "    print('held', flush=True); time.sleep(60)"
)


@contextmanager
def held(folder):
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def holder(tmp_path):
    with held(tmp_path / "out") as process:
        yield process


def put_pair(folder, two_photos):
    folder.mkdir()
    for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
        (folder / f"{role}1.jpg").write_bytes(data)


def test_a_second_build_exits_11_and_names_the_holder(holder, chromiq, two_photos, tmp_path):
    put_pair(tmp_path / "in", two_photos)
    build = ("build", tmp_path / "in", "--out", tmp_path / "out", "--segmenter", "classic", "--workers", 1)
    code, document, reported = chromiq(*build)
    assert code == document["exit_code"] == 11
    assert f"process {holder.pid} (chromiq build)" in reported
    assert [path.name for path in (tmp_path / "out").iterdir()] == [LOCK_NAME]


def test_a_second_training_of_one_run_exits_11_and_names_the_holder(chromiq, dataset, tmp_path):
    (tmp_path / "model").mkdir()
    config = tmp_path / "config.yaml"
    overrides = {"model.name_or_path": str(tmp_path / "model")}
    config.write_text(render_job("kontext", dataset, preset="smoke", overrides=overrides))
    run = dataset.parent / "runs" / "chromiq_v1"
    with held(run) as process:
        code, document, reported = chromiq("train", config, "--engine", "smoke", "--force")
    assert code == document["exit_code"] == 11
    assert f"{run}: in use by process {process.pid}" in reported
    assert [path.name for path in run.iterdir()] == [LOCK_NAME]


def test_the_lock_of_a_killed_process_is_no_lock(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "out" / LOCK_NAME).read_text().startswith(f"process {holder.pid}")
    with folder_lock(tmp_path / "out", "chromiq build"):
        assert f"process {os.getpid()}" in (tmp_path / "out" / LOCK_NAME).read_text()


def test_a_lock_file_that_says_nothing_or_nonsense_holds_nothing(tmp_path):
    (tmp_path / LOCK_NAME).write_bytes(b"\xff\xfe process 1 \0")
    with folder_lock(tmp_path, "chromiq build"):
        pass


def test_a_lock_is_given_back_when_the_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path, "chromiq build"):
        raise ZeroDivisionError
    with (
        folder_lock(tmp_path, "chromiq build"),
        pytest.raises(LockedError, match=f"in use by process {os.getpid()}"),
        folder_lock(tmp_path, "chromiq build"),
    ):
        pass


def test_what_a_killed_writer_left_goes_with_the_next_lock_and_is_no_picture(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from chromiq.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as path:\n"
        "    path.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    folder = tmp_path / "out" / "deeper"
    killed = subprocess.run([sys.executable, "-c", code, str(folder / "a.png")], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert (left.read_bytes(), left.suffix) == (b"half", ".png")
    assert find_images(folder) == {}
    (folder / ".hidden").write_text("a user's own")
    with folder_lock(tmp_path / "out", "chromiq generate"):
        assert [path.name for path in folder.iterdir()] == [".hidden"]
