"""A colour map is applied to the garment alone, the same whatever the mask's place and the photo's depth."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.colour import lab_to_srgb_float, rgb_to_lab
from chromiq.correction.colour_map import ColourMap, apply_colour_map

BENT = ColourMap(
    np.array([[1.1, 0.02, 0], [0.05, 0.9, 0.1], [0, 0.1, 1.05]]),
    np.array([50.0, 0, 0]),
    np.array([53.0, 4, -6]),
)
SIDE_PX = 40


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(
    corner=st.tuples(st.integers(0, SIDE_PX - 1), st.integers(0, SIDE_PX - 1)),
    size=st.tuples(st.integers(0, SIDE_PX), st.integers(0, SIDE_PX)),
    strength=st.sampled_from([0.0, 0.35, 1.0]),
)
def test_every_pixel_is_mapped_by_how_far_it_is_inside(dtype, corner, size, strength):
    largest = np.iinfo(dtype).max
    photo = np.random.default_rng(0).integers(0, largest + 1, (SIDE_PX, SIDE_PX, 3), dtype=dtype)
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = True
    result = apply_colour_map(photo, mask, BENT, strength).values
    free = lab_to_srgb_float(BENT.apply(rgb_to_lab(photo / largest)))
    mapped = np.clip(free, 0, 1) * largest
    held = ((free > -0.002) & (free < 1.002)).all(axis=2)
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    weight = strength * np.clip(distance / 1.5, 0, 1)[..., None]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result[~mask], photo[~mask])
    off = result - (photo + weight * (mapped - photo))
    assert np.abs(off[mask & held]).max(initial=0) < 0.51 + largest / 1e5


def test_a_colour_that_the_space_cannot_hold_keeps_its_hue_and_lightness():
    photo = np.full((20, 20, 3), (40, 160, 90), np.uint8)
    mask = np.ones((20, 20), bool)
    vivid = ColourMap(np.diag([1.0, 3, 3]), np.zeros(3), np.zeros(3))
    result = apply_colour_map(photo, mask, vivid)
    before, after = (rgb_to_lab(image[10, 10] / 255) for image in (photo, result.values))
    assert result.out_of_gamut == 1
    assert abs(after[0] - before[0]) < 0.5
    hues = [np.degrees(np.arctan2(lab[2], lab[1])) for lab in (before, after)]
    assert abs(hues[0] - hues[1]) < 1
    assert np.hypot(*after[1:]) > np.hypot(*before[1:]) + 5
