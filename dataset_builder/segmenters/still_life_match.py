"""Which of several boxes or masks is the garment of the still-life: by colour, size and position."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.records import FloatImage

_CHROMA_BINS = 24
_CHROMA_RANGE = 96.0
_LIGHTNESS_WEIGHT = 0.25


def colour_agreement(one_lab: FloatImage, other_lab: FloatImage) -> float:
    """How alike two samples ``(P, 3)`` and ``(Q, 3)`` of Lab colours are: 0 nothing in common, 1 the same.

    The Bhattacharyya coefficient of the two chroma (a*, b*) histograms, tempered by that of lightness,
    which counts less because the light on a model is another.
    """
    if not len(one_lab) or not len(other_lab):
        return 0.0
    chroma = _overlap(_chroma_histogram(one_lab), _chroma_histogram(other_lab))
    lightness = _overlap(_lightness_histogram(one_lab), _lightness_histogram(other_lab))
    return float(chroma ** (1 - _LIGHTNESS_WEIGHT) * lightness**_LIGHTNESS_WEIGHT)


def plausible_box(box_xyxy: FloatImage, size_wh: tuple[int, int]) -> float:
    """How plausible a box is as the garment a photo is about: 1 for a large one about the centre line.

    A garment that is photographed fills a fair part of the frame; a box of under 2 % of it, or one off to
    a side, is an accessory, a hand or somebody else.
    """
    width_px, height_px = size_wh
    left, top, right, bottom = (float(edge) for edge in box_xyxy)
    share = max(0.0, right - left) * max(0.0, bottom - top) / (width_px * height_px)
    off_centre = abs((left + right) / 2 / width_px - 0.5)
    return float(np.clip(share / 0.15, 0.05, 1) * np.exp(-((off_centre / 0.3) ** 2)))


def _chroma_histogram(lab: FloatImage) -> FloatImage:
    edges = np.linspace(-_CHROMA_RANGE, _CHROMA_RANGE, _CHROMA_BINS + 1)
    clipped = np.clip(lab[:, 1:], -_CHROMA_RANGE, _CHROMA_RANGE)
    return _smooth_share(np.histogram2d(clipped[:, 0], clipped[:, 1], bins=(edges, edges))[0])


def _lightness_histogram(lab: FloatImage) -> FloatImage:
    clipped = np.clip(lab[:, 0], 0, 100)  # black and white may lie a rounding beyond
    return _smooth_share(np.histogram(clipped, bins=_CHROMA_BINS, range=(0, 100))[0])


def _smooth_share(counts: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> FloatImage:
    rows = counts.astype(np.float64).reshape(len(counts), -1)
    smooth = cv2.GaussianBlur(rows, (9, 9), 1, borderType=cv2.BORDER_REFLECT)
    share: FloatImage = (smooth / max(smooth.sum(), 1e-12)).astype(np.float32)
    return share


def _overlap(a: FloatImage, b: FloatImage) -> float:
    return float(np.minimum(np.sqrt(a * b).sum(), 1))
