"""Masks: where one reaches, how a change fades at its edge, and which colours skin may have."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.records import BoolMask, FloatImage

# Of a photo's longer side: over how much a change of colour fades in from a mask's edge.
_EDGE_SHARE = 0.0015
# Hue of Lab: the middle, and how far it may be on either side. Chardon et al. 1991 put human skin at 35..75.
_SKIN_HUE_DEG = (52, 26)


def bounding_box(mask: BoolMask, margin_px: int = 0) -> tuple[slice, slice]:
    """The rows and columns that hold all of a mask, and a margin around them as far as the mask's array goes.

    Args:
        mask: ``(H, W)`` bool, True somewhere.
        margin_px: 0 or more.

    >>> mask = np.zeros((9, 9), bool)
    >>> mask[2:4, 5:9] = True
    >>> bounding_box(mask, margin_px=1)
    (slice(1, 5, None), slice(4, 10, None))
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    first_row, first_column = (max(0, int(found[0]) - margin_px) for found in (rows, columns))
    return (
        slice(first_row, int(rows[-1]) + 1 + margin_px),
        slice(first_column, int(columns[-1]) + 1 + margin_px),
    )


def inner_edge(mask: BoolMask, photo_side_px: int, least_px: float = 1.5) -> FloatImage:
    """1 inside the mask, falling towards its edge over a share of the photo's longer side; 0 outside.

    Args:
        mask: ``(H, W)`` bool, of the whole photo or of a part of it.
        photo_side_px: the longer side of the whole photo.
        least_px: over how many pixels it falls at least.

    >>> (100 * inner_edge(np.array([[False, True, True, True, True]]), 2000)).astype(int).tolist()
    [[0, 31, 63, 95, 100]]
    """
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    fallen: FloatImage = np.minimum(distance / np.float32(max(least_px, _EDGE_SHARE * photo_side_px)), 1)
    return fallen


def skin_hue(lab: FloatImage) -> BoolMask:
    """Whether Lab colours ``(..., 3)`` are of a hue and chroma that skin of any tone has: ``(...)`` bool.

    >>> skin_hue(np.array([[70.0, 14, 18], [70, -14, 18]], np.float32)).tolist()
    [True, False]
    """
    lightness, a, b = (lab[..., axis] for axis in range(3))
    chroma = np.hypot(a, b)
    middle, reach = np.radians(_SKIN_HUE_DEG)
    near_hue = a * np.cos(middle) + b * np.sin(middle) > np.cos(reach) * chroma
    return np.asarray(near_hue & (chroma > 8) & (chroma < 50) & (lightness > 12) & (lightness < 92))
