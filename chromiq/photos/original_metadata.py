"""What a photo's file holds beside its pixels, carried from one file to another of the same format."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chromiq.photos.images import ORIENTATION, orientation_of

_PNG_SIGNATURE_BYTES = 8
# Metadata of a PNG; what describes a palette or significant bits belongs to the pixels.
_PNG_KEPT = frozenset(b"iCCP sRGB gAMA cHRM cICP pHYs eXIf tEXt zTXt iTXt tIME".split())
# One filter and the least effort: half the time of zlib's own choice for 3 per cent of size.
_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP)
_JPEG_START = b"\xff\xd8"
# APP0 and APP14 say how the pixels are coded; all other application segments and comments are the owner's.
_JPEG_CODING = frozenset({0xE0, 0xEE})
_TIFF_TEXTS = (270, 271, 272, 305, 315, 33432)
_TIFF_XMP = 700
# Of a TIFF's tags those that speak of the photo: texts, orientation, time, the EXIF and the GPS directory.
_TIFF_EXIF = frozenset({*_TIFF_TEXTS, ORIENTATION, 306, 34665, 34853})


def format_of(suffix: str) -> str:
    """Pillow's name of a suffix's format; empty if it knows none."""
    return Image.registered_extensions().get(suffix, "")


def exif_of(image: Image.Image) -> Image.Exif:
    """The EXIF data; of a TIFF, whose tags Pillow takes for it, without those that describe its pixels.

    Of data that cannot be written again, as tags are of another type than theirs, the orientation is left.
    """
    exif = image.getexif()
    if image.format == "TIFF":
        for tag in exif.keys() - _TIFF_EXIF:
            del exif[tag]
    try:
        exif.tobytes()
    except (struct.error, TypeError, ValueError):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation_of(image)
    return exif


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored pixels ``(h, w, ...)`` as they are to be seen, after the EXIF standard's table.

    >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in {2, 3, 6, 7} else pixels


def as_stored(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of `upright`.

    >>> as_stored(upright(np.array([[1, 2, 3], [4, 5, 6]]), 8), 8).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def is_16_bit_rgb(image: Image.Image) -> bool:
    """Whether a file holds 16 bits a channel of RGB, which Pillow opens as 8."""
    if image.format == "PNG":
        # IHDR: bit depth and colour type, 2 = RGB, 6 = RGB with alpha.
        with Path(str(image.filename)).open("rb") as stream:  # type: ignore[attr-defined]
            header = stream.read(26)
        return header[24] == 16 and header[25] in {2, 6}
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tuple(tags.get(258, ())) in {(16,) * 3, (16,) * 4} and tags.get(262) == 2


def png_bytes(pixels: NDArray[Any]) -> bytes:
    """Pixels ``(h, w, 3 or 4)`` uint8 or uint16 as a PNG without metadata."""
    swapped = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".png", swapped, _PNG_OPTIONS)
    return data.tobytes()


def save_16_bit_tiff(path: Path, pixels: NDArray[np.uint16], source: Path, profile: bytes | None) -> None:
    """Write ``(h, w, 3 or 4)`` uint16 as TIFF with the metadata that its source has."""
    import tifffile

    extra: list[tuple[int, str, int, Any, bool]] = []
    options: dict[str, Any] = {"extrasamples": ["unassalpha"]} if pixels.shape[2] == 4 else {}
    with Image.open(source) as image:
        tags = getattr(image, "tag_v2", {})
        extra += [(tag, "s", 0, str(tags[tag]), True) for tag in _TIFF_TEXTS if tag in tags]
        extra += [(_TIFF_XMP, "B", len(tags[_TIFF_XMP]), tags[_TIFF_XMP], True)] if _TIFF_XMP in tags else []
        orientation = orientation_of(image)
        extra += [(ORIENTATION, "H", 1, orientation, True)] if orientation != 1 else []
        if "dpi" in image.info:
            options |= {
                "resolution": tuple(float(dot) for dot in image.info["dpi"]),
                "resolutionunit": "INCH",
            }
        compressed = image.info.get("compression", "raw") != "raw"
    tifffile.imwrite(
        path, pixels, photometric="rgb", iccprofile=profile, metadata=None, software=False,
        compression="zlib" if compressed else None, extratags=extra, **options,
    )  # fmt: skip


def with_png_chunks(data: bytes, source: bytes) -> bytes:
    """A PNG with another's metadata in place of its own."""
    kept = [chunk for kind, chunk in _png_chunks(source) if kind in _PNG_KEPT]
    chunks = [(kind, chunk) for kind, chunk in _png_chunks(data) if kind not in _PNG_KEPT]
    head, *rest = chunks
    return data[:_PNG_SIGNATURE_BYTES] + head[1] + b"".join(kept) + b"".join(chunk for _, chunk in rest)


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk: length, kind, payload, checksum."""
    found, start = [], _PNG_SIGNATURE_BYTES
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        found.append((data[start + 4 : start + 8], data[start:end]))
        start = end
    return found


def with_jpeg_segments(data: bytes, source: bytes) -> bytes:
    """A JPEG with another's metadata in place of its own."""
    kept = [segment for marker, segment in _jpeg_head(source) if _is_owners(marker)]
    coding = [segment for marker, segment in _jpeg_head(data) if not _is_owners(marker)]
    length = sum(len(segment) for _, segment in _jpeg_head(data))
    first, rest = coding[:1], coding[1:]
    return _JPEG_START + b"".join(first + kept + rest) + data[len(_JPEG_START) + length :]


def _is_owners(marker: int) -> bool:
    return (0xE0 <= marker <= 0xEF or marker == 0xFE) and marker not in _JPEG_CODING


def _jpeg_head(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and bytes of each segment before the first scan."""
    found, start = [], len(_JPEG_START)
    while start + 4 <= len(data) and data[start] == 0xFF and data[start + 1] != 0xDA:
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        found.append((data[start + 1], data[start:end]))
        start = end
    return found
