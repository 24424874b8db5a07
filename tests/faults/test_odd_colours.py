"""Pictures that say odd things of themselves: colours where levels are wanted, spaces without a profile."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from chromiq.errors import UnsoundError
from chromiq.photos.images import read_mask, read_photo
from chromiq.photos.originals import copy_untouched
from chromiq.photos.soundness import verify_photo


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_mask_in_colours_is_not_guessed_at(tmp_path, suffix):
    """Painted in green it had been empty, in red it had done; a photo gave whatever it gave."""
    garment = np.zeros((90, 60), np.uint8)
    garment[20:70, 15:45] = 255
    path, empty = tmp_path / f"mask{suffix}", np.zeros_like(garment)
    for channels in (
        [empty, garment, empty],
        [garment, empty, empty],
        [garment // 4, garment // 2, garment // 4],
    ):
        Image.fromarray(np.dstack(channels)).save(path)
        with pytest.raises(UnsoundError, match=r"a mask is grey, but \d+% of this image is coloured"):
            read_mask(path)
    Image.fromarray(np.dstack([garment] * 3)).save(path)
    assert np.array_equal(read_mask(path), garment == 255)


def png_with(path, *chunks):
    """A small PNG with chunks of a kind and a payload before its pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (80, 70), (150, 150, 150)).save(buffer, "PNG")
    reported = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.write_bytes(buffer.getvalue()[:33] + reported + buffer.getvalue()[33:])
    return path


SRGB_GAMMA = (b"gAMA", struct.pack(">I", 45455))
SRGB_PRIMARIES = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
P3_PRIMARIES = (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
LINEAR = (b"gAMA", struct.pack(">I", 100000))


def test_a_png_that_states_gamma_and_primaries_is_read_by_them(tmp_path):
    # 150 in linear light is level 201 of sRGB (IEC 61966-2-1).
    linear = read_photo(png_with(tmp_path / "linear.png", LINEAR)).rgb
    assert np.abs(linear.astype(int) - 201).max() <= 1
    p3 = read_photo(png_with(tmp_path / "p3.png", SRGB_GAMMA, P3_PRIMARIES))
    assert (p3.rgb == 150).all()
    assert not p3.space.is_srgb
    assert not p3.assumed_srgb


def test_a_png_of_gamma_that_is_no_curve_is_refused(tmp_path):
    path = png_with(tmp_path / "photo.png", (b"gAMA", struct.pack(">I", 1_000_000)))
    assert verify_photo(path).code == "photo.space"
    with pytest.raises(UnsoundError, match="Export it with its ICC profile"):
        read_photo(path)
    assert read_mask(path).all()  # a mask's levels mean what they are


@pytest.mark.parametrize(
    "chunks",
    [(SRGB_GAMMA, SRGB_PRIMARIES), ((b"sRGB", b"\0"), LINEAR), ((b"gAMA", b"\0" * 4), (b"cHRM", b"\0" * 32))],
)
def test_a_png_that_says_it_is_srgb_or_nothing_of_sense(tmp_path, chunks):
    assert verify_photo(png_with(tmp_path / "photo.png", *chunks)) is None


TEXT, FLOAT = struct.pack("<HHI4s", 0x112, 2, 4, b"6\0\0\0"), struct.pack("<HHIf", 0x112, 11, 1, 6)


@pytest.mark.parametrize("tag", [TEXT, FLOAT])
def test_an_orientation_of_another_type_is_ignored_and_no_crash(two_photos, tmp_path, tag):
    """Text, or a floating-point number, which Pillow reads and cannot write."""
    on_model = tmp_path / "on_model1.jpg"
    with Image.open(io.BytesIO(two_photos[1])) as image:
        image.save(on_model, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0" + tag + b"\0\0\0\0", quality=95)
    copy_untouched(tmp_path / "out.png", read_photo(on_model))
    assert np.array_equal(read_photo(tmp_path / "out.png").rgb, read_photo(on_model).rgb)
