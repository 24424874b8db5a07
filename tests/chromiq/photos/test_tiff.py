"""TIFF strips, tiles and planes; corrupt ones are refused."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from foreign_photos import DEEP, PHOTO

from chromiq.errors import UnsoundError
from chromiq.photos.containers import jpeg_frame
from chromiq.photos.images import read_photo
from chromiq.photos.originals import write_changed
from chromiq.photos.reader import open_photo, tiff_page
from chromiq.photos.tiff import read_directory, tiff_samples

CHANNELS = np.dstack([DEEP, DEEP[::-1]])


@pytest.mark.parametrize("compression", ["lzw", "packbits", "zlib", None])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize(
    ("channels", "planes"),
    [(1, "contig"), *((channels, planes) for channels in (2, 3, 5) for planes in ("contig", "separate"))],
)
def test_samples_of_every_layout(tmp_path, compression, dtype, channels, tile, planes):
    values = (CHANNELS[..., :channels] >> (8 if dtype == np.uint8 else 0)).astype(dtype)
    stored = np.ascontiguousarray(np.moveaxis(values, -1, 0)) if planes == "separate" else values
    options = {"planarconfig": planes} if channels > 1 else {}
    colours = "rgb" if channels >= 3 else "minisblack"
    if channels not in {1, 3}:
        options["extrasamples"] = (0,) * (channels - (3 if channels >= 3 else 1))
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored if channels > 1 else values[..., 0],
        photometric=colours,
        compression=compression,
        predictor=compression in {"lzw", "zlib"},
        byteorder=">",
        tile=tile,
        rowsperstrip=None if tile else 7,
        **options,
    )
    with tiff_page(tmp_path / "a.tif") as (page, _):
        np.testing.assert_array_equal(tiff_samples(tmp_path / "a.tif", page), values)


def with_lzw(path, **options):
    tifffile.imwrite(path, DEEP, photometric="rgb", compression="lzw", predictor=True, **options)
    with tifffile.TiffFile(path) as file:
        return file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]


@pytest.mark.parametrize("fault", range(12))
def test_a_corrupt_lzw_strip_is_refused_or_read_the_same_each_time(tmp_path, fault):
    path = tmp_path / "a.tif"
    offset, count = with_lzw(path)
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(fault)
    at = offset + int(rng.integers(0, count - 8))
    data[at : at + 8] = rng.bytes(8)
    path.write_bytes(data)
    seen = []
    for _ in range(2):
        try:
            seen.append(read_photo(path).values.tobytes())
        except UnsoundError as error:
            seen.append(error.findings[0])
    assert seen[0] == seen[1]


def test_a_short_lzw_strip_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    offset, count = with_lzw(path, rowsperstrip=len(DEEP))
    data = bytearray(path.read_bytes())
    data[offset + count // 2 : offset + count] = bytes(count - count // 2)
    path.write_bytes(data)
    with pytest.raises(UnsoundError, match="damaged or cut short"):
        read_photo(path)


def test_overlapping_strips_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    with_lzw(path, rowsperstrip=1)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        tags["StripOffsets"].overwrite([8] * len(PHOTO), dtype="I")
        tags["StripByteCounts"].overwrite([path.stat().st_size - 8] * len(PHOTO), dtype="I")
    with pytest.raises(UnsoundError, match="overlap"):
        read_photo(path)


def test_a_strip_that_claims_to_be_longer_than_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PHOTO, photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["StripByteCounts"].overwrite([2**31], dtype="I")
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read_photo(path).values, PHOTO)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_channels_of_different_depths_are_refused_by_the_header(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PHOTO, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["BitsPerSample"].overwrite((8, 8, 16))
    with pytest.raises(UnsoundError, match="channels differ in bit depth"):
        open_photo(path)


def test_an_unknown_planar_configuration_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PHOTO, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["PlanarConfiguration"].overwrite(32769)
    with pytest.raises(UnsoundError, match="PlanarConfiguration is 32769"):
        read_photo(path)


def test_overlapping_tag_values_use_bounded_memory():
    """A thousand tags of 60 kB each, in a file of 72 kB."""
    rows = [struct.pack("<HHII", 50_000 + number, 7, 60_000, 8) for number in range(1000)]
    data = b"II*\0" + struct.pack("<I", 60_008) + bytes(60_000) + struct.pack("<H", 1000) + b"".join(rows)
    directory = read_directory(io.BytesIO(data), 60_008, "<")
    assert sum(len(entry.value) for entry in directory.tags.values()) == 60_000


def test_an_omitted_strip_does_not_change_the_sampling_of_others(tmp_path):
    path, out = tmp_path / "a.tif", tmp_path / "b.tif"
    options = {"compression": "jpeg", "subsampling": (2, 2), "rowsperstrip": 32}
    tifffile.imwrite(path, PHOTO, photometric="ycbcr", **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = file.pages[0].tags["StripByteCounts"]
        counts.overwrite([0, *counts.value[1:]])
    photo = read_photo(path)
    changed = photo.values.copy()
    changed[40:60] = 255 - changed[40:60]
    write_changed(out, photo, changed)
    with tifffile.TiffFile(out) as file, out.open("rb") as stream:
        page = file.pages[0]
        assert page.databytecounts[0] == 0
        stream.seek(page.dataoffsets[1])
        assert jpeg_frame(stream).sampling == (2, 2)
    assert np.abs(read_photo(out).values.astype(int) - changed)[:64].mean() < 4


def test_a_dropped_channel_without_a_meaning_is_reported(tmp_path):
    """RGBA as old versions of OpenCV wrote it: no tag describes the fourth channel."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([PHOTO, PHOTO[..., 0]]), photometric="rgb", extrasamples=["unspecified"])
    with tifffile.TiffFile(path) as file:
        entry = file.pages[0].tags["ExtraSamples"].offset
    data = path.read_bytes()
    path.write_bytes(data[:entry] + struct.pack("<H", 65_000) + data[entry + 2 :])
    photo = read_photo(path)
    assert "saved selections" in write_changed(tmp_path / "b.png", photo, photo.values).dropped
    assert write_changed(tmp_path / "b.tif", photo, photo.values).dropped == ()


def test_a_tiff_in_a_compression_that_cannot_be_written_becomes_zip(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", PHOTO, photometric="rgb", compression="webp")
    photo = read_photo(tmp_path / "in.tif")
    changed = photo.values.copy()
    changed[16:40, 16:40] //= 2
    written = write_changed(tmp_path / "out.tif", photo, changed)
    assert written.notes == ("compression WEBP became ZIP",)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), changed)
