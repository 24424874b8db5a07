"""Other sizes of photos and masks: what is kept."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.imaging.masks import inner_edge
from chromiq.imaging.resize import coverage, fit_height, fit_side, resize_fast, resize_mask

sides = st.integers(8, 90)


@st.composite
def boxes(draw):
    """A mask ``(H, W)`` bool that is a box."""
    height_px, width_px = draw(sides), draw(sides)
    top, left = draw(st.integers(0, height_px - 4)), draw(st.integers(0, width_px - 4))
    mask = np.zeros((height_px, width_px), bool)
    mask[top : top + draw(st.integers(4, 40)), left : left + draw(st.integers(4, 40))] = True
    return mask


@settings(max_examples=60, deadline=None)
@given(boxes(), sides, sides)
def test_a_resized_mask_takes_the_same_share_of_the_picture(mask, width_px, height_px):
    resized = resize_mask(mask, (width_px, height_px))
    assert resized.shape == (height_px, width_px)
    assert resized.dtype == bool
    # Each of its borders is rounded to a whole pixel.
    assert abs(resized.mean() - mask.mean()) <= 1 / width_px + 1 / height_px + 1e-6


@settings(max_examples=30, deadline=None)
@given(boxes())
def test_a_mask_of_the_same_size_stays(mask):
    assert (resize_mask(mask, mask.shape[::-1]) == mask).all()
    assert (coverage(mask, mask.shape[::-1]) == mask).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("size_wh", [(20, 10), (200, 110)])
def test_a_plain_picture_stays_plain_and_of_its_type(dtype, size_wh):
    plain = np.full((50, 60, 3), 77, dtype)
    resized = resize_fast(plain, size_wh)
    assert resized.dtype == dtype
    assert resized.shape == (size_wh[1], size_wh[0], 3)
    assert np.abs(resized - 77.0).max() < 1e-4


def test_a_picture_that_fits_is_not_copied_and_one_of_few_pixels_keeps_one():
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
