"""Reading to upright 8-bit sRGB: orientation, profiles, CMYK, 16 bits, transparency."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from chromiq.errors import UnsoundError, UsageError
from chromiq.photos.colour_space import srgb_profile
from chromiq.photos.images import read_photo, write_photo

# Colorants in D50, columns red, green, blue.
P3_D50 = np.array([[0.5151, 0.2919, 0.1572], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
SRGB_D50 = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
D50 = (0.9642, 1.0, 0.8249)


def fixed(values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def icc(colour_space, connection_space, device_class, tags):
    """An ICC version 2 profile of these tags (ICC.1:2001-04, 6.1 and 6.2)."""
    offset, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += name + struct.pack(">II", offset + len(data), len(body))
        data += body
    size = offset + len(data)
    header = struct.pack(
        ">I4sI4s4s4s", size, b"lcms", 0x02400000, device_class, colour_space, connection_space
    )
    header += bytes(12) + b"acsp" + bytes(28) + fixed(D50) + bytes(48)
    return header + struct.pack(">I", len(tags)) + table + data


def text_tags():
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    return {
        b"desc": description,
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + fixed(D50),
    }


def matrix_profile(colorants, gamma):
    """An RGB display of these primaries."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    tags = text_tags()
    for index, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + fixed(colorants[:, index])
        tags[name + b"TRC"] = curve
    return icc(b"RGB ", b"XYZ ", b"mntr", tags)


def table_profile(space, device_class, lightness_of_corners):
    """A device whose corners are neutral, of these L*, the first channel slowest."""
    grid = b"".join(bytes([round(lightness / 100 * 255), 128, 128]) for lightness in lightness_of_corners)
    line, channels = bytes(range(256)), len(space.strip())
    identity = fixed([1, 0, 0, 0, 1, 0, 0, 0, 1])
    lut = b"mft1" + bytes(4) + bytes([channels, 3, 2, 0]) + identity + line * channels + grid + line * 3
    return icc(space, b"Lab ", device_class, {**text_tags(), b"A2B0": lut, b"A2B1": lut})


def encoded(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def saved(tmp_path, image, name="photo.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def patches(colours):
    return np.repeat(np.repeat(np.array([colours], np.uint8), 80, axis=0), 80, axis=1)


def test_a_wide_profile_is_converted_by_its_primaries_and_curve(tmp_path):
    colours = np.array([[200, 120, 110], [90, 140, 100], [80, 90, 160], [128, 128, 128], [240, 240, 240]])
    path = saved(tmp_path, Image.fromarray(patches(colours)), icc_profile=matrix_profile(P3_D50, 2.2))
    xyz = P3_D50 @ ((colours / 255) ** 2.2).T
    wanted = encoded(np.linalg.inv(SRGB_D50) @ xyz).T
    photo = read_photo(path)
    np.testing.assert_allclose(photo.rgb[40, 40::80], wanted, atol=1.5)
    assert np.abs(wanted - colours).max() > 8  # ignoring the profile would be seen
    assert not photo.assumed_srgb


@pytest.mark.parametrize("profile", [None, "ours", "littlecms"])
def test_srgb_keeps_every_level(tmp_path, profile):
    data = {
        None: None,
        "ours": srgb_profile(),
        "littlecms": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }[profile]
    pixels = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), **({"icc_profile": data} if data else {}))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.rgb, pixels)
    assert photo.assumed_srgb is (profile is None)


def test_cmyk_is_converted_by_its_profile_and_paper_is_white(tmp_path):
    # Relative colorimetric: whatever the paper, it is white.
    profile = table_profile(b"CMYK", b"prtr", [100] + [50] * 15)
    image = Image.new("CMYK", (80, 80), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 40, 80))
    rgb = read_photo(saved(tmp_path, image, "press.tif", icc_profile=profile)).rgb
    assert rgb[40, 10].min() >= 254
    np.testing.assert_allclose(rgb[40, 70], 119, atol=2)  # L* 50


def test_black_point_compensation_maps_the_darkest_colour_to_black(tmp_path):
    # Black point compensation: without it L* 20 would be level 48.
    corners = [20 + 80 * (red + green + blue) / 3 for red in (0, 1) for green in (0, 1) for blue in (0, 1)]
    image = Image.new("RGB", (80, 80), "black")
    image.paste("white", (0, 0, 40, 80))
    path = saved(tmp_path, image, icc_profile=table_profile(b"RGB ", b"mntr", corners))
    rgb = read_photo(path).rgb
    assert rgb[40, 10].min() >= 254
    assert rgb[40, 70].max() <= 3


def test_cmyk_without_a_profile_is_ink_on_white(tmp_path):
    image = Image.new("CMYK", (80, 80), (0, 0, 0, 0))
    image.paste((0, 255, 255, 0), (40, 0, 80, 80))
    rgb = read_photo(saved(tmp_path, image, "ink.jpg", quality=100, subsampling=0)).rgb
    assert rgb[40, 10].min() >= 250
    assert rgb[40, 70, 0] > 230
    assert rgb[40, 70, 1:].max() < 40


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_read_upright(tmp_path, orientation):
    upright = np.zeros((70, 100, 3), np.uint8)
    upright[:20, :30] = 255  # white at the upper left
    undo = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](upright)))
    path = saved(tmp_path, stored, exif=exif)
    np.testing.assert_array_equal(read_photo(path).rgb, upright)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("least_wh", "shown_wh"),
    [((100, 75), (100, 75)), ((101, 75), (200, 150)), ((10, 151), (400, 300)), ((900, 10), (800, 600))],
)
def test_a_jpeg_is_decoded_at_the_smallest_sufficient_size(tmp_path, orientation, least_wh, shown_wh):
    exif = Image.Exif()
    exif[0x0112] = orientation
    x = np.linspace(0, 255, 800 if orientation == 1 else 600)
    stored = np.repeat(np.rint(x).astype(np.uint8)[None, :, None], 3, axis=2)
    stored = np.broadcast_to(stored, (600 if orientation == 1 else 800, len(x), 3))
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), "p.jpg", exif=exif, quality=95)
    shown = read_photo(path, least_wh=least_wh).rgb
    assert shown.shape == (shown_wh[1], shown_wh[0], 3)
    whole = read_photo(path).rgb
    factor = whole.shape[0] // shown.shape[0]
    means = whole.reshape(shown.shape[0], factor, shown.shape[1], factor, 3).mean(axis=(1, 3))
    assert np.abs(shown - means).max() < 2


@pytest.mark.parametrize("size_wh", [(120, 150), (121, 151), (801, 607)])
def test_a_jpeg_whose_sides_are_not_multiples_of_eight_is_valid(tmp_path, size_wh):
    noise = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), "p.jpg")
    assert read_photo(path, least_wh=(1, 1)).rgb.shape == (size_wh[1] // 8, size_wh[0] // 8, 3)
    assert read_photo(path, least_wh=(size_wh[0] // 2, 1)).rgb.shape[1] == size_wh[0] // 2


def test_a_truncated_jpeg_is_reported_at_any_size(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), "p.jpg")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(UnsoundError, match="damaged or cut short"):
        read_photo(path, least_wh=(80, 80))


def test_sixteen_bits_keep_their_levels(tmp_path):
    levels = np.linspace(0, 65535, 100 * 80).astype(np.uint16).reshape(80, 100)
    rgb = read_photo(saved(tmp_path, Image.fromarray(levels), "deep.png")).rgb
    np.testing.assert_allclose(rgb[..., 0], levels / 257, atol=0.51)
    assert len(np.unique(rgb)) == 256


def test_transparency_is_composited_over_white(tmp_path):
    image = Image.new("RGBA", (80, 80), (200, 0, 0, 0))
    image.paste((200, 0, 0, 128), (40, 0, 80, 80))
    rgb = read_photo(saved(tmp_path, image)).rgb
    np.testing.assert_array_equal(rgb[40, 10], (255, 255, 255))
    np.testing.assert_allclose(rgb[40, 70], (255 * 127 / 255 + 200 * 128 / 255, 127, 127), atol=1)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_written_images_have_an_srgb_profile(tmp_path, name):
    pixels = np.full((80, 80, 3), (180, 60, 90), np.uint8)
    write_photo(tmp_path / name, pixels)
    with Image.open(tmp_path / name) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert np.abs(read_photo(tmp_path / name).rgb.astype(int) - pixels).max() <= 2


def test_a_suffix_that_no_format_has_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"out\.gif: the name must end in \.jpg"):
        write_photo(tmp_path / "out.gif", np.zeros((8, 8, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".tif", ".webp"])
def test_a_single_pixel_is_read(tmp_path, suffix, mode):
    Image.new(mode, (1, 1), "white").save(tmp_path / f"a{suffix}")
    assert read_photo(tmp_path / f"a{suffix}", min_side_px=1).values.tolist() == [[[255, 255, 255]]]
