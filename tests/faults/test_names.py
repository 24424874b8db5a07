"""File names are data: they come back exactly, or a collision is reported; none leads out of the folder."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from chromiq.dataset_builder.inputs.labels import read_garments
from chromiq.errors import UnsoundError
from chromiq.evaluate.generate.images import read_captions, read_seeds
from chromiq.evaluate.score.crops import read_crops
from chromiq.photos.images import write_photo

STRANGE = (
    'it\'s a "b"',
    "line\nbreak",
    "-rf",
    "..",
    "👗é",
    "$(id)`id`",
    "{{ x }}${HOME}[name]",
    "<script>",
    "yes",
    "#1: 1e5",
    "%s*&;",
)


BOTH_FORMS = tuple(unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


def codes(document):
    return sorted(finding["code"] for finding in document["findings"])


def put(folder, key, two_photos, suffix=".jpg"):
    folder.mkdir(exist_ok=True)
    for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
        (folder / f"{role}{key}{suffix}").write_bytes(data)


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def build(chromiq, source, out, *options):
    small = ("--segmenter", "classic", "--workers", 1, "--size", "192x128")
    return chromiq("build", source, "--out", out, *small, *options)


def test_strange_names_build_inside_the_folder_and_come_back_exactly(chromiq, two_photos, tmp_path):
    source, out = tmp_path / "in", tmp_path / "work" / "out"
    for key in STRANGE:
        put(source, key, two_photos)
    before = files_below(source)
    code, document, reported = build(chromiq, source, out)
    if code == 10:  # a collision is the one way out, and it names both
        assert set(codes(document)) <= {"pair.name_taken", "pair.name"}, reported
        code, document, reported = build(chromiq, source, out, "--skip-bad")
        assert code == 3, reported
    assert files_below(source) == before
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"out"}
    entries = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert entries
    for entry in entries:
        for role in ("target", "control", "mask"):
            path = (out / entry[role]).resolve()
            assert path.is_file()
            assert path.is_relative_to(out.resolve())
            assert path.stem == entry["name"]
            assert entry["name"].isprintable()
    garments = json.loads((out / "garments.json").read_text())
    assert set(garments) <= {path for path in before if path.startswith("still-life")}
    assert len(garments) == len(entries)


@pytest.mark.parametrize(
    "twins",
    [
        ("A.jpg", "a.JPG"),
        ("A.jpg", "A.png"),
        tuple(f"{stem}.jpg" for stem in BOTH_FORMS),
    ],
    ids=["case", "suffix", "unicode"],
)
def test_twins_are_a_collision_that_names_both(twins, chromiq, two_photos, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for name in twins:
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (source / f"{role}{name}").write_bytes(data)
    if len(list(source.iterdir())) < 4:
        pytest.skip("this file system holds only one of the two names")
    code, document, _ = build(chromiq, source, tmp_path / "out")
    assert code == 10
    assert codes(document) == ["pair.claimed_twice"] * 2
    for name in twins:
        assert any(f"still-life{name}" in finding["where"] for finding in document["findings"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("read", [read_crops, read_seeds, read_garments], ids=lambda read: read.__name__)
def test_two_entries_for_one_name_are_a_fault(read, tmp_path):
    sound = {
        read_crops: [{"x": x, "y": 0, "width": 8, "height": 8} for x in range(2)],
        read_seeds: [1, 2],
        read_garments: ["shirt", "coat"],
    }[read]
    (tmp_path / "file.json").write_text(json.dumps(dict(zip(BOTH_FORMS, sound, strict=True))))
    with pytest.raises(UnsoundError, match="two different entries"):
        read(tmp_path / "file.json")
    (tmp_path / "file.json").write_text(json.dumps(dict.fromkeys(BOTH_FORMS, sound[0])))
    assert list(read(tmp_path / "file.json")) == [BOTH_FORMS[0]]


def test_two_captions_for_one_name_are_a_fault(tmp_path):
    for stem in BOTH_FORMS:
        (tmp_path / f"{stem}.txt").write_text(f"a dress of {len(stem)}")
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system holds only one of the two names")
    with pytest.raises(UnsoundError, match="two different entries"):
        read_captions(tmp_path)


def test_two_kinds_of_one_image_are_a_fault(chromiq, tmp_path):
    for column in ("gt", "control", "generated"):
        write_photo(tmp_path / column / f"{BOTH_FORMS[0]}.png", np.zeros((8, 8, 3), np.uint8))
    kinds = {f"{BOTH_FORMS[0]}.jpg": "shirt", f"{BOTH_FORMS[1]}.png": "coat"}
    (tmp_path / "kinds.json").write_text(json.dumps(kinds))
    folders = [word for name in ("gt", "control", "generated") for word in (f"--{name}", tmp_path / name)]
    options = ["--garments", tmp_path / "kinds.json", "--out", tmp_path / "out"]
    code, document, _ = chromiq("score", *folders, *options)
    assert (code, codes(document)) == (10, ["garments.twice"])


def test_names_of_255_bytes(chromiq, two_photos, tmp_path):
    name = "é" * 125 + "x.jpg"
    assert len(name.encode()) == 255
    for role, data in zip(("still-life", "on-model"), two_photos, strict=True):
        (tmp_path / "in" / role).mkdir(parents=True)
        (tmp_path / "in" / role / name).write_bytes(data)
    code, document, reported = build(chromiq, tmp_path / "in", tmp_path / "out")
    assert code == 0, reported
    assert document["examples"] == 1
    names = [Path(name).name for name in files_below(tmp_path / "out")]
    assert max(len(name.encode()) for name in names) < 255


def test_links_out_of_the_folder_are_reported_and_not_followed(chromiq, two_photos, tmp_path):
    put(tmp_path / "elsewhere", "9", two_photos)
    put(tmp_path / "in", "1", two_photos)
    for name in ("still-life9.jpg", "on_model9.jpg"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "elsewhere" / name)
    code, document, _ = build(chromiq, tmp_path / "in", tmp_path / "out")
    assert code == 10
    assert codes(document) == ["photo.outside"] * 2


def test_links_that_lead_round_in_circles(chromiq, two_photos, tmp_path):
    put(tmp_path / "in", "1", two_photos)
    (tmp_path / "in" / "still-life2.jpg").symlink_to(tmp_path / "in" / "on_model2.jpg")
    (tmp_path / "in" / "on_model2.jpg").symlink_to(tmp_path / "in" / "still-life2.jpg")
    (tmp_path / "in" / "still-life").symlink_to(tmp_path / "in", target_is_directory=True)
    code, document, reported = build(chromiq, tmp_path / "in", tmp_path / "out", "--skip-bad")
    assert code in {0, 3}, reported
    assert document["examples"] == 1
    assert "still-life2.jpg" in reported


def test_output_names_that_lead_out_through_a_csv_key(chromiq, two_photos, tmp_path):
    put(tmp_path / "in", "1", two_photos)
    table = tmp_path / "in" / "pairs.csv"
    table.write_text("still_life,on_model,key\nstill-life1.jpg,on_model1.jpg,../../evil\n")
    code, _, reported = build(chromiq, table, tmp_path / "work" / "out")
    assert code == 0, reported
    assert not any("evil" in name and not name.startswith("work/out/") for name in files_below(tmp_path))


def test_many_files_that_are_no_photos(chromiq, two_photos, tmp_path):
    put(tmp_path / "in", "1", two_photos)
    for number in range(10_000):
        (tmp_path / "in" / f"note{number}.txt").touch()
    code, document, reported = build(chromiq, tmp_path / "in", tmp_path / "out")
    assert code == 0
    assert codes(document) == ["source.strangers"]
    assert "10000 files belong to no pair" in reported
    assert len(reported) < 5_000


def test_photos_in_formats_that_are_not_read_are_named_with_a_cure(chromiq, two_photos, tmp_path):
    put(tmp_path / "in", "1", two_photos)
    (tmp_path / "in" / "still-life2.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "in" / "on_model2.jpg").write_bytes(two_photos[1])
    (tmp_path / "in" / "holiday.heic").touch()
    code, document, reported = build(chromiq, tmp_path / "in", tmp_path / "out")
    assert code == 10
    assert sorted(codes(document)) == ["pair.incomplete", "photo.kind", "source.strangers"]
    assert "still-life2.HEIC: .HEIC files cannot be read. Export it as JPEG" in reported


@pytest.mark.parametrize("layout", ["beside each other", "in folders"])
def test_a_dataset_among_its_photos_resumes_or_is_refused(layout, chromiq, two_photos, tmp_path):
    """Its own pictures must not be taken for photos when the same command comes again."""
    source = tmp_path / "in"
    put(source, "1", two_photos)
    if layout == "in folders":
        for role in ("still-life", "on_model"):
            (source / role).mkdir()
            (source / f"{role}1.jpg").rename(source / role / "1.jpg")
    for _ in range(2):
        code, document, reported = build(chromiq, source, source)
        assert code == 0, reported
        assert document["examples"] == 1
    before = files_below(source)
    code, _, reported = build(chromiq, source, source / "on_model")
    assert code == 2
    assert "Choose another folder for the dataset" in reported
    assert files_below(source) == before


@pytest.mark.parametrize("longer", ["pairs", "out"])
def test_a_path_longer_than_any_is_reported_in_a_few_words(longer, chromiq, two_photos, tmp_path):
    put(tmp_path / "in", "1", two_photos)
    source, out = tmp_path / "in", tmp_path / "out"
    code, document, reported = build(
        chromiq, *(("x" * 5000, out) if longer == "pairs" else (source, "x" * 5000))
    )
    assert code == document["exit_code"] == (2 if longer == "pairs" else 1)
    assert (
        "no such file or folder" if longer == "pairs" else "File name too long. Choose another path."
    ) in reported
    assert len(reported) < 1000


def test_names_whose_bytes_are_no_utf8_are_reported(chromiq, two_photos, tmp_path):
    """As an old archive unpacks them; a manifest and a caption could not name them."""
    put(tmp_path / "in", "1", two_photos)
    put(tmp_path / "in", os.fsdecode(b"\xe92"), two_photos)
    for verb in (["build", tmp_path / "in"], ["correct", "--batch", tmp_path / "in"]):
        code, document, reported = chromiq(*verb, "--out", tmp_path / "out", "--segmenter", "classic")
        assert code == 10
        assert [
            (each["code"], each["where"]) for each in document["findings"] if each["severity"] == "error"
        ] == [("pair.name", ascii(str(tmp_path / "in" / os.fsdecode(b"still-life\xe92.jpg"))))]
        assert "the file name is not valid UTF-8" in reported
    photos = [tmp_path / "in" / os.fsdecode(name) for name in (b"still-life\xe92.jpg", b"on_model\xe92.jpg")]
    out = tmp_path / os.fsdecode(b"\xe9.png")
    code, document, _ = chromiq("correct", *photos, "--out", out, "--segmenter", "classic")
    assert code in {0, 3}
    assert document["corrections"][0]["out"] == str(out)
