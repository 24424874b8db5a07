"""Dyes are separated from shade, and one is corrected without the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting.dyes import belonging, find_dyes, means, palette_distance, spreads
from chromiq.correction.fitting.transfer import fit_colours
from chromiq.correction.options import MIN_GAIN

RED, GREEN, CREAM = (np.array(lab, float) for lab in ([45, 45, 20], [50, -30, 25], [85, 2, 12]))


def print_of(dyes_and_counts, shade, seed):
    """A print's Lab pixels ``(P, 3)`` under light that shades them, and the dye of each."""
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(len(dyes_and_counts)), [count for _, count in dyes_and_counts])
    colours = np.array([dye for dye, _ in dyes_and_counts])[which]
    light = np.clip(rng.normal(1, shade, (len(which), 1)), 0.6, 1.3)
    return colours * light + rng.normal(0, 0.6, colours.shape), which


def test_dyes_are_found_whatever_the_order_of_pixels_and_shade_is_no_dye():
    lab, which = print_of([(RED, 400), (CREAM, 500), (GREEN, 300)], 0.06, seed=0)
    order = np.random.default_rng(1).permutation(len(lab))
    for pixels, truth in ((lab, which), (lab[order], which[order])):
        labels = find_dyes(pixels)
        pairs = {(int(label), int(dye)) for label, dye in zip(labels, truth, strict=True)}
        assert len(pairs) == len(set(labels)) == 3
    shaded, _ = print_of([(RED, 900)], 0.15, seed=2)
    assert set(find_dyes(shaded)) == {0}


def test_a_few_pixels_of_another_colour_are_no_dye():
    lab, _ = print_of([(CREAM, 970), (RED, 30)], 0.05, seed=3)
    assert set(find_dyes(lab)) == {0}


@given(lab=st.lists(st.tuples(st.floats(0, 100), *[st.floats(-90, 90)] * 2), min_size=1, max_size=5))
@settings(max_examples=40)
def test_every_colour_belongs_to_the_dyes_by_shares_that_add_up_to_one(lab):
    belongs = belonging(np.array(lab), np.array([RED, CREAM]), np.full((2, 3), 3.0))
    assert belongs.shape == (len(lab), 2)
    assert (belongs >= 0).all()
    np.testing.assert_allclose(belongs.sum(axis=1), 1)


def test_membership_is_one_on_a_dye_and_has_no_edge_between_two():
    lab, which = print_of([(RED, 400), (CREAM, 500)], 0.05, seed=4)
    labels = find_dyes(lab)
    shifts = np.zeros((2, 3))
    red = labels[which == 0][0]
    shifts[red] = [0, -20, 15]

    def moved_by(colours):
        return belonging(colours, means(lab, labels), spreads(lab, labels)) @ shifts

    moved = moved_by(lab)
    np.testing.assert_allclose(moved[which == 0], np.tile(shifts[red], (400, 1)), atol=0.5)
    np.testing.assert_allclose(moved[which == 1], 0, atol=0.5)
    between = RED + np.linspace(0, 1, 201)[:, None] * (CREAM - RED)
    steps = np.linalg.norm(np.diff(moved_by(between), axis=0), axis=1)
    assert steps.max() < 2
    assert steps.sum() > 24


def test_the_same_dyes_lie_near_and_another_far():
    flat, flat_which = print_of([(RED, 400), (CREAM, 500)], 0.03, seed=5)
    same, which = print_of([(RED, 500), (CREAM, 400)], 0.06, seed=6)
    other = same.copy()
    other[which == 0] += [0, -25, 0]
    near, far = palette_distance(flat, flat_which, np.array([same, other]), which)
    assert near < 8
    assert far > 50 * near


def test_a_small_dye_of_shaded_cloth_lies_near_itself():
    """So near that it costs a hypothesis less than one unit of log weight."""
    (flat, flat_labels), (worn, labels) = (
        print_of([(CREAM, 372), (RED, 28)], 0.1, seed=seed) for seed in (5, 6)
    )
    assert palette_distance(flat, flat_labels, worn[None], labels)[0] < 2 * 5**2


@pytest.mark.parametrize("shift", [(0, -22, 14), (4, 10, -25)])
def test_only_the_dye_that_is_off_is_corrected(shift):
    flat, _ = print_of([(RED, 800), (CREAM, 1200)], 0.04, seed=7)
    worn, which = print_of([(RED, 900), (CREAM, 1100)], 0.09, seed=8)
    off = worn.copy()
    off[which == 0] += shift
    fit = fit_colours(flat, off)
    assert fit.gain > 2
    corrected = fit.colour_map.apply(off)
    assert delta_e_lab(corrected[which == 1], worn[which == 1]).mean() < 1
    before, after = (delta_e_lab(lab[which == 0], worn[which == 0]).mean() for lab in (off, corrected))
    assert after < 0.4 * before


def test_a_print_with_all_colours_off_gets_one_map_and_a_true_one_none():
    flat, _ = print_of([(RED, 800), (CREAM, 1200)], 0.04, seed=9)
    worn, _ = print_of([(RED, 900), (CREAM, 1100)], 0.09, seed=10)
    fit = fit_colours(flat, worn + np.array([0, 12, -14]))
    assert fit.gain > 8
    assert fit_colours(flat, worn).gain < MIN_GAIN


def test_what_a_mask_spilled_into_does_not_pull_the_colour():
    """A cream shirt whose mask took in a third of black trousers; both were made warmer."""
    flat, _ = print_of([(CREAM, 2000)], 0.02, seed=11)
    worn, which = print_of([(CREAM, 1300), (np.array([9.0, 0, -3]), 700)], 0.05, seed=12)
    assert fit_colours(flat, worn).gain < MIN_GAIN
    shirt = worn[which == 0]
    off = worn + np.array([0, 8, 12])
    fixed = fit_colours(flat, off).colour_map.apply(off)[which == 0]
    before, after = (delta_e_lab(lab, shirt).mean() for lab in (off[which == 0], fixed))
    assert after < 0.35 * before
