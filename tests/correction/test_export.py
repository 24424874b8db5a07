"""A correction in other programs: the LUT gives our own colours, the layered TIFF holds all pictures."""

import shutil
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image

from chromiq.colour import delta_e_map
from chromiq.correction.export import CUBE_POINTS, cube_text
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import correct_file
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UsageError
from chromiq.photos.colour_space import SRGB, named_space
from chromiq.photos.images import read_mask
from chromiq.photos.soundness import verify_photo

FFMPEG = shutil.which("ffmpeg")


@pytest.fixture(scope="module")
def exported(drawn_pairs, tmp_path_factory):
    """The photo, what was made of it, its mask and the record."""
    photos = [drawn_pairs / "pairs" / f"{name}1.png" for name in ("still-life", "on_model")]
    mask, out = drawn_pairs / "masks" / "on_model1.png", tmp_path_factory.mktemp("exported") / "o.png"
    options = CorrectionOptions(exports=("cube", "layers"))
    done = correct_file(*photos, out, ClassicSegmenter(), mask=mask, options=options)
    return photos[1], out, read_mask(mask), done


def pixels(path):
    return np.array(Image.open(path).convert("RGB"))


def table_of(path):
    lines = path.read_text().splitlines()
    values = np.array([line.split() for line in lines if line[0].isdigit()], float)
    return values.reshape(CUBE_POINTS, CUBE_POINTS, CUBE_POINTS, 3)  # blue, green, red


def test_the_exports_are_named_in_the_record(exported):
    _, after, _, done = exported
    assert done.exports == (str(after.with_suffix(".cube")), str(after.with_name("o.layers.tif")))


def test_files_that_are_not_of_this_correction_stay_and_are_named(drawn_pairs, tmp_path, chromiq):
    photos = [drawn_pairs / "pairs" / f"{name}2.png" for name in ("still-life", "on_model")]
    mask, out = drawn_pairs / "masks" / "on_model2.png", tmp_path / "o.png"
    command = ("correct", *photos, "--mask", mask, "--out", out)
    said = chromiq(*command, "--export", "cube").out
    assert said.endswith("  the photo was left alone: nothing is exported\n")
    assert "was there before" not in said
    cube, layers = tmp_path / "o.cube", tmp_path / "o.layers.tif"
    cube.write_bytes(b"mine")
    layers.write_bytes(b"of an earlier correction")
    ended = chromiq(*command, "--export", "cube")
    assert ended.code == 3
    for path in (cube, layers):
        assert f"  {path} was there before and is not of this correction\n" in ended.out
    assert (cube.read_bytes(), layers.read_bytes()) == (b"mine", b"of an earlier correction")
    photos = [drawn_pairs / "pairs" / f"{name}1.png" for name in ("still-life", "on_model")]
    mask = drawn_pairs / "masks" / "on_model1.png"
    done = correct_file(
        *photos, out, ClassicSegmenter(), mask=mask, options=CorrectionOptions(exports=("cube",))
    )
    assert done.exports == (str(cube),)
    assert done.notes[-1:] == (f"{layers} was there before and is not of this correction",)
    assert not any(str(cube) in note for note in done.notes)


def test_an_export_does_not_replace_an_input(drawn_pairs, tmp_path):
    photo = shutil.copy(drawn_pairs / "pairs" / "on_model1.png", tmp_path / "o.layers.tif")
    options = CorrectionOptions(exports=("layers",))
    still_life = drawn_pairs / "pairs" / "still-life1.png"
    with pytest.raises(UsageError, match=r"o\.layers\.tif: the results would overwrite"):
        correct_file(still_life, photo, tmp_path / "o.tif", ClassicSegmenter(), options=options)


def test_the_table_gives_our_own_colours_between_its_points_too(exported):
    from scipy.interpolate import RegularGridInterpolator

    before, after, mask, _ = exported
    axis = np.linspace(0, 1, CUBE_POINTS)
    trilinear = RegularGridInterpolator((axis, axis, axis), table_of(after.with_suffix(".cube")))
    looked_up = np.rint(255 * trilinear(pixels(before)[..., ::-1] / 255)).astype(np.uint8)
    inner = _inner(mask)
    assert delta_e_map(looked_up, pixels(after))[inner].mean() < 0.5


@pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")
def test_ffmpeg_applies_it_as_we_do(exported):
    before, after, mask, _ = exported
    subprocess.run(
        [FFMPEG, "-loglevel", "error", "-i", before, "-vf", "lut3d=o.cube:interp=trilinear", "-y", "ff.png"],
        check=True,
        cwd=after.parent,
    )
    differences = delta_e_map(pixels(after.with_name("ff.png")), pixels(after))[_inner(mask)]
    assert differences.mean() < 0.5


def test_a_table_is_in_the_space_of_the_photo():
    class Unchanged:
        def apply(self, lab):
            return lab

    for space in (SRGB, named_space("Adobe RGB (1998)", "EXIF")):
        lines = cube_text(Unchanged(), space, 'a "b"\nc').splitlines()
        assert lines[:2] == ['TITLE "a bc"', "LUT_3D_SIZE 33"]
        values = np.array([line.split() for line in lines[4:]], float)
        assert values.shape == (33**3, 3)
        np.testing.assert_allclose(values[8], (0.25, 0, 0), atol=2e-3)
        np.testing.assert_allclose(values[-1], (1, 1, 1), atol=2e-3)


def test_the_layers_are_original_and_correction_with_the_mask(exported):
    import psdtags

    before, after, mask, _ = exported
    path = after.with_name("o.layers.tif")
    assert verify_photo(path) is None
    np.testing.assert_array_equal(tifffile.imread(path)[..., :3], pixels(after))
    layers = psdtags.TiffImageSourceData.fromtiff(str(path)).layers
    assert [layer.name for layer in layers] == ["original", "correction"]
    for layer, picture in zip(layers, (pixels(before), pixels(after)), strict=True):
        channels = {int(channel.channelid): channel.data for channel in layer.channels}
        np.testing.assert_array_equal(np.stack([channels[c] for c in range(3)], axis=-1), picture)
    np.testing.assert_array_equal(channels[-2] > 0, mask)


def _inner(mask):
    import cv2

    return cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
