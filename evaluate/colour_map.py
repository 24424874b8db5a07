"""An affine map in Lab, fitted to colours before and after, and applied inside a mask at full size."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import lab_to_srgb_float, rgb_to_lab, srgb_to_lab
from chromiq.records import BoolMask, FloatImage, RgbImage

# So few that the arrays between two steps stay in the processor's cache.
_CHUNK = 32_768
_FEATHER_SHARE = 0.0015
# Directions in which colours vary by less than this say nothing about how they are stretched.
_NOISE_LAB = 0.7


@dataclass(frozen=True, eq=False)
class ColourMap:
    """An affine map in Lab: ``matrix @ (lab - source) + target``.

    Attributes:
        matrix: ``(3, 3)``.
        source: ``(3,)`` Lab.
        target: ``(3,)`` Lab.
    """

    matrix: FloatImage
    source: FloatImage
    target: FloatImage

    @staticmethod
    def identity() -> ColourMap:
        """The map that changes nothing."""
        return ColourMap(np.eye(3), np.zeros(3), np.zeros(3))

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        mapped: FloatImage = (lab - self.source) @ self.matrix.T + self.target
        return mapped


def fit_affine(before: FloatImage, after: FloatImage) -> ColourMap:
    """The affine map nearest to taking colours to colours, by least squares; where nothing varies, a shift.

    Args:
        before: ``(P, 3)`` Lab.
        after: ``(P, 3)`` Lab of the same pixels.

    >>> colours = np.random.default_rng(0).uniform(0, 80, (99, 3))
    >>> fitted = fit_affine(colours, colours * 1.2 + 3)
    >>> bool(np.allclose(fitted.apply(colours), colours * 1.2 + 3, atol=0.1))
    True
    """
    source, target = before.mean(axis=0, dtype=np.float64), after.mean(axis=0, dtype=np.float64)
    off, wanted = before - source, after - target
    ridge = _NOISE_LAB**2 * np.eye(3)
    matrix = np.linalg.solve(off.T @ off / len(off) + ridge, off.T @ wanted / len(off) + ridge).T
    return ColourMap(matrix, source, target)


def blend_maps(first: ColourMap, second: ColourMap, share: float) -> ColourMap:
    """The map whose result lies between those of two: 0 gives the first's, 1 the second's.

    >>> lighter = ColourMap(np.eye(3), np.zeros(3), np.array([10.0, 0, 0]))
    >>> blend_maps(ColourMap.identity(), lighter, 0.25).apply(np.zeros(3)).tolist()
    [2.5, 0.0, 0.0]
    """
    matrix = (1 - share) * first.matrix + share * second.matrix
    target = (1 - share) * first.target + share * second.apply(first.source)
    return ColourMap(matrix, first.source, target)


def apply_colour_map(
    photo: NDArray[Any], mask: BoolMask, colour_map: ColourMap, strength: float = 1.0
) -> NDArray[Any]:
    """A photo with the map applied inside the mask, softly at its edge; the rest bit-identical.

    Args:
        photo: ``(H, W, 3)`` uint8 or uint16 sRGB.
        mask: ``(H, W)`` bool.
        colour_map: what to apply.
        strength: 0..1.

    Returns:
        The same shape and type.
    """
    result = photo.copy()
    rows, columns = np.nonzero(mask)
    weight = np.float32(strength) * inner_edge(mask)[rows, columns]
    pixels = photo[rows, columns]
    # Cloth has far fewer colours than pixels: each is mapped once.
    colours, which = _distinct(pixels) if photo.dtype == np.uint8 else (pixels, None)
    mapped = _mapped(colours, colour_map)
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        there = mapped[part] if which is None else mapped[which[part]]
        mixed = pixels[part] + weight[part, None] * (there - pixels[part])
        result[rows[part], columns[part]] = np.rint(mixed)
    return result


def _distinct(pixels: RgbImage) -> tuple[RgbImage, NDArray[np.int32]]:
    """The colours among pixels ``(P, 3)`` and which of them each has; by a table, as sorting is slow."""
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    present = np.zeros(1 << 24, bool)
    present[codes] = True
    found = np.flatnonzero(present)
    places = np.empty(1 << 24, np.int32)
    places[found] = np.arange(len(found))
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    return colours, places[codes]


def _mapped(colours: NDArray[Any], colour_map: ColourMap) -> FloatImage:
    """Colours ``(P, 3)`` after the map, in their own units, clipped to their range, as float32."""
    largest = np.iinfo(colours.dtype).max
    mapped = np.empty(colours.shape, np.float32)

    def fill(start: int) -> None:
        part = slice(start, start + _CHUNK)
        here = colours[part]
        lab = srgb_to_lab(here) if colours.dtype == np.uint8 else rgb_to_lab(here / largest)
        mapped[part] = np.clip(lab_to_srgb_float(colour_map.apply(lab)) * largest, 0, largest)

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for _ in pool.map(fill, range(0, len(colours), _CHUNK)):
            pass
    return mapped


def inner_edge(mask: BoolMask) -> FloatImage:
    """1 inside the mask, falling towards its edge over a few pixels; 0 outside."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.clip(distance / max(1.5, _FEATHER_SHARE * max(mask.shape)), 0, 1).astype(np.float32)
