"""Metadata between all formats: kept, according to exiftool, or reported as dropped."""

import json
import struct

import pytest
from foreign_photos import (
    DEEP,
    IPTC,
    PHOTO,
    PHOTOSHOP,
    XMP,
    add_thumbnail,
    after_first_segment,
    cjpeg,
    exiftool,
    photoshop_segment,
    ran,
    segment,
    srgb,
    tiff,
    tool,
    xmp_segment,
)
from PIL import Image, PngImagePlugin

from chromiq.photos.carried_metadata import without_images
from chromiq.photos.images import read_photo
from chromiq.photos.metadata import parsed_exif
from chromiq.photos.originals import write_changed

PROFILE = srgb().replace(b"sRGB", b"mine")  # no other profile has these bytes
PATH = b"8BIM" + struct.pack(">HHI", 0x07D1, 0, 52) + b"PATH" * 13
WORDS = ("-Make=Camera", "-ISO=100", "-LensModel=Lens", "-GPSLatitude=10.5", "-GPSLatitudeRef=N")
DOTS = ("-XResolution=240", "-YResolution=240", "-ResolutionUnit=inches")
TARGETS = (".jpg", ".png", ".tif", ".webp", ".bmp")
# What exiftool calls a tag of each block, and what the result calls the block.
NAMES = {
    "IFD0:Make": "EXIF", "ExifIFD:ISO": "EXIF", "ExifIFD:LensModel": "EXIF", "GPS:GPSLatitude": "GPS",
    "IPTC:ObjectName": "IPTC", "XMP-dc:Creator": "XMP", "ICC_Profile:ProfileDescription": "ICC profile",
    "File:Comment": "comment", "PNG:Copyright": "tEXt chunk", "PNG:ModifyDate": "tIME chunk",
    "IFD1:ThumbnailImage": "EXIF thumbnail", "Photoshop:PhotoshopThumbnail": "Photoshop thumbnail",
    "XMP-xmp:Thumbnails": "XMP thumbnails", "XMP-hdrgm:GainMapMax": "gain map",
    "Ducky:Quality": "APP12 (Ducky)",
    "IFD0:PrintIMVersion": "other TIFF tags",
}  # fmt: skip


def documented_jpeg(path):
    cjpeg("-sample", "1x1")(path)
    add_thumbnail(path, PHOTO, *WORDS, *DOTS, "-Comment=a comment", "-Ducky:Quality=60")
    profile = segment(2, b"ICC_PROFILE\0\1\1" + PROFILE)
    segments = xmp_segment(XMP) + photoshop_segment(PHOTOSHOP + PATH) + profile
    path.write_bytes(after_first_segment(path.read_bytes(), segments))


def documented_tiff(pixels):
    def make(path):
        photoshop = PHOTOSHOP + PATH
        extra = [
            (700, "B", len(XMP), XMP, True), (33723, "B", len(IPTC), IPTC, True),
            (34377, "B", len(photoshop), photoshop, True),
        ]  # fmt: skip
        options = {"resolution": (240, 240), "resolutionunit": 2, "iccprofile": PROFILE, "extratags": extra}
        tiff(pixels, compression="lzw", predictor=True, **options)(path)
        exiftool(path, *WORDS)

    return make


def documented_png(path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Copyright", "a studio")
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add(b"tIME", struct.pack(">HBBBBB", 2024, 2, 3, 4, 5, 6))
    Image.fromarray(PHOTO).save(path, pnginfo=texts, icc_profile=PROFILE, dpi=(240, 240))
    exiftool(path, *WORDS, *DOTS)


def documented_webp(path):
    Image.fromarray(PHOTO).save(path, lossless=True, xmp=XMP, icc_profile=PROFILE)
    exiftool(path, *WORDS, *DOTS)


SOURCES = {
    "a.jpg": documented_jpeg,
    "b.tif": documented_tiff(PHOTO),
    "c.tif": documented_tiff(DEEP),
    "d.png": documented_png,
    "e.webp": documented_webp,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """By source and suffix: what was reported, and exiftool's tags of both files."""
    tool("exiftool")
    folder = tmp_path_factory.mktemp("metadata")
    written = {}
    for name, make in SOURCES.items():
        make(folder / name)
        photo = read_photo(folder / name)
        for suffix in TARGETS:
            out = folder / f"{name}-out{suffix}"
            changed = photo.values.copy()
            changed[50:60, 40:50] //= 2
            written[name, suffix] = out, write_changed(out, photo, changed)
    options = ("-j", "-a", "-G1", "-ee")
    found = {each["SourceFile"]: each for each in json.loads(ran(tool("exiftool"), *options, folder))}
    return {
        key: (said, out, found[str(folder / key[0])], found[str(out)]) for key, (out, said) in written.items()
    }


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize("name", SOURCES)
def test_each_block_is_kept_or_reported_as_dropped(results, name, suffix):
    said, out, before, after = results[name, suffix]
    wrong = {}
    for tag, block in NAMES.items():
        if tag not in before:
            continue
        kept = after.get(tag) == before[tag]
        if (block in said.kept) != kept or (block in said.dropped) == kept:
            wrong[tag] = f"was {before[tag]}, is {after.get(tag)}"
    assert wrong == {}, (said.kept, said.dropped)
    path_kept = b"PATH" * 13 in out.read_bytes()
    if name in {"a.jpg", "b.tif", "c.tif"}:
        assert ("clipping path" in said.kept) == path_kept
        assert ("clipping path" in said.dropped) != path_kept
    assert b"OLDCOLOUR" not in out.read_bytes()


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize("name", SOURCES)
def test_the_resolution_is_kept_or_reported_as_dropped(results, name, suffix):
    said, out, _, _ = results[name, suffix]
    dots = read_photo(out).file.metadata.dots_per_inch
    assert (dots is not None) == ("resolution" in said.kept)
    assert (dots is None) == ("resolution" in said.dropped)
    assert dots is None or dots == pytest.approx((240, 240), abs=0.1)


@pytest.mark.parametrize(("tag", "dropped"), [(37500, "maker notes"), (37510, "EXIF")])
def test_exif_too_large_for_a_jpeg_is_reported_as_dropped(tmp_path, tag, dropped):
    exif = Image.Exif()
    exif[271] = "Camera"
    exif.get_ifd(0x8769)[tag] = bytes(range(250)) * 300
    Image.fromarray(PHOTO).save(tmp_path / "in.png", exif=exif)
    photo = read_photo(tmp_path / "in.png")
    said = write_changed(tmp_path / "out.jpg", photo, photo.values)
    assert dropped in said.dropped
    assert ("EXIF" in said.kept) == (dropped == "maker notes")
    written = parsed_exif(read_photo(tmp_path / "out.jpg").file.metadata.exif_data)
    assert written.text(271) == ("Camera" if dropped == "maker notes" else "")
    assert write_changed(tmp_path / "out.tif", photo, photo.values).dropped == ()


def test_xmp_too_large_for_a_jpeg_is_reported_as_dropped(tmp_path):
    packet = XMP.replace(b"a studio", b"a studio" * 9000)
    tiff(extratags=[(700, "B", len(packet), packet, True)])(tmp_path / "in.tif")
    photo = read_photo(tmp_path / "in.tif")
    said = write_changed(tmp_path / "out.jpg", photo, photo.values)
    assert "XMP" in said.dropped
    assert "XMP" not in said.kept


UNCLOSED = [
    b"<a:Thumbnails>", b"<a:Thumbnails ", b"<hdrgm:x>", b"<hdrgm:x a='", b"<n:HasExtendedXMP>",
    b" n:HasExtendedXMP",
]  # fmt: skip


@pytest.mark.parametrize("unclosed", UNCLOSED)
def test_xmp_of_many_unclosed_elements_is_cleaned_in_linear_time(unclosed):
    """Each of them once took quadratic time: hours for one photo."""
    packet, dropped = without_images(XMP + unclosed * 100_000)
    assert packet.endswith(unclosed * 100_000)
    assert b"OLDCOLOUR" not in packet
    assert {"XMP thumbnails", "gain map"} <= set(dropped)
