"""Folders and files that whoever runs chromiq may not read or write: reported, never a traceback."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_records import a_record
from safetensors import safe_open
from typer.testing import CliRunner

from chromiq.errors import ChromiqError
from chromiq.evaluate.generate.lora_files import read_lora_keys
from chromiq.files import machine_error, write_bytes
from chromiq.toolkit_configs.runs.checkpoints import is_whole
from chromiq.toolkit_configs.runs.record import write_record
from chromiq_cli.verbs import app

if os.geteuid() != 0:
    pytest.skip("needs root, to become somebody who may not", allow_module_level=True)

NOBODY = 65534
SMALL = ("--segmenter", "classic", "--workers", 1, "--size", "192x128")


@contextmanager
def nobody():
    """Permissions do not bind root, so what runs in the block runs as somebody else."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def put_pair(folder, two_photos):
    folder.mkdir()
    for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
        (folder / f"{role}1.jpg").write_bytes(data)


@pytest.fixture(scope="module")
def imported(two_photos, tmp_path_factory):
    """What a build imports late: somebody else may not even read Python's own files."""
    folder = tmp_path_factory.mktemp("imported")
    put_pair(folder / "in", two_photos)
    words = ("build", folder / "in", "--out", folder / "out", *SMALL)
    assert CliRunner().invoke(app, [*map(str, words)]).exit_code == 0


@pytest.fixture
def place(chromiq, imported, two_photos, tmp_path):
    """A folder that everybody may look into, with a sound pair in ``in``; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    put_pair(folder / "in", two_photos)
    chromiq("build", tmp_path / "nowhere", "--out", tmp_path / "out")  # imports what reports a fault
    yield folder
    shutil.rmtree(folder)


def build(chromiq, place, out):
    with nobody():
        return chromiq("build", place / "in", "--out", out, *SMALL)


def test_no_permission_to_write(chromiq, place):
    code, document, reported = build(chromiq, place, place / "out")
    assert code == document["exit_code"] == 1
    assert f"{place / 'out'}: cannot write: Permission denied" in reported
    assert not (place / "out").exists()


def test_no_permission_to_write_any_more(chromiq, place):
    (place / "out").mkdir()
    (place / "out").chmod(0o777)
    code, _, reported = build(chromiq, place, place / "out")
    assert code == 0, reported
    before = {path: path.read_bytes() for path in (place / "out").rglob("*") if path.is_file()}
    (place / "out").chmod(0o555)
    code, _, reported = build(chromiq, place, place / "out")
    assert code == 1
    assert "Permission denied" in reported
    assert {path: path.read_bytes() for path in (place / "out").rglob("*") if path.is_file()} == before


def test_a_photo_that_may_not_be_read(chromiq, place):
    (place / "in" / "on_model1.jpg").chmod(0o600)
    code, document, reported = build(chromiq, place, place / "out")
    assert code == 10
    assert [finding["code"] for finding in document["findings"]] == ["photo.unreadable"]
    assert "Permission denied" in reported


@pytest.mark.parametrize("what", ["folder", "list", "labels", "masks"])
def test_a_folder_or_list_that_may_not_be_read(what, chromiq, place):
    source, options = place / "in", []
    if what == "folder":
        source.chmod(0o700)
    elif what == "list":
        source = place / "in" / "pairs.csv"
        source.write_text("still_life,on_model\nstill-life1.jpg,on_model1.jpg\n")
        source.chmod(0o600)
    elif what == "labels":
        options = ["--garments", place / "garments.json"]
        options[1].write_text("{}")
        options[1].chmod(0o600)
    else:
        options = ["--masks", place / "masks"]
        options[1].mkdir(mode=0o700)
    with nobody():
        code, document, reported = chromiq("build", source, "--out", place / "out", *SMALL, *options)
    assert code == document["exit_code"] == (10 if what in {"labels", "list"} else 1)
    assert "permission denied" in reported.lower()
    assert not (place / "out").exists()


def test_an_old_file_stays_when_it_may_not_be_replaced(place):
    (place / "old.bin").write_bytes(b"old")
    with nobody(), pytest.raises(ChromiqError, match="Permission denied"):
        write_bytes(place / "old.bin", b"new")
    assert (place / "old.bin").read_bytes() == b"old"
    assert [path.name for path in sorted(place.iterdir())] == ["in", "old.bin"]


def test_runs_whose_files_may_not_be_read_are_named_and_the_others_shown(chromiq, place):
    for name, file in (("a", "run.json"), ("b", "events.jsonl"), ("c", None)):
        write_record(place / "runs" / name, a_record(name=name, state="done"))
        (place / "runs" / name / "events.jsonl").touch()
        if file:
            (place / "runs" / name / file).chmod(0o600)
    chromiq("status", place / "runs" / "c")  # what is imported late
    with nobody():
        code, document, reported = chromiq("status", place / "runs")
    assert code == 3
    for name, file in (("a", "run.json"), ("b", "events.jsonl")):
        assert f"{place}/runs/{name}/{file}: cannot be read: permission denied. Make it r" in reported
    assert [run.get("name") for run in document["runs"]] == [None, None, "c"]


def test_a_lora_that_may_not_be_read_is_named(place):
    """Its library calls it missing, without its name, as the system calls a working directory."""
    lora = place / "a.safetensors"
    lora.write_bytes(b"x")
    lora.chmod(0o600)
    for read in (read_lora_keys, is_whole):
        with nobody(), pytest.raises(PermissionError) as caught:
            read(lora)
        assert str(machine_error(caught.value)).startswith(f"{lora}: cannot read or write: Permission denied")
    with pytest.raises(FileNotFoundError) as caught, safe_open(place / "none", "numpy"):
        pass
    assert machine_error(caught.value) is None


def test_a_photo_whose_record_may_not_be_read_is_not_taken_for_somebody_s_own(chromiq, place):
    command = ("correct", "--batch", place / "in", "--out", place / "out", "--segmenter", "classic")
    assert chromiq(*command)[0] in {0, 3}
    record = place / "out" / ".chromiq" / "corrections" / "1.json"
    for path in (place / "out", *(place / "out").rglob("*")):
        path.chmod(0o777)
    record.chmod(0o600)
    with nobody():
        code, _, reported = chromiq(*command)
    assert (code, f"{record}: cannot read or write: Permission denied" in reported) == (1, True)
