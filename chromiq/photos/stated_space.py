"""Find the colour space that a photo's metadata states."""

from __future__ import annotations

import struct

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
from chromiq.photos.metadata import Metadata, exif_space

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
    stated = exif_space(metadata.exif)
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
