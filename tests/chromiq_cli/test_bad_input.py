"""Bad input to ``build``: every fault named in one go, the right exit code, nothing half-written."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from chromiq.dataset_builder.build import build as build_dataset
from chromiq.dataset_builder.options import BuildOptions
from chromiq.sample_catalogue.catalogue import write_catalogue

SIZE_WH = (224, 280)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_catalogue(folder, pairs=2, size_wh=SIZE_WH)
    return folder


@pytest.fixture(scope="module")
def plain(drawn, tmp_path_factory):
    """The target that the photos as they were drawn give."""
    folder = tmp_path_factory.mktemp("plain")
    build_dataset(drawn, folder, BuildOptions(segmenter="classic"))
    return pixels(folder / "gt/pair1.jpg")


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
        result = chromiq(*arguments, "--workers", "1", "--json", *options)
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


@pytest.mark.parametrize("kind", ["cmyk", "exif", "16-bit", "p3"])
def test_unusual_photos_build_as_what_they_show(kind, pairs, plain, build, tmp_path):
    """The panels of the target are those that the plain photos give, whatever the file's own form."""
    path = pairs / "still-life1.jpg"
    with Image.open(path) as image:
        photo = image.convert("RGB")
    path.unlink()
    if kind == "cmyk":
        path = path.with_suffix(".tif")
        photo.convert("CMYK").save(path, icc_profile=None)
    elif kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=98, subsampling=0)
    elif kind == "16-bit":
        import cv2

        path = path.with_suffix(".png")
        cv2.imwrite(str(path), np.asarray(photo)[..., ::-1].astype(np.uint16) * 257)
    else:
        path = path.with_suffix(".png")
        wide = display_p3()
        converted = ImageCms.profileToProfile(photo, ImageCms.createProfile("sRGB"), wide)
        assert np.abs(np.asarray(converted).astype(int) - np.asarray(photo)).max() > 5
        converted.save(path, icc_profile=wide.tobytes())
    code, _, _ = build(pairs)
    assert code == 0
    assert np.abs(pixels(tmp_path / "out/gt/pair1.jpg") - plain).mean() < 1.5


def display_p3():
    """A Display-P3 profile: sRGB's tone curve over P3's primaries, adapted to D50."""
    import struct

    def xyz(x, y, z):
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in (x, y, z))

    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0)
    curve += b"".join(
        struct.pack(">i", round(value * 65536))
        for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    )
    name = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(8 + 3 + 67)
    tags = {
        b"desc": name,
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"cprt": b"text\0\0\0\0none\0",
        b"rXYZ": xyz(0.51512, 0.2412, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.1571, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return ImageCms.ImageCmsProfile(io.BytesIO(header.ljust(128, b"\0") + table + data))
