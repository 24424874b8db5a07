"""Where one cloth ends and another begins, going down a body row by row."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS
from chromiq.records import BoolMask, FloatImage

_HALF_EDGE_PX = 3
_HEM_QUANTILE = 0.35
_MIN_PIXELS = 8
_STRETCH_PX = 24
_TEXTURE_SIGMA_PX, _TEXTURE_WEIGHT = 1.5, 6.0
# What cloth of one kind varies by at the least: lightness, a*, b*, texture.
_FLOOR = np.diag([4.0, 1.5, 1.5, 1.0])


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
