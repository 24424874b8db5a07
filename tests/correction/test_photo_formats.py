"""Photos as studios deliver them, corrected whole: the colour is right afterwards, in any kind of file."""

import struct
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from foreign_photos import exiftool, stored, tool
from PIL import Image

from chromiq.colour import delta_e_lab
from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.correction.photo import correct, correct_file
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UnsoundError
from chromiq.photos.colour_space import ColourSpace, icc_space
from chromiq.photos.images import read_mask, read_photo, write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair

ADOBE_RGB = imagecodecs.cms_profile("adobergb")
PAIR = draw_pair(1, size_wh=(200, 250))
MASK = PAIR.on_model_mask


def moved(values, space, by):
    """The on-model photo whose garment is off by a distance in Lab, in a colour space."""
    result = values.copy()
    result[MASK] = np.rint(space.from_lab(space.to_lab(values[MASK]) + by, values.dtype)[0])
    return result


SRGB_SPACE = ColourSpace(None, "")
OFF = moved(PAIR.on_model, SRGB_SPACE, np.float32([-4, 14, -10]))
DEEP = OFF.astype(np.uint16) * 257


def adobe(rgb):
    """sRGB values as Adobe RGB numbers."""
    space = icc_space(ADOBE_RGB, "rgb")
    flat = space.from_lab(SRGB_SPACE.to_lab(rgb.reshape(-1, 3)), np.dtype(np.uint8))[0]
    return np.rint(flat).astype(np.uint8).reshape(rgb.shape)


def only_a2b(profile_of=None):
    """A lookup table profile without a transform from Lab, as of cameras and scanners."""
    steps = np.linspace(0, 1, 9)
    red, green, blue = np.meshgrid(steps, steps, steps, indexing="ij")
    grid = (np.stack([red, green, blue], axis=-1).reshape(-1, 3) * 255).round().astype(np.uint8)
    lab = imagecodecs.cms_transform(
        grid[None],
        imagecodecs.cms_profile("srgb"),
        imagecodecs.cms_profile("lab4"),
        colorspace="rgb",
        outcolorspace="lab",
        outdtype="float32",
        intent=1,
    )[0]
    levels = np.stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128], axis=-1).round().clip(0, 255)
    lines = bytes(range(256)) * 3
    unit = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    table = (
        b"mft1" + bytes(4) + bytes([3, 3, 9, 0]) + unit + lines + levels.astype(np.uint8).tobytes() + lines
    )
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, offset = {b"desc": text, b"cprt": b"text" + bytes(4) + b"x\0", b"wtpt": white, b"A2B0": table}, 0
    head, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        offset = 132 + 12 * len(tags) + len(body)
        head += name + struct.pack(">II", offset, len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(head) + len(body), b"lcms", 0x02400000, b"scnr", b"RGB ", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return header + head + body


def exif_lzw(path):
    tool("exiftool")
    tifffile.imwrite(path, OFF, photometric="rgb", compression="lzw")
    exiftool(path, "-Make=Camera", "-GPSLatitude=10", "-GPSLatitudeRef=N")


def adobe_by_exif(path):
    tool("exiftool")
    Image.fromarray(adobe(OFF)).save(path, quality=97, subsampling=0)
    exiftool(path, "-ColorSpace=Uncalibrated", "-InteropIndex=R03")


FILES = {
    "turned.tif": lambda path: tifffile.imwrite(
        path, stored(OFF, 6), photometric="rgb", extratags=[(274, "H", 1, 6, True)]
    ),
    "turned16.tif": lambda path: tifffile.imwrite(
        path, stored(DEEP, 3), photometric="rgb", compression="zlib", extratags=[(274, "H", 1, 3, True)]
    ),
    "planes16.tif": lambda path: tifffile.imwrite(
        path, np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate", compression="lzw"
    ),
    "exif.tif": exif_lzw,
    "exif.jpg": adobe_by_exif,
    "scanner.tif": lambda path: tifffile.imwrite(path, OFF, photometric="rgb", iccprofile=only_a2b()),
    "scanner.png": lambda path: Image.fromarray(OFF).save(path, icc_profile=only_a2b()),
    "adobe.png": lambda path: Image.fromarray(adobe(OFF)).save(path, icc_profile=ADOBE_RGB),
    "cdn.avif": lambda path: Image.fromarray(OFF).save(path, quality=97, subsampling="4:4:4"),
}


PROFILED = {"exif.jpg", "scanner.tif", "scanner.png", "adobe.png", "cdn.avif"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_garment_is_right_and_nothing_else_moved(tmp_path, name):
    source, out = tmp_path / name, tmp_path / f"out-{name}".replace(".avif", ".png")
    FILES[name](source)
    write_photo(tmp_path / "still-life.png", PAIR.still_life)
    write_mask(tmp_path / "mask.png", MASK)
    done = correct_file(
        tmp_path / "still-life.png", source, out, ClassicSegmenter(), mask=tmp_path / "mask.png"
    )
    assert done.applied
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    before, after, truth = (
        SRGB_SPACE.to_lab(rgb[inner]) for rgb in (read_photo(source).rgb, read_photo(out).rgb, PAIR.on_model)
    )
    assert delta_e_lab(before, truth).mean() > 6
    assert delta_e_lab(after, truth).mean() < 3
    far = cv2.dilate(MASK.astype(np.uint8), np.ones((65, 65), np.uint8)) == 0
    off = read_photo(out).rgb[far].astype(int) - read_photo(source).rgb[far]
    assert np.abs(off).max(initial=0) <= (0 if "converted" not in done.outside else 2)
    text = " ".join(warning.message for warning in done.warnings)
    assert ("no colour profile" in text) == (name not in PROFILED)
    assert ("no transform from Lab" in text) == name.startswith("scanner.")


def test_a_batch_takes_jfif(tmp_path):
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    for name, rgb in (("still-life", PAIR.still_life), ("on_model", OFF)):
        Image.fromarray(rgb).save(photos / f"{name}1.jfif", "JPEG", quality=95)
    write_mask(masks / "on_model1.png", MASK)
    result = correct_batch(BatchInputs(photos, masks=masks), tmp_path / "out", ClassicSegmenter())
    (done,) = result.corrections
    assert (done.applied, Path(done.out).name) == (True, "on_model1.jfif")
    assert any("no colour profile" in finding.message for finding in result.findings)


def test_a_mask_that_is_stored_rotated_is_read_upright(tmp_path):
    rotated = stored(MASK.astype(np.uint8) * 255, 6)
    tifffile.imwrite(tmp_path / "mask.tif", rotated, extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.tif"), MASK)


def off_by_lightness_and_chroma(target_lab, dtype):
    """In Adobe RGB: a still-life, an on-model photo off by Lab (-9, +10, +8), and the true one."""
    space, rng = icc_space(ADOBE_RGB, "rgb"), np.random.default_rng(0)
    shading = rng.normal(0, 2, (*PAIR.on_model.shape[:2], 1)).astype(np.float32) * np.float32([1, 0.3, 0.3])
    truth_lab = np.float32(target_lab) + shading[MASK]
    flat = PAIR.still_life_mask
    flat_lab = np.float32(target_lab) + rng.normal(0, 1, (int(flat.sum()), 1)).astype(np.float32)

    def painted(rgb, mask, lab):
        full = np.iinfo(dtype).max
        values = (adobe(rgb).astype(np.float64) / 255 * full).round().astype(dtype)
        values[mask] = np.rint(space.from_lab(lab, np.dtype(dtype))[0])
        return values

    off = painted(PAIR.on_model, MASK, truth_lab + np.float32([-9, 10, 8]))
    return painted(PAIR.still_life, flat, flat_lab), off, painted(PAIR.on_model, MASK, truth_lab)


def distances(values, truth):
    """Mean dE00 from the truth in Adobe RGB, not by way of sRGB: as it is, and with the true lightness."""
    space = icc_space(ADOBE_RGB, "rgb")
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    got, wanted = space.to_lab(values[inner]), space.to_lab(truth[inner])
    level = np.concatenate([wanted[:, :1], got[:, 1:]], axis=1)
    return delta_e_lab(got, wanted).mean(), delta_e_lab(level, wanted).mean()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_colour_beyond_srgb_is_corrected_in_its_own_space(tmp_path, dtype):
    """A garment of Lab (61, -88, 45) on both photos: as near as the same error on one that sRGB holds."""
    still_life, off, truth = off_by_lightness_and_chroma([61, -88, 45], dtype)
    for name, values in (("still-life.tif", still_life), ("on_model.tif", off)):
        tifffile.imwrite(tmp_path / name, values, photometric="rgb", iccprofile=ADOBE_RGB)
    write_mask(tmp_path / "mask.png", MASK)
    out, photos = tmp_path / "out.tif", (tmp_path / "still-life.tif", tmp_path / "on_model.tif")
    done = correct_file(*photos, out, ClassicSegmenter(), mask=tmp_path / "mask.png")
    assert done.applied
    assert distances(off, truth)[0] > 9
    after, after_chroma = distances(tifffile.imread(out), truth)
    # What is left is lightness, which a still-life tells less of; hue and chroma are right.
    assert after_chroma < 0.5

    still_life, off, truth = off_by_lightness_and_chroma([61, -44, 22], dtype)
    space = icc_space(ADOBE_RGB, "rgb")
    masks = {"mask": MASK, "still_life_mask": PAIR.still_life_mask}
    within, _ = distances(correct(still_life, off, **masks, spaces=(space, space))[0], truth)
    assert after < within + 1


def test_a_loop_of_links_is_a_missing_photo(tmp_path):
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    write_photo(tmp_path / "still-life.png", PAIR.still_life)
    with pytest.raises(UnsoundError, match=r"loop\.jpg"):
        correct_file(
            tmp_path / "still-life.png", tmp_path / "loop.jpg", tmp_path / "o.jpg", ClassicSegmenter()
        )
