"""Each kind of error, undone, brings the mean to the wanted colour; what it does to the rest is its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.colour import ENCODED_REC2020, ENCODED_SRGB, srgb_to_linear
from chromiq.correction.fitting.error_kinds import ERROR_KINDS, ONE_WAY_KINDS
from chromiq.correction.fitting.error_kinds import _undo_gains as undo_gains
from chromiq.correction.fitting.error_kinds import _undo_turn as undo_turn
from chromiq.imaging.colour_error_table import COLOUR_ERRORS

COLOUR = st.tuples(*[st.floats(0.3, 0.9)] * 3).map(np.array)
BY_NAME = dict(zip(("gains", "gamma", "shift", "turn", "hsv"), ERROR_KINDS[:5], strict=True))


@given(seen=COLOUR, wanted=COLOUR)
@settings(max_examples=15)
def test_the_colour_seen_becomes_the_colour_wanted(seen, wanted):
    for name in ("gains", "shift"):
        there = BY_NAME[name].undo(seen[None], seen, wanted, ENCODED_SRGB)[0]
        np.testing.assert_allclose(there, wanted, atol=0.002)
    for kind in ERROR_KINDS[5:]:
        np.testing.assert_allclose(kind.undo(seen[None], seen, wanted, ENCODED_SRGB)[0], wanted, atol=1e-9)


@given(colour=COLOUR)
@settings(max_examples=20)
def test_no_error_is_the_most_believable_size_of_gains_turn_and_shift(colour):
    lighter = np.clip(colour * 1.3, 0, 1)
    for name in ("gains", "gamma", "shift", "turn", "hsv"):
        prior = BY_NAME[name].log_prior
        assert prior(colour, colour, ENCODED_SRGB) >= prior(colour, lighter, ENCODED_SRGB)


def test_gains_scale_light_so_that_black_stays_black():
    pixels = np.array([[0.0, 0.0, 0.0], [0.4, 0.3, 0.2]])
    undone = undo_gains(pixels, pixels[1], np.array([0.2, 0.3, 0.4]), ENCODED_SRGB)
    np.testing.assert_allclose(undone[0], 0, atol=1e-6)
    np.testing.assert_allclose(
        srgb_to_linear(undone[1]) / srgb_to_linear(pixels[1]),
        srgb_to_linear(np.array([0.2, 0.3, 0.4])) / srgb_to_linear(pixels[1]),
        rtol=1e-3,
    )


@pytest.mark.parametrize(("encoding", "chroma"), [(ENCODED_SRGB, 1), (ENCODED_REC2020, 3)])
@given(degrees=st.floats(-170, 170))
@settings(max_examples=20)
def test_a_turn_of_hue_is_taken_back_for_colours_beside_the_mean_too(encoding, chroma, degrees):
    true = np.array([[50, 20, 5], [55, 22, 9], [45, 15, 2]]) * np.array([1, chroma, chroma])
    turn = np.exp(1j * np.radians(degrees))
    turned = (true[:, 1] + 1j * true[:, 2]) * turn
    seen = np.stack([true[:, 0], turned.real, turned.imag], axis=1)
    undone = undo_turn(
        encoding.from_lab(seen),
        encoding.from_lab(seen.mean(axis=0)),
        encoding.from_lab(true.mean(axis=0)),
        encoding,
    )
    np.testing.assert_allclose(encoding.to_lab(undone), true, atol=0.05)


def test_a_wide_gamut_shift_and_its_lightness_are_measured_with_the_primaries_of_the_photo():
    """Lab numbers of Rec. 2020 values read as sRGB differ."""
    true = np.array([[61, -88, 45], [55, -80, 40]], float)
    seen = true + np.array([-9, 10, 8])
    values = [ENCODED_REC2020.from_lab(lab) for lab in (seen, seen.mean(axis=0), true.mean(axis=0))]
    shift = BY_NAME["shift"]
    np.testing.assert_allclose(ENCODED_REC2020.to_lab(shift.undo(*values, ENCODED_REC2020)), true, atol=0.05)
    no_darker = ENCODED_REC2020.from_lab(seen.mean(axis=0) - np.array([0, 10, 8]))
    assert shift.log_prior(values[1], no_darker, ENCODED_REC2020) == pytest.approx(
        shift.log_prior(values[1], values[1], ENCODED_REC2020), abs=1e-3
    )


@pytest.mark.parametrize("name", ["hue_rotation", "chroma_gain"])
def test_a_wide_gamut_turn_of_hue_keeps_the_lightness_of_the_photo(name):
    lab = np.array([[61, -88, 45], [40, 70, 30]], float)
    kind = dict(zip(COLOUR_ERRORS, ONE_WAY_KINDS, strict=True))[name]
    changed = kind.change(ENCODED_REC2020.from_lab(lab), 0.1 * kind.most, ENCODED_REC2020)
    np.testing.assert_allclose(ENCODED_REC2020.to_lab(changed)[:, 0], lab[:, 0], atol=0.01)


def test_a_veil_is_believed_only_if_its_colour_exists():
    """A veil of 52 % over white cloth leaves it at 0.46 or lighter: 0.2 cannot be."""
    veil = ERROR_KINDS[5 + 3]
    possible = veil.log_prior(np.full(3, 0.55), np.full(3, 0.5), ENCODED_SRGB)
    impossible = veil.log_prior(np.full(3, 0.2), np.full(3, 0.95), ENCODED_SRGB)
    assert possible > impossible + 10
    no_change = veil.log_prior(np.full(3, 0.5), np.full(3, 0.5), ENCODED_SRGB)
    assert possible == pytest.approx(no_change, abs=0.2)


@given(colour=st.tuples(*[st.floats(0.35, 0.65)] * 3).map(np.array), share=st.floats(-0.2, 0.2))
@settings(max_examples=20)
def test_an_error_that_goes_one_way_is_taken_back_by_its_negative(colour, share):
    pixels = np.stack([colour, colour * 0.9, colour * 1.1])
    for kind in ONE_WAY_KINDS:
        there = kind.change(pixels, share * kind.most, ENCODED_SRGB)
        np.testing.assert_allclose(kind.change(pixels, 0.0, ENCODED_SRGB), pixels, atol=1e-3)
        np.testing.assert_allclose(kind.change(there, -share * kind.most, ENCODED_SRGB), pixels, atol=3e-3)


def test_errors_that_go_one_way_do_what_they_are_called():
    grey = np.full((1, 3), 0.5)
    exposure, magenta, daylight, contrast, red, green, blue, hue, chroma = (
        kind.change(grey, 0.2 * kind.most, ENCODED_SRGB)[0] for kind in ONE_WAY_KINDS
    )
    assert exposure.min() == exposure.max() > 0.5
    assert magenta[1] > magenta[0]
    assert daylight[0] > daylight[2]
    for kept in (contrast, hue, chroma):
        np.testing.assert_allclose(kept, 0.5, atol=0.002)
    for channel, changed in enumerate((red, green, blue)):
        assert changed[channel] < 0.5
        np.testing.assert_array_equal(np.delete(changed, channel), 0.5)
    assert sum(kind.share for kind in ONE_WAY_KINDS) == pytest.approx(7)


def test_a_large_change_of_chroma_is_sooner_an_opaque_veil_than_a_thin_one():
    thin, *_, opaque = ERROR_KINDS[5:11]
    small, large, grey = np.array([3.0, 2.0]), np.array([45.0, -30.0]), np.array([2.0, 5.0])
    assert thin.log_chroma_prior(small, grey) > opaque.log_chroma_prior(small, grey) + 1
    assert opaque.log_chroma_prior(large, grey) > thin.log_chroma_prior(large, grey) + 10


def test_a_turn_of_hue_takes_vivid_cloth_further_than_pale():
    hsv, shift = BY_NAME["hsv"], BY_NAME["shift"]
    far, pale, vivid = np.array([50.0, 30.0]), np.array([3.0, 0.0]), np.array([60.0, 40.0])
    assert hsv.log_chroma_prior(far, vivid) > hsv.log_chroma_prior(far, pale) + 3
    assert shift.log_chroma_prior(far, vivid) == shift.log_chroma_prior(far, pale)


@pytest.mark.parametrize("axis", [1, 2])
@given(size=st.floats(0, 12))
@settings(max_examples=10)
def test_a_shift_is_as_likely_in_each_direction(axis, size):
    shift, seen = BY_NAME["shift"], ENCODED_SRGB.from_lab(np.array([50.0, 0, 0]))
    lighter = ENCODED_SRGB.from_lab(np.array([50.0 + size, 0, 0]))
    of_lightness = [shift.log_prior(seen, wanted, ENCODED_SRGB) for wanted in (seen, lighter)]
    off = np.eye(3)[axis][1:] * size
    of_chroma = [shift.log_chroma_prior(one, np.zeros(2)) for one in (np.zeros(2), off)]
    assert np.diff(of_lightness) == pytest.approx(np.diff(of_chroma), abs=0.01)
