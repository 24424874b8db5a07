"""Seams, plackets and hems: long thin lines, though each may be fainter than the weave beside it."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.imaging.regions import bounding_box
from chromiq.records import BoolMask, FloatImage

_WORK_SIDE_PX = 1120
# Of the longer side: how long a straight piece must be, so that weave and folds average out, and how thin.
_LENGTH_SHARE, _WIDTH_SHARE = 0.11, 0.0012
_DIRECTIONS = 24
# Standard deviations of what the cloth's own texture gives, and L* that no noise is below.
_ABOVE, _LEAST_SPREAD = 3.5, 0.03


def seam_lines(lightness: FloatImage, inside: BoolMask) -> BoolMask:
    """Where a long thin line stands out from the cloth: ``(H, W)`` bool, False outside.

    A line is looked for in 24 directions: the difference of two Gaussians across, a mean along it.

    Args:
        lightness: ``(H, W)`` float32 L*.
        inside: ``(H, W)`` bool, where there is cloth.

    >>> cloth = np.random.default_rng(0).normal(50, 2, (300, 300)).astype(np.float32)
    >>> cloth[:, 150:152] -= 4
    >>> found = seam_lines(cloth, np.ones((300, 300), bool))
    >>> bool(found[60:240, 149:153].any(axis=1).mean() > 0.9), bool(found[:, :140].mean() < 0.03)
    (True, True)
    """
    lines = np.zeros(inside.shape, bool)
    if not inside.any():
        return lines
    side_px = max(inside.shape)
    scale = min(1.0, _WORK_SIDE_PX / side_px)
    length_px, width_px = _LENGTH_SHARE * side_px * scale, max(1.0, _WIDTH_SHARE * side_px * scale)
    box = bounding_box(inside, margin_px=round(length_px / 2 / scale))
    size_wh = tuple(max(1, round(side * scale)) for side in inside[box].shape[::-1])
    cloth = cv2.resize(lightness[box], size_wh, interpolation=cv2.INTER_AREA)
    where = cv2.resize(inside[box].astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    if not where.any():
        return lines
    strength = np.max(
        [
            np.abs(cv2.filter2D(cloth, cv2.CV_32F, _line(np.pi * step / _DIRECTIONS, length_px, width_px)))
            for step in range(_DIRECTIONS)
        ],
        axis=0,
    )
    middle = float(np.median(strength[where]))
    spread = 1.4826 * float(np.median(np.abs(strength[where] - middle))) + _LEAST_SPREAD
    found = (strength > middle + _ABOVE * spread) & where
    shape_wh = inside[box].shape[::-1]
    lines[box] = cv2.resize(found.astype(np.uint8), shape_wh, interpolation=cv2.INTER_NEAREST) > 0
    return lines & inside


def _line(angle_rad: float, length_px: float, width_px: float) -> FloatImage:
    """A filter that answers to a thin line of a direction and not to a slope or a plain."""
    reach = int(np.ceil(max(length_px / 2, 8 * width_px)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * np.cos(angle_rad) + y * np.sin(angle_rad)
    across = y * np.cos(angle_rad) - x * np.sin(angle_rad)
    piece = np.abs(along) <= length_px / 2
    thin, wide = (piece * np.exp(-(across**2) / (2 * sigma_px**2)) for sigma_px in (width_px, 2.5 * width_px))
    kernel: FloatImage = (thin / thin.sum() - wide / wide.sum()).astype(np.float32)
    return kernel
