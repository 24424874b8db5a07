"""The network-free correction: nearer to the truth, never in the way, and only inside the garment."""

import numpy as np
import pytest
from places import REAL

from chromiq.colour import delta_e_map, lab_to_srgb, linear_to_srgb, srgb_to_lab, srgb_to_linear
from chromiq.correction.fitting.colour_map import apply_colour_map
from chromiq.correction.fitting.dyes import belonging, find_dyes, means, spreads
from chromiq.correction.fitting.garment_look import TOLERANCES
from chromiq.correction.fitting.hypotheses import Hypotheses
from chromiq.correction.fitting.transfer import fit_colours, garment_sample, judge
from chromiq.correction.options import MIN_GAIN
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.photos.images import read_mask, read_photo
from chromiq.sample_catalogue.catalogue import draw_pair

PAIRS = [draw_pair(index, size_wh=(224, 280)) for index in range(6)]


def distance(truth, image, mask):
    return float(delta_e_map(truth, image)[mask].mean())


def fitted(pair, off):
    flat = garment_sample(pair.still_life, pair.still_life_mask)
    return fit_colours(flat, garment_sample(off, pair.on_model_mask))


def corrected(pair, off):
    return apply_colour_map(off, pair.on_model_mask, fitted(pair, off).colour_map).within(off)


def off_by(pair, style, seed):
    return degrade(pair.on_model, pair.on_model_mask, style, np.random.default_rng(seed))[0]


@pytest.mark.parametrize("style", ["published", "perceptual"])
def test_errors_of_both_styles_shrink_to_half_and_none_grows(style):
    before, after = [], []
    for seed, pair in enumerate(PAIRS):
        off = off_by(pair, style, seed)
        before.append(distance(pair.on_model, off, pair.on_model_mask))
        after.append(distance(pair.on_model, corrected(pair, off), pair.on_model_mask))
    assert np.mean(after) < 0.5 * np.mean(before)
    assert all(there < here + 1 for here, there in zip(before, after, strict=True))


def test_true_photos_are_not_worth_a_correction():
    gains = [fitted(pair, pair.on_model).gain for pair in PAIRS]
    assert sum(gain < MIN_GAIN for gain in gains) >= len(PAIRS) - 1


def shaded_cloth(base_lab, spread, seed, dyes=0.4, count=3000):
    """Cloth of one dye under light of varying strength, as uint8 sRGB ``(1, P, 3)`` and Lab ``(P, 3)``."""
    rng = np.random.default_rng(seed)
    lab = base_lab + rng.normal(0, 1, (count, 1)) * np.array([spread, 0, 0]) + rng.normal(0, dyes, (count, 3))
    rgb = lab_to_srgb(lab[None])
    return rgb, srgb_to_lab(rgb)[0]


def test_lightness_stays_when_hue_was_turned_and_moves_when_exposure_was_wrong():
    _, flat = shaded_cloth(np.array([55.0, 20, 25]), 4, seed=1)
    _, worn = shaded_cloth(np.array([52.0, 20, 25]), 8, seed=2)
    turned = worn[:, [0, 2, 1]] * [1, -1, 1]
    fit = fit_colours(flat, turned)
    assert fit.gain > 5
    assert abs((fit.colour_map.apply(turned) - worn).mean(axis=0)).max() < 3
    stops_under = linear_to_srgb(srgb_to_linear(lab_to_srgb(worn[None]) / 255) / 2.5)
    dark = srgb_to_lab(np.rint(stops_under * 255).astype(np.uint8))[0]
    fit = fit_colours(flat, dark)
    before, after = ((image - worn).mean(axis=0)[0] for image in (dark, fit.colour_map.apply(dark)))
    assert before < -15
    assert abs(after) < 0.5 * abs(before)


def test_a_veil_gives_its_contrast_back():
    rgb, worn = shaded_cloth(np.array([50.0, 15, -20]), 9, seed=3, dyes=3)
    _, flat = shaded_cloth(np.array([53.0, 15, -20]), 5, seed=4, dyes=3)
    veiled = srgb_to_lab(np.rint(rgb * 0.5 + np.array([200, 60, 40]) * 0.5).astype(np.uint8))[0]
    fit = fit_colours(flat, veiled)
    spread = [lab[:, 0].std() for lab in (veiled, fit.colour_map.apply(veiled), worn)]
    assert spread[0] < 0.65 * spread[2]
    assert spread[1] > 0.75 * spread[2]


def test_a_white_shirt_half_a_stop_too_dark_is_made_lighter():
    pair = draw_pair(6, size_wh=(224, 280))
    assert srgb_to_lab(pair.still_life[pair.still_life_mask]).mean(axis=0)[0] > 90
    dark = linear_to_srgb(srgb_to_linear(pair.on_model / 255) / np.sqrt(2)) * 255
    off = np.where(pair.on_model_mask[..., None], np.rint(dark), pair.on_model).astype(np.uint8)
    result = corrected(pair, off)
    before, after = (distance(pair.on_model, image, pair.on_model_mask) for image in (off, result))
    assert before > 7
    assert after < 0.7 * before


def test_one_dye_of_a_drawn_print_is_corrected_and_the_others_stay():
    pair = draw_pair(14, seed=1, size_wh=(224, 280))
    assert pair.pattern == "two-tone"
    mask, (first, second) = pair.on_model_mask, (0, 1)
    lab = srgb_to_lab(pair.on_model[mask])
    labels = find_dyes(lab[::20])
    assert set(labels) == {first, second}
    colours = means(lab[::20], labels)
    moves = np.array([[0.0, 18, -16], [0, 0, 0]])
    off = pair.on_model.copy()
    off[mask] = lab_to_srgb(lab + belonging(lab, colours, spreads(lab[::20], labels)) @ moves)
    result = corrected(pair, off)
    moved = belonging(lab, colours, spreads(lab[::20], labels))[:, first]
    changed, kept = np.zeros_like(mask), np.zeros_like(mask)
    changed[mask], kept[mask] = moved > 0.9, moved < 0.01
    assert distance(pair.on_model, result, kept) < 1
    before, after = (distance(pair.on_model, image, changed) for image in (off, result))
    assert after < 0.5 * before


def test_plain_cloth_of_one_colour_is_no_trouble():
    flat, seen = (np.tile(np.array(lab, np.float32), (50, 1)) for lab in ([60, 30, 10], [58, -10, 40]))
    fit = fit_colours(flat, seen)
    assert np.isfinite(fit.colour_map.apply(seen)).all()
    assert fit.gain > 5
    np.testing.assert_allclose(fit.colour_map.apply(seen)[0, 1:], flat[0, 1:], atol=3)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real photos are not at ../shared/real")
def test_real_photos_come_nearer_to_the_truth():
    before, after = [], []
    for key in (1, 16, 36, 44):
        still_life = read_photo(REAL / "pairs" / f"still-life{key}.jpg").rgb[::4, ::4]
        truth = read_photo(REAL / "pairs" / f"on_model{key}.jpg").rgb[::4, ::4]
        mask = read_mask(REAL / "masks" / f"on_model{key}.png")[::4, ::4]
        off, _ = degrade(truth, mask, "perceptual", np.random.default_rng(key))
        fit = fit_colours(garment_sample(still_life, still_life_mask(still_life)), garment_sample(off, mask))
        before.append(distance(truth, off, mask))
        after.append(distance(truth, apply_colour_map(off, mask, fit.colour_map).within(off), mask))
    assert np.mean(after) < 0.5 * np.mean(before)


def test_a_fit_says_what_to_expect():
    fit = fitted(PAIRS[0], off_by(PAIRS[0], "published", 3))
    low, high = fit.gain_interval
    assert low <= fit.gain <= high
    assert fit.remaining >= 0


def test_the_less_the_hypotheses_agree_the_smaller_the_share_of_a_correction_that_is_made():
    seen = np.full((64, 3), [50.0, 20, 10])
    move = np.array([8.0, 0, 0])

    def share(spread):
        labs = np.stack([seen + move - [0, spread, 0], seen + move + [0, spread, 0]])
        found = Hypotheses(seen, labs, np.zeros(2), seen + move)
        return float(np.mean((judge(found, seen + move).colours - seen)[:, 0])) / move[0]

    shares = [share(spread) for spread in (0, 2, 5, 10)]
    assert shares[0] == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.7


def test_lightness_that_no_hypothesis_wants_is_not_followed():
    seen = np.full((64, 3), [50.0, 20, 10])
    found = Hypotheses(seen, seen[None], np.zeros(1), seen)
    judged = judge(found, seen + np.array([5, 0, 0]))
    assert np.array_equal(judged.colours, seen)
    assert judged.gain <= 0


@pytest.mark.parametrize("move", [4.0, 2.0, 0.8])
def test_chroma_is_corrected_less_most_of_its_tolerance_where_only_lightness_is_uncertain(move):
    """Hypotheses that are 20 darker and lighter leave lightness. Of grey, CIEDE2000's weights are 1."""
    made = max(0, move - 0.8 * TOLERANCES.chroma)
    grey = np.full((64, 3), [50.0, 0, 0])
    lighter, yellower = np.array([20, 0, 0]), np.array([0, 0, move])
    labs = np.stack([grey - lighter, grey + lighter])
    found = Hypotheses(grey + yellower, labs, np.zeros(2), grey)
    moved = judge(found, grey).colours - found.seen
    np.testing.assert_allclose(moved[:, 2], -made, atol=0.1)
    np.testing.assert_allclose(moved[:, :2], 0, atol=1e-9)


def test_nothing_is_expected_of_a_correction_that_moves_nothing():
    cloth = np.random.default_rng(0).normal([50, 20, 10], [8, 2, 2], (512, 3))
    fit = fit_colours(cloth, cloth)
    np.testing.assert_allclose(fit.colour_map.apply(cloth), cloth, atol=0.1)
    assert fit.gain == 0
    assert fit.gain_interval == (0, 0)
