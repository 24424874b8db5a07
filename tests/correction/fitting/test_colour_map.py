"""A colour map is applied to the garment alone, the same whatever the mask's place and the photo's depth."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.colour import delta_e_lab, lab_to_srgb_float, rgb_to_lab
from chromiq.correction.fitting.colour_map import (
    ColourMap,
    PartialMap,
    apply_colour_map,
    fit_affine,
    fit_smooth,
)
from chromiq.imaging.masks import with_rim
from chromiq.photos.colour_space import SRGB

BENT = ColourMap(
    np.array([[1.1, 0.02, 0], [0.05, 0.9, 0.1], [0, 0.1, 1.05]]),
    np.array([50.0, 0, 0]),
    np.array([53.0, 4, -6]),
)
SIDE_PX = 40
MOVE = np.array([2.0, 3, -4])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(
    corner=st.tuples(st.integers(0, SIDE_PX - 1), st.integers(0, SIDE_PX - 1)),
    size=st.tuples(st.integers(0, SIDE_PX), st.integers(0, SIDE_PX)),
)
def test_every_pixel_is_mapped_by_how_far_it_is_inside(dtype, corner, size):
    largest = np.iinfo(dtype).max
    photo = np.random.default_rng(0).integers(0, largest + 1, (SIDE_PX, SIDE_PX, 3), dtype=dtype)
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = True
    result = apply_colour_map(photo, mask, BENT).within(photo)
    free = lab_to_srgb_float(BENT.apply(rgb_to_lab(photo / largest)))
    mapped = np.clip(free, 0, 1) * largest
    held = ((free > -0.002) & (free < 1.002)).all(axis=2)
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    weight = np.clip(distance / 1.5, 0, 1)[..., None]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    off = result - (photo + weight * (mapped - photo))
    assert np.abs(off[mask & held]).max(initial=0) < 0.51 + largest / 1e5


@pytest.mark.parametrize("colour", [(60, 15, -20), (45, 70, 50), (4, 2, -3)])
def test_sixteen_bits_of_cloth_are_mapped_as_each_pixel_by_itself(colour):
    shading = cv2.resize(np.random.default_rng(1).normal(0, 1, (9, 9)).astype(np.float32), (200, 200))
    cloth = np.float32(colour) + shading[..., None] * np.float32([4, 3, 2])
    photo = np.rint(np.clip(lab_to_srgb_float(cloth), 0, 1) * 65535).astype(np.uint16)
    smooth = fit_smooth(cloth[::9, ::9].reshape(-1, 3), cloth[::9, ::9].reshape(-1, 3) * 1.1 + MOVE)
    result = apply_colour_map(photo, np.ones(photo.shape[:2], bool), smooth)
    wanted, outside = SRGB.from_lab(smooth.apply(SRGB.to_lab(photo)).reshape(-1, 3), photo.dtype)
    inner = (slice(5, -5), slice(5, -5))
    wanted = np.rint(wanted).astype(np.uint16).reshape(photo.shape)
    off = delta_e_lab(SRGB.to_lab(result.within(photo)[inner]), SRGB.to_lab(wanted[inner]))
    assert off.max() < 0.1
    assert abs(result.out_of_gamut - outside.mean()) < 0.01


def test_a_rim_that_hardly_changes_loses_no_chroma():
    photo = np.full((100, 100, 3), (250, 20, 20), np.uint8)
    photo[:, :50] = (120, 110, 100)
    garment = np.zeros((100, 100), bool)
    garment[20:80, 10:50] = True
    vivid = ColourMap(np.diag([1.0, 1.5, 1.5]), np.zeros(3), np.zeros(3))
    result = apply_colour_map(photo, with_rim(garment), vivid, has_rim=True)
    assert result.out_of_gamut < 0.01


def test_a_colour_that_the_space_cannot_hold_keeps_its_hue_and_lightness():
    photo = np.full((20, 20, 3), (40, 160, 90), np.uint8)
    mask = np.ones((20, 20), bool)
    vivid = ColourMap(np.diag([1.0, 3, 3]), np.zeros(3), np.zeros(3))
    result = apply_colour_map(photo, mask, vivid)
    before, after = (rgb_to_lab(image[10, 10] / 255) for image in (photo, result.within(photo)))
    assert result.out_of_gamut == 1
    assert abs(after[0] - before[0]) < 0.5
    hues = [np.degrees(np.arctan2(lab[2], lab[1])) for lab in (before, after)]
    assert abs(hues[0] - hues[1]) < 1
    assert np.hypot(*after[1:]) > np.hypot(*before[1:]) + 5


def colours_seen(count=400):
    rng = np.random.default_rng(0)
    return np.array([50, 20, -10]) + rng.normal(0, [10, 6, 4], (count, 3))


def test_a_smooth_map_follows_an_error_of_one_hue():
    seen = np.concatenate([colours_seen(), colours_seen() + np.array([20, -50, 30])])
    move = np.where(seen[:, 1:2] > 0, [[0, 8, -6]], [[0, 0, 0]])
    fitted = fit_smooth(seen, seen + move)
    off = np.linalg.norm(fitted.apply(seen) - seen - move, axis=1)
    assert off.mean() < 1
    affine_off = np.linalg.norm(fit_affine(seen, seen + move).apply(seen) - seen - move, axis=1)
    assert off.mean() < 0.7 * affine_off.mean()


@given(strength=st.floats(-0.6, 0.6), far=st.floats(1, 20))
@settings(max_examples=20)
def test_a_smooth_map_moves_no_colour_by_more_than_those_seen(strength, far):
    seen = colours_seen()
    changed = seen + (seen - seen.mean(axis=0)) * strength
    fitted = fit_smooth(seen, changed)
    most = np.linalg.norm(fitted.apply(seen) - seen, axis=1).max()
    beyond = seen.mean(axis=0) + (seen - seen.mean(axis=0)) * far
    # The range is a box along three axes, whose corners lie somewhat beyond the colours.
    assert np.linalg.norm(fitted.apply(beyond) - beyond, axis=1).max() <= 1.8 * most + 0.5


def test_a_smooth_map_takes_any_shape_and_cloth_of_one_colour():
    plain = np.tile([60.0, 10, 5], (50, 1))
    fitted = fit_smooth(plain, plain + MOVE)
    image = plain.reshape(5, 10, 3)
    np.testing.assert_allclose(fitted.apply(image), image + MOVE, atol=0.1)
    assert np.isfinite(fitted.apply(np.array([[0.0, 0, 0], [100, -90, 90]]))).all()


def test_a_map_applied_in_part_or_beyond_itself():
    lab = np.random.default_rng(1).uniform([0, -60, -60], [100, 60, 60], (50, 3))
    whole = BENT.apply(lab) - lab
    for strength in (0.0, 0.35, 1.0, 1.5):
        np.testing.assert_allclose(PartialMap(BENT, strength).apply(lab) - lab, strength * whole, atol=1e-9)
