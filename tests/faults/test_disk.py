"""A full disk and folders that may not be written to: reported, nothing half-written, resumed later."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from chromiq.errors import ChromiqError
from chromiq.files import write_bytes

CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


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
    build = ("build", source, "--segmenter", "classic", "--workers", 1, "--out")
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
            "build", source, "--out", tmp_path / "out", "--segmenter", "classic", "--workers", 1
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
