"""From which row to which a garment reaches on a body: its still-life's proportions and its hems tell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.records import BoolMask, FloatImage
from dataset_builder.segmenters.body import Body, Kind
from dataset_builder.segmenters.palette import LAB_WEIGHTS

# How a garment's area over its squared length changes from flat to worn: sleeves come to hang in front.
_WORN_LOG_RATIO, _LOG_RATIO_SPREAD = -0.07, 0.14
_MAX_DEVIATIONS = 4.0
_HEM_WEIGHT, _COLOUR_WEIGHT, _FOREIGN_WEIGHT, _PLACE_WEIGHT = 1.5, 1.5, 0.3, 1.0
_HEM_PERCENTILE = 35
# What the photo's own edge counts as, where it cuts the person.
_CUT_HEM = 0.3
_SHOES_FROM_SHARE, _SHOES_SPREAD, _SHOES_WEIGHT = 0.945, 0.012, 2.0
_CHIN_SPREAD_PX = 8
_SURENESS = 2.0
_MIN_ROWS = 20
_HALF_EDGE_PX = 3
_CLEAR_EDGE_LAB = 3.0
_SLEEVES_BELOW_HEM_PX = 40
# A place outside the extent keeps so much of what it had: the extent may be wrong.
_KEPT_OUTSIDE = 0.15


@dataclass(frozen=True, eq=False)
class Extent:
    """Where a garment begins and ends on a body.

    Attributes:
        inside: ``(H,)`` 0..1, how probably each row lies between its two ends.
        bottom: the most probable first row below it.
        hem: ``(W,)`` bool, the columns over which its lower hem runs; a sleeve hangs beside them.
    """

    inside: FloatImage
    bottom: int
    hem: BoolMask


@dataclass(frozen=True, eq=False)
class _Ends:
    """Every pair of a first row ``(T, 1)`` and a first row below ``(1, B)``, within a person's rows."""

    top: NDArray[np.intp]
    bottom: NDArray[np.intp]

    @property
    def length(self) -> NDArray[np.intp]:
        return np.maximum(self.bottom - self.top, 1)

    def total(self, per_row: FloatImage) -> FloatImage:
        """The sum of ``(H,)`` values between each pair of ends: ``(T, B)``."""
        cumulated = np.concatenate([[0], np.cumsum(per_row)])
        return cumulated[self.bottom] - cumulated[self.top]


def find_extent(body: Body, kind: Kind, garment: BoolMask, like: BoolMask, place: FloatImage) -> Extent:
    """The rows over which a garment reaches.

    Every pair of rows is weighed: do the proportions between them suit the still-life's outline, is what
    lies between of the garment's colours and what lies beyond not, does an edge run across the body at
    either end, and are such garments worn there.

    Args:
        body: the person on the photo.
        kind: where such a garment is worn.
        garment: ``(h, w)`` bool, the garment on the still-life.
        like: ``(H, W)`` bool, what of the person has the garment's colours.
        place: ``(H,)`` 0..1, how probably such a garment is worn at each height.
    """
    height_px, width_px = like.shape
    rows = np.flatnonzero(body.person.any(axis=1))
    first, last = int(rows[0]), int(rows[-1]) + 1
    ends = _Ends(np.arange(first, last)[:, None], np.arange(first, last + 1)[None])
    trunk = np.ones(width_px, bool) if kind == "lower" else _trunk(body)
    edge = _edges_across(body.lab)
    begin_hem, end_hem = _hems(edge, body.person, like & trunk)
    cut_above, cut_below = first <= 2, last >= height_px - 2
    begin_hem[: 3 * cut_above] = _CUT_HEM
    end_hem[height_px + 1 - 3 * cut_below :] = _CUT_HEM
    score = (
        _proportions(ends, like, _area_over_length(garment, kind), cut_below)
        + _HEM_WEIGHT * (begin_hem[ends.top] + end_hem[ends.bottom])
        + _colours(ends, body.person & trunk, like & trunk)
        + _PLACE_WEIGHT * (1.5 * ends.total(place) - 0.5 * ends.length) / max(place.sum(), 1e-6)
    )
    if kind != "lower" and body.head:
        score -= np.abs(ends.top - body.head.chin - 2) / _CHIN_SPREAD_PX
    if kind == "lower" and not cut_below:
        share = (ends.bottom - first) / (last - first)
        score -= _SHOES_WEIGHT / (1 + np.exp(-(share - _SHOES_FROM_SHARE) / _SHOES_SPREAD))
    score = np.where(ends.bottom - ends.top > _MIN_ROWS, score, -np.inf)
    if not np.isfinite(score).any():
        return Extent(np.ones(height_px), height_px, np.ones(width_px, bool))
    likely = np.exp(_SURENESS * (score - score.max()))
    likely /= likely.sum()
    inside = np.zeros(height_px + 1)
    inside[first:last] = np.cumsum(likely.sum(axis=1))
    inside[first : last + 1] -= np.cumsum(likely.sum(axis=0))
    bottom = first + int(likely.sum(axis=0).argmax())
    hem = np.ones(width_px, bool) if kind == "lower" else _hem_span(edge, body, trunk, bottom)
    return Extent(np.clip(inside[:height_px], 0, 1), bottom, hem)


def within_extent(extent: Extent, place: FloatImage, kind: Kind) -> FloatImage:
    """A place prior ``(H, W)`` narrowed to an extent; what hangs beside the hem may reach below it."""
    inside = np.repeat(extent.inside[:, None], place.shape[1], axis=1)
    if kind != "lower":
        above = max(extent.bottom - _SLEEVES_BELOW_HEM_PX, 0)
        inside = np.where(extent.hem, inside, place)
        inside[:above] = place[:above]
    return (_KEPT_OUTSIDE * place + (1 - _KEPT_OUTSIDE) * inside).astype(np.float32)


def _proportions(ends: _Ends, like: BoolMask, flat: float, cut_below: bool) -> FloatImage:
    worn = np.maximum(ends.total(like.sum(axis=1)) / ends.length**2, 1e-3)
    deviation = np.log(worn / flat) - _WORN_LOG_RATIO
    if cut_below:
        # Of a garment that the photo cuts off only the beginning is seen: it may look too short.
        deviation[:, -3:] = np.minimum(deviation[:, -3:], 0)
    result: FloatImage = -0.5 * np.minimum(np.abs(deviation) / _LOG_RATIO_SPREAD, _MAX_DEVIATIONS) ** 2
    return result


def _colours(ends: _Ends, person: BoolMask, like: BoolMask) -> FloatImage:
    own = ends.total(like.sum(axis=1))
    foreign = ends.total((person & ~like).sum(axis=1))
    result: FloatImage = _COLOUR_WEIGHT * (own - _FOREIGN_WEIGHT * foreign) / max(own.max(), 1)
    return result


def _axis(person: BoolMask) -> int:
    """The column that parts the person in two halves."""
    return int(np.median(np.nonzero(person)[1]))


def _trunk(body: Body) -> BoolMask:
    columns = np.arange(body.person.shape[1])
    half_px = 0.6 * (body.head.chin - body.head.top) if body.head else 0.16 * len(columns)
    return np.abs(columns - _axis(body.person)) <= half_px


def _area_over_length(garment: BoolMask, kind: Kind) -> float:
    _, columns = np.nonzero(garment)
    # The middle's length: sleeves may hang lower than the hem.
    left, right = np.percentile(columns, (0, 100) if kind == "lower" else (35, 65))
    rows = np.flatnonzero(garment[:, int(left) : int(right) + 1].any(axis=1))
    return float(garment[rows[0] : rows[-1] + 1].sum() / (rows[-1] - rows[0] + 1) ** 2)


def _edges_across(lab: FloatImage) -> FloatImage:
    """How much the few rows from each pixel on differ from the few above it, within two rows: ``(H, W)``."""
    sums = np.cumsum(np.pad(lab * LAB_WEIGHTS, ((1, 0), (0, 0), (0, 0))), axis=0)
    means = (sums[_HALF_EDGE_PX:] - sums[:-_HALF_EDGE_PX]) / _HALF_EDGE_PX
    edge = np.zeros(lab.shape[:2], np.float32)
    edge[_HALF_EDGE_PX : 1 - _HALF_EDGE_PX] = np.linalg.norm(
        means[_HALF_EDGE_PX:] - means[:-_HALF_EDGE_PX], axis=2
    )
    return cv2.dilate(edge, np.ones((5, 1), np.uint8))


def _hems(edge: FloatImage, person: BoolMask, own: BoolMask) -> tuple[FloatImage, FloatImage]:
    """How marked an edge runs across the garment's colours below, and above, each row: two ``(H + 1,)``.

    Only where the person goes on beyond the edge: at the person's own outline everything ends.
    """
    above, below = (np.roll(person, step, axis=0) for step in (_HALF_EDGE_PX, -_HALF_EDGE_PX))
    own_above, own_below = (np.roll(own, step, axis=0) for step in (_HALF_EDGE_PX, -_HALF_EDGE_PX))
    return _profile(edge, own_below & above), _profile(edge, own_above & below)


def _profile(edge: FloatImage, across: BoolMask) -> FloatImage:
    profile = np.zeros(len(edge) + 1)
    for row in np.flatnonzero(across.sum(axis=1) >= 8):
        profile[row] = np.percentile(edge[row][across[row]], _HEM_PERCENTILE)
    return np.log1p(profile)


def _hem_span(edge: FloatImage, body: Body, trunk: BoolMask, row: int) -> BoolMask:
    """The columns from the body's middle outwards over which an edge runs near a row."""
    near = slice(max(row - 6, 0), row + 7)
    marked = (edge[near].max(axis=0) > _CLEAR_EDGE_LAB) & body.person[near].any(axis=0)
    row_of_pixels = (marked | trunk).astype(np.uint8)[None]
    closed = cv2.morphologyEx(row_of_pixels, cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    _, runs = cv2.connectedComponents(closed)
    return runs[0] == runs[0][_axis(body.person)]
