"""Resizing photos and masks."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.imaging import masks
from chromiq.imaging.masks import bounding_box, inner_edge, matte, with_rim
from chromiq.imaging.resize import coverage, fit_height, fit_side, resize_fast, resize_mask

sides = st.integers(8, 90)


@st.composite
def boxes(draw):
    """A rectangular mask ``(H, W)`` bool."""
    height_px, width_px = draw(sides), draw(sides)
    top, left = draw(st.integers(0, height_px - 4)), draw(st.integers(0, width_px - 4))
    mask = np.zeros((height_px, width_px), bool)
    mask[top : top + draw(st.integers(4, 40)), left : left + draw(st.integers(4, 40))] = True
    return mask


@settings(max_examples=60, deadline=None)
@given(boxes(), sides, sides)
def test_a_resized_mask_covers_the_same_share(mask, width_px, height_px):
    resized = resize_mask(mask, (width_px, height_px))
    assert resized.shape == (height_px, width_px)
    assert resized.dtype == bool
    # Each of its borders is rounded to a whole pixel.
    assert abs(resized.mean() - mask.mean()) <= 1 / width_px + 1 / height_px + 1e-6


@settings(max_examples=30, deadline=None)
@given(boxes())
def test_a_mask_of_the_same_size_is_unchanged(mask):
    assert (resize_mask(mask, mask.shape[::-1]) == mask).all()
    assert (coverage(mask, mask.shape[::-1]) == mask).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size_wh", [(20, 10), (200, 110)])
def test_a_uniform_image_stays_uniform_and_keeps_its_dtype(dtype, size_wh):
    plain = np.full((50, 60, 3), 77, dtype)
    resized = resize_fast(plain, size_wh)
    assert resized.dtype == dtype
    assert resized.shape == (size_wh[1], size_wh[0], 3)
    assert np.abs(resized - 77.0).max() < 1e-4


def test_an_image_that_fits_is_not_copied_and_no_side_becomes_zero():
    picture = np.zeros((30, 40, 3), np.uint8)
    assert fit_side(picture, 40) is picture
    assert fit_side(np.zeros((1, 400), np.uint8), 40).shape == (1, 40)
    assert fit_height(np.zeros((400, 1), np.uint8), 40).shape == (40, 1)
    assert fit_height(np.zeros((10, 400), np.uint8), 100, 1000).shape == (100, 1000)


@settings(max_examples=30, deadline=None)
@given(boxes(), st.integers(100, 9000))
def test_a_feather_stays_inside_its_mask(mask, photo_side_px):
    weight = inner_edge(mask, photo_side_px)
    assert (weight[~mask] == 0).all()
    assert (weight[mask] > 0).all()
    assert weight.max() <= 1


@settings(max_examples=30, deadline=None)
@given(boxes(), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 99))
def test_a_matte_stays_inside_its_mask_and_does_not_depend_on_strips(mask, dtype, seed):
    photo = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (*mask.shape, 3)).astype(dtype)
    grown = with_rim(mask)
    box = bounding_box(grown)
    weight = matte(grown, photo, box)
    assert (weight[~grown[box]] == 0).all()
    assert 0 <= weight.min() <= weight.max() <= 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks, "_MATTE_STRIP_PX", 7)
        np.testing.assert_allclose(matte(grown, photo, box), weight, atol=1e-5)


def test_a_matte_follows_a_soft_edge_one_pixel_off_the_mask():
    rows, columns = np.indices((1000, 1000))
    truth = np.clip(300.5 - np.hypot(rows - 500, columns - 500), 0, 1)
    photo = np.rint(200 - 150 * truth)[..., None].repeat(3, axis=2).astype(np.uint8)
    found = np.roll(truth > 0.5, 1, axis=1)
    grown = with_rim(found)
    box = bounding_box(grown)
    rim = cv2.dilate((truth > 0).astype(np.uint8), np.ones((5, 5)))[box].astype(bool)
    soft, hard = (
        np.abs(weight - truth[box])[rim]
        for weight in (matte(grown, photo, box), inner_edge(found, 1000)[box])
    )
    assert soft.mean() < 0.65 * hard.mean()
