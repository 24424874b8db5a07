"""Whether a file is a photo that can be used: judged by its header, then by decoding all of it."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.reader import MIN_SIDE_PX, PhotoFile, open_photo

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
# A few of these at once, decoded to four bytes a pixel, would be more memory than a machine has.
_LARGE_PIXELS = 50_000_000
_one_large_at_a_time = threading.Lock()


def inspect_photo(path: Path, *, min_side_px: int = MIN_SIDE_PX) -> Finding | None:
    """What is wrong with a photo as far as its header tells, or None. Decodes no pixels."""
    try:
        open_photo(path, min_side_px)
    except UnsoundError as error:
        return error.findings[0]
    return None


def verify_photo(path: Path) -> Finding | None:
    """What is wrong with a photo once all of it is decoded, or None."""
    try:
        photo = open_photo(path)
        _ = photo.space
        with _turn_of(photo):
            # A JPEG is decoded at an eighth of its size: all its data is read, little is computed.
            photo.decode(least_wh=(1, 1))
    except UnsoundError as error:
        return error.findings[0]
    return None


def _turn_of(photo: PhotoFile) -> AbstractContextManager[object]:
    """Held while a picture is decoded: several threads check photos, and large ones wait for each other."""
    width_px, height_px = photo.stored_wh
    return _one_large_at_a_time if width_px * height_px > _LARGE_PIXELS else nullcontext()


def list_images(folder: Path) -> list[Path]:
    """The images of a folder, sorted by name, hidden ones included; empty if the folder is missing."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
