"""Masks: where one reaches, its outline, how a change fades at its edge, which colours skin may have."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.records import BoolMask, Box, FloatImage

# Of a photo's longer side: over how much a change of colour fades in from a mask's edge.
_EDGE_SHARE = 0.0015
# Of a photo's longer side: how far cloth shows through beyond a mask that was found, and the filter's reach.
_RIM_SHARE, _MATTE_SHARE, _LEAST_MATTE_PX = 0.001, 0.006, 2
_MATTE_SMOOTHNESS = 1e-3
_MATTE_STRIP_PX = 256
# How far a drawn outline may be from the mask, in shown pixels.
_OUTLINE_TOLERANCE_PX = 1.0
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


def outline_path(measured: Box | BoolMask, scale: float) -> str:
    """The outline of a box or a mask as an SVG path; empty for an empty mask.

    Args:
        measured: a box or mask in full-size pixels.
        scale: displayed pixels per full-size pixel.

    >>> outline_path((10, 20, 30, 40), 0.5)
    'M5,10 L15,10 L15,20 L5,20 Z'
    """
    if isinstance(measured, tuple):
        left, top, right, bottom = measured
        corners = [np.array([[left, top], [right, top], [right, bottom], [left, bottom]])]
    else:
        found, _ = cv2.findContours(measured.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        tolerance = _OUTLINE_TOLERANCE_PX / scale
        near = [cv2.approxPolyDP(contour, tolerance, closed=True)[:, 0] for contour in found]
        corners = [polygon for polygon in near if len(polygon) > 2]
    return " ".join(
        "M" + " L".join(f"{x * scale:.4g},{y * scale:.4g}" for x, y in polygon) + " Z" for polygon in corners
    )


def eroded(mask: BoolMask, side_px: int) -> BoolMask:
    """The pixels of a mask whose square of so many pixels a side lies in it; beyond the array all is mask."""
    return cv2.erode(mask.astype(np.uint8), _square(side_px)) > 0


def dilated(mask: BoolMask, side_px: int) -> BoolMask:
    """The mask and all whose square of so many pixels a side touches it."""
    return cv2.dilate(mask.astype(np.uint8), _square(side_px)) > 0


def opened(mask: BoolMask, side_px: int) -> BoolMask:
    """The mask without what is thinner than a square of so many pixels a side."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _square(side_px)) > 0


def closed(mask: BoolMask, side_px: int) -> BoolMask:
    """The mask with the gaps that are thinner than a square of so many pixels a side."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, _square(side_px)) > 0


def _square(side_px: int) -> NDArray[np.uint8]:
    return np.ones((side_px, side_px), np.uint8)


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


def with_rim(mask: BoolMask) -> BoolMask:
    """The mask ``(H, W)`` of a whole photo, and 0.1 % of its longer side around it, where cloth may show."""
    return dilated(mask, _rim_square_px(mask))


def without_rim(mask: BoolMask) -> BoolMask:
    """A mask ``(H, W)`` without the rim that `with_rim` added: where pixels are nothing but garment."""
    return eroded(mask, _rim_square_px(mask))


def matte(mask: BoolMask, photo: NDArray[Any], box: tuple[slice, slice]) -> FloatImage:
    """How much of each pixel is the garment: float32 in 0..1, 0 outside the mask.

    The guided filter (He, Sun, Tang: Guided image filtering, 2013) of the mask without its rim, guided by the
    photo's grey values; in strips of rows, with the same result as at once.

    Args:
        mask: ``(H, W)`` bool, with its rim as `with_rim` adds it.
        photo: ``(H, W, 3)`` uint8 or uint16.
        box: rows and columns that hold all of the mask, as `bounding_box` gives them.

    Returns:
        ``(h, w)``, that part of the photo.
    """
    side_px = max(mask.shape)
    sure = without_rim(mask)
    reach_px = max(_LEAST_MATTE_PX, round(_MATTE_SHARE * side_px))
    weight = np.zeros_like(mask[box], np.float32)

    def mean(image: FloatImage) -> FloatImage:
        return cv2.boxFilter(image, -1, (2 * reach_px + 1, 2 * reach_px + 1))

    left = max(0, box[1].start - 2 * reach_px)
    columns = slice(left, box[1].stop + 2 * reach_px)
    for strip in range(0, len(weight), _MATTE_STRIP_PX):
        first = box[0].start + strip
        above = min(first, 2 * reach_px)
        rows = slice(first - above, first + _MATTE_STRIP_PX + 2 * reach_px)
        grey = photo[rows, columns].mean(axis=2, dtype=np.float32) / np.float32(np.iinfo(photo.dtype).max)
        cloth = sure[rows, columns].astype(np.float32)
        slope = mean(grey * cloth) - mean(grey) * mean(cloth)
        slope /= mean(grey * grey) - mean(grey) ** 2 + np.float32(_MATTE_SMOOTHNESS)
        filtered = mean(slope) * grey + mean(mean(cloth) - slope * mean(grey))
        part = weight[strip : strip + _MATTE_STRIP_PX]
        part[:] = filtered[above : above + len(part), box[1].start - left :][:, : len(part[0])]
    return np.clip(weight, 0, 1) * mask[box]


def _rim_square_px(mask: BoolMask) -> int:
    return 2 * max(1, round(_RIM_SHARE * max(mask.shape))) + 1


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
