"""Bars and frames that a shop has put around a photo, as to make it square."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

from chromiq.records import BoolMask, FloatImage, RgbImage

_WORK_HEIGHT_PX = 400
_SIDES = ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1))
# How far a frame's own pixels may be from its colour, in levels: JPEG leaves much beside a photo that differs
# much, and a frame that hardly differs is seen at the second.
_SAME_LEVELS = (12, 2)
_NESTED, _ROUNDS = 2, 4
# Of height and width: the least that the photo has, the most that bars leave free at their ends, and the most
# that an even frame has on each side, the same but for a few lines.
_LEAST_SHARE, _FREE_SHARE, _EVEN_SHARE, _EVEN_LINES = 0.4, 0.02, 0.08, 3
# Where more than the first share of a line is not the frame's, the photo begins; within so many lines, which
# resizing or compression has blurred, more than the second share is not.
_FRAME_SHARE, _BLURRED_LINES, _PHOTO_SHARE = 0.02, 8, 0.98


def inside_frame(photo: RgbImage) -> tuple[slice, slice]:
    """Rows and columns of a photo without the plain bars or the frame around it.

    They have one colour and end in a straight line, along which the photo differs from it. Bars reach from
    one side of the photo to the other, and a frame is narrow and the same all round; other rectangles are
    things, as a towel on a wall. Where the wall has the colour of the bars nothing need be cut.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB. A large one is looked at in a copy 400 px high, so that up to two of
            that copy's lines of the photo are cut off as well.

    >>> framed = np.full((40, 60, 3), 255, np.uint8)
    >>> framed[:, 12:48] = 200
    >>> inside_frame(framed)
    (slice(0, 40, None), slice(13, 47, None))
    """
    scale = max(1.0, photo.shape[0] / _WORK_HEIGHT_PX)
    size_wh = (max(1, round(photo.shape[1] / scale)), round(photo.shape[0] / scale))
    small = cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA)
    rows, columns = slice(0, size_wh[1]), slice(0, size_wh[0])
    for _ in range(_NESTED):
        before = rows, columns
        for levels, side in product(_SAME_LEVELS, _SIDES):
            part = small[rows, columns]
            frame = np.median(part[side], axis=0)
            if (np.abs(part[side] - frame) <= levels).all(axis=1).mean() < _PHOTO_SHARE:
                continue
            inside = _photo_in_frame(cv2.inRange(part, frame - levels, frame + levels) == 0)
            rows, columns = (
                slice(outer.start + inner.start, outer.start + inner.stop)
                for outer, inner in zip((rows, columns), inside, strict=True)
            )
        if (rows, columns) == before:
            break
    if any(
        lines.stop - lines.start < _LEAST_SHARE * size
        for lines, size in zip((rows, columns), small.shape, strict=False)
    ):
        return slice(0, photo.shape[0]), slice(0, photo.shape[1])
    return _scaled(rows, size_wh[1], photo.shape[0]), _scaled(columns, size_wh[0], photo.shape[1])


def _scaled(lines: slice, small_size_px: int, size_px: int) -> slice:
    """The lines of a photo that lie wholly in those of its small copy."""
    return slice(-(-lines.start * size_px // small_size_px), lines.stop * size_px // small_size_px)


def _photo_in_frame(other: BoolMask) -> tuple[slice, slice]:
    """Rows and columns of a photo in a frame, from what is not of the frame's colour, ``(H, W)``."""
    extent = rows, columns = _extent(other.mean(axis=1)), _extent(other.mean(axis=0))
    for _ in range(_ROUNDS):
        before = rows, columns
        rows = _cut(extent[0], other[:, columns].mean(axis=1))
        columns = _cut(extent[1], other[rows].mean(axis=0))
        if (rows, columns) == before and _is_frame(rows, columns, other.shape):
            return before
    return slice(0, other.shape[0]), slice(0, other.shape[1])


def _is_frame(rows: slice, columns: slice, shape: tuple[int, ...]) -> bool:
    """Whether what lies around some lines of a photo is bars or an even frame."""
    margins = np.array([[rows.start, shape[0] - rows.stop], [columns.start, shape[1] - columns.stop]])
    shares = margins / np.array(shape)[:, None]
    bars = (shares <= _FREE_SHARE).all(axis=1).any()
    return bool(bars or (np.ptp(margins) <= _EVEN_LINES and shares.max() <= _EVEN_SHARE))


def _extent(share: FloatImage) -> slice:
    """From the first to the last line that the frame does not fill; all if it fills all."""
    found = np.flatnonzero(share > _FRAME_SHARE)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, len(share))


def _cut(extent: slice, share: FloatImage) -> slice:
    """An extent without its blurred lines, on those of its sides where the photo begins with a full line.

    That line is left out too, as the frame may show through.
    """
    photo = extent.start + np.flatnonzero(share[extent] > _PHOTO_SHARE)
    start, stop = 0, len(share)
    if photo.size and extent.start > 0 and photo[0] - extent.start <= _BLURRED_LINES:
        start = int(photo[0]) + 1
    if photo.size and extent.stop < len(share) and extent.stop - 1 - photo[-1] <= _BLURRED_LINES:
        stop = int(photo[-1])
    return slice(start, stop) if start < stop else slice(0, len(share))
