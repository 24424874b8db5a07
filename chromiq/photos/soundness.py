"""Check whether a file is a usable photo, by its header or by decoding it."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.reader import MIN_SIDE_PX, open_photo

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
# Several of these decoded at once could exhaust the memory.
_LARGE_PIXELS = 50_000_000
_one_large_at_a_time = threading.Lock()


def inspect_photo(path: Path, *, min_side_px: int = MIN_SIDE_PX) -> Finding | None:
    """What is wrong with a photo's header, or None; no pixels are decoded."""
    try:
        open_photo(path, min_side_px)
    except UnsoundError as error:
        return error.findings[0]
    return None


def verify_photo(path: Path) -> Finding | None:
    """What is wrong with a photo, or None; all of it is decoded."""
    try:
        photo = open_photo(path)
        _ = photo.space
        large = photo.stored_wh[0] * photo.stored_wh[1] > _LARGE_PIXELS
        with _one_large_at_a_time if large else nullcontext():
            # A JPEG is decoded at 1/8 of its size, which still reads all of its data.
            photo.decode(least_wh=(1, 1))
    except UnsoundError as error:
        return error.findings[0]
    return None


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, hidden ones included, sorted by name; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
