"""A full disk and folders that may not be written to: reported, nothing half-written, resumed later."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chromiq import files
from chromiq.errors import ChromiqError
from chromiq.files import write_bytes
from chromiq.photos.images import write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair

CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None
FULL, READ_ONLY = (OSError(code, os.strerror(code)) for code in (errno.ENOSPC, errno.EROFS))
PART = ".chromiq-part-"


def mounted(folder, size_kb):
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("this machine lets nobody mount a small tmpfs")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 KB of its own."""
    if not CAN_MOUNT:
        pytest.skip("needs root, to mount a small tmpfs")
    folder = tmp_path / "disk"
    mounted(folder, 200)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".chromiq.lock")
    }


def test_a_build_onto_a_full_disk_resumes_once_there_is_room(chromiq, two_photos, small_disk, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number in range(1, 5):
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (source / f"{role}{number}.jpg").write_bytes(data)
    build = ("build", source, "--segmenter", "classic", "--workers", 1, "--size", "576x352", "--out")
    code, _, reported = chromiq(*build, tmp_path / "plenty")
    assert code == 0, reported
    out = small_disk / "out"
    code, document, reported = chromiq(*build, out)
    assert code == document["exit_code"] == 1
    assert "MB needed" in reported
    assert "MB free. Free some space" in reported
    assert not (out / "manifest.jsonl").exists()
    whole = contents(tmp_path / "plenty")
    written = contents(out)
    assert written
    assert all(whole[name] == data for name, data in written.items() if not name.startswith(".chromiq/"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    code, _, reported = chromiq(*build, out)
    assert code == 0, reported
    again = contents(out)
    assert {name for name in again if not name.startswith(".")} == {
        name for name in whole if not name.startswith(".")
    }
    assert all(again[name] == data for name, data in whole.items() if not name.startswith("."))


def test_what_is_needed_and_what_is_free_is_reported(small_disk):
    (small_disk / "old.bin").write_bytes(bytes(1000))
    with pytest.raises(ChromiqError, match=r"5\.0 MB needed, 0\.\d MB free"):
        write_bytes(small_disk / "old.bin", bytes(5_000_000))
    assert [path.name for path in small_disk.iterdir()] == ["old.bin"]
    assert (small_disk / "old.bin").read_bytes() == bytes(1000)


def test_read_only_input_is_enough(chromiq, two_photos, tmp_path):
    """The photos lie on a file system mounted read-only."""
    if not CAN_MOUNT:
        pytest.skip("needs root, to mount a tmpfs read-only")
    source = tmp_path / "in"
    mounted(source, 2000)
    try:
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (source / f"{role}1.jpg").write_bytes(data)
        subprocess.run(["mount", "-o", "remount,ro", str(source)], check=True)
        code, document, reported = chromiq(
            *("build", source, "--out", tmp_path / "out", "--segmenter", "classic"),
            *("--workers", 1, "--size", "192x128"),
        )
        assert code == 0, reported
        assert document["examples"] == 1
        code, _, reported = chromiq("build", source, "--out", source / "out", "--segmenter", "classic")
        assert code == 1
        assert "Read-only file system" in reported
    finally:
        subprocess.run(["umount", str(source)], check=True)


def test_a_manifest_is_the_last_thing_written(chromiq, dataset):
    entries = [json.loads(line) for line in (dataset / "manifest.jsonl").read_text().splitlines()]
    newest = (dataset / "manifest.jsonl").stat().st_mtime_ns
    for entry in entries:
        for role in ("target", "control", "mask"):
            assert (dataset / entry[role]).stat().st_mtime_ns <= newest


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three pairs; the garment of the second is right, so its photo is copied."""
    folder = tmp_path_factory.mktemp("photos")
    for number in (1, 2, 3):
        pair = draw_pair(1, size_wh=(160, 200))
        worn = pair.on_model.copy()
        if number != 2:
            worn[pair.on_model_mask] = np.clip(worn[pair.on_model_mask] + np.int16([-30, 12, 25]), 0, 255)
        write_photo(folder / "in" / f"still-life{number}.png", pair.still_life)
        write_photo(folder / "in" / f"on_model{number}.{'tif' if number == 3 else 'jpg'}", worn)
        write_mask(folder / "masks" / f"on_model{number}.png", pair.on_model_mask)
    return folder


class Disk:
    """Stands for a disk on which files of a suffix cannot be started, written or synced."""

    def __init__(self, patch, when, error, suffix):
        self.full = True
        target, name = {
            "open": (files.tempfile, "mkstemp"),
            "write": (Path, "write_bytes"),
            "sync": (files.os, "fsync"),
        }[when]
        real = getattr(target, name)

        def fails(*arguments, **options):
            file = options.get("suffix") or str(arguments[0])
            if when == "sync":
                file = str(Path(f"/proc/self/fd/{arguments[0]}").readlink())
            if self.full and file.endswith(suffix) and PART in f"{options}{file}":
                if when == "write":  # as much as there was room for
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise error
            return real(*arguments, **options)

        patch.setattr(target, name, fails)


@pytest.mark.parametrize("name", ["on_model1.jpg", "on_model3.tif"])
@pytest.mark.parametrize(
    ("when", "error", "said"),
    [
        ("open", READ_ONLY, "Read-only file system. Check permissions"),
        ("write", FULL, "No space left on device, 0.0 MB needed"),
        ("sync", FULL, "MB free. Free some space"),
    ],
)
def test_the_old_result_stays_when_a_new_one_cannot_be_written(
    chromiq, photos, tmp_path, monkeypatch, name, when, error, said
):
    out = tmp_path / name
    out.write_bytes(b"the old result")
    disk = Disk(monkeypatch, when, error, out.suffix)
    still_life = photos / "in" / f"still-life{name[8]}.png"
    command = ("correct", still_life, photos / "in" / name, "--out", out)
    command += ("--mask", photos / "masks" / f"on_model{name[8]}.png")
    code, document, reported = chromiq(*command)
    assert code == document["exit_code"] == 1
    assert f"{out}: cannot write: " in reported
    assert said in reported
    assert contents(tmp_path) == {name: b"the old result"}
    disk.full = False
    code, document, reported = chromiq(*command)
    assert code in {0, 3}, reported
    assert document["corrections"][0]["applied"]


@pytest.mark.parametrize("when", ["write", "sync"])
def test_a_batch_on_a_full_disk_resumes_with_the_photos_that_are_left(
    chromiq, photos, tmp_path, monkeypatch, when
):
    command = ("correct", "--batch", photos / "in", "--masks", photos / "masks", "--out")
    code, _, reported = chromiq(*command, tmp_path / "plenty")
    assert code in {0, 3}, reported
    disk = Disk(monkeypatch, when, FULL, ".tif")
    code, document, reported = chromiq(*command, tmp_path / "out")
    assert code == document["exit_code"] == 1
    assert "3.tif: cannot write: No space left on device" in reported
    assert "the same command then resumes" in reported
    assert not (tmp_path / "out" / "on_model3.tif").exists()
    assert not list((tmp_path / "out").rglob(f"{PART}*"))
    first = (tmp_path / "out" / "on_model1.jpg").stat().st_mtime_ns
    disk.full = False
    code, document, reported = chromiq(*command, tmp_path / "out")
    assert code in {0, 3}, reported
    assert (tmp_path / "out" / "on_model1.jpg").stat().st_mtime_ns == first
    for number, suffix in ((1, "jpg"), (2, "jpg"), (3, "tif")):
        name = f"on_model{number}.{suffix}"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plenty" / name).read_bytes()
