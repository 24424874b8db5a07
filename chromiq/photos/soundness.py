"""Check whether a file is a usable photo, by its header or by decoding it."""

from __future__ import annotations

import re
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.reader import PhotoFile, open_photo

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
# libjpeg's warnings, but for those about metadata, about bytes that belong to nothing and about the spectral
# range of a sequential scan ("Invalid SOS"), which some cameras write wrongly and no decoder uses.
_DAMAGE = re.compile(r"Corrupt JPEG data: (?!\d+ extraneous)|Inconsistent progression")
# Several of these decoded at once could exhaust the memory.
_LARGE_PIXELS = 50_000_000
_one_large_at_a_time = threading.Lock()


def inspect_photo(path: Path) -> Finding | None:
    """What is wrong with a photo's header, or None; no pixels are decoded."""
    try:
        open_photo(path)
    except UnsoundError as error:
        return error.findings[0]
    return None


def verify_photo(path: Path) -> Finding | None:
    """What is wrong with a photo, or None; all of it is decoded."""
    try:
        photo = open_photo(path)
        _ = photo.space
        if photo.format == "JPEG":
            return damage_warning(photo)
        with _alone_if_large(photo):
            photo.decode()
    except UnsoundError as error:
        return error.findings[0]
    return None


def damage_warning(photo: PhotoFile) -> Finding | None:
    """Decode a JPEG; a warning if a part of it is damaged or missing. None for other formats, unread.

    Such as one that ends early, but with an end marker: decoders fill the rest with grey. Not seen is damage
    that still decodes, such as a flipped bit; that in the last 64 rows, as libvips asks libjpeg for its
    warnings before each 8 rows of the reduced photo; and that after a harmless fault (such as a JFIF version
    that libjpeg does not know, or stray bytes before the scan), as libjpeg words only its first warning.

    Raises:
        UnsoundError: if it cannot be decoded.
    """
    if photo.format != "JPEG":
        return None
    # It is decoded at 1/8 of its size, which still reads all of its data.
    with _alone_if_large(photo):
        try:
            photo.decode(least_wh=(1, 1), strict=True)
        except UnsoundError as error:
            photo.decode(least_wh=(1, 1))
            if _DAMAGE.search(error.findings[0].got or ""):
                message, hint = "part of its JPEG data is damaged or missing", "Look at it, or copy it again."
                return Finding("photo.damaged", str(photo.path), message, hint, "warning")
    return None


def _alone_if_large(photo: PhotoFile) -> AbstractContextManager[object]:
    large = photo.stored_wh[0] * photo.stored_wh[1] > _LARGE_PIXELS
    return _one_large_at_a_time if large else nullcontext()


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, hidden ones included, sorted by name; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
