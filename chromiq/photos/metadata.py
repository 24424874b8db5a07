"""Read a photo's metadata: EXIF, XMP, Photoshop image resources, ICC profile, resolution, colour space.

`chromiq.photos.carried_metadata` decides which of it is written to a changed photo.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.ExifTags import Base as Tag

from chromiq.photos.colour_space import (
    D65_XY,
    SRGB_PRIMARIES_XY,
    ColourSpace,
    Kind,
    ProfileError,
    icc_space,
    named_space,
    primaries_space,
)
from chromiq.photos.containers import Block, jpeg_segments, png_chunks, webp_chunks
from chromiq.photos.tiff import (
    EXIF_IFD,
    ICC,
    INTEROP_IFD,
    IPTC,
    ORIENTATION,
    PHOTOSHOP,
    XMP,
    Directory,
    header_of,
    read_directory,
)

APP1, APP2, APP13 = b"\xe1", b"\xe2", b"\xed"
_APP0 = b"\xe0"
EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP_HEAD, ICC_HEAD, MPF_HEAD = b"Photoshop 3.0\0", b"ICC_PROFILE\0", b"MPF\0"
PNG_XMP = b"XML:com.adobe.xmp"
INTEGER_TYPES = frozenset({1, 3, 4})
COLOUR_SPACE_TAG, INTEROP_INDEX = 40961, 1
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
_COLOUR_CHANNELS = {2: 3, 5: 4, 6: 3}  # by photometric interpretation; others have one
_MAX_DOTS_PER_INCH = 65_535
_MAX_BYTES = 64 << 20
_RESOURCE_MARKS = frozenset({b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"})


@dataclass(frozen=True)
class Metadata:
    """A photo's metadata, in the same form for every format.

    Attributes:
        exif: IFD0, with the EXIF, GPS and interoperability directories in it.
        exif_data: the EXIF data as stored, from its byte order mark; None in a TIFF.
        xmp: the XMP packet.
        photoshop: Photoshop image resources.
        iptc: the IPTC records of a TIFF; other formats keep them in `photoshop`.
        profile: the ICC profile.
        dots_per_inch: horizontal and vertical resolution; None if not stated.
        blocks: all blocks of a JPEG, PNG or WebP.
        second_images: names of other images in the file, or of indexes of them.
        profile_is_whole: False if part of the ICC profile is missing.
        nclx: colour primaries and transfer function of an AVIF, as code points of ITU-T H.273.
        extra_channels: the number of channels of a TIFF beside its colours: alpha and saved selections.
    """

    exif: Directory = field(default_factory=Directory)
    exif_data: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    iptc: bytes | None = None
    profile: bytes | None = None
    dots_per_inch: tuple[float, float] | None = None
    blocks: tuple[Block, ...] = ()
    second_images: tuple[str, ...] = ()
    profile_is_whole: bool = True
    nclx: tuple[int, int] | None = None
    extra_channels: int = 0

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1..8; 1 if missing or invalid."""
        entry = self.exif.tags.get(ORIENTATION)
        value = self.exif.number(ORIENTATION, 1)
        return value if entry and entry.type in INTEGER_TYPES and value in range(1, 9) else 1

    def xmp_text(self, name: str) -> str:
        """A simple property of the XMP packet, such as ``"photoshop:ICCProfile"``; empty if missing."""
        text = (self.xmp or b"").decode("utf-8", "replace")
        found = re.search(rf"""{name}\s*=\s*["']([^"']*)|<{name}>([^<]*)</""", text)
        return (found[1] or found[2] or "").strip() if found else ""


def read_metadata(path: Path, image_format: str) -> Metadata:
    """The metadata of a ``"JPEG"``, ``"PNG"`` or ``"WEBP"`` file."""
    return {"JPEG": _of_jpeg, "PNG": _of_png, "WEBP": _of_webp}[image_format](path)


def metadata_of_tiff(path: Path, page: tifffile.TiffPage) -> Metadata:
    """The metadata of an image in a TIFF."""
    with path.open("rb") as stream:
        directory = read_directory(stream, page.offset, page.parent.byteorder, big=page.parent.is_bigtiff)
    return Metadata(
        exif=directory,
        xmp=directory.data(XMP),
        photoshop=directory.data(PHOTOSHOP),
        iptc=directory.data(IPTC),
        profile=directory.data(ICC),
        dots_per_inch=dots_of_directory(directory),
        second_images=("previews",) if len(page.parent.pages) > 1 else (),
        extra_channels=page.samplesperpixel - _COLOUR_CHANNELS.get(int(page.photometric), 1),
    )


def metadata_of_avif(info: Mapping[Any, Any], boxes: bytes) -> Metadata:
    """The metadata of an AVIF, without the orientation, which decoding applies.

    Args:
        info: as Pillow reads it.
        boxes: the start of the file.
    """
    nclx = boxes.partition(b"colrnclx")[2][:4]
    code_points = struct.unpack(">HH", nclx) if len(nclx) == 4 else None
    found = _with_exif(
        info.get("exif"), xmp=info.get("xmp"), profile=info.get("icc_profile"), nclx=code_points
    )
    found.exif.tags.pop(ORIENTATION, None)
    return replace(found, exif_data=None)


def _with_exif(exif: bytes | None, **others: Any) -> Metadata:
    exif = exif.removeprefix(EXIF_HEAD) if exif else None
    found = Metadata(exif=parsed_exif(exif), exif_data=exif, **others)
    return replace(found, dots_per_inch=found.dots_per_inch or dots_of_directory(found.exif))


def parsed_exif(data: bytes | None) -> Directory:
    """IFD0 of EXIF data; empty if it cannot be parsed."""
    header = header_of(data or b"")
    if data is None or header is None:
        return Directory()
    return read_directory(io.BytesIO(data), header[2], header[0], big=header[1])


def photoshop_resources(data: bytes | None) -> list[tuple[int, bytes, bytes]]:
    """Photoshop image resources: ID, content, and all bytes as stored."""
    found, at = [], 0
    while data is not None and at + 12 <= len(data) and data[at : at + 4] in _RESOURCE_MARKS:
        number = int.from_bytes(data[at + 4 : at + 6])
        name_bytes = data[at + 6] + 1
        start = at + 6 + name_bytes + name_bytes % 2
        length = int.from_bytes(data[start : start + 4])
        end = start + 4 + length + length % 2
        found.append((number, data[start + 4 : start + 4 + length], data[at:end]))
        at = end
    return found


def _of_jpeg(path: Path) -> Metadata:
    segments = jpeg_segments(path)
    exif = xmp = photoshop = None
    parts: dict[int, bytes] = {}
    total, dots, seconds = 0, None, []
    for kind, payload in ((each.kind, each.payload) for each in segments):
        if kind == APP1 and payload.startswith(EXIF_HEAD) and exif is None:
            exif = payload[len(EXIF_HEAD) :]
        elif kind == APP1 and payload.startswith(XMP_HEAD) and xmp is None:
            xmp = payload[len(XMP_HEAD) :]
        elif kind == APP2 and payload.startswith(ICC_HEAD) and len(payload) > len(ICC_HEAD) + 2:
            number, total = payload[len(ICC_HEAD) : len(ICC_HEAD) + 2]
            parts[number] = payload[len(ICC_HEAD) + 2 :]
        elif kind == APP2 and payload.startswith(MPF_HEAD):
            seconds.append("index of secondary images (MPF)")
        elif kind == APP13 and payload.startswith(PHOTOSHOP_HEAD):
            photoshop = (photoshop or b"") + payload[len(PHOTOSHOP_HEAD) :]
        elif kind == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 12:
            unit, across, down = payload[7], *struct.unpack(">HH", payload[8:12])
            per_inch = {1: 1.0, 2: 2.54}.get(unit, 0)
            dots = resolution(across * per_inch, down * per_inch) or dots
    directory = parsed_exif(exif)
    return Metadata(
        exif=directory,
        exif_data=exif,
        xmp=xmp,
        photoshop=photoshop,
        profile=b"".join(parts[number] for number in sorted(parts)) or None,
        profile_is_whole=len(parts) == total,
        dots_per_inch=dots_of_directory(directory) or dots,
        blocks=tuple(segments),
        second_images=tuple(seconds),
    )


def _of_png(path: Path) -> Metadata:
    chunks = png_chunks(path)
    found = {each.kind: each.payload for each in chunks}
    profile, whole = None, True
    if b"iCCP" in found:
        decoder = zlib.decompressobj()
        try:
            profile = decoder.decompress(found[b"iCCP"].split(b"\0", 1)[1][1:], _MAX_BYTES)
            whole = decoder.eof
        except (zlib.error, IndexError):
            whole = False
    dots = None
    if len(found.get(b"pHYs", b"")) == 9:
        across, down, unit = struct.unpack(">IIB", found[b"pHYs"])
        dots = resolution(across * 0.0254, down * 0.0254) if unit == 1 else None
    xmp = next((xmp for each in chunks if (xmp := png_xmp(each)) is not None), None)
    return _with_exif(
        found.get(b"eXIf"), xmp=xmp, profile=profile, profile_is_whole=whole, dots_per_inch=dots,
        blocks=tuple(chunks),
    )  # fmt: skip


def png_xmp(chunk: Block) -> bytes | None:
    """The XMP packet in a PNG chunk, or None."""
    if chunk.kind != b"iTXt" or not chunk.payload.startswith(PNG_XMP + b"\0"):
        return None
    rest = chunk.payload[len(PNG_XMP) + 1 :]
    text = rest[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, _MAX_BYTES) if rest[:1] == b"\1" else text
    except zlib.error:
        return None


def _of_webp(path: Path) -> Metadata:
    chunks = webp_chunks(path)
    found = {each.kind: each.payload for each in chunks}
    return _with_exif(
        found.get(b"EXIF"), xmp=found.get(b"XMP "), profile=found.get(b"ICCP"), blocks=tuple(chunks)
    )


def dots_of_directory(directory: Directory) -> tuple[float, float] | None:
    """The resolution stated in a TIFF or EXIF directory."""
    across, down = (directory.rationals(tag) for tag in (X_RESOLUTION, Y_RESOLUTION))
    per_inch = {2: 1.0, 3: 2.54}.get(directory.number(RESOLUTION_UNIT, 2), 0)
    return resolution(across[0] * per_inch, down[0] * per_inch) if across and down else None


def resolution(across: float, down: float) -> tuple[float, float] | None:
    """Dots per inch; None for values that no device has and not every format can store."""
    return (across, down) if all(1 <= dots <= _MAX_DOTS_PER_INCH for dots in (across, down)) else None


# ---------------------------------------------------------------- orientation


def turned_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation to stored pixels ``(h, w, ...)``.

    >>> turned_upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels[:, ::-1] if orientation in {2, 3, 6, 7} else pixels)


def turned_back(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of `turned_upright`.

    >>> turned_back(turned_upright(np.array([[1, 2, 3], [4, 5, 6]]), 8), 8).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    return turned_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


# ---------------------------------------------------------------- colour space

# Sony's extensions; the second means an embedded profile.
_OTHER_COLOUR_SPACES = {0xFFFD: "Wide Gamut RGB", 0xFFFE: "ICC profile"}
# Colour primaries of ITU-T H.273, as in a PNG's cICP chunk and an AVIF's nclx box.
_CODE_POINTS = {1: "sRGB", 9: "Rec. 2020", 12: "Display P3"}
_SRGB_LIKE_TRANSFERS = frozenset({1, 6, 13, 14, 15})
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = 2


def stated_space(image_format: str, kind: Kind, metadata: Metadata) -> ColourSpace:
    """The colour space of a photo, from the statement of the highest precedence; sRGB if nothing is stated.

    Raises:
        ProfileError: if the ICC profile is unusable or an unknown space is stated.
    """
    chunks = {each.kind: each.payload for each in metadata.blocks} if image_format == "PNG" else {}
    if len(chunks.get(b"cICP", b"")) == 4:
        if chunks[b"cICP"][2:] != b"\0\1":
            raise ProfileError("its cICP chunk states YCbCr or a limited range, which is not supported")
        if space := _code_point_space(chunks[b"cICP"][0], chunks[b"cICP"][1], "its cICP chunk"):
            return space
    if not metadata.profile_is_whole:
        raise ProfileError("part of its ICC profile is missing")
    if metadata.profile:
        return icc_space(metadata.profile, kind)
    if kind == "cmyk":  # everything below describes RGB
        return ColourSpace(None, "")
    if metadata.nclx and (space := _code_point_space(*metadata.nclx, "its nclx box")):
        return space
    if b"sRGB" in chunks:
        return ColourSpace(None, "its sRGB chunk")
    if (space := _gamma_space(chunks)) is not None:
        return space
    stated = _exif_space(metadata.exif)
    if stated:
        return named_space(stated, "EXIF")
    white, corners = (metadata.exif.rationals(tag) for tag in (Tag.WhitePoint, Tag.PrimaryChromaticities))
    if image_format == "TIFF" and len(white) == 2 and len(corners) == 6:
        return primaries_space(white, corners, None, "its PrimaryChromaticities tag")
    name = metadata.xmp_text("photoshop:ICCProfile")
    if name and kind == "rgb":
        return named_space(name, "its XMP data")
    return ColourSpace(None, "")


def _code_point_space(primaries: int, transfer: int, stated_by: str) -> ColourSpace | None:
    if primaries == _UNSPECIFIED or transfer == _UNSPECIFIED:
        return None
    if primaries not in _CODE_POINTS or transfer not in _SRGB_LIKE_TRANSFERS:
        if transfer in _HDR_TRANSFERS:
            raise ProfileError(f"{stated_by} states HDR ({_HDR_TRANSFERS[transfer]}), which is not supported")
        raise ProfileError(
            f"{stated_by} states primaries {primaries} and transfer {transfer}, which are unknown"
        )
    return named_space(_CODE_POINTS[primaries], stated_by)


def _gamma_space(chunks: dict[bytes, bytes]) -> ColourSpace | None:
    """The space of a PNG's gAMA and cHRM chunks; None if they are missing or nonsensical."""
    gamma_data, corners = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    gamma = int.from_bytes(gamma_data) / 100_000 if len(gamma_data) == 4 else 0.0
    xy = [value / 100_000 for value in struct.unpack(">8I", corners)] if len(corners) == 32 else []
    stated = [*(["gAMA"] if gamma else []), *(["cHRM"] if any(xy) else [])]
    if not stated or (xy and any(xy) and not all(xy)):
        return None
    by = f"its {' and '.join(stated)} chunk" + "s" * (len(stated) > 1)
    white, primaries = (xy[:2], xy[2:]) if any(xy) else (D65_XY, SRGB_PRIMARIES_XY)
    return primaries_space(white, primaries, 1 / gamma if gamma else None, by)


def _exif_space(exif: Directory) -> str:
    """The colour space stated in EXIF, such as ``"sRGB"`` or ``"Adobe RGB (1998)"``; empty if unknown.

    "Uncalibrated" counts as unknown: programs write it whenever they do not know the space.
    """
    directory = exif.sub(EXIF_IFD)
    space = directory.number(COLOUR_SPACE_TAG, -1)
    index = directory.sub(INTEROP_IFD).text(INTEROP_INDEX)
    if index == "R03" or space == 2:
        return "Adobe RGB (1998)"
    if space in _OTHER_COLOUR_SPACES:
        return _OTHER_COLOUR_SPACES[space]
    return "sRGB" if space == 1 or index == "R98" else ""
