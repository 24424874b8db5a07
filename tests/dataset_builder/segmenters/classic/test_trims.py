"""A collar or a stripe of another colour belongs to the garment; what lies below its hem does not."""

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.classic.body import Body, Head
from chromiq.dataset_builder.segmenters.classic.palette import Palette
from chromiq.dataset_builder.segmenters.classic.segmenter import trims

NAVY, WHITE, GREY = (15, 5, -20), (95, 0, 0), (60, 0, 0)
PERSON = np.zeros((160, 100), bool)
PERSON[10:, 20:80] = True
SHIRT = np.zeros_like(PERSON)
SHIRT[50:110, 20:80] = True
GARMENT = np.zeros((80, 80), bool)
GARMENT[10:70, 10:70] = True


def flat(trim=WHITE, rows=3):
    lab = np.full((80, 80, 3), 95, np.float32)
    lab[GARMENT] = NAVY
    lab[10 : 10 + rows, 10:70] = trim
    return lab


def found(still_life, stripes, colour=WHITE, mask=SHIRT):
    """The trims of a navy shirt with stripes of a colour, each a pair of slices."""
    lab = np.full((160, 100, 3), GREY, np.float32)
    lab[SHIRT] = NAVY
    for stripe in stripes:
        lab[stripe] = colour
    body = Body(lab, PERSON, Head(10, 40), None, differs=PERSON)
    return trims(body, mask, still_life, GARMENT, Palette.of(still_life, GARMENT))


COLLAR = (slice(46, 50), slice(30, 70))


def test_a_collar_of_a_rare_colour_of_the_still_life_is_found():
    expected = np.zeros_like(SHIRT)
    expected[COLLAR] = True
    both = found(flat(rows=2), [COLLAR])
    assert both[expected].mean() > 0.9
    assert not both[~expected].any()


def test_stripes_that_hang_together_are_found_though_little_of_them_touches_the_shirt():
    stripes = [(slice(41, 50), slice(30, 33)), (slice(41, 43), slice(30, 70))]
    assert all(found(flat(rows=2), stripes)[stripe].mean() > 0.6 for stripe in stripes)


@pytest.mark.parametrize(
    ("still_life", "stripe", "colour"),
    [
        (flat(NAVY), COLLAR, WHITE),  # the still-life has no such colour
        (flat(rows=2), COLLAR, GREY),  # nor that of what is worn
        (flat(rows=2), (slice(110, 116), slice(30, 70)), WHITE),  # below the hem
        (flat(rows=2), (slice(60, 64), slice(82, 96)), WHITE),  # beside the person
        (flat(rows=2), (slice(41, 45), slice(30, 70)), WHITE),  # apart from the shirt
        (flat(rows=2), (slice(41, 50), slice(22, 78)), WHITE),  # far more of it than on the still-life
    ],
)
def test_other_things_are_not(still_life, stripe, colour):
    assert not found(still_life, [stripe], colour).any()
