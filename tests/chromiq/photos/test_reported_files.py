"""Unusual files of phones and photo software, after public bug reports."""

import hashlib
import struct

import cv2
import numpy as np
import pytest
from foreign_photos import (
    ALPHA,
    PHOTO,
    add_thumbnail,
    after_first_segment,
    cjpeg,
    imagemagick,
    ran,
    segment,
    srgb,
    tool,
    xmp_segment,
)

from chromiq.photos.images import read_photo
from chromiq.photos.originals import Kept, write_changed
from chromiq.photos.soundness import verify_photo

SRGB = srgb()  # dated, so made once


def icc(part, number, count):
    """Part of a profile as a segment."""
    return segment(2, b"ICC_PROFILE\0" + bytes([number, count]) + part)


def profile_twice(data):
    """As in Pillow's pull request 4613: once in its place, once after the frame header."""
    frame = data.index(b"\xff\xc0")
    behind = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4])
    return after_first_segment(data[:behind] + icc(SRGB, 1, 1) + data[behind:], icc(SRGB, 1, 1))


def extended_xmp(data):
    """A phone's depth map, in extended XMP."""
    depth = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b"QUJD" * 30_000 + b"</x:xmpmeta>"
    digest = hashlib.md5(depth).hexdigest().upper().encode()
    note = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:n="http://ns.adobe.com/xmp/note/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        b' dc:creator="a studio" n:HasExtendedXMP="' + digest + b'"/></rdf:RDF></x:xmpmeta>'
    )
    parts = [
        b"http://ns.adobe.com/xmp/extension/\0" + digest + struct.pack(">II", len(depth), at)
        + depth[at : at + 60_000]
        for at in range(0, len(depth), 60_000)
    ]  # fmt: skip
    segments = [xmp_segment(note), *(segment(1, part) for part in parts)]
    return after_first_segment(data, b"".join(segments))


HALF = len(SRGB) // 2
JPEGS = {
    "no end marker, Samsung's trailer": (lambda d: d[:-2] + b"\0\0\1\x0aSEFH" + bytes(60) + b"SEFT", set()),
    "zeros behind the end": (lambda d: d + bytes(70_000), {"70000 bytes after the image"}),
    "Apple's AMPF in the JFIF segment": (
        lambda d: d[:4] + struct.pack(">H", 20) + d[6:20] + b"AMPF" + d[20:],
        set(),
    ),
    "zeros between segments": (lambda d: after_first_segment(d, bytes(8)), set()),
    "many fill bytes before the end": (lambda d: d[:-2] + b"\xff" * 9 + d[-2:], set()),
    "a profile twice, once behind the frame": (profile_twice, set()),
    "a profile's parts out of order": (
        lambda d: after_first_segment(d, icc(SRGB[HALF:], 2, 2) + icc(SRGB[:HALF], 1, 2)),
        set(),
    ),
    "a profile's parts numbered from 0": (lambda d: after_first_segment(d, icc(SRGB, 0, 1)), set()),
    "Photoshop's Ducky": (
        lambda d: after_first_segment(d, segment(12, b"Ducky\0\1\0\4\0\0\0\x3c\0\0")),
        set(),
    ),
    "extended XMP": (extended_xmp, {"extended XMP"}),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_is_read_and_changed_in_part(tmp_path, name):
    cjpeg("-sample", "1x1")(tmp_path / "in.jpg")
    plain = read_photo(tmp_path / "in.jpg").values
    change, dropped = JPEGS[name]
    (tmp_path / "in.jpg").write_bytes(change((tmp_path / "in.jpg").read_bytes()))
    assert verify_photo(tmp_path / "in.jpg") is None
    photo = read_photo(tmp_path / "in.jpg")
    np.testing.assert_array_equal(photo.values[:100], plain[:100])
    changed = photo.values.copy()
    changed[16:40, 16:40] //= 2
    written = write_changed(tmp_path / "out.jpg", photo, changed)
    assert written.outside is Kept.BLOCKS
    assert set(written.dropped) == dropped
    after = read_photo(tmp_path / "out.jpg")
    np.testing.assert_array_equal(after.values[48:], photo.values[48:])
    assert after.space.profile == photo.space.profile == (SRGB if "profile" in name else None)
    assert b"HasExtendedXMP" not in (tmp_path / "out.jpg").read_bytes()


def test_an_unmarked_fourth_channel_of_opencv_is_kept(tmp_path):
    cv2.imwrite(str(tmp_path / "in.tif"), np.dstack([PHOTO[..., ::-1], ALPHA]))
    photo = read_photo(tmp_path / "in.tif")
    changed = photo.values.copy()
    changed[16:40, 16:40] //= 2
    assert write_changed(tmp_path / "out.tif", photo, changed).outside is Kept.ALL
    stored = cv2.imread(str(tmp_path / "out.tif"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored, np.dstack([changed[..., ::-1], ALPHA]))


def test_a_png_by_imagemagick_keeps_its_exif_without_the_thumbnail(tmp_path):
    cjpeg()(tmp_path / "in.jpg")
    add_thumbnail(tmp_path / "in.jpg", PHOTO, "-Make=Camera", "-Orientation#=6")
    ran(imagemagick(), tmp_path / "in.jpg", tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png")
    written = write_changed(tmp_path / "out.png", photo, photo.values)
    assert "EXIF thumbnail" in written.dropped
    shown = ran(tool("exiftool"), "-s", tmp_path / "out.png").decode()
    assert "Make " in shown
    assert "ThumbnailImage" not in shown
    assert read_photo(tmp_path / "out.png").file.orientation == photo.file.orientation
