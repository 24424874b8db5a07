"""Colour errors have the size that was asked for, on any cloth, and stay inside the mask."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.colour import daylight_gains, delta_e_map, srgb_to_lab
from chromiq.dataset_builder.degrade import KINDS, ask_delta_e, degrade
from chromiq.errors import UsageError

COLOURS = {"white": (246, 246, 244), "grey": (128, 128, 128), "black": (18, 18, 20), "red": (170, 40, 50)}


def cloth(colour, size_hw=(90, 70), seed=0):
    rng = np.random.default_rng(seed)
    shade = rng.normal(0, 4, size_hw)[..., None]
    photo = np.clip(np.array(colour) + shade, 0, 255).astype(np.uint8)
    mask = np.zeros(size_hw, bool)
    mask[15:75, 12:58] = True
    return photo, mask


@settings(max_examples=25)
@given(st.sampled_from(sorted(COLOURS)), st.integers(0, 10_000))
def test_perceptual_meets_its_size_on_any_cloth_and_leaves_the_rest_alone(name, seed):
    photo, mask = cloth(COLOURS[name], seed=seed)
    degraded, error = degrade(photo, mask, "perceptual", np.random.default_rng(seed))
    assert 3 <= error.asked_delta_e <= 25
    measured = float(delta_e_map(photo, degraded)[mask].mean())
    assert measured == pytest.approx(error.asked_delta_e, rel=0.05)
    assert error.reached_delta_e == pytest.approx(measured, abs=0.01)
    np.testing.assert_array_equal(degraded[~mask], photo[~mask])
    assert error.kind in KINDS


@pytest.mark.parametrize("style", ["published", "perceptual"])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(style):
    photo, mask = cloth(COLOURS["red"])
    first, again, other = (degrade(photo, mask, style, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_published_draws_hue_shifts_and_tints_at_even_odds():
    photo, mask = cloth(COLOURS["red"])
    kinds = [degrade(photo, mask, "published", np.random.default_rng(seed))[1].kind for seed in range(200)]
    assert set(kinds) == {"hue", "tint"}
    assert 70 < kinds.count("hue") < 130


def test_the_published_tint_is_a_plain_blend():
    photo, mask = cloth(COLOURS["grey"])
    seed = next(
        s for s in range(50) if degrade(photo, mask, "published", np.random.default_rng(s))[1].kind == "tint"
    )
    degraded, error = degrade(photo, mask, "published", np.random.default_rng(seed))
    given_ = error.parameters
    colour = np.array([given_["red"], given_["green"], given_["blue"]])
    blended = photo[mask] * (1 - given_["alpha"]) + colour * given_["alpha"]
    assert np.abs(degraded[mask] - blended).max() <= 1


def test_asked_sizes_lie_where_real_errors_do():
    rng = np.random.default_rng(0)
    asked = np.array([ask_delta_e(rng) for _ in range(4000)])
    assert asked.min() >= 3
    assert asked.max() <= 25
    assert 0.72 < ((asked >= 5) & (asked <= 15)).mean() < 0.79


def printed(size_hw=(90, 70)):
    """White cloth with red stripes."""
    photo, mask = cloth(COLOURS["white"], size_hw)
    red, _ = cloth(COLOURS["red"], size_hw, seed=1)
    stripes = np.arange(size_hw[0]) % 12 < 4
    photo[stripes] = red[stripes]
    return photo, mask, stripes[:, None] & mask


def draw(name, pixels, seed):
    error = KINDS[name](np.random.default_rng(seed), pixels)
    assert error is not None
    return error


@pytest.mark.parametrize("name", sorted(KINDS))
def test_strength_zero_changes_nothing(name):
    photo, mask, _ = printed()
    places = np.full((mask.sum(), 2), 0.3, np.float32)
    error = draw(name, photo[mask], 3)
    np.testing.assert_allclose(error.apply(photo[mask], places, 0.0), photo[mask] / 255, atol=2e-4)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_channel_of_a_per_channel_kind_depends_on_that_channel_alone(name):
    pixels = np.random.default_rng(0).integers(0, 256, (400, 3)).astype(np.uint8)
    error = draw(name, printed()[0].reshape(-1, 3), 3)
    places = np.random.default_rng(1).random((400, 2), np.float32)
    changed = error.apply(pixels, places, error.max_strength / 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    table = error.apply(greys, np.zeros((256, 2), np.float32), error.max_strength / 3)
    looked_up = np.stack([table[pixels[:, channel], channel] for channel in range(3)], axis=1)
    assert error.per_channel == bool(np.allclose(looked_up, changed, atol=1e-6))


@pytest.mark.parametrize("period_px", [7, 18, 24])
@pytest.mark.parametrize("style", ["published", "perceptual"])
def test_the_reported_size_of_a_large_striped_garment_is_that_of_all_its_pixels(style, period_px):
    photo, mask = cloth(COLOURS["white"], (700, 520))
    mask[:] = False
    mask[50:650, 20:452] = True
    red, _ = cloth(COLOURS["red"], (700, 520), seed=1)
    stripes = np.arange(520) % period_px < period_px // 3
    photo[:, stripes] = red[:, stripes]
    for seed in range(3):
        degraded, error = degrade(photo, mask, style, np.random.default_rng(seed))
        measured = float(delta_e_map(photo, degraded)[mask].mean())
        assert error.reached_delta_e == pytest.approx(measured, rel=0.01)
        np.testing.assert_array_equal(degraded[~mask], photo[~mask])
        if error.asked_delta_e is not None:
            assert measured == pytest.approx(error.asked_delta_e, rel=0.05)


@settings(max_examples=20)
@given(st.sampled_from(sorted(COLOURS)), st.integers(0, 10_000))
def test_texture_survives(name, seed):
    photo, mask = cloth(COLOURS[name], seed=seed)
    degraded, _ = degrade(photo, mask, "perceptual", np.random.default_rng(seed))
    inner = np.zeros_like(mask)
    inner[18:72, 15:55] = True  # clear of the feathered edge
    before, after = (srgb_to_lab(image)[..., 0][inner].reshape(54, 40) for image in (photo, degraded))
    fine = [lightness - cv2.GaussianBlur(lightness, (0, 0), 3) for lightness in (before, after)]
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] > 0.8


def test_one_dye_of_a_print_is_off_and_the_other_true():
    photo, mask, stripes = printed()
    error = next(
        error
        for seed in range(20)
        if (error := draw("one_dye", photo[mask], seed)).parameters["dye_a"] > 30  # the red one
    )
    places = np.zeros((mask.sum(), 2), np.float32)
    after = photo.copy()
    changed = error.apply(photo[mask], places, 15.0)
    after[mask] = np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)
    off = delta_e_map(photo, after)
    assert off[stripes].mean() > 5
    assert off[mask & ~stripes].max() < 1


def test_plain_cloth_has_no_dye_of_its_own():
    photo, mask = cloth(COLOURS["red"])
    assert all(KINDS["one_dye"](np.random.default_rng(seed), photo[mask]) is None for seed in range(5))


def test_daylight_warms_and_cools_white_as_the_cie_says():
    # Linear sRGB of D50 white in D65 sRGB, from its chromaticity x = 0.3457, y = 0.3585.
    x, y = 0.3457, 0.3585
    matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    d50 = matrix @ [x / y, 1, (1 - x - y) / y]
    gains = daylight_gains(1e6 / 5003 - 1e6 / 6504)
    np.testing.assert_allclose(gains, d50 / d50[1], atol=0.01)


def test_variants_of_a_photo_are_errors_of_different_kinds():
    photo, mask = cloth(COLOURS["red"])
    used = []
    for variant in range(5):
        _, error = degrade(photo, mask, "perceptual", np.random.default_rng([0, variant]), used)
        used.append(error.kind)
    assert len(set(used)) == 5


def test_an_empty_or_foreign_mask_is_refused():
    photo, mask = cloth(COLOURS["red"])
    for wrong in (np.zeros_like(mask), mask[:-1]):
        with pytest.raises(UsageError, match="the mask must be of the photo"):
            degrade(photo, wrong, "perceptual", np.random.default_rng(0))
