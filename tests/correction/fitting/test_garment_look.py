"""A garment's look: one and many alike, robust, and the tolerances that pairs of looks show."""

import numpy as np
import pytest

from chromiq.correction.fitting.garment_look import (
    Tolerances,
    folds_width,
    lit_difference,
    log_chroma,
    log_likelihood,
    look,
)


def cloth(seed, mean=(50, 20, -15), fold=8.0, count=400):
    rng = np.random.default_rng(seed)
    light = rng.normal(0, 1, (count, 1))
    return np.array(mean) + light * [fold, 1.0, -0.5] + rng.normal(0, 0.8, (count, 3))


def test_many_garments_look_as_each_does_alone():
    several = np.stack([cloth(seed) for seed in range(4)])
    together = look(several)
    for index, lab in enumerate(several):
        alone = look(lab)
        for name in ("mean", "lit_flat", "lit_worn", "contrast", "shading", "variation"):
            np.testing.assert_allclose(getattr(together, name)[index], getattr(alone, name), err_msg=name)


def test_buttons_and_highlights_do_not_count():
    lab = cloth(0, count=1000)
    spotted = lab.copy()
    spotted[:25], spotted[25:50] = [99, 0, 0], [2, 0, 0]
    before, after = look(lab), look(spotted)
    np.testing.assert_allclose(after.mean, before.mean, atol=1)
    assert abs(np.median(after.lit_worn - before.lit_worn)) < 1


def test_a_garment_is_likelier_to_be_itself_than_one_of_another_light_or_hue():
    flat, tolerances = look(cloth(0, fold=3)), Tolerances()
    worn = look(np.stack([cloth(1), cloth(1) - [25, 0, 0], cloth(1) + np.array([0, 15, 0])]))
    likelihood, chroma = (log(flat, worn, tolerances) for log in (log_likelihood, log_chroma))
    assert likelihood[0] > likelihood[1] + 3
    assert chroma[0] > chroma[2] + 3


def test_vivid_cloth_may_differ_more_in_chroma_than_in_hue_and_than_grey_cloth():
    tolerances = Tolerances()

    def loss(mean, off):
        lab = cloth(0, mean=mean)
        flat = look(lab)
        return log_chroma(flat, flat, tolerances) - log_chroma(flat, look(lab + off), tolerances)

    vivid_chroma, vivid_hue = loss((40, 60, 0), [0, 5, 0]), loss((40, 60, 0), [0, 0, 5])
    grey = loss((40, 0, 0), [0, 5, 0])
    assert vivid_chroma < vivid_hue < grey


@pytest.mark.parametrize("seed", range(5))
def test_rounding_to_eight_bits_and_another_choice_of_pixels_add_no_folds(seed):
    fine = cloth(seed, count=8000)
    flat, worn = look(fine[::2]), look(fine[1::2].round())
    assert folds_width(flat, worn) < 1
    assert folds_width(worn, flat) < 1


def test_folds_on_stripes_of_high_contrast_are_no_noise():
    rng = np.random.default_rng(0)
    stripes = np.repeat([[30.0, 0, 0], [80.0, 0, 0]], 2000, axis=0)
    folds = rng.normal(0, 8, (4000, 1)) * [1, 0, 0]
    assert folds_width(look(stripes), look(stripes + folds)) > 8


def test_folds_that_a_body_adds_are_as_wide_as_drawn():
    """The 10th and 90th percentile, without the tails, are 2.27 standard deviations apart."""
    narrow, wide = look(cloth(0, fold=3, count=8000)), look(cloth(1, fold=5, count=8000))
    np.testing.assert_allclose(folds_width(narrow, wide), 2.27 * 4, rtol=0.05)


def test_light_is_doubted_sooner_where_the_body_adds_no_folds():
    flat, darker = look(cloth(0, fold=3)), np.array([-6.0, 0, 0])
    even, folded = cloth(1, fold=3), cloth(1, fold=10)

    def loss(lab):
        # Each garment against itself: lit as the still-life is, and darker.
        as_lit = lab + np.array([-lit_difference(flat, look(lab)), 0, 0])
        return log_likelihood(flat, look(as_lit), Tolerances()) - log_likelihood(
            flat, look(as_lit + darker), Tolerances()
        )

    assert loss(even) > loss(folded) + 3 > 3


def test_light_is_compared_dye_by_dye_where_a_light_dye_has_another_share():
    rng = np.random.default_rng(4)

    def striped(light_share, lighter_by=0.0):
        lightness = np.where(rng.random(4000) < light_share, 90, 20) + rng.normal(0, 1, 4000) + lighter_by
        return look(np.stack([lightness, np.zeros(4000), np.zeros(4000)], axis=1))

    for share in (0.2, 0.25, 0.3):
        assert abs(lit_difference(striped(0.25), striped(share))) < 1.5
        assert abs(lit_difference(striped(0.25), striped(share, lighter_by=-10)) + 10) < 1.5
