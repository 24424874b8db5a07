"""Changing part of a photo keeps everything else: pixels, depth, profile, metadata, tables."""

import io
import sys
import warnings

import cv2
import numpy as np
import pytest
import tifffile
from foreign_photos import cjpeg
from PIL import Image, ImageCms, PngImagePlugin

from chromiq.colour import delta_e_map
from chromiq.correction.fitting.colour_map import ColourMap, apply_colour_map
from chromiq.errors import UsageError
from chromiq.photos.images import read_photo
from chromiq.photos.metadata import turned_back, turned_upright
from chromiq.photos.originals import Kept, copy_untouched, write_changed
from chromiq.sample_catalogue.catalogue import draw_pair

PHOTO = draw_pair(1, size_wh=(128, 160)).on_model
MASK = np.zeros(PHOTO.shape[:2], bool)
MASK[40:110, 30:90] = True
LIGHTER = ColourMap(np.eye(3), np.zeros(3), np.array([6.0, 4, -5]))
# As Adobe RGB: other primaries and a plain gamma.
WIDE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def changed_copy(source, out):
    """Write the file with its middle changed, as the correction does."""
    original = read_photo(source)
    rgb = apply_colour_map(original.values, MASK, LIGHTER, space=original.space).within(original.values)
    write_changed(out, original, rgb)
    return original


def wide_gamut_profile():
    """A linear-light profile with sRGB's primaries: values that differ from sRGB's everywhere."""
    data = bytearray(WIDE)
    at = data.find(b"para")
    while at >= 0:
        data[at + 8 : at + 10] = (0).to_bytes(2)  # function 0: y = x ** gamma
        data[at + 12 : at + 16] = (int(1.8 * 65536)).to_bytes(4)
        at = data.find(b"para", at + 4)
    return bytes(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_match_pillow_and_are_inverted(orientation):
    image = Image.fromarray(PHOTO)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    from PIL import ImageOps

    shown = np.array(ImageOps.exif_transpose(Image.open(buffer)))
    np.testing.assert_array_equal(turned_upright(PHOTO, orientation), shown)
    np.testing.assert_array_equal(turned_back(shown, orientation), PHOTO)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
def test_lossless_formats_keep_every_bit_outside_the_change(tmp_path, suffix):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    Image.fromarray(PHOTO).save(source, **({"lossless": True} if suffix == ".webp" else {}))
    changed_copy(source, out)
    after = np.array(Image.open(out))
    np.testing.assert_array_equal(after[~MASK], PHOTO[~MASK])
    assert (after[MASK] != PHOTO[MASK]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_stay_16_bits(tmp_path, suffix, channels):
    rng = np.random.default_rng(0)
    deep = PHOTO.astype(np.uint16) * 257 + rng.integers(-120, 120, PHOTO.shape)
    deep = np.clip(deep, 0, 65535).astype(np.uint16)
    if channels == 4:
        deep = np.dstack([deep, np.full(MASK.shape, 65535, np.uint16)])
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    cv2.imwrite(str(source), deep[..., [2, 1, 0, 3][:channels]])
    changed_copy(source, out)
    after = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3][:channels]]
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after[~MASK], deep[~MASK])
    inside = after[MASK][:, :3]
    assert len(np.unique(inside % 257)) > 200  # not 8 bits spread over 16
    wanted = apply_colour_map(deep[..., :3], MASK, LIGHTER).within(deep[..., :3])[MASK]
    np.testing.assert_array_equal(inside, wanted)


def test_16_bits_in_another_profile_keep_profile_and_depth(tmp_path):
    rng = np.random.default_rng(0)
    deep = (
        (PHOTO.astype(np.uint16) * 257 + rng.integers(-120, 120, PHOTO.shape))
        .clip(0, 65535)
        .astype(np.uint16)
    )
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, deep, photometric="rgb", iccprofile=wide_gamut_profile())
    original = changed_copy(source, out)
    assert original.values.dtype == np.uint16
    after = tifffile.imread(out)
    np.testing.assert_array_equal(after[~MASK], deep[~MASK])
    assert len(np.unique(after[MASK] % 257)) > 200  # not 8 bits spread over 16
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    wanted = LIGHTER.apply(original.space.to_lab(deep[inner]))
    held = ~original.space.from_lab(wanted, deep.dtype)[1]
    off = np.abs(original.space.to_lab(after[inner]) - wanted)[held]
    assert held.mean() > 0.5
    assert off.max() < 0.3
    assert off.mean() < 0.01
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].iccprofile == wide_gamut_profile()


def test_the_change_is_made_in_the_space_of_the_profile(tmp_path):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(PHOTO).save(source, icc_profile=wide_gamut_profile())
    changed_copy(source, out)
    with Image.open(out) as image:
        assert image.info["icc_profile"] == wide_gamut_profile()
        np.testing.assert_array_equal(np.array(image)[~MASK], PHOTO[~MASK])
    before = read_photo(source).rgb
    wanted = apply_colour_map(before, MASK, LIGHTER).within(before)
    assert np.abs(read_photo(out).rgb[MASK].astype(int) - wanted[MASK]).mean() < 1


def test_png_texts_resolution_exif_and_orientation_are_kept(tmp_path):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Copyright", "a studio")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    Image.fromarray(turned_back(PHOTO, 6).copy()).save(source, pnginfo=texts, exif=exif, dpi=(300, 300))
    changed_copy(source, out)
    with Image.open(source) as before, Image.open(out) as after:
        assert after.info["Copyright"] == "a studio"
        assert after.info["dpi"] == before.info["dpi"]
        assert dict(after.getexif()) == dict(before.getexif())
        outside = turned_back(~MASK, 6)
        np.testing.assert_array_equal(np.array(after)[outside], np.array(before)[outside])


def test_a_png_made_from_another_format_keeps_its_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    about = {"exif": exif, "dpi": (300, 300), "icc_profile": wide_gamut_profile()}
    Image.fromarray(turned_back(PHOTO, 6).copy()).save(tmp_path / "in.jpg", **about)
    deep = PHOTO.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "in.tif", deep, photometric="rgb", iccprofile=wide_gamut_profile())
    for name in ("in.jpg", "in.tif"):
        copy_untouched(tmp_path / "out.png", read_photo(tmp_path / name))
        with Image.open(tmp_path / name) as before, Image.open(tmp_path / "out.png") as after:
            assert after.info["icc_profile"] == wide_gamut_profile()
            # What describes a TIFF's strips is no word about the photo.
            assert set(after.getexif()) <= {0x010E, 0x010F, 0x0112, 0x011A, 0x011B, 0x0128, 0x0131}
            assert after.getexif().get(0x010F) == before.getexif().get(0x010F)
            np.testing.assert_array_equal(np.array(after), np.array(before))
    kept = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(kept[..., ::-1], deep)


def test_a_jpeg_named_png_is_written_as_a_png(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "in.png", "JPEG", comment=b"kept")
    changed_copy(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "in.png") as before, Image.open(tmp_path / "out.png") as after:
        assert (before.format, after.format) == ("JPEG", "PNG")
        np.testing.assert_array_equal(np.array(after)[~MASK], np.array(before)[~MASK])


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 2}]
)
@pytest.mark.parametrize(("subsampling", "block_px"), [(0, 8), (2, 16)])
def test_unchanged_jpeg_blocks_are_bit_identical(tmp_path, subsampling, block_px, options):
    pytest.importorskip("jpegio")
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    stored = Image.fromarray(turned_back(PHOTO, 6).copy())
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(source, quality=90, subsampling=subsampling, exif=exif, **options)
    original = read_photo(source)
    rgb = apply_colour_map(original.values, MASK, LIGHTER, space=original.space).within(original.values)
    assert write_changed(out, original, rgb).outside is Kept.BLOCKS
    with Image.open(source) as before, Image.open(out) as after:
        assert after.quantization == before.quantization
        assert dict(after.getexif()) == {0x0112: 6}
        was, now = np.array(before), np.array(after)
    # A block that holds a changed pixel, and the one beside it.
    side_px = 2 * (2 * block_px) + 1
    near = cv2.dilate(turned_back(MASK, 6).astype(np.uint8), np.ones((side_px, side_px), np.uint8)) > 0
    assert (~near).any()
    np.testing.assert_array_equal(now[~near], was[~near])
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    assert delta_e_map(read_photo(out).rgb, rgb)[inner].mean() < 2


def test_a_jpeg_whose_blocks_cannot_be_kept_is_reported_as_encoded_again(tmp_path, monkeypatch):
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.fromarray(PHOTO).save(source, quality=90)
    original = read_photo(source)
    assert copy_untouched(out, original).outside is Kept.ALL
    monkeypatch.setitem(sys.modules, "jpegio", None)
    rgb = apply_colour_map(original.values, MASK, LIGHTER, space=original.space).within(original.values)
    assert write_changed(out, original, rgb).outside is Kept.ENCODED
    assert write_changed(tmp_path / "out.png", original, rgb).outside is Kept.ALL
    Image.fromarray(PHOTO).save(tmp_path / "in.png")
    assert write_changed(out, read_photo(tmp_path / "in.png"), rgb).outside is Kept.ENCODED


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_keeps_tables_segments_and_nearly_all_pixels(tmp_path, subsampling):
    source, out = tmp_path / "in.jpg", tmp_path / "out.jpg"
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 3
    options = {"exif": exif, "comment": b"kept", "dpi": (240, 240), "xmp": b"<x/>"}
    stored = Image.fromarray(turned_back(PHOTO, 3).copy())
    stored.save(source, quality=92, subsampling=subsampling, **options)
    changed_copy(source, out)
    with Image.open(source) as before, Image.open(out) as after:
        assert after.quantization == before.quantization
        assert after.layer == before.layer
        for key in ("exif", "comment", "dpi", "xmp"):
            assert after.info[key] == before.info[key]
        far = turned_back(~cv2.dilate(MASK.astype(np.uint8), np.ones((35, 35))).astype(bool), 3)
        off = np.abs(np.array(after)[far].astype(int) - np.array(before)[far])
    assert (off.max(axis=1) == 0).mean() > 0.6
    assert off.mean() < 0.5


def test_transparency_is_kept(tmp_path):
    alpha = np.full(MASK.shape, 255, np.uint8)
    alpha[:20] = 77
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    Image.fromarray(np.dstack([PHOTO, alpha])).save(source)
    changed_copy(source, out)
    after = np.array(Image.open(out))
    np.testing.assert_array_equal(after[..., 3], alpha)
    np.testing.assert_array_equal(after[~MASK][:, :3], PHOTO[~MASK])


def test_an_unchanged_photo_is_copied_and_unknown_suffixes_are_refused(tmp_path):
    source = tmp_path / "in.png"
    Image.fromarray(PHOTO).save(source)
    original = read_photo(source)
    copy_untouched(tmp_path / "same.png", original)
    assert (tmp_path / "same.png").read_bytes() == source.read_bytes()
    copy_untouched(tmp_path / "other.tif", original)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "other.tif")), PHOTO)
    with pytest.raises(UsageError, match="the name must end in"):
        write_changed(tmp_path / "out.txt", original, PHOTO)
    assert not (tmp_path / "out.txt").exists()


def test_a_jpeg_with_a_zero_in_its_quantisation_table_is_encoded_again(tmp_path):
    cjpeg("-sample", "1x1")(tmp_path / "in.jpg")
    data = bytearray((tmp_path / "in.jpg").read_bytes())
    data[data.index(b"\xff\xdb") + 5 + 10] = 0
    (tmp_path / "in.jpg").write_bytes(data)
    photo = read_photo(tmp_path / "in.jpg")
    changed = np.clip(photo.values.astype(int) + 9, 0, 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write_changed(tmp_path / "out.jpg", photo, changed)
    assert written.outside is Kept.ENCODED
    assert np.abs(read_photo(tmp_path / "out.jpg").values.astype(int) - changed).mean() < 3


@pytest.mark.parametrize("sampling", ["1x1", "2x2", "1x3"])
def test_a_jpeg_is_the_same_whether_changed_in_one_strip_or_many(tmp_path, monkeypatch, sampling):
    pytest.importorskip("jpegio")
    cjpeg("-sample", sampling)(tmp_path / "in.jpg")
    photo = read_photo(tmp_path / "in.jpg")
    box = (slice(13, 101), slice(7, 90))
    part = 255 - photo.values[box]
    changed = photo.values.copy()
    changed[box] = part
    written = write_changed(tmp_path / "whole.jpg", photo, changed)
    monkeypatch.setattr("chromiq.photos.jpeg_blocks._MCU_ROWS_AT_ONCE", 1)
    write_changed(tmp_path / "part.jpg", photo, part, box)
    assert written.outside is Kept.BLOCKS
    assert (tmp_path / "part.jpg").read_bytes() == (tmp_path / "whole.jpg").read_bytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_released_pixels_are_decoded_again(tmp_path, mode):
    image = Image.fromarray(PHOTO).convert(mode)
    image.putalpha(90) if mode == "RGBA" else None
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "in.png", exif=exif)
    photo = read_photo(tmp_path / "in.png")
    values, rgb = photo.values, photo.rgb
    photo.release()
    np.testing.assert_array_equal(photo.values, values)
    np.testing.assert_array_equal(photo.rgb, rgb)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_that_becomes_rgb_keeps_its_resolution(tmp_path, mode):
    Image.fromarray(PHOTO).convert(mode).save(tmp_path / "in.jpg", dpi=(240, 240))
    photo = read_photo(tmp_path / "in.jpg")
    written = write_changed(tmp_path / "out.jpg", photo, 255 - photo.values)
    assert "resolution" in written.kept
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["dpi"] == (240, 240)
