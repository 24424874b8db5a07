"""Colour correction without a network: the garment's colours moved to the still-life's, its texture kept.

Between a still-life and a *true* on-model photo the mean chroma hardly differs, the lightness does: the
light is another and folds spread it. So chroma is moved whole, by the linear Monge-Kantorovich map between
the two (a*, b*) distributions (Pitié and Kokaram, CVMP 2007), and lightness only as far as it must have
been moved by the error: a photo whose chroma is far off, or whose lightness is implausible, has an error
that moved lightness too. The prior was measured on two dozen true pairs; see `benchmarks/transfer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import lab_to_srgb_float, srgb_to_lab
from chromiq.errors import UsageError
from chromiq.records import BoolMask, FloatImage, RgbImage

# A true on-model photo is this much darker than its still-life, give or take the spread.
_DARKER_BASE, _DARKER_PER_LIGHTNESS, _LIGHTNESS_SPREAD = 1.5, 0.06, 5.5
_USUAL_LIGHTNESS_RESIDUE = 8.0
_LIGHTNESS_ERROR_PER_CHROMA_ERROR = 0.5
# Folds on a body spread lightness about twice as far as on a still-life.
_CONTRAST_OF_WORN_CLOTH = 1.9
_CONTRAST_RANGE = (0.6, 1.8)
_CHROMA_GAIN_RANGE = (0.5, 2.0)
# What is left on average between a corrected photo and a true one; below it, correcting would harm.
_RESIDUAL_DELTA_E = 1.6
_MIN_GAIN = 0.8
_TRIM_PERCENT = 3.0
_SAMPLE = 60_000
_CHUNK = 400_000
_FEATHER_SHARE = 0.0015


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

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        mapped: FloatImage = (lab - self.source) @ self.matrix.T + self.target
        return mapped


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
    for name, photo, mask in (
        ("still-life", still_life, still_life_mask),
        ("on-model photo", on_model, on_model_mask),
    ):
        if mask.shape != photo.shape[:2] or not mask.any():
            raise UsageError(f"the {name}: wanted a mask of its size with a garment in it; give another mask")
    if not 0 <= strength <= 1:
        raise UsageError(f"wanted a strength from 0 to 1, got {strength:g}")
    colour_map, gain = fit_colour_map(_sample(still_life, still_life_mask), _sample(on_model, on_model_mask))
    if gain < _MIN_GAIN:
        reason = f"left alone: the colour is right as far as can be told (expected gain {gain:.1f} dE00)"
        return TransferResult(on_model.copy(), False, reason, gain, colour_map)
    result = apply_colour_map(on_model, on_model_mask, colour_map, strength)
    return TransferResult(result, True, f"corrected (expected gain {gain:.1f} dE00)", gain, colour_map)


def fit_colour_map(wanted_lab: FloatImage, seen_lab: FloatImage) -> tuple[ColourMap, float]:
    """The map from the garment's colours on the model to those on the still-life, and its expected gain.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.

    Returns:
        The map, and the mean dE00 it should take off, in plain Lab distance: what it moves less what is
        left between a corrected photo and a true one.
    """
    wanted, wanted_spread = _moments(wanted_lab)
    seen, seen_spread = _moments(seen_lab)
    chroma_off = float(np.hypot(*(seen - wanted)[1:]))
    lightness_off = seen[0] - (wanted[0] - _DARKER_BASE - _DARKER_PER_LIGHTNESS * wanted[0])
    implausible = max(0.0, lightness_off**2 - _USUAL_LIGHTNESS_RESIDUE**2) / 2
    variance = (_LIGHTNESS_ERROR_PER_CHROMA_ERROR * chroma_off) ** 2 + implausible
    share = variance / (variance + _LIGHTNESS_SPREAD**2)
    ratio = _CONTRAST_OF_WORN_CLOTH * np.sqrt(wanted_spread[0, 0] / seen_spread[0, 0])
    contrast = np.clip(ratio, *_CONTRAST_RANGE) ** share
    matrix = np.zeros((3, 3))
    matrix[0, 0] = contrast
    matrix[1:, 1:] = _bounded(monge_kantorovich(wanted_spread[1:, 1:], seen_spread[1:, 1:]))
    moved = -share * lightness_off
    target = np.array([seen[0] + moved, wanted[1], wanted[2]])
    gain = float(np.hypot(chroma_off, moved)) - _RESIDUAL_DELTA_E
    return ColourMap(matrix, seen, target), gain


def monge_kantorovich(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """The linear map that gives one Gaussian another's covariance while moving least.

    ``T = C^-1/2 (C^1/2 W C^1/2)^1/2 C^-1/2`` with ``C`` seen and ``W`` wanted (Pitié and Kokaram 2007).

    >>> bool(np.allclose(monge_kantorovich(np.eye(2) * 4, np.eye(2)), np.eye(2) * 2))
    True
    """
    root = _root(seen)
    inverse = np.linalg.inv(root)
    mapped: FloatImage = inverse @ _root(root @ wanted @ root) @ inverse
    return mapped


def apply_colour_map(
    photo: RgbImage, mask: BoolMask, colour_map: ColourMap, strength: float = 1.0
) -> RgbImage:
    """A photo with the map applied inside the mask, softly at its edge; the rest bit-identical.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool.
        colour_map: what to apply.
        strength: 0..1.
    """
    result = photo.copy()
    weight = strength * _inner_edge(mask)[mask]
    pixels = photo[mask]
    corrected = np.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = slice(start, start + _CHUNK)
        mapped = lab_to_srgb_float(colour_map.apply(srgb_to_lab(pixels[part]))) * 255
        mixed = pixels[part] + weight[part, None] * (np.clip(mapped, 0, 255) - pixels[part])
        corrected[part] = np.rint(mixed)
    result[mask] = corrected
    return result


def _sample(photo: RgbImage, mask: BoolMask) -> FloatImage:
    """Lab of garment pixels away from the edge, where two materials mix: ``(P, 3)``."""
    side_px = max(1, round(0.004 * max(mask.shape)))
    inner = cv2.erode(mask.astype(np.uint8), np.ones((2 * side_px + 1, 2 * side_px + 1), np.uint8)) > 0
    pixels = photo[inner if inner.sum() > 200 else mask]
    return srgb_to_lab(pixels[:: max(1, len(pixels) // _SAMPLE)])


def _moments(lab: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Mean and covariance without the darkest and lightest few: highlights, deep folds, buttons."""
    low, high = np.percentile(lab[:, 0], [_TRIM_PERCENT, 100 - _TRIM_PERCENT])
    kept = lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)]
    if len(kept) < 2:
        return lab.mean(axis=0), 0.25 * np.eye(3)
    return kept.mean(axis=0), np.cov(kept.T) + 0.25 * np.eye(3)


def _root(matrix: FloatImage) -> FloatImage:
    values, vectors = np.linalg.eigh(matrix)
    root: FloatImage = (vectors * np.sqrt(np.maximum(values, 1e-9))) @ vectors.T
    return root


def _bounded(matrix: FloatImage) -> FloatImage:
    values, vectors = np.linalg.eigh(matrix)
    bounded: FloatImage = (vectors * np.clip(values, *_CHROMA_GAIN_RANGE)) @ vectors.T
    return bounded


def _inner_edge(mask: BoolMask) -> FloatImage:
    """1 inside the mask, falling towards its edge over a few pixels; 0 outside."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    return np.clip(distance / max(1.5, _FEATHER_SHARE * max(mask.shape)), 0, 1).astype(np.float32)
