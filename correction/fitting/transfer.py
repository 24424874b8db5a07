"""Colour correction without a network: the garment's colours moved to the still-life's, its texture kept.

Between a still-life and a *true* on-model photo chroma hardly differs, lightness does: the light is
another and folds spread it. Where the chroma should be is therefore known, and how the error got it away
from there is not. So each error that may have happened is undone and judged by how much the garment then
looks like the still-life's cloth (`fitting.hypotheses`), and chroma that still differs is transported to
the still-life's (`fitting.transport`). How far the hypotheses remain from the result, their scatter, is the
noise of the correction, and its gain the signal: it is made by the share that Wiener's filter gives, and
chroma in full less most of what true pairs differ by, if that is more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting.colour_map import MapsColours, fit_smooth
from chromiq.correction.fitting.garment_look import TOLERANCES, Tolerances, along_and_across, look
from chromiq.correction.fitting.hypotheses import Hypotheses, hypotheses
from chromiq.correction.fitting.transport import combine, proposals
from chromiq.imaging.masks import bounding_box, eroded
from chromiq.photos.colour_space import SRGB, ColourSpace
from chromiq.records import BoolMask, FloatImage

# The gain that came, of what a correction moves less a share of the hypotheses' scatter; beside it the 10th
# and 90th percentile, which grow with the square root of the gain; and what remained, of what the hypotheses
# expect to remain. Fitted on all families and photographed sources of `benchmarks/transfer.py`.
_GAIN_CAME, _LESS_OF_SCATTER = 0.85, 0.4
_CAME_BESIDE = (-1.8, 1.0)
_REMAINED = (1.9, 0.5)
# Share of the tolerance of true pairs' chroma by which a move of chroma is shortened. A smaller one leaves
# less of an error, and changes more of the photos that were right.
_THRESHOLD = 0.8
_LIKELIEST = 24
_SAMPLE = 30_000


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
    """A correction of the garment's colours, and what is expected of it.

    Attributes:
        colour_map: the correction.
        gain: mean dE00 over the garment that it is expected to remove.
        gain_interval: between these the gain is expected in four of five photos; None where unknown.
        remaining: mean dE00 that it is expected to leave; None where unknown.
        note: what else to say of it; may be empty.
        doubt: why it is not what was asked for; may be empty.
    """

    colour_map: MapsColours
    gain: float
    gain_interval: tuple[float, float] | None = None
    remaining: float | None = None
    note: str = ""
    doubt: str = ""


def fit_colours(wanted_lab: FloatImage, seen_lab: FloatImage) -> ColourFit:
    """The map from the garment's colours on the model to those it truly has there.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
    """
    found = hypotheses(wanted_lab, seen_lab)
    judged = judge(found, combine(proposals(found)))
    colour_map = fit_smooth(found.seen, judged.colours)
    return ColourFit(colour_map, judged.gain, judged.gain_interval, judged.remaining)


def judge(found: Hypotheses, proposed: FloatImage, tolerances: Tolerances = TOLERANCES) -> Judged:
    """How far to follow proposed colours, and what that is worth.

    By the share of Wiener's filter: the gain squared is the signal, the hypotheses' scatter the noise. They
    scatter in lightness most, of which a still-life says little, so chroma goes further where its move is
    large: by all of it less most of the tolerance of true pairs (soft thresholding, Donoho 1995).

    Args:
        proposed: ``(P, 3)`` Lab of the pixels of `found.seen`.
        tolerances: how much alike the two photos truly look.
    """
    move = proposed - found.seen
    gain, scatter = _gain_and_rest(found, proposed)
    strength = gain**2 / (gain**2 + scatter**2) if gain > 0 else 0.0
    chroma_move = along_and_across(look(found.flat), move[:, 1:]) / tolerances.chroma
    chroma_size = float(np.sqrt(np.square(chroma_move).sum(axis=1).mean()))
    of_chroma = max(strength, 1 - _THRESHOLD / max(chroma_size, _THRESHOLD))
    colours = found.seen + np.array([strength, of_chroma, of_chroma]) * move
    _, remaining = _gain_and_rest(found, colours)
    moved = float(delta_e_lab(found.seen, colours).mean())
    expected = max(0.0, _GAIN_CAME * moved - _LESS_OF_SCATTER * scatter)
    low, high = (expected + beside * np.sqrt(expected) for beside in _CAME_BESIDE)
    return Judged(colours, expected, _REMAINED[0] + _REMAINED[1] * remaining, (low, high))


def _gain_and_rest(found: Hypotheses, lab: FloatImage) -> tuple[float, float]:
    """Mean dE00 that colours ``(P, 3)`` gain and leave, each the mean over the likeliest hypotheses."""
    likeliest = np.argsort(-found.weight, kind="stable")[:_LIKELIEST]
    weights, labs = found.weight[likeliest], found.lab[likeliest, ::4]
    weights = weights / weights.sum()
    before, after = (
        float(weights @ delta_e_lab(image[None, ::4], labs).mean(axis=1)) for image in (found.seen, lab)
    )
    return before - after, after


def garment_sample(photo: NDArray[Any], mask: BoolMask, space: ColourSpace = SRGB) -> FloatImage:
    """Lab of garment pixels away from the edge, where two materials mix: ``(P, 3)``."""
    side_px = max(1, round(0.004 * max(mask.shape)))
    box = bounding_box(mask, margin_px=1)
    inside = mask[box]
    inner = eroded(inside, 2 * side_px + 1)
    where = np.flatnonzero(inner if np.count_nonzero(inner) > 200 else inside)
    rows, columns = np.unravel_index(where[:: max(1, len(where) // _SAMPLE)], inside.shape)
    return space.to_lab(photo[box][rows, columns])
