"""The dyes of a garment: found by their colour and separated from shade.

Distances are in Lab with lightness counting less, as folds and shade are of one dye.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromiq.records import FloatImage

_MOST_DYES = 4
_APART_WEIGHTS = np.array([0.4, 1.0, 1.0])
# Two dyes lie this many of their spreads apart, and this far; the halves of one even shade lie 1.7 spreads.
_SPREADS_APART, _LEAST_APART = 2.3, 4.0
_LEAST_SHARE = 0.06
_ROUNDS = 15
_SOFT_WEIGHTS = np.array([0.3, 1.0, 1.0])
_LEAST_SPREAD = 2.0
# Of the pixels of the other garment the nearest few say whether a dye is there too: half as many as the
# smallest dye has, so that the last of these is not at the dye's edge.
_NEAREST_PERCENT = 50 * _LEAST_SHARE


def find_dyes(lab: FloatImage) -> NDArray[np.intp]:
    """Which dye each pixel is of: k-means from a fixed start, then merged until all are well apart.

    Args:
        lab: ``(P, 3)`` Lab.

    Returns:
        ``(P,)``, 0 up to 3; all 0 for cloth of one dye. The same every time.

    >>> shade = np.linspace(-15, 15, 100)[:, None] * [1, 0, 0]
    >>> np.unique(find_dyes([50, 20, 0] + shade)).tolist()
    [0]
    >>> np.unique(find_dyes(np.concatenate([[50, 20, 0] + shade, [50, -20, 0] + shade]))).tolist()
    [0, 1]
    """
    points = lab * _APART_WEIGHTS
    centres = [np.median(points, axis=0)]
    for _ in range(_MOST_DYES):
        away = np.linalg.norm(points[:, None] - np.array(centres), axis=2).min(axis=1)
        centres.append(points[np.argsort(away, kind="stable")[int(0.97 * (len(points) - 1))]])
    means = np.array(centres[1:])
    for _ in range(_ROUNDS):
        labels = np.linalg.norm(points[:, None] - means, axis=2).argmin(axis=1)
        for label in np.unique(labels):
            means[label] = points[labels == label].mean(axis=0)
    labels = np.unique(labels, return_inverse=True)[1]
    while labels.max() > 0:
        apart, first, second = min(
            (_apart(points[labels == first], points[labels == second], len(points)), first, second)
            for first in range(labels.max() + 1)
            for second in range(first)
        )
        if apart >= 1:
            break
        labels = np.unique(np.where(labels == first, second, labels), return_inverse=True)[1]
    return labels


def _apart(first: FloatImage, second: FloatImage, count: int) -> float:
    """1 or more if two groups of pixels are two dyes."""
    between = first.mean(axis=0) - second.mean(axis=0)
    distance = float(np.linalg.norm(between))
    along = between / max(distance, 1e-9)
    spreads = float((first @ along).std() + (second @ along).std()) + 0.3
    apart = min(distance / spreads / _SPREADS_APART, distance / _LEAST_APART)
    return apart if min(len(first), len(second)) >= _LEAST_SHARE * count else min(apart, 0.99) / 2


def shares(labels: NDArray[np.intp]) -> FloatImage:
    """``(K,)``: of the pixels, each dye's share."""
    return np.bincount(labels) / len(labels)


def means(lab: FloatImage, labels: NDArray[np.intp]) -> FloatImage:
    """``(..., K, 3)``: the mean colours of each dye in Lab pixels ``(..., P, 3)``."""
    return np.stack(
        [lab[..., labels == label, :].mean(axis=-2) for label in range(labels.max() + 1)], axis=-2
    )


def spreads(lab: FloatImage, labels: NDArray[np.intp]) -> FloatImage:
    """``(K, 3)``: how far each dye's pixels are from its mean."""
    return np.stack([lab[labels == label].std(axis=0) for label in range(labels.max() + 1)])


def belonging(lab: FloatImage, centres: FloatImage, spreads: FloatImage) -> FloatImage:
    """How far colours ``(..., 3)`` belong to each dye: ``(..., K)``, adding up to 1.

    The membership of fuzzy c-means (Bezdek 1981) with exponent 1.5: colours between two dyes, as at the
    edge of a figure, pass from one to the other smoothly, where a mixture of Gaussians would jump.
    """
    widths = np.maximum(spreads * _SOFT_WEIGHTS, _LEAST_SPREAD)
    off = np.square((lab[..., None, :] - centres) * _SOFT_WEIGHTS / widths).sum(axis=-1)
    weights = 1 / np.square(np.maximum(off, 1e-6))
    return weights / weights.sum(axis=-1, keepdims=True)


def palette_distance(
    flat: FloatImage, flat_labels: NDArray[np.intp], worn: FloatImage, worn_labels: NDArray[np.intp]
) -> FloatImage:
    """Squared distance of every dye's mean to the pixels of the other garment, summed over both: ``(H,)``.

    Args:
        flat: ``(P, 3)`` Lab of the still-life, lit as the worn garment is.
        flat_labels: ``(P,)`` its dyes.
        worn: ``(H, Q, 3)`` Lab, the worn garment as H hypotheses have it.
        worn_labels: ``(Q,)`` its dyes.
    """
    there, here = flat * _SOFT_WEIGHTS, worn * _SOFT_WEIGHTS
    to_flat = _distances(means(here, worn_labels), there[None, ::4])
    to_worn = _distances(means(there, flat_labels)[None], here[:, ::2])
    return np.square(to_flat).sum(axis=1) + np.square(to_worn).sum(axis=1)


def _distances(dyes: FloatImage, pixels: FloatImage) -> FloatImage:
    """From dyes ``(H or 1, K, 3)`` to pixels ``(H or 1, P, 3)``: ``(H, K)``."""
    squared = np.square(dyes[:, :, None] - pixels[:, None]).sum(axis=-1)
    return np.sqrt(np.percentile(squared, _NEAREST_PERCENT, axis=2))
