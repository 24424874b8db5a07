"""Pairs are read no larger than needed; errors are applied to the garment alone, at the canvas' scale."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chromiq.colour import delta_e_map
from chromiq.dataset_builder.canvas.scene import PairPhotos, control_of, geometry_of, read_pair, scene_of
from chromiq.dataset_builder.canvas.stitch import cut_on_model
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.options import BuildOptions
from chromiq.imaging.resize import coverage, resize, shrink
from chromiq.photos.images import read_photo, write_photo
from chromiq.records import GarmentMask, PhotoPair
from chromiq.sample_catalogue.catalogue import draw_pair

LARGE_WH = (1760, 2200)
EXACT = BuildOptions(size_wh=(320, 192))


@pytest.fixture(scope="module")
def pair():
    return draw_pair(4, size_wh=(300, 375))


def scene_with(options, pair):
    sizes_wh = [photo.shape[1::-1] for photo in (pair.still_life, pair.on_model)]
    geometry = geometry_of(options, *sizes_wh)
    photos = PairPhotos(pair.still_life, pair.on_model, sizes_wh[1], geometry, None)
    return scene_of(options, photos, pair.on_model_mask)


def on_canvas(scene):
    """Where the garment is on the target: all that a control may change."""
    allowed = np.zeros(scene.target.shape[:2], bool)
    left, top, right, bottom = scene.geometry.on_model_xyxy
    allowed[top:bottom, left:right] = scene.garment >= 0.5
    return allowed


@pytest.mark.parametrize("seed", range(4))
def test_the_size_of_an_error_is_that_on_the_canvas_and_the_rest_is_the_target(pair, seed):
    scene = scene_with(EXACT, pair)
    degraded, error = degrade(scene.photo, scene.garment, "perceptual", np.random.default_rng(seed))
    control = control_of(scene, degraded)
    assert control.shape == scene.target.shape == (192, 320, 3)
    allowed = on_canvas(scene)
    np.testing.assert_array_equal(control[~allowed], scene.target[~allowed])
    seen = float(delta_e_map(control, scene.target)[allowed].mean())
    assert seen == pytest.approx(error.asked_delta_e, rel=0.05)
    assert seen == pytest.approx(error.reached_delta_e, rel=0.02)


def test_an_error_fades_with_the_share_of_a_pixel_that_is_garment():
    photo = np.full((80, 60, 3), (150, 90, 60), np.uint8)
    garment = np.zeros((80, 60), np.float32)
    garment[10:70, 10:50] = 1
    garment[20:60, 20:40] = 0.6
    for seed in range(3):
        degraded, _ = degrade(photo, garment, "perceptual", np.random.default_rng(seed))
        off = delta_e_map(degraded, photo)
        whole, part = off[14:18, 14:46].mean(), off[30:50, 25:35].mean()
        assert 0.4 * whole < part < 0.8 * whole
        assert not off[garment < 0.5].any()


@pytest.mark.parametrize(("geometry", "degradation"), [("published", "published"), ("exact", "published")])
def test_published_errors_are_put_in_at_the_photo_s_own_scale(pair, geometry, degradation):
    options = BuildOptions(geometry=geometry, degradation=degradation)
    scene = scene_with(options, pair)
    assert scene.photo is pair.on_model
    assert scene.garment is pair.on_model_mask
    np.testing.assert_array_equal(control_of(scene, scene.photo), scene.target)
    panel = cut_on_model(scene.target, scene.geometry)
    scaling = resize if geometry == "published" else shrink
    np.testing.assert_array_equal(panel, scaling(pair.on_model, panel.shape[1::-1]))


def test_coverage_counts_every_pixel():
    mask = np.zeros((8, 6), bool)
    mask[:4, :3] = True
    mask[4, 0] = True
    np.testing.assert_allclose(coverage(mask, (3, 4)), [[1, 0.5, 0], [1, 0.5, 0], [0.25, 0, 0], [0, 0, 0]])


@given(st.tuples(*[st.integers(1, 8)] * 4), st.integers(1, 6), st.floats(0, 1), st.integers(0, 99))
def test_coverage_is_the_share_of_every_pixel_s_area(sides, unit, share, seed):
    shown_hw = (sides[0] * unit, sides[1] * unit)
    mask = np.zeros((shown_hw[0] + sides[2] * unit, shown_hw[1] + sides[3] * unit), bool)
    part = mask[int(share * len(mask) / 2) :, int(share * mask.shape[1] / 2) : mask.shape[1] - seed % 3]
    part[:] = np.random.default_rng(seed).random(part.shape) < share
    fine = mask.repeat(shown_hw[0], axis=0).repeat(shown_hw[1], axis=1)
    wanted = fine.reshape(shown_hw[0], mask.shape[0], shown_hw[1], mask.shape[1]).mean(axis=(1, 3))
    np.testing.assert_allclose(coverage(mask, shown_hw[::-1]), wanted, atol=1e-4)


def lanczos_in_floats(photo, size_wh):
    """By the formula alone, nothing rounded."""

    def weights(side_px, shown_px):
        scale = side_px / shown_px
        middles = (np.arange(shown_px) + 0.5) * scale
        apart = (np.arange(side_px) + 0.5 - middles[:, None]) / scale
        kernel = np.where(np.abs(apart) < 3, np.sinc(apart) * np.sinc(apart / 3), 0)
        return kernel / kernel.sum(axis=1, keepdims=True)

    height_px, width_px = photo.shape[:2]
    high = np.tensordot(weights(height_px, size_wh[1]), photo.astype(float), axes=(1, 0))
    return np.tensordot(high, weights(width_px, size_wh[0]), axes=(1, 1)).transpose(0, 2, 1)


@pytest.mark.parametrize("scale", [1.07, 1.4, 2.0, 3.4, 3.75, 5.0])
def test_shrinking_is_as_near_to_lanczos_as_bicubic_is(pair, scale):
    photo = np.ascontiguousarray(pair.on_model[:374])  # squares of two pixels fit in it
    size_wh = (round(photo.shape[1] / scale), round(photo.shape[0] / scale))
    wanted = lanczos_in_floats(photo, size_wh)
    bicubic = np.array(Image.fromarray(photo).resize(size_wh, Image.Resampling.BICUBIC))
    off, bicubic_off = (shown - wanted for shown in (shrink(photo, size_wh), bicubic))
    assert (off**2).mean() < 1.1 * (bicubic_off**2).mean()
    assert abs(off.mean()) < 0.15  # halves of the mean of four are rounded up: an eighth of a level


@pytest.mark.parametrize("scale", [1.4, 2.0, 3.0])
def test_shrinking_lets_no_more_false_patterns_through(scale):
    """A zone plate: what is finer than the small picture can show comes out flat."""
    side_px = 560
    y, x = np.mgrid[-side_px // 2 : side_px // 2, -side_px // 2 : side_px // 2]
    plate = np.repeat((127.5 + 127.5 * np.cos(np.pi * (x**2 + y**2) / side_px))[..., None], 3, axis=2)
    size_wh = (round(side_px / scale),) * 2
    fine = np.mgrid[-1 : 1 : size_wh[0] * 1j, -1 : 1 : size_wh[0] * 1j]
    fine = np.abs(fine).max(axis=0) > 1.15 / scale
    ours, lanczos = (way(plate.astype(np.uint8), size_wh)[fine].std() for way in (shrink, resize))
    assert ours <= lanczos + 0.5


def test_photos_much_too_large_and_too_small_are_scaled_too(pair):
    photo = pair.on_model
    for size_wh in ((60, 75), (600, 750), (300, 375), (150, 400)):
        shown = shrink(photo, size_wh)
        assert shown.shape == (size_wh[1], size_wh[0], 3)
        assert delta_e_map(shown, resize(photo, size_wh)).mean() < 0.5
    assert shrink(photo, (300, 375)) is photo


@pytest.fixture(scope="module")
def drawn():
    return draw_pair(4, size_wh=(440, 550))


@pytest.fixture(scope="module")
def large(tmp_path_factory, drawn):
    """A pair and its mask, drawn at a quarter of their size."""
    folder = tmp_path_factory.mktemp("large")
    pair = PhotoPair("4", folder / "still-life4.jpg", folder / "on_model4.jpg")
    for path, picture in ((pair.still_life, drawn.still_life), (pair.on_model, drawn.on_model)):
        write_photo(path, cv2.resize(picture, LARGE_WH, interpolation=cv2.INTER_CUBIC), quality=90)
    mask = cv2.resize(drawn.on_model_mask.astype(np.uint8), LARGE_WH, interpolation=cv2.INTER_NEAREST) > 0
    return pair, mask


def test_a_large_pair_is_read_at_half_its_size_and_its_examples_look_the_same(large):
    options = BuildOptions(size_wh=(640, 384))
    photos = read_pair(*large, options)
    assert photos.on_model.shape == photos.still_life.shape == (1100, 880, 3)
    assert photos.on_model_wh == LARGE_WH
    mask = photos.drawn.mask
    assert mask.shape == (2200, 1760)
    whole = [read_photo(path).rgb for path in (large[0].still_life, large[0].on_model)]
    seen = scene_of(options, photos, mask)
    wanted = scene_of(options, replace(photos, still_life=whole[0], on_model=whole[1]), mask)
    np.testing.assert_array_equal(seen.garment, wanted.garment)
    assert seen.target.shape == wanted.target.shape == (384, 640, 3)
    by_lanczos = resize(whole[1], seen.photo.shape[1::-1])
    off, usually_off = (delta_e_map(scene.photo, by_lanczos).mean() for scene in (seen, wanted))
    assert off < max(0.1, 1.2 * usually_off)
    assert np.abs((seen.photo.astype(float) - by_lanczos).mean(axis=(0, 1))).max() < 0.15


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(geometry="published", degradation="published"),
        BuildOptions(degradation="published"),
        BuildOptions(model="qwen-image-edit-2509"),
    ],
    ids=["as published", "errors as published", "seen apart"],
)
def test_photos_that_are_needed_as_they_are_are_read_so(large, options):
    photos = read_pair(*large, options)
    assert photos.on_model.shape == photos.still_life.shape == (2200, 1760, 3)


def test_a_mask_found_on_a_smaller_photo_has_the_file_s_size(large, drawn):
    photos = read_pair(large[0], None, BuildOptions(size_wh=(640, 384)))
    size_wh = photos.on_model.shape[1::-1]
    small = cv2.resize(drawn.on_model_mask.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    found = photos.at_file_size(GarmentMask(small, 0.8, ("undecided",), "classic"))
    wanted = read_pair(*large, BuildOptions()).drawn.mask
    assert found.mask.shape == wanted.shape
    assert (found.mask & wanted).sum() / (found.mask | wanted).sum() > 0.99
    assert (found.confidence, found.reasons, found.source) == (0.8, ("undecided",), "classic")
