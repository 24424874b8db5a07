"""CIEDE2000 against the published pairs and against scikit-image, and Lab against scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import deltaE_ciede2000, rgb2lab

from chromiq.colour import (
    delta_e_lab,
    delta_e_map,
    delta_e_of_parts,
    delta_e_parts,
    hue_turn,
    plane_parts,
    rgb_to_lab,
    srgb_to_lab,
)

# Sharma, Wu and Dalal (2005), table 1: two Lab colours and their dE00.
SHARMA = np.array(
    [
        [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
        [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
        [50, 2.8361, -74.02, 50, 0, -82.7485, 3.4412],
        [50, -1.3802, -84.2814, 50, 0, -82.7485, 1],
        [50, -1.1848, -84.8006, 50, 0, -82.7485, 1],
        [50, -0.9009, -85.5211, 50, 0, -82.7485, 1],
        [50, 0, 0, 50, -1, 2, 2.3669],
        [50, -1, 2, 50, 0, 0, 2.3669],
        [50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.001, 7.1792],
        [50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195],
        [50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195],
        [50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.001, -2.49, 4.8045],
        [50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461],
        [50, 2.5, 0, 50, 0, -2.5, 4.3065],
        [50, 2.5, 0, 73, 25, -18, 27.1492],
        [50, 2.5, 0, 61, -5, 29, 22.8977],
        [50, 2.5, 0, 56, -27, -3, 31.903],
        [50, 2.5, 0, 58, 24, 15, 19.4535],
        [50, 2.5, 0, 50, 3.1736, 0.5854, 1],
        [50, 2.5, 0, 50, 3.2972, 0, 1],
        [50, 2.5, 0, 50, 1.8634, 0.5757, 1],
        [50, 2.5, 0, 50, 3.2592, 0.335, 1],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.263],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.248, -4.962, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373],
        [36.4612, 47.858, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def reference(a, b):
    return deltaE_ciede2000(rgb2lab(a / 255.0), rgb2lab(b / 255.0))


@pytest.mark.parametrize("order", [(slice(0, 3), slice(3, 6)), (slice(3, 6), slice(0, 3))])
def test_the_34_published_pairs(order):
    found = delta_e_lab(SHARMA[:, order[0]], SHARMA[:, order[1]])
    assert len(SHARMA) == 34
    assert np.abs(found - SHARMA[:, 6]).max() < 5e-5


def test_single_precision_rounds_to_the_published_pairs():
    # The map's own path: the side on which opposed hues lie in float64, the rest in float32.
    first, second = SHARMA[:, :3].T, SHARMA[:, 3:6].T
    turn = hue_turn(first, second).astype(np.float32)
    found = delta_e_of_parts(plane_parts(first.astype(np.float32), second.astype(np.float32), turn=turn))
    assert np.abs(found - SHARMA[:, 6]).max() < 5.5e-5


@pytest.mark.parametrize("coarseness", [1, 8, 64])
def test_the_map_equals_scikit_image_on_random_colours(coarseness):
    rng = np.random.default_rng(coarseness)
    a, b = (
        (rng.integers(0, 256, (200, 300, 3)) // coarseness + 255 - 255 // coarseness).astype(np.uint8)
        for _ in range(2)
    )
    found = delta_e_map(a, b)
    assert found.dtype == np.float32
    assert np.abs(found - reference(a, b)).max() < 1e-4


def test_greys_are_exact():
    greys = np.arange(256, dtype=np.uint8)
    a = np.repeat(np.repeat(greys[:, None, None], 256, 1), 3, 2)
    b = a.transpose(1, 0, 2).copy()
    assert np.abs(delta_e_map(a, b) - reference(a, b)).max() < 1e-4
    assert (np.diag(delta_e_map(a, b)) == 0).all()


@settings(max_examples=60)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))), st.data())
def test_any_two_images(a, data):
    b = data.draw(arrays.arrays(np.uint8, a.shape))
    found = delta_e_map(a, b)
    assert np.abs(found - reference(a, b)).max() < 2e-4
    assert np.abs(srgb_to_lab(a) - rgb2lab(a / 255.0)).max() < 2e-5
    assert np.abs(rgb_to_lab(a / 255.0) - srgb_to_lab(a)).max() < 2e-5


def test_opposite_hues_agree_with_scikit_image():
    # Single precision puts the mean hue of these two on the other side: dE00 is 0.3 off then.
    a = np.array([[[221, 240, 9]]], np.uint8)
    b = np.array([[[60, 119, 236]]], np.uint8)
    assert delta_e_map(a, b)[0, 0] == pytest.approx(reference(a, b)[0, 0], abs=1e-4)


def textbook(chroma_1, chroma_2, hue_1):
    """dE00 of two colours of lightness 50 and opposite hues in degrees, by the published formulas.

    Sharma, Wu and Dalal (2005), equations 10 and 14: 180 degrees apart, the difference is that of the angles
    in 0..360 as they stand, and their mean lies between them. Chromas are C', after the stretch of a*.
    """
    hue_2 = (hue_1 + 180) % 360
    mean, chroma = (hue_1 + hue_2) / 2, (chroma_1 + chroma_2) / 2
    weight = (
        1
        - 0.17 * np.cos(np.radians(mean - 30))
        + 0.24 * np.cos(np.radians(2 * mean))
        + 0.32 * np.cos(np.radians(3 * mean + 6))
        - 0.20 * np.cos(np.radians(4 * mean - 63))
    )
    hue = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(np.radians(hue_2 - hue_1) / 2)
    hue /= 1 + 0.015 * chroma * weight
    chroma_step = (chroma_2 - chroma_1) / (1 + 0.045 * chroma)
    turn = np.radians(30 * np.exp(-(((mean - 275) / 25) ** 2)))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(2 * turn)
    return np.sqrt(chroma_step**2 + hue**2 + rotation * chroma_step * hue)


@pytest.mark.parametrize(
    "direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (3, -8), (-3, 8)]
)
@pytest.mark.parametrize("length", [0.5, 4.0, 32.0])
def test_exactly_opposite_hues_follow_the_formula(direction, length):
    first = length * np.array([0.0, *direction])
    second = -2 * first
    lightness = np.array([50.0, 0, 0])
    found = delta_e_lab(lightness + first, lightness + second)
    mean = (np.hypot(*first[1:]) + np.hypot(*second[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    primed = [np.hypot(a * stretch, b) for _, a, b in (first, second)]
    # arctan2 takes a negative zero for -180 degrees.
    hue = np.degrees(np.arctan2(direction[1], stretch * direction[0])) % 360
    assert found == pytest.approx(textbook(*primed, hue), abs=2e-5)


def test_each_term_reacts_to_its_own_difference():
    grey, darker, red = np.array([60.0, 0, 0]), np.array([50.0, 0, 0]), np.array([60.0, 40, 0])
    only_lightness = delta_e_parts(grey, darker)
    assert only_lightness.lightness < 0
    assert only_lightness.chroma == only_lightness.hue == 0
    more_chroma = delta_e_parts(grey, red)
    assert more_chroma.chroma > 0
    assert more_chroma.lightness == 0
    turned = delta_e_parts(red, np.array([60.0, 0, 40.0]))
    assert turned.hue > 5 * abs(turned.chroma)


def test_size_and_type_are_checked():
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match="same size"):
        delta_e_map(image, image[:3])
    with pytest.raises(ValueError, match="float64"):
        delta_e_map(image, image.astype(float))
    assert delta_e_map(image[:0], image[:0]).shape == (0, 5)
