"""Resize photos and masks; every choice of interpolation is made here."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chromiq.imaging.masks import bounding_box
from chromiq.records import BoolMask, FloatImage, RgbImage

_Value = TypeVar("_Value", bound=np.generic)
_LANCZOS = Image.Resampling.LANCZOS
_LOBES = 3  # of Lanczos' kernel on either side
SMOOTHED_FROM = 1.75  # box-reduced photos stay at least this much larger than the result, or it shows


def resize(photo: RgbImage, size_wh: tuple[int, int]) -> RgbImage:
    """Resize a photo with Lanczos, in gamma-encoded values as AI-Toolkit and the models do."""
    if (photo.shape[1], photo.shape[0]) == size_wh:
        return photo
    return resize_part(photo, size_wh, (slice(0, photo.shape[0]), slice(0, photo.shape[1])))[1]


def resize_part(
    photo: RgbImage, size_wh: tuple[int, int], part: tuple[slice, slice]
) -> tuple[tuple[slice, slice], RgbImage]:
    """Resize only the region that a part of the photo affects; bit-identical to `resize` there.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        size_wh: width and height of the whole resized photo in pixels.
        part: rows and columns of the photo.

    Returns:
        Rows and columns of the resized photo, and the pixels there.
    """
    height_px, width_px = photo.shape[:2]
    rows, top, bottom = _shown_in(part[0], height_px, size_wh[1])
    columns, left, right = _shown_in(part[1], width_px, size_wh[0])
    first = max(0, top - _reach_px(height_px, size_wh[1]))
    strip = Image.fromarray(photo[first : bottom + _reach_px(height_px, size_wh[1])])
    # One axis at a time, because Pillow's order depends on its version and on the size.
    wide = strip.resize(
        (columns.stop - columns.start, strip.height), _LANCZOS, (left, 0, right, strip.height)
    )
    shown = wide.resize(
        (wide.width, rows.stop - rows.start), _LANCZOS, (0, top - first, wide.width, bottom - first)
    )
    return (rows, columns), np.array(shown)


def _shown_in(span: slice, side_px: int, shown_px: int) -> tuple[slice, int, int]:
    """Where some pixels of a side show at its other length, and between which of them that lies."""
    reach_px, step_px = _reach_px(side_px, shown_px), shown_px // math.gcd(side_px, shown_px)
    first = (span.start - reach_px) * shown_px // side_px // step_px * step_px
    last = -((span.stop + reach_px) * shown_px // -side_px // step_px * step_px)
    shown = slice(max(0, first), min(shown_px, last))
    return shown, shown.start * side_px // shown_px, shown.stop * side_px // shown_px


def _reach_px(side_px: int, shown_px: int) -> int:
    """The radius of the Lanczos kernel when a side is resized from one length to another."""
    return math.ceil(_LOBES * max(1.0, side_px / shown_px)) + 1


def shrink(photo: RgbImage, size_wh: tuple[int, int]) -> RgbImage:
    """Downscale in a third of the time of `resize`, with the same quality.

    The photo is low-pass filtered with a Lanczos kernel and then sampled with bicubic interpolation. The
    result is closer to Lanczos than Pillow's bicubic filter (equally close near a scale of 1) and has less
    aliasing. Photos at least 3.5 times as large are first reduced by averaging whole squares, as Pillow does
    for thumbnails; where the sides are not divisible, Pillow does it. Upscaling is left to `resize`.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        size_wh: width and height in pixels.
    """
    scales = [photo.shape[1] / size_wh[0], photo.shape[0] / size_wh[1]]
    if min(scales) < 1 or max(scales) == 1:
        return resize(photo, size_wh)
    factor = int(min(scales) / SMOOTHED_FROM)
    if factor > 1:
        reduced_wh = (photo.shape[1] // factor, photo.shape[0] // factor)
        if (reduced_wh[0] * factor, reduced_wh[1] * factor) != (photo.shape[1], photo.shape[0]):
            shown = Image.fromarray(photo).resize(
                size_wh, Image.Resampling.LANCZOS, reducing_gap=SMOOTHED_FROM
            )
            return np.array(shown)
        photo = np.asarray(cv2.resize(photo, reduced_wh, interpolation=cv2.INTER_AREA))
    columns, rows = (_lanczos_taps(scale / max(1, factor)) for scale in scales)
    smooth = cv2.sepFilter2D(photo, -1, columns, rows, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(smooth, size_wh, interpolation=cv2.INTER_CUBIC))


def coverage(mask: BoolMask, size_wh: tuple[int, int]) -> FloatImage:
    """The share of each pixel of another size that a mask covers, 0..1 float32."""
    covered = np.zeros((size_wh[1], size_wh[0]), np.float32)
    if mask.any():
        box = bounding_box(mask)
        rows, top, bottom = _shown_in(box[0], mask.shape[0], size_wh[1])
        columns, left, right = _shown_in(box[1], mask.shape[1], size_wh[0])
        part, part_wh = mask[top:bottom, left:right], (columns.stop - columns.start, rows.stop - rows.start)
        covered[rows, columns] = cv2.resize(part.astype(np.float32), part_wh, interpolation=cv2.INTER_AREA)
    return covered


def resize_mask(mask: BoolMask, size_wh: tuple[int, int]) -> BoolMask:
    """Resize a mask: True where it covers at least half of a pixel."""
    if size_wh[0] < mask.shape[1] or size_wh[1] < mask.shape[0]:
        return coverage(mask, size_wh) >= 0.5
    return resize_fast(mask.astype(np.float32), size_wh) >= 0.5


def resize_fast(image: NDArray[_Value], size_wh: tuple[int, int]) -> NDArray[_Value]:
    """Resize an image for display or measurement, not for training: area averaging, or bilinear to enlarge.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` of any dtype.
        size_wh: width and height in pixels.
    """
    shrinks = size_wh[0] < image.shape[1] or size_wh[1] < image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: NDArray[_Value] = cv2.resize(image, size_wh, interpolation=method)
    return resized


def fit_side(image: NDArray[_Value], side_px: int) -> NDArray[_Value]:
    """`resize_fast` to a longer side of at most `side_px`; never enlarges.

    >>> fit_side(np.zeros((40, 30, 3), np.uint8), 20).shape, fit_side(np.zeros((4, 3)), 20).shape
    ((20, 15, 3), (4, 3))
    """
    height_px, width_px = image.shape[:2]
    scale = side_px / max(height_px, width_px)
    if scale >= 1:
        return image
    return resize_fast(image, (max(1, round(width_px * scale)), max(1, round(height_px * scale))))


def fit_height(image: NDArray[_Value], height_px: int, most_width_px: int = 32_000) -> NDArray[_Value]:
    """`resize_fast` to a height; the width is limited to `most_width_px`."""
    width_px = round(image.shape[1] * height_px / image.shape[0])
    return resize_fast(image, (min(max(1, width_px), most_width_px), height_px))


@lru_cache(maxsize=64)
def _lanczos_taps(scale: float) -> NDArray[np.floating]:
    """The Lanczos kernel with `scale` pixels per lobe at whole pixels, normalised to a sum of 1."""
    reach_px = math.ceil(_LOBES * scale) - 1
    places = np.arange(-reach_px, reach_px + 1) / scale
    taps = np.sinc(places) * np.sinc(places / _LOBES)
    normalised: NDArray[np.floating] = taps / taps.sum()
    return normalised
