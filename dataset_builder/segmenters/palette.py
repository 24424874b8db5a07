"""The few colours that a piece of cloth or a photo is made of."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.records import FloatImage

# Lightness counts less than chroma: folds and another light move it most.
_LIGHTNESS_WEIGHT = 0.6
_LAB_WEIGHTS = np.array([_LIGHTNESS_WEIGHT, 1, 1], np.float32)
_ROW_WEIGHT, _SIDE_WEIGHT = 16.0, 8.0
_MIN_SHARE = 0.04
_SAMPLE = 20_000
_TURNS_DEG = (0, 30, 60, 90, 135, 180, 225, 270, 300, 330)
_CONTRASTS = (1.0, 0.55)


@dataclass(frozen=True, eq=False)
class Palette:
    """Main colours ``(N, 3)`` in weighted Lab, and ``(N,)`` the share of each; the shares sum to 1."""

    colours: FloatImage
    shares: FloatImage


def main_colours(lab: FloatImage, count: int = 6) -> Palette:
    """Up to `count` colours that make up some pixels.

    Args:
        lab: ``(P, 3)`` Lab pixels; at most 20,000 of them, evenly taken, are looked at.
        count: at most so many; colours of under 4 % of the pixels are left out.
    """
    pixels = lab[:: max(1, len(lab) // _SAMPLE)] * _LAB_WEIGHTS
    labels, centres = _kmeans(pixels, min(count, len(pixels)))
    share = np.bincount(labels, minlength=len(centres)) / len(labels)
    kept = share >= min(_MIN_SHARE, share.max())
    return Palette(centres[kept], share[kept] / share[kept].sum())


def cluster(
    lab: FloatImage,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    size_hw: tuple[int, ...],
    count: int,
) -> tuple[NDArray[np.int32], FloatImage]:
    """Pixels grouped by colour and, less, by height and distance from the middle.

    Args:
        lab: ``(P, 3)`` Lab pixels.
        rows: ``(P,)`` their rows.
        columns: ``(P,)`` their columns.
        size_hw: height and width of the photo.
        count: how many groups.

    Returns:
        ``(P,)`` the group of each pixel, and ``(N, 3)`` the groups' colours in weighted Lab.
    """
    places = np.stack(
        [rows / size_hw[0] * _ROW_WEIGHT, np.abs(columns - columns.mean()) / size_hw[1] * _SIDE_WEIGHT],
        axis=1,
    )
    labels, centres = _kmeans(np.concatenate([lab * _LAB_WEIGHTS, places], axis=1), min(count, len(lab)))
    return labels, centres[:, :3]


def colour_distance(centres: FloatImage, colours: FloatImage) -> FloatImage:
    """How far each centre is from the nearest of some colours, both in weighted Lab: ``(N,)``."""
    distance: FloatImage = np.linalg.norm(centres[:, None] - colours[None], axis=2).min(axis=1)
    return distance


def recolourings(palette: Palette, targets: FloatImage) -> FloatImage:
    """How a palette may look on another photo: as it is, or turned, paled and moved onto a target colour.

    Args:
        palette: the colours.
        targets: ``(T, 3)`` colours in weighted Lab that the commonest of the palette may have become.

    Returns:
        ``(R, N, 3)`` palettes; the first is the palette itself.
    """
    main = palette.colours[palette.shares.argmax()]
    spread = palette.colours - main
    moved = []
    for turn in np.radians(_TURNS_DEG):
        turned = spread.copy()
        turned[:, 1] = np.cos(turn) * spread[:, 1] - np.sin(turn) * spread[:, 2]
        turned[:, 2] = np.sin(turn) * spread[:, 1] + np.cos(turn) * spread[:, 2]
        moved += [target + contrast * turned for contrast in _CONTRASTS for target in targets]
    return np.stack([palette.colours, *moved])


def _kmeans(features: FloatImage, count: int) -> tuple[NDArray[np.int32], FloatImage]:
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, labels, centres = cv2.kmeans(
        np.ascontiguousarray(features, np.float32), count, None, criteria, 2, cv2.KMEANS_PP_CENTERS
    )
    kept = np.unique(labels)
    return np.searchsorted(kept, labels[:, 0]).astype(np.int32), centres[kept]
