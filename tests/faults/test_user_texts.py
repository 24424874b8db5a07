"""What users write may be anything: it is read, or refused with one of our own errors, within bounds."""

import json
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from user_texts import READERS, SEEDS, read

from chromiq.dataset_builder.inputs.labels import read_garments
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.documents import MAX_TEXT_BYTES
from chromiq.errors import UnsoundError, UsageError
from chromiq.evaluate.generate.images import read_captions, read_seeds
from chromiq.evaluate.score.crops import read_crops
from chromiq.toolkit_configs.render.settings import project_settings
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.sweeps.grid import read_grid
from chromiq_cli.output import print_findings

KINDS = sorted(READERS)
PIECES = [
    b"\0",
    b"\xff\xfe",
    b"null",
    b"[",
    b"{",
    b'"',
    b"1e999",
    b"-1",
    b"\n",
    b"&a",
    b"*a",
    b"NaN",
    b"\\ud800",
    b"!!python/object:os.system",
    b"\xf0\x9f\x91\x97",
    b"9" * 5000,
]


@st.composite
def spoilt(draw, kind):
    """A sound text with some bytes put in, taken out or turned, or bytes of no sense at all."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(SEEDS[kind])))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        piece = draw(st.one_of(st.binary(max_size=4), st.sampled_from(PIECES)))
        data[place : place + draw(st.integers(0, 3))] = piece
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_our_own_errors(kind, tmp_path):
    @settings(max_examples=120, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(spoilt(kind))
    def check(data):
        error = read(kind, data, tmp_path)
        if error is not None:
            assert str(error)
            json.dumps([finding.as_dict() for finding in error.findings])

    check()


LAUGHS = b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b", ".join([b"*%c" % n] * 9)) for n in range(97, 105))


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("crops", b"[" * 100_000, "recursion limit"),
        ("garments", b"[" * 100_000, "nested too deep"),
        ("garments", b'{"a":' * 50_000, "nested too deep"),
        ("manifest", b"[" * 100_000, "recursion limit"),
        ("job", b"[" * 20_000, "nested too deep"),
        ("job", b"a: &a [x, x, x, x, x, x, x, x, x]\n" + LAUGHS, "more than 100000 values"),
        ("project", b"[" * 20_000, "nested too deep"),
    ],
)
def test_depth_and_repetition_end_in_an_error_not_in_a_crash(kind, data, reason, tmp_path):
    error = read(kind, data, tmp_path)
    assert error is not None
    assert re.search(reason, f"{error} {' '.join(map(str, error.findings))}")


@pytest.mark.parametrize(
    ("reader", "refused"),
    [
        (read_crops, UnsoundError),
        (read_garments, UnsoundError),
        (read_grid, UnsoundError),
        (read_job, UnsoundError),
        (read_seeds, UnsoundError),
        (project_settings, UsageError),
    ],
    ids=lambda value: value.__name__,
)
def test_a_device_without_end_and_a_film_are_no_texts(reader, refused, tmp_path):
    with (tmp_path / "film").open("wb") as film:
        film.truncate(MAX_TEXT_BYTES + 1)
    for path in (tmp_path / "film", Path("/dev/zero")):
        with pytest.raises(refused) as reported:
            reader(path)
        assert re.search(
            f"{path}.*(more than 64 MB|is no file)", f"{reported.value} {reported.value.findings}"
        )


def test_a_text_from_a_pipe_is_read(tmp_path):
    """As the shell's <(...) gives one."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=('{"pair1": 7}',))
    writer.start()
    assert read_seeds(tmp_path / "pipe") == {"pair1": 7}
    writer.join()


def test_lines_that_end_as_on_windows_are_lines_like_others(tmp_path):
    (tmp_path / "pair1.txt").write_bytes(b"chromiq\r\nChange it\r\n")
    assert read_captions(tmp_path) == {"pair1": "chromiq\nChange it"}


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    for name, text in (
        ("pair1.txt", "chromiq Change it"),
        ("seeds.json", '{"pair1": 7}'),
        ("crops.json", '{"pair1": {"x": 0, "y": 0, "width": 20, "height": 20}}'),
        ("garments.json", '{"still-life1.jpg": "jacket"}'),
        ("chromiq.yaml", "preset: 24gb"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_captions(tmp_path) == {"pair1": "chromiq Change it"}
    assert read_seeds(tmp_path / "seeds.json") == {"pair1": 7}
    assert read_crops(tmp_path / "crops.json")["pair1"].xyxy == (0, 0, 20, 20)
    assert read_garments(tmp_path / "garments.json") == {"still-life1.jpg": "jacket"}
    assert project_settings(tmp_path / "chromiq.yaml").options == {"preset": "24gb"}


def test_long_fields_and_names_are_findings(tmp_path):
    for text, code in (
        ('still_life,on_model\n"' + "x" * 300_000, "csv.unreadable"),
        ("still_life,on_model\n" + "a" * 5000 + ".jpg,b.jpg\n", "photo.missing"),
    ):
        (tmp_path / "pairs.csv").write_text(text)
        findings = find_pairs(tmp_path / "pairs.csv").findings
        assert code in [finding.code for finding in findings]
        assert all(len(str(finding)) < 1000 for finding in findings)


def test_a_list_of_30000_lines_is_read_within_bounds(tmp_path, capsys):
    """None of the photos is there, so each line has findings, of which a few are printed."""
    rows = "".join(f"still{number}.jpg,model{number}.jpg\n" for number in range(30_000))
    (tmp_path / "pairs.csv").write_text("still_life,on_model\n" + rows)
    listing = find_pairs(tmp_path / "pairs.csv")
    assert not listing.pairs
    assert len(listing.findings) == 60_000
    print_findings(listing.findings)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 51
    assert lines[-1] == "... and 59950 more [photo.missing]; --json lists all"
