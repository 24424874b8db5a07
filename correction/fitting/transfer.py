"""Colour correction without a network: the garment's colours moved to the still-life's, its texture kept.

Between a still-life and a *true* on-model photo chroma hardly differs, lightness does: the light is
another and folds spread it. Where the chroma should be is therefore known, and how the error got it away
from there is not. So each error that may have happened is undone and judged by how much the garment then
looks like the still-life's cloth (`fitting.hypotheses`), and chroma that still differs is transported to
the still-life's (`fitting.transport`). The scatter of the hypotheses about the result says what the
correction is worth: it is made in full where the gain exceeds the scatter or the photo cannot be right, in
part where neither is so clear, and not at all where the photo may well be right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting import dyes
from chromiq.correction.fitting.colour_map import (
    MapsColours,
    Recoloured,
    SmoothColourMap,
    apply_colour_map,
    fit_smooth,
    unchanged,
)
from chromiq.correction.fitting.garment_look import Tolerances
from chromiq.correction.fitting.hypotheses import Hypotheses, hypotheses
from chromiq.correction.fitting.transport import combine, proposals
from chromiq.correction.options import MIN_GAIN
from chromiq.errors import UsageError
from chromiq.imaging.masks import bounding_box
from chromiq.photos.colour_space import SRGB, ColourSpace
from chromiq.records import BoolMask, FloatImage

# From where on a correction is made at all, and from where on in full: by its gain in scatters of the
# hypotheses, or by minus the log of the probability that nothing is wrong, if it gains so many dE00.
_GAIN_OF_SCATTER, _LEAST_SCATTER = (0.4, 1.1), 0.3
_NOT_NOTHING, _NOTICED_GAIN = (2.0, 5.0), (0.3, 1.0)
# The gain that came, of what the hypotheses expect less a share of their scatter; of what came beside it the
# 10th and 90th percentile, in scatters; and what remained, of what the hypotheses expect to remain. Fitted on
# all families and sources of `benchmarks/transfer.py`.
_GAIN_CAME, _LESS_OF_SCATTER = 0.94, 0.39
_CAME_BESIDE, _LEAST_SPREAD = (-1.4, 1.0), 0.5
_REMAINED = (1.55, 0.62)
_LIKELIEST = 24
_SAMPLE = 30_000


@dataclass(frozen=True, eq=False)
class TransferResult:
    """What became of a photo.

    Attributes:
        recoloured: the photo and the part of it that changed.
        applied: False if the photo was left alone.
        reason: why it was left alone, or what was done, in a few words.
        estimated_gain: mean dE00 over the garment that the correction is expected to remove.
        colour_map: the map fitted, whether applied or not.
        gain_interval: dE00, the gain is expected between these two in four of five photos.
        expected_remaining: mean dE00 over the garment that is expected to remain after the correction.
        dyes: what the correction does to each dye of the garment, the largest first.
    """

    recoloured: Recoloured
    applied: bool
    reason: str
    estimated_gain: float
    colour_map: MapsColours
    gain_interval: tuple[float, float] = (0.0, 0.0)
    expected_remaining: float = 0.0
    dyes: tuple[DyeChange, ...] = ()

    @property
    def rgb(self) -> NDArray[Any]:
        """``(H, W, 3)``, of the photo's type and space; outside the mask bit-identical to the photo."""
        return self.recoloured.values


@dataclass(frozen=True)
class DyeChange:
    """One dye of the garment on the on-model photo before and after the correction.

    Attributes:
        share: of the garment's pixels, 0..1.
        before: Lab as photographed.
        after: Lab after the correction.
    """

    share: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Judged:
    """Colours as far as the hypotheses support them.

    Attributes:
        colours: ``(P, 3)`` Lab.
        gain: mean dE00 that they are expected to gain.
        remaining: mean dE00 that they are expected to leave.
        gain_interval: between these the gain is expected in four of five photos.
    """

    colours: FloatImage
    gain: float
    remaining: float
    gain_interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class ColourFit:
    """What the garment's colours tell.

    Attributes:
        colour_map: the correction.
        gain: mean dE00 that it is expected to remove.
        uncertainty: mean dE00 that it is expected to leave.
        gain_interval: between these the gain is expected in four of five photos.
        dyes: each dye before and after, the largest first.
    """

    colour_map: SmoothColourMap
    gain: float
    uncertainty: float
    gain_interval: tuple[float, float]
    dyes: tuple[DyeChange, ...]


def transfer(
    still_life: NDArray[Any],
    still_life_mask: BoolMask,
    on_model: NDArray[Any],
    on_model_mask: BoolMask,
    *,
    strength: float = 1.0,
    min_gain: float = MIN_GAIN,
    tolerances: Tolerances | None = None,
    spaces: tuple[ColourSpace, ColourSpace] = (SRGB, SRGB),
) -> TransferResult:
    """Correct the garment's colour on an on-model photo, at that photo's full size.

    Args:
        still_life: ``(H, W, 3)`` uint8 or uint16, whose colour is right.
        still_life_mask: ``(H, W)`` bool, the garment on it.
        on_model: ``(H, W, 3)`` uint8 or uint16, another size.
        on_model_mask: ``(H, W)`` bool, the garment on it.
        strength: 0 leaves the photo as it is, 1 corrects all the way.
        min_gain: dE00; a correction expected to remove less is not made.
        tolerances: how much alike garments truly look on both; None for what true pairs showed.
        spaces: what the values of the still-life and of the on-model photo mean.

    Raises:
        UsageError: if a mask is empty or not of its photo's size, or the strength is out of range.
    """
    check_masks(still_life, still_life_mask, on_model, on_model_mask, strength)
    flat = garment_sample(still_life, still_life_mask, spaces[0])
    seen = garment_sample(on_model, on_model_mask, spaces[1])
    fit = fit_colours(flat, seen, tolerances)
    low, high = fit.gain_interval
    said = f"expected gain {fit.gain:z.1f} dE00, {low:z.1f} to {high:z.1f}"
    if fit.gain < min_gain:
        recoloured, said = (
            unchanged(on_model),
            f"left alone: no clear error of colour ({said})",
        )
    else:
        recoloured = apply_colour_map(on_model, on_model_mask, fit.colour_map, strength, spaces[1])
        said = f"corrected ({said})"
    return TransferResult(
        recoloured=recoloured,
        applied=fit.gain >= min_gain,
        reason=said,
        estimated_gain=fit.gain,
        colour_map=fit.colour_map,
        gain_interval=fit.gain_interval,
        expected_remaining=fit.uncertainty,
        dyes=fit.dyes,
    )


def check_masks(
    still_life: NDArray[Any],
    still_life_mask: BoolMask,
    on_model: NDArray[Any],
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
            raise UsageError(f"the {name}: its mask has another size or is empty; give another mask")
    if not 0 <= strength <= 1:
        raise UsageError(f"the strength must be from 0 to 1, not {strength:g}")


def fit_colours(
    wanted_lab: FloatImage, seen_lab: FloatImage, tolerances: Tolerances | None = None
) -> ColourFit:
    """The map from the garment's colours on the model to those it truly has there.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
        tolerances: how much alike the two truly look; None for what true pairs showed.
    """
    found = hypotheses(wanted_lab, seen_lab, tolerances or Tolerances())
    judged = judge(found, combine(proposals(found)))
    colour_map = fit_smooth(found.seen, judged.colours)
    return ColourFit(
        colour_map,
        judged.gain,
        judged.remaining,
        judged.gain_interval,
        _dye_changes(found, colour_map),
    )


def judge(found: Hypotheses, proposed: FloatImage) -> Judged:
    """How far to follow proposed colours, and what that is worth.

    Args:
        found: what may have happened.
        proposed: ``(P, 3)`` Lab of the pixels of `found.seen`.
    """
    gain, scatter = _gain_and_rest(found, proposed)
    strength = _believed(found, gain, scatter)
    colours = found.seen + strength * (proposed - found.seen)
    gain, remaining = _gain_and_rest(found, colours)
    expected = _GAIN_CAME * gain - _LESS_OF_SCATTER * scatter * strength
    low, high = (expected + (_LEAST_SPREAD + scatter) * beside for beside in _CAME_BESIDE)
    return Judged(colours, expected, _REMAINED[0] + _REMAINED[1] * remaining, (low, high))


def _believed(found: Hypotheses, gain: float, scatter: float) -> float:
    """How far to go with a correction, 0..1."""
    against_nothing = -np.log(max(float(found.weight[found.nothing].sum()), 1e-9))
    beyond_scatter = _ramp(gain / (scatter + _LEAST_SCATTER), _GAIN_OF_SCATTER)
    return max(beyond_scatter, _ramp(against_nothing, _NOT_NOTHING) * _ramp(gain, _NOTICED_GAIN))


def _ramp(value: float, span: tuple[float, float]) -> float:
    """0 below a span, 1 above it, linear within."""
    return float(np.clip((value - span[0]) / (span[1] - span[0]), 0, 1))


def _gain_and_rest(found: Hypotheses, lab: FloatImage) -> tuple[float, float]:
    """Mean dE00 that colours ``(P, 3)`` gain and leave, each the mean over the likeliest hypotheses."""
    likeliest = np.argsort(-found.weight, kind="stable")[:_LIKELIEST]
    weights, labs = found.weight[likeliest], found.lab[likeliest, ::4]
    weights = weights / weights.sum()
    before, after = (
        float(weights @ delta_e_lab(image[None, ::4], labs).mean(axis=1)) for image in (found.seen, lab)
    )
    return before - after, after


def _dye_changes(found: Hypotheses, colour_map: MapsColours) -> tuple[DyeChange, ...]:
    shares = dyes.shares(found.labels)
    before, after = (dyes.means(lab, found.labels) for lab in (found.seen, colour_map.apply(found.seen)))
    return tuple(
        DyeChange(float(shares[dye]), _triple(before[dye]), _triple(after[dye]))
        for dye in np.argsort(-shares)
    )


def _triple(lab: FloatImage) -> tuple[float, float, float]:
    lightness, a, b = lab
    return float(lightness), float(a), float(b)


def garment_sample(photo: NDArray[Any], mask: BoolMask, space: ColourSpace = SRGB) -> FloatImage:
    """Lab of garment pixels away from the edge, where two materials mix: ``(P, 3)``."""
    side_px = max(1, round(0.004 * max(mask.shape)))
    box = bounding_box(mask, margin_px=1)
    inside = mask[box]
    inner = cv2.erode(inside.astype(np.uint8), np.ones((2 * side_px + 1, 2 * side_px + 1), np.uint8)) > 0
    where = np.flatnonzero(inner if np.count_nonzero(inner) > 200 else inside)
    rows, columns = np.unravel_index(where[:: max(1, len(where) // _SAMPLE)], inside.shape)
    return space.to_lab(photo[box][rows, columns])
