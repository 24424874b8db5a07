"""Check whether a file is a usable photo, by its header or by decoding it."""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from pathlib import Path

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.reader import MIN_SIDE_PX, PhotoFile, open_photo

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
# libjpeg's warnings, but for those about metadata and about bytes that belong to nothing.
_DAMAGE = re.compile(r"Corrupt JPEG data: (?!\d+ extraneous)|Inconsistent progression|Invalid SOS")
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


def verify_photo(path: Path, *, min_side_px: int = MIN_SIDE_PX) -> Finding | None:
    """What is wrong with a photo, or None; all of it is decoded."""
    try:
        photo = open_photo(path, min_side_px)
        _ = photo.space
        large = photo.stored_wh[0] * photo.stored_wh[1] > _LARGE_PIXELS
        with _one_large_at_a_time if large else nullcontext():
            return damage_warning(photo)
    except UnsoundError as error:
        return error.findings[0]


def damage_warning(photo: PhotoFile) -> Finding | None:
    """Decode a photo; a warning if it is a JPEG of which a part is damaged or missing, else None.

    Such as one that ends early, but with an end marker: decoders fill the rest with grey. Damage in the last
    64 rows may be missed, as libvips asks libjpeg for its warnings before each 8 rows of the reduced photo.

    Raises:
        UnsoundError: if it cannot be decoded.
    """
    # A JPEG is decoded at 1/8 of its size, which still reads all of its data.
    try:
        photo.decode(least_wh=(1, 1), strict=True)
    except UnsoundError as error:
        photo.decode(least_wh=(1, 1))
        if _DAMAGE.search(error.findings[0].got or ""):
            message, hint = "part of its JPEG data is damaged or missing", "Look at it, or copy it again."
            return Finding("photo.damaged", str(photo.path), message, hint, "warning")
    return None


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, hidden ones included, sorted by name; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
