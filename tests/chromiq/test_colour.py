"""sRGB, linear light, Lab and daylight against published figures and scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.color import lab2rgb

from chromiq.colour import (
    bytes_to_linear,
    daylight_gains,
    delta_e_map,
    lab_to_srgb,
    lab_to_srgb_float,
    linear_to_srgb,
    rgb_to_lab,
    srgb_to_lab,
    srgb_to_linear,
)

# The matrix of IEC 61966-2-1 as scikit-image has it.
XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)


@pytest.mark.parametrize(
    ("encoded", "linear"),
    [
        (0, 0),
        (0.04045, 0.04045 / 12.92),
        (0.5, 0.2140411),
        (0.735357, 0.5),
        (1, 1),
        (1.5, (1.555 / 1.055) ** 2.4),
    ],
)
def test_gamma_is_that_of_srgb_and_odd(encoded, linear):
    for sign in (1, -1):
        there = srgb_to_linear(np.array([sign * encoded]))
        assert there.dtype == np.float32
        assert there[0] == pytest.approx(sign * linear, abs=1e-5)
        back = linear_to_srgb(np.array([sign * linear], np.float32))
        assert back.dtype == np.float32
        assert back[0] == pytest.approx(sign * encoded, abs=1e-5)


@settings(max_examples=40)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_lab_round_trip(rgb):
    lab = srgb_to_lab(rgb)
    assert lab.dtype == rgb_to_lab(rgb / 255).dtype == np.float32
    back = lab_to_srgb(lab)
    assert back.dtype == np.uint8
    assert (back == rgb).all()
    assert np.abs(lab_to_srgb_float(lab) - rgb / 255).max() < 1e-4
    assert np.abs(lab_to_srgb_float(lab) - lab2rgb(lab)).max() < 1e-4


def test_colours_out_of_gamut_are_clipped_in_bytes_only():
    lab = np.array([[50.0, 120.0, -20.0], [50.0, -150.0, 10.0], [120.0, 0.0, 0.0]])
    free = lab_to_srgb_float(lab)
    assert free[0].max() > 1 > 0 > free[0].min()
    assert free[1].min() < 0
    assert (free[2] > 1).all()
    np.testing.assert_array_equal(lab_to_srgb(lab), np.rint(np.clip(free, 0, 1) * 255))
    assert np.abs(rgb_to_lab(free) - lab).max() < 0.01


# CIE 15: chromaticities of the daylights D50, D55 and D75, of 25,000 K, and of D65 itself.
@pytest.mark.parametrize(
    ("kelvin", "xy"),
    [
        (5003, (0.34567, 0.35850)),
        (5503, (0.33242, 0.34743)),
        (7504, (0.29902, 0.31485)),
        (25_000, (0.2499, 0.2548)),
    ],
)
def test_daylight_chromaticities_equal_the_cie_table(kelvin, xy):
    def rgb(x, y):
        return np.linalg.solve(XYZ_FROM_RGB, [x / y, 1, (1 - x - y) / y])

    wanted = rgb(*xy) / rgb(0.31272, 0.32903)
    found = daylight_gains(1e6 / kelvin - 1e6 / 6504)
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted / wanted[1], rel=8e-4)


def test_the_two_halves_of_the_daylight_locus_meet():
    """CIE 15 has one formula up to 7000 K and one above; at 7000 K both give x = 0.305357."""
    below, above = (daylight_gains(1e6 / kelvin - 1e6 / 6504) for kelvin in (7000 - 1e-6, 7000 + 1e-6))
    assert below == pytest.approx(above, rel=2e-5)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4), (2, 4, 5, 3), (3,)])
def test_arrays_that_are_no_images_are_refused(shape):
    image = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=r"must be uint8 \(H, W, 3\), not uint8"):
        delta_e_map(image, image)


def test_an_image_wider_than_a_strip_is_measured_row_by_row():
    a = np.zeros((3, 20_000, 3), np.uint8)
    b = a.copy()
    b[1, 7] = 255
    found = delta_e_map(a, b)
    assert found[1, 7] == pytest.approx(100, abs=1e-3)
    found[1, 7] = 0
    assert not found.any()


@pytest.mark.parametrize("shape", [(0, 3), (0, 5, 3), (4, 0, 3)])
@pytest.mark.parametrize(
    "convert",
    [
        srgb_to_lab,
        rgb_to_lab,
        lab_to_srgb,
        lab_to_srgb_float,
        srgb_to_linear,
        bytes_to_linear,
        linear_to_srgb,
    ],
    ids=lambda convert: convert.__name__,
)
def test_empty_arrays_are_converted_to_empty_arrays(convert, shape):
    kind = np.uint8 if convert in (srgb_to_lab, bytes_to_linear) else np.float32
    found = convert(np.empty(shape, kind))
    assert found.shape == shape
    assert found.dtype == (np.uint8 if convert is lab_to_srgb else np.float32)
