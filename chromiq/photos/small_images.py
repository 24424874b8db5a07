"""Photos at a small size, for a quick look: on sheets and where a dataset is checked.

A JPEG is decoded at half, quarter or eighth size where that suffices.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chromiq.photos.images import decode_smaller, grey_of, is_upright, lies_on_its_side, to_srgb
from chromiq.photos.soundness import decoding
from chromiq.records import RgbImage

_LITTLE = 1.5


def read_small(path: Path, side_px: int) -> RgbImage:
    """A photo scaled down to a longer side of at most `side_px`, upright 8-bit sRGB, for a quick look.

    A JPEG is decoded at half, quarter or eighth size where that suffices; all its data is read.

    Raises:
        UnsoundError: as `read_photo`, for what cannot be decoded.
    """
    return read_small_sized(path, side_px)[0]


def read_small_sized(
    path: Path, side_px: int, *, grey: bool = False
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """As `read_small`, and the width and height of the whole photo, upright, from one look at the file.

    Args:
        path: the photo.
        side_px: the longer side of what comes back.
        grey: for what is known to be grey, as a mask: ``(h, w)`` comes back instead of ``(h, w, 3)``.
    """
    return _read_scaled(path, lambda size_wh: side_px / max(size_wh), grey_of if grey else to_srgb)


def read_high(path: Path, height_px: int) -> RgbImage:
    """As `read_small`, scaled down to a height of at most `height_px`."""
    return _read_scaled(path, lambda size_wh: height_px / size_wh[1], to_srgb)[0]


def _read_scaled(
    path: Path,
    scale_of: Callable[[tuple[int, int]], float],
    pixels_of: Callable[[Image.Image], NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    with decoding(path) as image:
        turned = lies_on_its_side(image)
        width_px, height_px = image.size[::-1] if turned else image.size
        scale = min(1.0, scale_of((width_px, height_px)))
        size_wh = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
        decode_smaller(image, size_wh)
        factor = max(image.size) // max(size_wh)
        plain = image.mode in {"L", "RGB"} and "transparency" not in image.info and is_upright(image)
        pixels = pixels_of(image.reduce(factor) if plain and factor > 1 else image)
    # Means over areas are slow, and by so little nothing is left out between four neighbours.
    little = pixels.shape[0] < _LITTLE * size_wh[1]
    interpolation = cv2.INTER_LINEAR if little else cv2.INTER_AREA
    scaled = pixels
    if (pixels.shape[1], pixels.shape[0]) != size_wh:
        scaled = np.asarray(cv2.resize(pixels, size_wh, interpolation=interpolation))
    return scaled, (width_px, height_px)
