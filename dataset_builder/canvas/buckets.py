"""The size at which AI-Toolkit trains a picture, and what it cuts off to get there."""

from __future__ import annotations

import math
import re

import numpy as np
from PIL import Image

from chromiq.errors import UsageError
from chromiq.records import RgbImage

RESOLUTION = 1328
"""Of the published run: pictures are trained at an area of at most this, squared."""


def bucket_size_wh(size_wh: tuple[int, int], resolution: int, divisible_by_px: int = 16) -> tuple[int, int]:
    """The size a picture is trained at, as AI-Toolkit chooses it.

    Scaled down to an area of at most `resolution` squared, each side goes to a multiple below or above: of
    those four sizes the one nearest in area to the scaled picture, and not above the limit.

    >>> bucket_size_wh((1328, 800), 1328), bucket_size_wh((1328, 800), 1024), bucket_size_wh((1328, 800), 512)
    ((1328, 800), (1328, 784), (672, 384))
    """
    limit_px = resolution**2
    wanted_px = min(size_wh[0] * size_wh[1], limit_px)
    scale = (wanted_px / (size_wh[0] * size_wh[1])) ** 0.5
    steps = [side * scale / divisible_by_px for side in size_wh]
    sizes = [
        (round_width(steps[0]) * divisible_by_px, round_height(steps[1]) * divisible_by_px)
        for round_width in (math.floor, math.ceil)
        for round_height in (math.floor, math.ceil)
    ]
    within = [(width, height) for width, height in sizes if 0 < width * height <= limit_px]
    floor = (max(1, int(steps[0])) * divisible_by_px, max(1, int(steps[1])) * divisible_by_px)
    return min(within or [floor], key=lambda size: abs(size[0] * size[1] - wanted_px))


def cut_off_wh(size_wh: tuple[int, int], bucket_wh: tuple[int, int]) -> tuple[int, int]:
    """How many columns and rows of a picture are cut off when it is trained at a size.

    >>> cut_off_wh((1328, 800), (1328, 784)), cut_off_wh((1328, 800), (1312, 800))
    ((0, 16), (16, 0))
    """
    cover = _cover_wh(size_wh, bucket_wh)
    scale = max(cover[0] / size_wh[0], cover[1] / size_wh[1])
    return round((cover[0] - bucket_wh[0]) / scale), round((cover[1] - bucket_wh[1]) / scale)


def cut_off_text(size_wh: tuple[int, int], bucket_wh: tuple[int, int]) -> str:
    """What is cut off, in words; empty if nothing is.

    >>> cut_off_text((1328, 800), (1328, 784)), cut_off_text((1328, 800), (1328, 800))
    ('16 of 800 rows', '')
    """
    columns, rows = cut_off_wh(size_wh, bucket_wh)
    cut = [f"{columns} of {size_wh[0]} columns"] * (columns > 0)
    cut += [f"{rows} of {size_wh[1]} rows"] * (rows > 0)
    return " and ".join(cut)


def as_trained(rgb: RgbImage, bucket_wh: tuple[int, int]) -> RgbImage:
    """A picture scaled to cover a size, by bicubic interpolation, and cut to it about its centre.

    Args:
        rgb: ``(H, W, 3)`` or ``(H, W)`` uint8.
        bucket_wh: as `bucket_size_wh` gives it.
    """
    cover = _cover_wh((rgb.shape[1], rgb.shape[0]), bucket_wh)
    scaled = np.array(Image.fromarray(rgb).resize(cover, Image.Resampling.BICUBIC))
    left, top = (cover[0] - bucket_wh[0]) // 2, (cover[1] - bucket_wh[1]) // 2
    return scaled[top : top + bucket_wh[1], left : left + bucket_wh[0]]


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels of a text such as ``1328x800``.

    >>> parse_size("1328x800")
    (1328, 800)

    Raises:
        UsageError: if it is something else.
    """
    match = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size. Give width x height in pixels, such as 1328x800.")
    return int(match[1]), int(match[2])


def _cover_wh(size_wh: tuple[int, int], bucket_wh: tuple[int, int]) -> tuple[int, int]:
    scale = max(bucket_wh[0] / size_wh[0], bucket_wh[1] / size_wh[1])
    return max(bucket_wh[0], round(size_wh[0] * scale)), max(bucket_wh[1], round(size_wh[1] * scale))
