"""From which row to which a garment reaches on a body: its still-life's proportions and its hems tell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.dataset_builder.segmenters.classic.body import Body, Kind
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS
from chromiq.records import BoolMask, FloatImage

# How a garment's area over its squared length changes from flat to worn: sleeves come to hang in front.
_WORN_LOG_RATIO, _LOG_RATIO_SPREAD = -0.07, 0.14
_MAX_DEVIATIONS = 4.0
_HEM_WEIGHT, _COLOUR_WEIGHT, _FOREIGN_WEIGHT, _PLACE_WEIGHT = 1.5, 1.5, 0.3, 1.0
_CHANGE_WEIGHT = 3.0
# Legs apart go further aside than laid flat.
_REACH, _REACH_SOFTNESS_PX = 1.25, 2.5
# What the photo's own edge counts as, where it cuts the person.
_CUT_HEM = 0.3
_SHOES_FROM_SHARE, _SHOES_SPREAD, _SHOES_WEIGHT = 0.945, 0.012, 2.0
_CHIN_SPREAD_PX = 8
_SURENESS = 2.0
_MIN_ROWS = 20
_CLEAR_EDGE_LAB = 3.0
_SLEEVES_BELOW_HEM_PX = 40
# A place outside the extent keeps so much of what it had: the extent may be wrong.
_KEPT_OUTSIDE = 0.05
_LIKELY_PLACE, _BEYOND_PLACE_WEIGHT = 0.5, 5.0
_HALF_EDGE_PX = 3
_HEM_QUANTILE = 0.35
_MIN_PIXELS = 8
_STRETCH_PX = 24
_TEXTURE_SIGMA_PX, _TEXTURE_WEIGHT = 1.5, 6.0
# What cloth of one kind varies by at the least: lightness, a*, b*, texture.
_FLOOR = np.diag([4.0, 1.5, 1.5, 1.0])


@dataclass(frozen=True, eq=False)
class Extent:
    """Where a garment begins and ends on a body.

    Attributes:
        inside: ``(H,)`` 0..1, how probably each row lies between its two ends.
        bottom: the most probable first row below it.
        hem: ``(W,)`` bool, the columns over which its lower hem runs; a sleeve hangs beside them.
        reach: ``(W,)`` 0..1, how probably it reaches so far aside.
    """

    inside: FloatImage
    bottom: int
    hem: BoolMask
    reach: FloatImage

    @property
    def unsure(self) -> float:
        """What share of its length its ends are unsure by: 0..1."""
        return float((self.inside * (1 - self.inside)).sum() / max(self.inside.sum(), 1))


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges that run across a person.

    Attributes:
        trunk: ``(W,)`` bool, the columns where the ends of such a garment are looked for.
        across: ``(H, W)`` as `edges_across` gives it.
        change: ``(H + 1,)`` as `change_of_cloth` gives it.
    """

    trunk: BoolMask
    across: FloatImage
    change: FloatImage

    @staticmethod
    def of(body: Body, kind: Kind) -> Edges:
        """The edges for a garment that is worn on a part of a body."""
        trunk = np.ones(body.person.shape[1], bool) if kind == "lower" else body.trunk
        return Edges(trunk, edges_across(body.lab), change_of_cloth(body.lab, body.person & trunk))


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


def find_extent(
    body: Body,
    kind: Kind,
    garment: BoolMask,
    like: BoolMask,
    place: FloatImage,
    edges: Edges | None = None,
    *,
    whole: bool = True,
) -> Extent:
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
        edges: those across this body, if they were found already.
        whole: whether the still-life shows this garment and no other; if not, as of a set, its proportions do
            not count, nor its colours where such a garment is not worn.
    """
    height_px, width_px = like.shape
    rows = np.flatnonzero(body.person.any(axis=1))
    first, last = int(rows[0]), int(rows[-1]) + 1
    ends = _Ends(np.arange(first, last)[:, None], np.arange(first, last + 1)[None])
    edges = edges or Edges.of(body, kind)
    edge, trunk = edges.across, edges.trunk
    begin_hem, end_hem = hem_profiles(edge, body.person, like & trunk)
    change = _CHANGE_WEIGHT * edges.change
    cut_above, cut_below = first <= 2, last >= height_px - 2
    begin_hem[: 3 * cut_above] = _CUT_HEM
    end_hem[height_px + 1 - 3 * cut_below :] = _CUT_HEM
    if not whole:
        like = like & (place > _LIKELY_PLACE)[:, None]
    score = (
        float(whole) * _proportions(ends, like, _area_over_length(garment, kind), cut_below)
        + _HEM_WEIGHT * (begin_hem[ends.top] + end_hem[ends.bottom])
        + change[ends.top]
        + change[ends.bottom]
        + _colours(ends, body.person & trunk, like & trunk)
        + _PLACE_WEIGHT * (1.5 * ends.total(place) - 0.5 * ends.length) / max(place.sum(), 1e-6)
    )
    if not whole:
        score -= _BEYOND_PLACE_WEIGHT * ends.total(1 - place) / max(place.sum(), 1e-6)
    if kind != "lower" and body.head:
        score -= np.abs(ends.top - body.head.chin - 2) / _CHIN_SPREAD_PX
    if kind == "lower" and not cut_below:
        share = (ends.bottom - first) / (last - first)
        score -= _SHOES_WEIGHT / (1 + np.exp(-(share - _SHOES_FROM_SHARE) / _SHOES_SPREAD))
    score = np.where(ends.bottom - ends.top > _MIN_ROWS, score, -np.inf)
    if not np.isfinite(score).any():
        return Extent(np.ones(height_px), height_px, np.ones(width_px, bool), np.ones(width_px))
    likely = np.exp(_SURENESS * (score - score.max()))
    likely /= likely.sum()
    inside = np.zeros(height_px + 1)
    inside[first:last] = np.cumsum(likely.sum(axis=1))
    inside[first : last + 1] -= np.cumsum(likely.sum(axis=0))
    bottom = first + int(likely.sum(axis=0).argmax())
    hem = np.ones(width_px, bool) if kind == "lower" else _hem_span(edge, body, trunk, bottom)
    top = first + int(likely.sum(axis=1).argmax())
    # A shirt may be tucked in, and what the photo cuts is longer: their length does not tell the width.
    reach = np.ones(width_px)
    if kind == "lower" and not cut_below:
        aside_px = np.abs(np.arange(width_px) - body.axis)
        reach_px = _REACH * _reach_over_length(garment) * (bottom - top) + _REACH_SOFTNESS_PX
        reach = 1 / (1 + np.exp((aside_px - reach_px) / _REACH_SOFTNESS_PX))
    return Extent(np.clip(inside[:height_px], 0, 1), bottom, hem, reach)


def within_extent(extent: Extent, place: FloatImage, kind: Kind) -> FloatImage:
    """A place prior ``(H, W)`` narrowed to an extent; what hangs beside the hem may reach below it."""
    inside = np.repeat(extent.inside[:, None], place.shape[1], axis=1)
    if kind != "lower":
        above = max(extent.bottom - _SLEEVES_BELOW_HEM_PX, 0)
        inside = np.where(extent.hem, inside, place)
        inside[:above] = np.maximum(place, inside)[:above]
    return ((_KEPT_OUTSIDE * place + (1 - _KEPT_OUTSIDE) * inside) * extent.reach).astype(np.float32)


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


def _area_over_length(garment: BoolMask, kind: Kind) -> float:
    _, columns = np.nonzero(garment)
    # The middle's length: sleeves may hang lower than the hem.
    left, right = np.percentile(columns, (0, 100) if kind == "lower" else (35, 65))
    rows = np.flatnonzero(garment[:, int(left) : int(right) + 1].any(axis=1))
    return float(garment[rows[0] : rows[-1] + 1].sum() / (rows[-1] - rows[0] + 1) ** 2)


def _reach_over_length(garment: BoolMask) -> float:
    rows, columns = np.nonzero(garment)
    return float((np.ptp(columns) + 1) / 2 / (np.ptp(rows) + 1))


def _hem_span(edge: FloatImage, body: Body, trunk: BoolMask, row: int) -> BoolMask:
    """The columns from the body's middle outwards over which an edge runs near a row."""
    near = slice(max(row - 6, 0), row + 7)
    marked = (edge[near].max(axis=0) > _CLEAR_EDGE_LAB) & body.person[near].any(axis=0)
    row_of_pixels = (marked | trunk).astype(np.uint8)[None]
    closed = cv2.morphologyEx(row_of_pixels, cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    _, runs = cv2.connectedComponents(closed)
    return runs[0] == runs[0][body.axis]


def edges_across(lab: FloatImage) -> FloatImage:
    """How much the few rows from each pixel on differ from the few above it, within two rows: ``(H, W)``."""
    sums = np.cumsum(np.pad(lab * LAB_WEIGHTS, ((1, 0), (0, 0), (0, 0))), axis=0)
    means = (sums[_HALF_EDGE_PX:] - sums[:-_HALF_EDGE_PX]) / _HALF_EDGE_PX
    edge = np.zeros(lab.shape[:2], np.float32)
    edge[_HALF_EDGE_PX : 1 - _HALF_EDGE_PX] = np.linalg.norm(
        means[_HALF_EDGE_PX:] - means[:-_HALF_EDGE_PX], axis=2
    )
    return cv2.dilate(edge, np.ones((5, 1), np.uint8))


def hem_profiles(edge: FloatImage, person: BoolMask, own: BoolMask) -> tuple[FloatImage, FloatImage]:
    """How marked an edge runs across the garment's colours below, and above, each row: two ``(H + 1,)``.

    Only where the person continues beyond the edge: at the person's own outline everything ends.

    Args:
        edge: ``(H, W)`` as `edges_across` gives it.
        person: ``(H, W)`` bool.
        own: ``(H, W)`` bool, what has the garment's colours.
    """
    above, below = (np.roll(person, step, axis=0) for step in (_HALF_EDGE_PX, -_HALF_EDGE_PX))
    own_above, own_below = (np.roll(own, step, axis=0) for step in (_HALF_EDGE_PX, -_HALF_EDGE_PX))
    return _low_quantile(edge, own_below & above), _low_quantile(edge, own_above & below)


def change_of_cloth(lab: FloatImage, cloth: BoolMask) -> FloatImage:
    """How much the cloth below each row differs from that above it: ``(H + 1,)``, 0 the same, 1 entirely.

    A seam or a fold is an edge with the same cloth on either side; where a garment ends, colour or texture
    change for good. The stretches of 24 rows on either side are taken as Gaussian in Lab and local
    contrast: the squared Hellinger distance between the two.

    Args:
        lab: ``(H, W, 3)`` Lab.
        cloth: ``(H, W)`` bool, the pixels to look at.
    """
    lightness = np.ascontiguousarray(lab[..., 0], np.float32)
    rough = np.log1p(np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), _TEXTURE_SIGMA_PX)))
    texture = _TEXTURE_WEIGHT * cv2.GaussianBlur(rough, (0, 0), 2)
    features = np.concatenate([lab * LAB_WEIGHTS, texture[..., None]], axis=2) * cloth[..., None]
    height_px = len(lab)
    count = _cumulated(cloth.sum(axis=1).astype(float))
    total = _cumulated(features.sum(axis=1, dtype=float))
    squares = _cumulated(np.matmul(features.transpose(0, 2, 1), features).astype(float))
    rows = np.arange(height_px + 1)
    # The row that straddles the edge itself belongs to neither side.
    sides = [
        (np.maximum(rows - _STRETCH_PX, 0), np.maximum(rows - 1, 0)),
        (np.minimum(rows + 1, height_px), np.minimum(rows + 1 + _STRETCH_PX, height_px)),
    ]
    means, covariances, enough = [], [], np.ones(height_px + 1, bool)
    for first, last in sides:
        pixels = count[last] - count[first]
        enough &= pixels >= 4 * _MIN_PIXELS
        pixels = np.maximum(pixels, 1)[:, None]
        mean = (total[last] - total[first]) / pixels
        spread = (squares[last] - squares[first]) / pixels[..., None] - mean[:, :, None] * mean[:, None]
        means.append(mean)
        covariances.append(spread + _FLOOR)
    apart, pooled = means[0] - means[1], (covariances[0] + covariances[1]) / 2
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (pooled, *covariances)]
    shift = np.einsum("ri,ri->r", apart, np.linalg.solve(pooled, apart[..., None])[..., 0]) / 8
    bhattacharyya = shift + (logs[0] - (logs[1] + logs[2]) / 2) / 2
    return np.where(enough, 1 - np.exp(-np.maximum(bhattacharyya, 0)), 0)


def _low_quantile(edge: FloatImage, across: BoolMask) -> FloatImage:
    count = across.sum(axis=1)
    ordered = np.sort(np.where(across, edge, np.inf), axis=1)
    index = (_HEM_QUANTILE * np.maximum(count - 1, 0)).astype(int)
    low = np.where(count >= _MIN_PIXELS, ordered[np.arange(len(edge)), index], 0)
    return np.append(np.log1p(low), 0)


def _cumulated(per_row: FloatImage) -> FloatImage:
    return np.concatenate([np.zeros_like(per_row[:1]), np.cumsum(per_row, axis=0)])
