"""From which row to which a garment reaches on a body: its still-life's proportions and its hems tell."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body, Kind
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.records import BoolMask, FloatImage


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


def find_extent(
    body: Body,
    kind: Kind,
    garment: BoolMask,
    like: BoolMask,
    place: FloatImage,
    edges: Edges,
    *,
    whole: bool,
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
        edges: those across this body.
        whole: whether the still-life shows this garment and no other; if not, as of a set, its proportions do
            not count, nor its colours where such a garment is not worn.
    """
    height_px, width_px = like.shape
    rows = np.flatnonzero(body.person.any(axis=1))
    first, last = int(rows[0]), int(rows[-1]) + 1
    edge, trunk = edges.across, edges.trunk
    begin_hem, end_hem = hem_profiles(edge, body.person, like & trunk)
    cut_above, cut_below = first <= 2, last >= height_px - 2
    begin_hem[: 3 * cut_above] = TUNING.extent_cut_hem
    end_hem[height_px + 1 - 3 * cut_below :] = TUNING.extent_cut_hem
    if not whole:
        like = like & (place > TUNING.extent_likely_place)[:, None]
    own = like & trunk
    foreign = body.person & trunk & ~own
    of_row = TUNING.extent_colour_weight * (
        own.sum(axis=1) - TUNING.extent_foreign_weight * foreign.sum(axis=1)
    )
    of_row /= max(own.sum(), 1)
    of_row += TUNING.extent_place_weight * (1.5 * place - 0.5) / max(place.sum(), 1e-6)
    if not whole:
        of_row -= TUNING.extent_beyond_place_weight * (1 - place) / max(place.sum(), 1e-6)
    between, change = _cumulated(of_row), TUNING.extent_change_weight * edges.change
    begin = TUNING.extent_hem_weight * begin_hem + change - between
    end = TUNING.extent_hem_weight * end_hem + change + between
    if kind != "lower" and body.head:
        begin -= np.abs(np.arange(height_px + 1) - body.head.chin - 2) / TUNING.extent_chin_spread_px
    tops, bottoms = np.arange(first, last)[:, None], np.arange(first, last + 1)
    score = begin[tops] + end[bottoms]
    if whole:
        area = _cumulated(like.sum(axis=1))
        worn = (area[bottoms] - area[tops]) / np.maximum(bottoms - tops, 1) ** 2
        score += _proportions(worn, _area_over_length(garment, kind), cut_below)
    score[bottoms - tops <= TUNING.extent_min_rows] = -np.inf
    if not np.isfinite(score).any():
        return Extent(np.ones(height_px), height_px, np.ones(width_px, bool), np.ones(width_px))
    likely = np.exp(TUNING.extent_sureness * (score - score.max()))
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
        reach_px = (
            TUNING.extent_reach * _reach_over_length(garment) * (bottom - top)
            + TUNING.extent_reach_softness_px
        )
        reach = 1 / (1 + np.exp((aside_px - reach_px) / TUNING.extent_reach_softness_px))
    return Extent(np.clip(inside[:height_px], 0, 1), bottom, hem, reach)


def within_extent(extent: Extent, place: FloatImage, kind: Kind) -> FloatImage:
    """A place prior ``(H, W)`` narrowed to an extent; what hangs beside the hem may reach below it."""
    inside = np.repeat(extent.inside[:, None], place.shape[1], axis=1)
    if kind != "lower":
        above = max(extent.bottom - TUNING.extent_sleeves_below_hem_px, 0)
        inside = np.where(extent.hem, inside, place)
        inside[:above] = np.maximum(place, inside)[:above]
    return (
        (TUNING.extent_kept_outside * place + (1 - TUNING.extent_kept_outside) * inside) * extent.reach
    ).astype(np.float32)


def _proportions(worn: FloatImage, flat: float, cut_below: bool) -> FloatImage:
    """How well areas over squared lengths, by first row and first row below, suit the flat garment's."""
    deviation = np.log(np.maximum(worn, 1e-3).astype(np.float32) / flat) - TUNING.extent_worn_log_ratio
    if cut_below:
        # Of a garment that the photo cuts off only the beginning is seen: it may look too short.
        deviation[:, -3:] = np.minimum(deviation[:, -3:], 0)
    spreads = np.minimum(np.abs(deviation) / TUNING.extent_log_ratio_spread, TUNING.extent_max_deviations)
    result: FloatImage = -0.5 * spreads**2
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
    marked = (edge[near].max(axis=0) > TUNING.extent_clear_edge_lab) & body.person[near].any(axis=0)
    row_of_pixels = (marked | trunk).astype(np.uint8)[None]
    closed = cv2.morphologyEx(row_of_pixels, cv2.MORPH_CLOSE, np.ones((1, 5), np.uint8))
    _, runs = cv2.connectedComponents(closed)
    return runs[0] == runs[0][body.axis]


def edges_across(lab: FloatImage) -> FloatImage:
    """How much the few rows from each pixel on differ from the few above it, within two rows: ``(H, W)``."""
    sums = np.cumsum(np.pad(lab * LAB_WEIGHTS, ((1, 0), (0, 0), (0, 0))), axis=0)
    means = (
        sums[TUNING.extent_half_edge_px :] - sums[: -TUNING.extent_half_edge_px]
    ) / TUNING.extent_half_edge_px
    edge = np.zeros(lab.shape[:2], np.float32)
    edge[TUNING.extent_half_edge_px : 1 - TUNING.extent_half_edge_px] = np.linalg.norm(
        means[TUNING.extent_half_edge_px :] - means[: -TUNING.extent_half_edge_px], axis=2
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
    above, below = (
        np.roll(person, step, axis=0) for step in (TUNING.extent_half_edge_px, -TUNING.extent_half_edge_px)
    )
    own_above, own_below = (
        np.roll(own, step, axis=0) for step in (TUNING.extent_half_edge_px, -TUNING.extent_half_edge_px)
    )
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
    rough = np.log1p(np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), TUNING.extent_texture_sigma_px)))
    texture = TUNING.extent_texture_weight * cv2.GaussianBlur(rough, (0, 0), 2)
    features = np.concatenate([lab * LAB_WEIGHTS, texture[..., None]], axis=2) * cloth[..., None]
    height_px = len(lab)
    count = _cumulated(cloth.sum(axis=1).astype(float))
    total = _cumulated(features.sum(axis=1, dtype=float))
    squares = _cumulated(np.matmul(features.transpose(0, 2, 1), features).astype(float))
    rows = np.arange(height_px + 1)
    # The row that straddles the edge itself belongs to neither side.
    sides = [
        (np.maximum(rows - TUNING.extent_stretch_px, 0), np.maximum(rows - 1, 0)),
        (np.minimum(rows + 1, height_px), np.minimum(rows + 1 + TUNING.extent_stretch_px, height_px)),
    ]
    means, covariances, enough = [], [], np.ones(height_px + 1, bool)
    for first, last in sides:
        pixels = count[last] - count[first]
        enough &= pixels >= 4 * TUNING.extent_min_pixels
        pixels = np.maximum(pixels, 1)[:, None]
        mean = (total[last] - total[first]) / pixels
        spread = (squares[last] - squares[first]) / pixels[..., None] - mean[:, :, None] * mean[:, None]
        means.append(mean)
        covariances.append(spread + np.diag(TUNING.extent_floor))
    apart, pooled = means[0] - means[1], (covariances[0] + covariances[1]) / 2
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (pooled, *covariances)]
    shift = np.einsum("ri,ri->r", apart, np.linalg.solve(pooled, apart[..., None])[..., 0]) / 8
    bhattacharyya = shift + (logs[0] - (logs[1] + logs[2]) / 2) / 2
    return np.where(enough, 1 - np.exp(-np.maximum(bhattacharyya, 0)), 0)


def _low_quantile(edge: FloatImage, across: BoolMask) -> FloatImage:
    count = across.sum(axis=1)
    ordered = np.sort(np.where(across, edge, np.inf), axis=1)
    index = (TUNING.extent_hem_quantile * np.maximum(count - 1, 0)).astype(int)
    low = np.where(count >= TUNING.extent_min_pixels, ordered[np.arange(len(edge)), index], 0)
    return np.append(np.log1p(low), 0)


def _cumulated(per_row: FloatImage) -> FloatImage:
    return np.concatenate([np.zeros_like(per_row[:1]), np.cumsum(per_row, axis=0)])
