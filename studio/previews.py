"""Pictures for the page: what a photo's file holds, lossless and with its profile, small or in tiles.

A browser shows a PNG with a profile as it shows the file itself. So what is judged on the page is the file's
own pixels, as near as a screen of 8 bits shows them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pyvips

from chromiq.correction.subject import Pixels
from chromiq.imaging.resize import resize_fast
from chromiq.photos.colour_space import eight_bits
from chromiq.photos.images import encode_lossless, photo_size_wh, read_photo, vips_image

MAX_PREVIEW_PX = 2_000_000
TILE_PX = 512
_PICTURE_BYTES = 32_000_000
_DECODED_BYTES = 155_000_000

Value = TypeVar("Value")
Stamp = tuple[str, int, int]
"""A file's path, time of change in ns and size in bytes."""


class BoundedCache(Generic[Value]):
    """The last used values whose sizes do not exceed a bound together; safe for threads."""

    def __init__(self, most_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._most, self._size_of = most_bytes, size_of
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()
        self._busy: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made once even if several threads ask at the same time."""
        with self._guard:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._guard:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
            try:
                value = make()
            finally:
                with self._guard:
                    self._busy.pop(key, None)
            with self._guard:
                self._values[key] = value
                self._bytes += self._size_of(value)
                while self._bytes > self._most and len(self._values) > 1:
                    _, dropped = self._values.popitem(last=False)
                    self._bytes -= self._size_of(dropped)
            return value


class Previews:
    """Previews and tiles of photos, made when they are asked for and kept while there is room."""

    def __init__(self) -> None:
        self._pictures: BoundedCache[bytes] = BoundedCache(_PICTURE_BYTES, len)
        self._decoded: BoundedCache[Pixels] = BoundedCache(_DECODED_BYTES, lambda each: each.values.nbytes)

    def preview(self, path: Path, most_px: int = MAX_PREVIEW_PX) -> bytes:
        """A photo of at most `most_px` pixels as PNG; one that has no more is shown as it is.

        Raises:
            UnsoundError: if it cannot be read.
        """
        return self._pictures.get(
            (*stamp(path), most_px), lambda: encoded(decode_shown(path, preview_size_wh(path, most_px)))
        )

    def whole(self, path: Path) -> Pixels:
        """All of a photo's pixels.

        Raises:
            UnsoundError: if it cannot be read.
        """
        return self._decoded.get(stamp(path), lambda: decode_shown(path, None))

    def other(self, path: Path, name: str, make: Callable[[], bytes]) -> bytes:
        """Another picture made of a file, kept until the file changes."""
        return self._pictures.get((*stamp(path), name), make)

    def tile(self, path: Path, column: int, row: int) -> bytes:
        """A square of a photo's own pixels as PNG; smaller at the right and the lower edge.

        Raises:
            UnsoundError: if the photo cannot be read.
            IndexError: if there is no such tile.
        """

        def cut() -> bytes:
            whole = self.whole(path)
            part = whole.values[row * TILE_PX :, column * TILE_PX :][:TILE_PX, :TILE_PX]
            if not part.size or min(column, row) < 0:
                raise IndexError(f"no tile {column}, {row}")
            return encoded(Pixels(part, whole.space))

        return self._pictures.get((*stamp(path), "tile", column, row), cut)


def preview_size_wh(path: Path, most_px: int = MAX_PREVIEW_PX) -> tuple[int, int]:
    """The size of a photo's preview in pixels."""
    width_px, height_px = photo_size_wh(path)
    scale = min(1.0, float(np.sqrt(most_px / (width_px * height_px))))
    return max(1, int(width_px * scale)), max(1, int(height_px * scale))


def decode_shown(path: Path, size_wh: tuple[int, int] | None) -> Pixels:
    """A photo as it is shown, 8 bits, upright and over white, at a size or, with None, at its own.

    Raises:
        UnsoundError: if it cannot be read.
    """
    photo = read_photo(path, min_side_px=1, least_wh=size_wh)
    values = photo.over_white(photo.values)
    if size_wh is not None and size_wh != (values.shape[1], values.shape[0]):
        values = resize_fast(values, size_wh)
    return Pixels(eight_bits(values), photo.space)


def encoded(shown: Pixels) -> bytes:
    """PNG with the profile of its colours, if they are not sRGB."""
    image = vips_image(shown.values)
    if shown.space.profile is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", shown.space.profile)
    return encode_lossless(image, "PNG")


def stamp(path: Path) -> Stamp:
    """What a file is now; another after it was written again. One that is missing has zeros."""
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size
