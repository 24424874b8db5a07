"""Bad input to ``build``: every fault named in one go, the right exit code, nothing half-written."""

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from chromiq.dataset_builder.build import build as build_dataset
from chromiq.dataset_builder.options import BuildOptions
from chromiq.photos.colour_space import named_space
from chromiq.sample_catalogue.catalogue import write_catalogue

SIZE_WH = (224, 280)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_catalogue(folder, pairs=2, size_wh=SIZE_WH)
    return folder


@pytest.fixture
def pairs(drawn, tmp_path):
    """Two sound pairs, to spoil."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for path in drawn.glob("*.jpg"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def build(chromiq, tmp_path):
    """Run the verb; its exit code, its findings by code, and what it said on stderr."""

    def run(source, *options):
        arguments = ["build", source, "--out", tmp_path / "out", "--segmenter", "classic"]
        result = chromiq(*arguments, "--workers", "1", "--size", "192x128", "--json", *options)
        findings = {}
        for finding in result.document["findings"]:
            findings.setdefault(finding["code"], []).append(finding["where"])
        return result.code, findings, result.err

    return run


def ends(findings, code):
    return sorted(Path(where).name for where in findings[code])


def test_all_faults_at_once_and_nothing_written(pairs, build, tmp_path):
    (pairs / "on_model2.jpg").unlink()
    (pairs / "still-life1.png").write_bytes((pairs / "still-life1.jpg").read_bytes())
    whole = (pairs / "on_model1.jpg").read_bytes()
    (pairs / "still-life3.jpg").write_bytes(whole[: len(whole) // 2])
    (pairs / "on_model3.jpg").write_text("not a photo at all")
    Image.new("RGB", (1, 1)).save(pairs / "still-life4.png")
    (pairs / "on_model4.png").touch()
    code, findings, reported = build(pairs)
    assert code == 10
    assert ends(findings, "pair.incomplete") == ["still-life2.jpg"]
    assert ends(findings, "photo.truncated") == ["still-life3.jpg"]
    assert ends(findings, "photo.unreadable") == ["on_model3.jpg"]
    assert ends(findings, "photo.small") == ["still-life4.png"]
    assert ends(findings, "photo.empty") == ["on_model4.png"]
    assert "still-life1.jpg" in findings["pair.claimed_twice"][0]
    assert "still-life1.png" in findings["pair.claimed_twice"][0]
    errors = [line for line in reported.splitlines() if line.startswith("error: ")]
    assert len(errors) == 6
    assert not (tmp_path / "out").exists()


def test_skip_bad_builds_the_rest_and_exits_3(pairs, build, tmp_path):
    (pairs / "on_model2.jpg").unlink()
    code, findings, _ = build(pairs, "--skip-bad")
    assert code == 3
    assert ends(findings, "pair.incomplete") == ["still-life2.jpg"]
    assert [path.name for path in sorted((tmp_path / "out" / "gt").iterdir())] == ["pair1.jpg", "pair1.txt"]


def test_an_empty_folder(build, tmp_path):
    (tmp_path / "empty").mkdir()
    code, findings, reported = build(tmp_path / "empty")
    assert code == 10
    assert list(findings) == ["source.empty"]
    assert "Name the photos still-life1.jpg" in reported


def test_the_output_is_a_file(pairs, build, tmp_path):
    (tmp_path / "out").write_text("mine")
    code, _, reported = build(pairs)
    assert code == 2
    assert "is a file, not a folder" in reported
    assert (tmp_path / "out").read_text() == "mine"


def test_the_output_cannot_be_written(pairs, build, tmp_path):
    """A folder below a file stands for one without write permission, which root does not know."""
    (tmp_path / "taken").write_text("mine")
    code, _, reported = build(pairs, "--out", str(tmp_path / "taken" / "out"))
    assert code == 1
    assert str(tmp_path / "taken") in reported
    assert (tmp_path / "taken").read_text() == "mine"


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_unusual_photos_build_as_what_they_show(drawn, tmp_path):
    """The targets of four forms of one photo are that of the photo as it was drawn."""
    with Image.open(drawn / "still-life1.jpg") as image:
        photo = image.convert("RGB")
    kinds = ("plain", "cmyk", "exif", "deep", "wide")
    source, masks = tmp_path / "photos", tmp_path / "masks"
    for folder, suffix, original in (
        (source, "jpg", drawn / "on_model1.jpg"),
        (masks, "png", drawn / "truth" / "garment_masks" / "on_model1.png"),
    ):
        folder.mkdir()
        for kind in kinds:
            shutil.copy(original, folder / f"on_model_{kind}.{suffix}")
    shutil.copy(drawn / "still-life1.jpg", source / "still-life_plain.jpg")
    photo.convert("CMYK").save(source / "still-life_cmyk.tif", icc_profile=None)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    turned.save(source / "still-life_exif.jpg", exif=exif, quality=98, subsampling=0)
    cv2.imwrite(str(source / "still-life_deep.png"), np.asarray(photo)[..., ::-1].astype(np.uint16) * 257)
    wide = named_space("Display P3", "test").profile
    profiles = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(wide))
    converted = ImageCms.profileToProfile(photo, *profiles)
    assert np.abs(np.asarray(converted).astype(int) - np.asarray(photo)).max() > 5
    converted.save(source / "still-life_wide.png", icc_profile=wide)
    options = BuildOptions(segmenter="classic", size_wh=(352, 224))
    build_dataset(source, tmp_path / "out", options, masks=masks)
    targets = {kind: pixels(tmp_path / "out" / "gt" / f"pair{kind}.jpg") for kind in kinds}
    for kind in kinds:
        assert np.abs(targets[kind] - targets["plain"]).mean() < 1.5, kind
