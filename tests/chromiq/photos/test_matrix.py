"""The matrix of formats and features; generates and checks the table in docs/photo_formats.md.

``CHROMIQ_WRITE_DOCS=1 pytest tests/chromiq/photos/test_matrix.py`` writes the table again.
"""

import os

import cv2
import numpy as np
import pytest
import tifffile
from foreign_photos import CASES, HEIGHT_PX, WIDTH_PX
from PIL import Image
from places import ROOT

from chromiq.correction.fitting.colour_map import ColourMap, apply_colour_map
from chromiq.photos.images import read_photo
from chromiq.photos.metadata import turned_back
from chromiq.photos.originals import Kept, write_changed
from chromiq.photos.soundness import verify_photo

DOCUMENT = ROOT / "docs" / "photo_formats.md"
LIGHTER = ColourMap(np.eye(3), np.zeros(3), np.array([6.0, 4, -5]))
FRAMES = {bytes([0xFF, kind]) for kind in {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}}
_HEAD = ["file", "read as", "outside the mask", "kept", "dropped", "otherwise"]


def garment(shape):
    mask = np.zeros(shape, bool)
    mask[50:80, 40:70] = True
    return mask


def stored_values(photo):
    return turned_back(photo.values, photo.file.orientation)


def assert_decoders_agree(case, path, photo):
    """Compare the pixels with those of an independent decoder."""
    if case.decode is None:
        return
    reference, pixels = case.decode(path), photo.file.decode()
    values = pixels.values
    if values.ndim == 3 and pixels.alpha is not None:
        values = np.dstack([values, pixels.alpha])
    if reference.dtype == np.uint16 and values.dtype == np.uint8:
        reference = (reference // 257).astype(np.uint8)
    if reference.ndim == 3 and values.ndim == 3:
        reference, values = (
            each[..., : min(reference.shape[2], values.shape[2])] for each in (reference, values)
        )
    np.testing.assert_array_equal(values, reference)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_foreign_file_is_read_and_written_correctly(case, tmp_path):
    source, out = tmp_path / f"in{case.suffix}", tmp_path / f"out{case.suffix}"
    case.make(source)
    assert verify_photo(source) is None
    photo = read_photo(source)
    assert photo.values.shape[:2] == (HEIGHT_PX, WIDTH_PX)
    assert_decoders_agree(case, source, photo)
    mask = garment(photo.values.shape[:2])
    changed = apply_colour_map(photo.values, mask, LIGHTER, space=photo.space).within(photo.values)
    written = write_changed(out, photo, changed)

    after = read_photo(out)
    assert after.file.format == photo.file.format
    assert after.values.dtype == photo.values.dtype
    if written.outside is not Kept.CONVERTED:
        assert_decoders_agree(case, out, after)
    if written.outside is not Kept.CONVERTED:
        assert after.file.orientation == photo.file.orientation
        assert after.space.profile == photo.space.profile
    side_px = 65 if written.outside is Kept.BLOCKS else 1
    near = cv2.dilate(mask.astype(np.uint8), np.ones((side_px, side_px), np.uint8)) > 0
    if written.outside in {Kept.ALL, Kept.BLOCKS}:
        np.testing.assert_array_equal(after.values[~near], photo.values[~near])
        if photo.alpha is not None:
            np.testing.assert_array_equal(after.alpha, photo.alpha)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    wanted, got = (photo.space.to_lab(values[inner]).mean(axis=0) for values in (changed, after.values))
    lossy = case.suffix == ".jpg" or "JPEG" in case.name
    np.testing.assert_allclose(got, wanted, atol=1.5 if lossy else 0.01)
    assert_stored_alike(case, source, out, written)
    assert row(case, photo, written) == documented().get(case.name)


def stored_as(path, suffix):
    """How a file stores its pixels, according to other decoders."""
    if suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            names = ("compression", "predictor", "planarconfig", "is_tiled", "rowsperstrip", "bitspersample")
            found = {name: getattr(page, name) for name in (*names, "samplesperpixel", "subsampling")}
            return found | {"byteorder": file.byteorder, "is_bigtiff": file.is_bigtiff}
    if suffix == ".jpg":
        data = path.read_bytes()
        frame = next(data[at + 1] for at in range(2, len(data)) if data[at : at + 2] in FRAMES)
        with Image.open(path) as image:
            layers = [layer[1:3] for layer in image.layer]
            return {"frame": frame, "sampling": layers, "tables": image.quantization}
    if suffix == ".png":
        return {"depth": path.read_bytes()[24]}
    return {}


def assert_stored_alike(case, source, out, written):
    """Check that compression, predictor, planes, byte order, sampling and tables are kept or reported."""
    before, after = (stored_as(path, case.suffix) for path in (source, out))
    if written.outside is Kept.CONVERTED or any("became" in note for note in written.notes):
        return
    assert after == before


def row(case, photo, written):
    """The row of a case."""
    depth = f"{8 * photo.values.itemsize} bit"
    space = photo.space.stated_by or "sRGB assumed"
    read = f"{depth} {photo.file.kind.replace('rgb', 'RGB').replace('cmyk', 'CMYK')}, {space}"
    read += ", alpha" if photo.alpha is not None else ""
    cells = [
        case.name,
        read,
        written.outside.value,
        *(", ".join(part) for part in (written.kept, written.dropped, written.notes)),
    ]
    line = "| " + " | ".join(cells) + " |"
    if os.environ.get("CHROMIQ_WRITE_DOCS"):
        write_row(case.name, line)
    return line


def documented():
    table = DOCUMENT.read_text(encoding="utf-8").split("<!-- table -->")[1].split("<!-- end of table -->")[0]
    return {line[2:].split(" | ")[0]: line for line in table.splitlines() if line.startswith("| ")}


def write_row(name, line):
    """Insert a row into the table, in the order of the cases."""
    text = DOCUMENT.read_text(encoding="utf-8")
    lines = documented() | {name: line}
    head = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    table = [lines[case.name] for case in CASES if case.name in lines]
    before, after = text.split("<!-- table -->")[0], text.split("<!-- end of table -->")[1]
    text = before + "<!-- table -->\n" + "\n".join([*head, *table]) + "\n<!-- end of table -->" + after
    DOCUMENT.write_text(text, encoding="utf-8")


def test_the_table_has_one_row_per_case():
    assert set(documented()) - {_HEAD[0]} == {case.name for case in CASES}
