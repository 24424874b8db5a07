"""Files that are not supported photos are refused by name, and rare formats are read."""

import struct
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from foreign_photos import ALPHA, DEEP, PHOTO, cjpeg, exiftool, imagemagick, pillow, ran, srgb, tiff, tool
from PIL import Image, ImageOps

from chromiq.errors import UnsoundError
from chromiq.photos.images import read_photo
from chromiq.photos.originals import Kept, write_changed
from chromiq.photos.soundness import verify_photo

GREY = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY)
LAB = cv2.cvtColor(PHOTO, cv2.COLOR_RGB2LAB)
PALETTE = Image.fromarray(PHOTO).quantize(64)
YCBCR = np.asarray(Image.fromarray(PHOTO).convert("YCbCr"))


def starting_with(head):
    return lambda path: path.write_bytes(head + bytes(200))


def encoded(encode, pixels, **options):
    return lambda path: path.write_bytes(encode(pixels, **options))


def with_chunk(kind, payload):
    def make(path):
        Image.fromarray(PHOTO).save(path)
        data = path.read_bytes()
        chunk = struct.pack(">I", len(payload)) + kind + payload
        chunk += struct.pack(">I", zlib.crc32(kind + payload))
        path.write_bytes(data[:33] + chunk + data[33:])

    return make


def with_exif_space(number):
    def make(path):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA001] = number
        Image.fromarray(PHOTO).save(path, exif=exif)

    return make


def raw_with_preview(path):
    """As NEF and ARW: a small preview first, the raw image in a SubIFD."""
    with tifffile.TiffWriter(path) as file:
        file.write(PHOTO, photometric="rgb", subfiletype=1, subifds=1)
        file.write(DEEP[..., 0], photometric="cfa")


def two_pages(path):
    with tifffile.TiffWriter(path) as file:
        file.write(PHOTO, photometric="rgb")
        file.write(PHOTO, photometric="rgb")


def empty_strips(path):
    """As left behind by a failed tiffcp."""
    tiff()(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = file.pages[0].tags["StripByteCounts"]
        counts.overwrite([0] * counts.count)


def by_imagemagick(kind):
    def make(path):
        Image.fromarray(PHOTO).save(path.with_suffix(".png"))
        ran(imagemagick(), path.with_suffix(".png"), f"{kind}:{path}")

    return make


def grey_of_three(path):
    """Three channels as written by raw2tiff."""
    tiff(PHOTO, photometric="minisblack", planarconfig="contig")(path)
    data = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        entry = file.pages[0].tags["ExtraSamples"].offset
    path.write_bytes(data[:entry] + struct.pack("<H", 65_000) + data[entry + 2 :])


def many_channels(path):
    """A few bytes that claim 3 GB."""
    tiff(np.zeros((100, 100, 16), np.uint16), photometric="minisblack", planarconfig="contig")(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        tags["ImageWidth"].overwrite(10_000)
        tags["ImageLength"].overwrite(10_000)


def animated(path):
    Image.fromarray(PHOTO).save(path, save_all=True, append_images=[Image.fromarray(PHOTO[::-1].copy())])


def cropped_avif(path):
    Image.fromarray(PHOTO).save(path.with_suffix(".png"))
    ran(tool("avifenc"), "--crop", "0,0,80,100", path.with_suffix(".png"), path)


def old_palette(path):
    """An 8-bit palette, where the format asks for 16."""
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :64] = np.reshape(PALETTE.getpalette()[: 3 * 64], (64, 3)).T
    tifffile.imwrite(path, np.asarray(PALETTE), photometric="palette", colormap=colours)


OTHERS = [
    ("photo.heic", starting_with(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "a HEIC image"),
    ("heic.jpg", starting_with(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"), "HEVC decoder"),
    ("film.jpg", starting_with(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), "a video"),
    ("photo.cr3", starting_with(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"), "a camera raw file"),
    ("photo.cr2", starting_with(b"II*\0\x10\0\0\0CR\2\0"), "a camera raw file"),
    ("photo.orf", starting_with(b"IIRO\x08\0\0\0"), "a camera raw file"),
    ("photo.dng", tiff(DEEP[..., 0], photometric="cfa"), "a camera raw file"),
    ("linear.dng", tiff(DEEP, photometric=34892), "Develop it"),
    ("photo.nef", raw_with_preview, "a camera raw file"),
    ("photo.jxl", starting_with(b"\xff\x0a"), "a JPEG XL image"),
    ("photo.jp2", starting_with(b"\0\0\0\x0cjP  \r\n\x87\n"), "a JPEG 2000 image"),
    ("page.jpg", starting_with(b"<!DOCTYPE html>"), "a web page"),
    ("pointer.jpg", starting_with(b"version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
    ("._photo.jpg", starting_with(b"\0\5\x16\7\0\2\0\0Mac OS X"), "AppleDouble"),
    ("photo.ppm", starting_with(b"P6\n20 20\n255\n"), "a Netpbm image"),
    ("empty.tif", empty_strips, "its strips or tiles are empty"),
    ("zeros.jpg", starting_with(b""), "not an image"),
    ("twelve.jpg", encoded(imagecodecs.jpeg8_encode, DEEP >> 4, bitspersample=12), "12-bit"),
    ("lossless.jpg", encoded(imagecodecs.ljpeg_encode, DEEP[..., 0]), "a lossless JPEG"),
    ("ls.jpg", encoded(imagecodecs.jpegls_encode, PHOTO), "a lossless JPEG"),
    ("lab.tif", tiff(LAB, photometric="icclab"), "stored as ICCLAB"),
    ("lab16.tif", tiff(LAB.astype(np.uint16), photometric="cielab"), "stored as CIELAB"),
    ("ycbcr.tif", tiff(YCBCR, photometric="ycbcr"), "stored as YCBCR"),
    ("float.tif", tiff((PHOTO / 255).astype(np.float32)), "floating-point"),
    ("half.tif", tiff((PHOTO / 255).astype(np.float16)), "floating-point"),
    ("long.tif", tiff(PHOTO.astype(np.uint32)), "32-bit integers"),
    ("signed.tif", tiff(PHOTO.astype(np.int16)), "16-bit signed integers. Export it with 8 or 16 unsigned"),
    ("signed8.tif", tiff(PHOTO.astype(np.int8)), "8-bit signed integers"),
    ("wavelets.tif", tiff(compression="jpeg2000"), "JPEG2000 is not supported"),
    ("channels.tif", many_channels, "its 16 channels take 3051 MB"),
    ("three.tif", grey_of_three, "grey with 3 channels of unknown meaning"),
    ("pages.tif", two_pages, "2 images"),
    ("moving.avif", animated, "2 images"),
    ("moving.png", animated, "2 images"),
    ("cropped.avif", cropped_avif, "a clap box"),
    ("limited.png", with_chunk(b"cICP", bytes([1, 13, 0, 0])), "limited range"),
    ("sony.jpg", with_exif_space(0xFFFD), "Wide Gamut RGB"),
    ("stripped.jpg", with_exif_space(0xFFFE), "'ICC profile', which is unknown without its profile"),
    ("half.png", with_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(srgb())[:60]), "part of its ICC profile"),
    ("pq.png", with_chunk(b"cICP", bytes([9, 16, 0, 1])), "HDR (PQ)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "said"), OTHERS, ids=[each[0] for each in OTHERS])
def test_other_kinds_of_files_are_refused_by_name(tmp_path, name, make, said):
    path = tmp_path / name
    make(path)
    finding = verify_photo(path)
    assert finding is not None
    assert said in f"{finding.message}. {finding.hint}"
    with pytest.raises(UnsoundError):
        _ = read_photo(path).rgb


READ = [
    ("grey16.tif", tiff(DEEP[..., 1], photometric="minisblack"), DEEP[..., 1] / 65535),
    ("white.tif", tiff(255 - GREY, photometric="miniswhite"), GREY / 255),
    ("bits.tif", tiff(GREY > 128, photometric="minisblack"), (GREY > 128).astype(float)),
    *(
        (
            f"bits-{code}.tif",
            pillow(Image.fromarray(GREY > 128), compression=code),
            (GREY > 128).astype(float),
        )
        for code in ("tiff_lzw", "packbits", "group3", "group4")
    ),
    ("old-palette.tif", old_palette, np.asarray(PALETTE.convert("RGB")) / 255),
    ("palette.tif", pillow(PALETTE, compression="tiff_lzw"), np.asarray(PALETTE.convert("RGB")) / 255),
    ("webp.tif", tiff(compression="webp"), PHOTO / 255),
    ("grey16.png", pillow(Image.fromarray(DEEP[..., 1])), DEEP[..., 1] / 65535),
    ("bits.png", pillow(Image.fromarray(GREY > 128)), (GREY > 128).astype(float)),
    (
        "developed.tif",  # as darktable writes a photo that it developed from a DNG
        tiff(DEEP, compression="zlib", predictor=True, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]),
        DEEP / 65535,
    ),
    ("pyramid.tif", by_imagemagick("ptif"), PHOTO / 255),
    ("gamma.png", with_chunk(b"sRGB", b"\0"), PHOTO / 255),
    ("PHOTO.PNG", pillow(Image.fromarray(PHOTO)), PHOTO / 255),
    ("wrong.jpg", pillow(Image.fromarray(PHOTO), format="PNG"), PHOTO / 255),
]


@pytest.mark.parametrize(("name", "make", "values"), READ, ids=[each[0] for each in READ])
def test_rare_pixel_formats_are_read(tmp_path, name, make, values):
    path = tmp_path / name
    make(path)
    shown = read_photo(path).rgb
    expected = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)
    assert np.abs(shown - 255 * expected).max() <= 0.51


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_transparency_get_the_photo_over_white(tmp_path, suffix):
    cut_out = np.dstack([np.zeros_like(PHOTO), ALPHA])
    Image.fromarray(cut_out).save(tmp_path / "in.png")
    photo = read_photo(tmp_path / "in.png")
    written = write_changed(tmp_path / f"out{suffix}", photo, photo.values)
    assert "transparency" in written.dropped
    shown = np.asarray(Image.open(tmp_path / f"out{suffix}")).astype(int)
    assert np.abs(shown - (255 - ALPHA[..., None])).max() <= 3


@pytest.mark.parametrize("alpha", [0, 128])
def test_a_bmp_with_alpha_is_composited_unless_its_alpha_is_zero(tmp_path, alpha):
    Image.fromarray(np.dstack([np.zeros_like(PHOTO), np.full_like(ALPHA, alpha)])).save(tmp_path / "in.png")
    ran(tool("convert-im6.q16"), tmp_path / "in.png", tmp_path / "in.bmp")
    photo = read_photo(tmp_path / "in.bmp")
    written = write_changed(tmp_path / "out.bmp", photo, photo.values)
    assert ("transparency" in written.dropped) == bool(alpha)
    assert np.asarray(Image.open(tmp_path / "out.bmp")).max() == (255 - alpha if alpha else 0)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_an_avif_is_rotated_by_its_boxes_and_not_by_its_exif(tmp_path, suffix):
    Image.fromarray(PHOTO).save(tmp_path / "in.avif", quality=95)
    exiftool(tmp_path / "in.avif", "-Orientation#=6", "-Make=Camera")
    photo = read_photo(tmp_path / "in.avif")
    assert photo.values.shape == PHOTO.shape
    write_changed(tmp_path / f"out{suffix}", photo, photo.values)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.getexif().get(0x010F) == "Camera"
        assert ImageOps.exif_transpose(image).size == (PHOTO.shape[1], PHOTO.shape[0])


def test_a_rotated_avif_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # Pillow writes it as an irot box
    Image.fromarray(PHOTO).save(tmp_path / "in.avif", quality=100, subsampling="4:4:4", exif=exif)
    photo = read_photo(tmp_path / "in.avif")
    assert np.abs(photo.values - np.rot90(PHOTO, -1).astype(int)).max() <= 8
    write_changed(tmp_path / "out.png", photo, photo.values)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == PHOTO.shape[:2]
        assert 0x0112 not in image.getexif()


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4", "4:0:0"])
def test_an_avif_is_decoded_as_browsers_do(tmp_path, subsampling):
    """libavif interpolates subsampled colour; libheif repeats it, up to 50 levels away at edges."""
    Image.fromarray(PHOTO).save(tmp_path / "in.avif", subsampling=subsampling)
    with Image.open(tmp_path / "in.avif") as image:
        np.testing.assert_array_equal(read_photo(tmp_path / "in.avif").rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("bits", [10, 12])
def test_an_avif_with_more_than_8_bits_keeps_them(tmp_path, bits):
    cv2.imwrite(str(tmp_path / "in.png"), DEEP[..., ::-1])
    options = ["-d", str(bits), "-y", "444", "--min", "0", "--max", "0"]
    ran(tool("avifenc"), *options, tmp_path / "in.png", tmp_path / "in.avif")
    photo = read_photo(tmp_path / "in.avif")
    assert photo.values.dtype == np.uint16
    assert np.abs(photo.values - DEEP.astype(int)).max() <= 65536 >> (bits - 1)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_rgb_metadata_of_a_cmyk_photo_is_ignored(tmp_path, suffix):
    inks = Image.fromarray(PHOTO).convert("CMYK")
    inks.save(tmp_path / f"in{suffix}")
    exiftool(tmp_path / f"in{suffix}", "-ColorSpace#=65535", "-InteropIndex=R03")
    photo = read_photo(tmp_path / f"in{suffix}")
    assert [each.code for each in photo.findings] == ["photo.converted"]
    assert np.abs(photo.rgb - PHOTO.astype(int)).max() <= (60 if suffix == ".jpg" else 1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_of_a_photo_converted_to_srgb_states_srgb(tmp_path, suffix):
    Image.fromarray(PHOTO).convert("CMYK").save(tmp_path / "in.jpg")
    exiftool(tmp_path / "in.jpg", "-Make=Camera", "-ISO=100", "-ColorSpace#=65535", "-InteropIndex=R03")
    photo = read_photo(tmp_path / "in.jpg")
    written = write_changed(tmp_path / f"out{suffix}", photo, photo.values)
    assert (written.outside, written.kept[0]) == (Kept.CONVERTED, "EXIF")
    tags = ("-Make", "-ISO", "-ColorSpace", "-InteropIndex")
    shown = ran(tool("exiftool"), "-T", *tags, tmp_path / f"out{suffix}")
    assert shown.decode().split() == ["Camera", "100", "sRGB", "-"]
    assert read_photo(tmp_path / f"out{suffix}").space.is_srgb


def test_a_truncated_jpeg_is_refused(tmp_path):
    cjpeg()(tmp_path / "in.jpg")
    data = (tmp_path / "in.jpg").read_bytes()
    for kept in (len(data) // 2, len(data) - 20):
        (tmp_path / "in.jpg").write_bytes(data[:kept])
        assert verify_photo(tmp_path / "in.jpg").code == "photo.truncated"


ABSURD = 4_294_967_295


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
@pytest.mark.parametrize("source", ["exif.jpg", "pixels.png", "tags.tif"])
def test_an_absurd_resolution_is_not_converted(tmp_path, source, suffix):
    path = tmp_path / source
    if source.endswith("png"):
        with_chunk(b"pHYs", struct.pack(">IIB", ABSURD, ABSURD, 1))(path)
    else:
        Image.fromarray(PHOTO).save(path)
        exiftool(path, f"-XResolution={ABSURD}", f"-YResolution={ABSURD}")
    photo = read_photo(path)
    write_changed(tmp_path / f"out{suffix}", photo, 255 - photo.values)
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert path.suffix == suffix or max(image.info.get("dpi", (0, 0))) < 100 or suffix == ".webp"


@pytest.mark.parametrize("inside", [False, True], ids=["before the scan", "inside the scan"])
def test_damage_in_a_jpeg_is_reported_and_not_printed(tmp_path, capfd, inside):
    pytest.importorskip("jpegio")
    cjpeg()(tmp_path / "in.jpg")
    data = (tmp_path / "in.jpg").read_bytes()
    at = data.index(b"\xff\xda") + 400 * inside
    (tmp_path / "in.jpg").write_bytes(data[:at] + bytes(40 if inside else 3) + data[at:])
    photo = read_photo(tmp_path / "in.jpg")
    written = write_changed(tmp_path / "out.jpg", photo, 255 - photo.values)
    assert written.notes == ("part of the JPEG data is damaged",)
    assert written.outside == Kept.BLOCKS
    cjpeg(quality=5)(tmp_path / "coarse.jpg")
    photo = read_photo(tmp_path / "coarse.jpg")
    written = write_changed(tmp_path / "out.jpg", photo, 255 - photo.values)
    assert (written.outside, written.notes) == (Kept.BLOCKS, ())
    assert capfd.readouterr().err == ""


def test_a_jpeg_that_ends_early_is_warned_about(tmp_path):
    path = tmp_path / "early.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (320, 240, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    warning = verify_photo(path)
    assert (warning.code, warning.severity) == ("photo.damaged", "warning")
    path.write_bytes(whole.replace(b"\xff\xdb", b"\0\0\xff\xdb", 1))
    assert verify_photo(path) is None


def test_a_wrong_field_of_a_scan_s_header_is_no_damage(tmp_path):
    """Some phones write 0 for the last coefficient of a sequential scan, which is 63."""
    path = tmp_path / "phone.jpg"
    Image.fromarray(PHOTO).save(path)
    data, pixels = bytearray(path.read_bytes()), read_photo(path).values
    scan = data.index(b"\xff\xda")
    last_coefficient = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big") - 2
    assert data[last_coefficient] == 63
    data[last_coefficient] = 0
    path.write_bytes(data)
    assert verify_photo(path) is None
    assert np.array_equal(read_photo(path).values, pixels)


def test_primaries_in_tags_become_a_profile_if_the_tags_are_dropped(tmp_path):
    """Adobe RGB, in a palette, which is written as RGB."""
    tags = [
        (318, "2I", 2, (3127, 10_000, 3290, 10_000), True),
        (319, "2I", 6, (64, 100, 33, 100, 21, 100, 71, 100, 15, 100, 6, 100), True),
    ]
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :64] = np.reshape(PALETTE.getpalette()[: 3 * 64], (64, 3)).T.astype(np.uint16) * 257
    tifffile.imwrite(
        tmp_path / "in.tif", np.asarray(PALETTE), photometric="palette", colormap=colours, extratags=tags
    )
    photo = read_photo(tmp_path / "in.tif")
    assert not photo.space.is_srgb
    write_changed(tmp_path / "out.tif", photo, photo.values)
    np.testing.assert_array_equal(read_photo(tmp_path / "out.tif").rgb, photo.rgb)
