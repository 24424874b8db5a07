"""Colour correction without a network: the garment's colours moved to the still-life's, its texture kept.

Between a still-life and a *true* on-model photo chroma hardly differs, lightness does: the light is
another and folds spread it. Where the chroma should be is therefore known, and how the error got it away
from there is not. So every kind of error (`evaluate.error_kinds`) is taken back, for every lightness that
the garment may truly have, and each result is weighed by how much it then looks like the still-life's
cloth (`evaluate.garment_look`) and how believable that error is. The weighted mean is the correction, the
scatter about it says what the correction is worth, and "nothing is wrong" is one of the hypotheses: where
it wins, the photo is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import delta_e_lab, lab_to_srgb_float, rgb_to_lab, srgb_to_lab
from chromiq.errors import UsageError
from chromiq.records import BoolMask, FloatImage, RgbImage
from evaluate.colour_map import ColourMap, apply_colour_map, fit_affine
from evaluate.error_kinds import ERROR_KINDS
from evaluate.garment_look import Look, log_likelihood, look
from evaluate.regions import bounding_box

# How far a*, b* of a true photo are from the still-life's, and of one with an error.
_TRUE_CHROMA_SPREAD, _ERROR_CHROMA_SPREAD = 1.5, 15.0
# Lightness of lit cloth, against the still-life's: what is tried.
_LIGHTNESS_STEPS = np.arange(-12, 12.1, 2)
_OUT_OF_GAMUT_COST = 8.0
# A correction worth less than this, in dE00, is not made.
MIN_GAIN = 0.8
_SAMPLE = 30_000
_WEIGHED_PIXELS = 256
_NEGLIGIBLE_WEIGHT = 1e-3


@dataclass(frozen=True, eq=False)
class TransferResult:
    """What became of a photo.

    Attributes:
        rgb: ``(H, W, 3)`` uint8 sRGB; outside the mask bit-identical to the photo that came in.
        applied: False if the photo was left alone.
        reason: why it was left alone, or what was done, in a few words.
        estimated_gain: dE00 that the correction is expected to take off the garment's mean error.
        colour_map: the map fitted, whether applied or not.
    """

    rgb: RgbImage
    applied: bool
    reason: str
    estimated_gain: float
    colour_map: ColourMap


@dataclass(frozen=True, eq=False)
class ColourFit:
    """What the garment's colours tell.

    Attributes:
        colour_map: the correction.
        gain: mean dE00 that it is expected to take off.
        uncertainty: mean dE00 that it is expected to leave.
    """

    colour_map: ColourMap
    gain: float
    uncertainty: float


@dataclass(frozen=True, eq=False)
class _Hypothesis:
    """The garment as it would be if one error had happened: ``(P, 3)`` Lab, and its log weight."""

    lab: FloatImage
    log_weight: float


def transfer(
    still_life: RgbImage,
    still_life_mask: BoolMask,
    on_model: RgbImage,
    on_model_mask: BoolMask,
    *,
    strength: float = 1.0,
) -> TransferResult:
    """Correct the garment's colour on an on-model photo, at that photo's full size.

    Args:
        still_life: ``(H, W, 3)`` uint8 sRGB, whose colour is right.
        still_life_mask: ``(H, W)`` bool, the garment on it.
        on_model: ``(H, W, 3)`` uint8 sRGB, another size.
        on_model_mask: ``(H, W)`` bool, the garment on it.
        strength: 0 leaves the photo as it is, 1 corrects all the way.

    Raises:
        UsageError: if a mask is empty or not of its photo's size, or the strength is out of range.
    """
    check_masks(still_life, still_life_mask, on_model, on_model_mask, strength)
    fit = fit_colours(garment_sample(still_life, still_life_mask), garment_sample(on_model, on_model_mask))
    colour_map, gain = fit.colour_map, fit.gain
    if gain < MIN_GAIN:
        reason = f"left alone: the colour is right as far as can be told (expected gain {gain:.1f} dE00)"
        return TransferResult(on_model.copy(), False, reason, gain, colour_map)
    result = apply_colour_map(on_model, on_model_mask, colour_map, strength)
    return TransferResult(result, True, f"corrected (expected gain {gain:.1f} dE00)", gain, colour_map)


def check_masks(
    still_life: RgbImage,
    still_life_mask: BoolMask,
    on_model: RgbImage,
    on_model_mask: BoolMask,
    strength: float,
) -> None:
    """Refuse a mask that is empty or not of its photo's size, or a strength out of range.

    Raises:
        UsageError: with what is wrong.
    """
    for name, photo, mask in (
        ("still-life", still_life, still_life_mask),
        ("on-model photo", on_model, on_model_mask),
    ):
        if mask.shape != photo.shape[:2] or not mask.any():
            raise UsageError(f"the {name}: wanted a mask of its size with a garment in it; give another mask")
    if not 0 <= strength <= 1:
        raise UsageError(f"wanted a strength from 0 to 1, got {strength:g}")


def fit_colours(wanted_lab: FloatImage, seen_lab: FloatImage) -> ColourFit:
    """The map from the garment's colours on the model to those it truly has there.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
    """
    flat, seen = look(wanted_lab), _even_sample(seen_lab)
    hypotheses = [_nothing_wrong(flat, seen), *_errors(flat, seen)]
    logs = np.array([hypothesis.log_weight for hypothesis in hypotheses])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    likely = [
        (weight, hypothesis.lab)
        for weight, hypothesis in zip(weights, hypotheses, strict=True)
        if weight > _NEGLIGIBLE_WEIGHT
    ]
    total = sum(weight for weight, _ in likely)
    best: FloatImage = np.sum([weight * lab for weight, lab in likely], axis=0) / total
    before = sum(weight * float(delta_e_lab(seen, lab).mean()) for weight, lab in likely) / total
    after = sum(weight * float(delta_e_lab(best, lab).mean()) for weight, lab in likely) / total
    return ColourFit(fit_affine(seen, best), before - after, after)


def garment_sample(photo: RgbImage, mask: BoolMask) -> FloatImage:
    """Lab of garment pixels away from the edge, where two materials mix: ``(P, 3)``."""
    side_px = max(1, round(0.004 * max(mask.shape)))
    box = bounding_box(mask, margin_px=1)
    inside = mask[box]
    inner = cv2.erode(inside.astype(np.uint8), np.ones((2 * side_px + 1, 2 * side_px + 1), np.uint8)) > 0
    where = np.flatnonzero(inner if np.count_nonzero(inner) > 200 else inside)
    rows, columns = np.unravel_index(where[:: max(1, len(where) // _SAMPLE)], inside.shape)
    return srgb_to_lab(photo[box][rows, columns])


def _even_sample(lab: FloatImage) -> FloatImage:
    """A few pixels that stand for all, from the darkest to the lightest."""
    order = np.argsort(lab[:, 0], kind="stable")
    return lab[order[np.linspace(0, len(order) - 1, min(_WEIGHED_PIXELS, len(order))).astype(int)]]


def _nothing_wrong(flat: Look, seen: FloatImage) -> _Hypothesis:
    here = look(seen)
    off = here.mean[1:] - flat.mean[1:]
    return _Hypothesis(seen, _log_chroma(off, _TRUE_CHROMA_SPREAD) + log_likelihood(flat, here))


def _errors(flat: Look, seen: FloatImage) -> list[_Hypothesis]:
    """Every kind of error taken back to every lightness."""
    rgb, here = lab_to_srgb_float(seen), look(seen)
    mean = lab_to_srgb_float(here.mean)
    of_size = _log_chroma(here.mean[1:] - flat.mean[1:], _ERROR_CHROMA_SPREAD)
    found = []
    for kind in ERROR_KINDS:
        # Contrast changes how far the lit cloth is above the mean: a first try tells by how much.
        lit_above = here.lit_worn - here.mean[0]
        for step in _LIGHTNESS_STEPS:
            lightness = np.clip(flat.lit_flat + step - lit_above, 3, 97)
            wanted = np.clip(lab_to_srgb_float(np.array([lightness, *flat.mean[1:]])), 0.003, 0.997)
            undone = kind.undo(rgb, mean, wanted)
            outside = float(((undone < -0.02) | (undone > 1.02)).any(axis=1).mean())
            lab = rgb_to_lab(np.clip(undone, 0, 1)).astype(np.float64)
            lab[:, 1:] += flat.mean[1:] - look(lab).mean[1:]
            log_weight = log_likelihood(flat, look(lab)) + kind.log_prior(mean, wanted) + of_size
            found.append(_Hypothesis(lab, log_weight - _OUT_OF_GAMUT_COST * max(0.0, outside - 0.02)))
    return found


def _log_chroma(off: FloatImage, spread: float) -> float:
    return float(-0.5 * off @ off / spread**2 - np.log(2 * np.pi * spread**2))
