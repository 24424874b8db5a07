"""Colour errors have the size that was asked for, on any cloth, and stay inside the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.colour import delta_e_map
from chromiq.errors import UsageError
from dataset_builder.colour_errors import KINDS
from dataset_builder.degrade import ask_delta_e, degrade

COLOURS = {"white": (246, 246, 244), "grey": (128, 128, 128), "black": (18, 18, 20), "red": (170, 40, 50)}


def cloth(colour, size_hw=(90, 70), seed=0):
    rng = np.random.default_rng(seed)
    shade = rng.normal(0, 4, size_hw)[..., None]
    photo = np.clip(np.array(colour) + shade, 0, 255).astype(np.uint8)
    mask = np.zeros(size_hw, bool)
    mask[15:75, 12:58] = True
    return photo, mask


@settings(max_examples=25, deadline=None)
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


@pytest.mark.parametrize("name", sorted(KINDS))
def test_strength_zero_changes_nothing(name):
    photo, mask = cloth(COLOURS["red"])
    pixels = photo[mask] / np.float32(255)
    places = np.full((len(pixels), 2), 0.3, np.float32)
    error = KINDS[name](np.random.default_rng(3))
    np.testing.assert_allclose(error.apply(pixels, places, 0.0), pixels, atol=2e-4)


def test_texture_survives_a_change_of_hue():
    photo, mask = cloth(COLOURS["red"])
    pixels = photo[mask] / np.float32(255)
    turned = KINDS["hue_rotation"](np.random.default_rng(0)).apply(pixels, np.zeros((len(pixels), 2)), 0.3)
    correlation = np.corrcoef(pixels.sum(axis=1), turned.sum(axis=1))[0, 1]
    assert correlation > 0.98


def test_an_empty_or_foreign_mask_is_refused():
    photo, mask = cloth(COLOURS["red"])
    for wrong in (np.zeros_like(mask), mask[:-1]):
        with pytest.raises(UsageError, match="mend the mask"):
            degrade(photo, wrong, "perceptual", np.random.default_rng(0))
