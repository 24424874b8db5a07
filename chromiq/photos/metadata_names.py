"""Name a photo's metadata for the user."""

from __future__ import annotations

from PIL.ExifTags import Base as Tag

from chromiq.photos.containers import Block
from chromiq.photos.metadata import (
    APP1,
    APP2,
    EXIF_HEAD,
    ICC_HEAD,
    MPF_HEAD,
    PHOTOSHOP_HEAD,
    XMP_HEAD,
    Metadata,
    photoshop_resources,
    png_xmp,
)
from chromiq.photos.tiff import EXIF_IFD, GPS_IFD, ICC, IPTC, PHOTOSHOP, XMP
from chromiq.photos.xmp import without_images

# Tags of IFD0 that describe the photo and not how its pixels are stored.
ABOUT = frozenset(
    {
        Tag.DocumentName, Tag.ImageDescription, Tag.Make, Tag.Model, Tag.Orientation, Tag.XResolution,
        Tag.YResolution, Tag.PageName, Tag.ResolutionUnit, Tag.Software, Tag.DateTime, Tag.Artist,
        Tag.HostComputer, Tag.Rating, Tag.RatingPercent, Tag.Copyright, Tag.ExifOffset, Tag.GPSInfo,
        Tag.XPTitle, Tag.XPComment, Tag.XPAuthor, Tag.XPKeywords, Tag.XPSubject,
    }
)  # fmt: skip
# Tags that describe how pixels are stored.
_STRUCTURE = frozenset(
    {*range(254, 269), 273, *range(277, 285), *range(288, 294), 297, 301, *range(317, 330)}
    | {*range(332, 348), *range(512, 522), *range(529, 533), 32997, 32998, 50838}
)
_TEXTS = frozenset({Tag.DocumentName, Tag.ImageDescription, Tag.Software, Tag.Artist, Tag.Copyright})
# Tags that describe the old pixels.
STALE_TAGS = {37724: "Photoshop layers", Tag.SubIFDs: "previews", 52545: "C2PA signature"}
_KNOWN_TAGS = ABOUT | _STRUCTURE | STALE_TAGS.keys() | {XMP, IPTC, PHOTOSHOP, ICC}
# Marker and start of JPEG segments that describe the old pixels or data after them.
_STALE_SEGMENTS = {
    (APP1, b"http://ns.adobe.com/xmp/extension/\0"): "extended XMP",
    (APP2, MPF_HEAD): "index of secondary images (MPF)",
    (APP2, b"urn:iso:std:iso:ts:21496:-1\0"): "gain map",
    (b"\xeb", b""): "JUMBF or HDR data (APP11)",
}
_APP14, _COMMENT = b"\xee", b"\xfe"
# PNG and WebP chunks that the encoder writes, and those with a counterpart in other formats.
_PIXEL_CHUNKS = frozenset(
    {b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"hIST", b"sBIT"}
    | {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
)
_COMMON_CHUNKS = frozenset({b"eXIf", b"pHYs", b"EXIF", b"XMP ", b"ICCP", b"iCCP"})
COLOUR_CHUNKS = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})
# Photoshop image resources that show the old pixels.
STALE_RESOURCES = {
    0x0409: "Photoshop thumbnail",
    0x040C: "Photoshop thumbnail",
    0x0422: "EXIF copy among Photoshop resources",
}
IPTC_RESOURCE, _IPTC_DIGEST = 0x0404, 0x0425
_CLIPPING_PATHS = range(0x07D0, 0x0BB7)


def metadata_names(metadata: Metadata) -> list[str]:
    """The names of all metadata in a file, each once."""
    directory = metadata.exif
    found = [*metadata.second_images]
    if directory.sub(EXIF_IFD).tags or directory.text(Tag.Make):
        found.append("EXIF")
    elif directory.tags.keys() & _TEXTS:
        found.append("texts")
    found += [
        name
        for name, is_there in {
            "GPS": directory.sub(GPS_IFD).tags,
            "maker notes": Tag.MakerNote in directory.sub(EXIF_IFD).tags,
            "EXIF thumbnail": metadata.exif_data and directory.following,
            "other TIFF tags": directory.tags.keys() - _KNOWN_TAGS,
            "XMP": metadata.xmp,
            "IPTC": metadata.iptc,
            "ICC profile": metadata.profile,
            "resolution": metadata.dots_per_inch,
        }.items()
        if is_there
    ]
    found += [name for tag, name in STALE_TAGS.items() if tag in directory.tags]
    found += without_images(metadata.xmp or b"")[1]
    found += [_resource_name(number) for number, _, _ in photoshop_resources(metadata.photoshop)]
    found += [name for block in metadata.blocks if (name := stale_name(block) or block_name(block))]
    return list(dict.fromkeys(found))


def _resource_name(number: int) -> str:
    if number in {IPTC_RESOURCE, _IPTC_DIGEST}:
        return "IPTC"
    if number in _CLIPPING_PATHS:
        return "clipping path"
    return STALE_RESOURCES.get(number, "Photoshop resources")


def stale_name(block: Block) -> str:
    """The name of a JPEG segment that describes the old pixels or data after them; else empty."""
    for (kind, start), name in _STALE_SEGMENTS.items():
        if block.kind == kind and block.payload.startswith(start):
            return "C2PA signature" if b"c2pa" in block.payload[:256] else name
    return ""


def block_name(block: Block) -> str:
    """The name of a block with no counterpart in other formats; else empty."""
    kind, payload = block.kind, block.payload
    if kind == _COMMENT:
        return "comment"
    if len(kind) == 1:
        known = (EXIF_HEAD, XMP_HEAD, ICC_HEAD, PHOTOSHOP_HEAD)
        if kind[0] not in range(0xE1, 0xF0) or kind == _APP14 or payload.startswith(known):
            return ""
        name = payload.split(b"\0")[0][:20]
        shown = f" ({name.decode('ascii')})" if name.isascii() and name.isalnum() else ""
        return f"APP{kind[0] - 0xE0}{shown}"
    if kind in _PIXEL_CHUNKS | _COMMON_CHUNKS or png_xmp(block) is not None:
        return ""
    text = kind.decode("latin-1").strip()
    special = {b"bKGD": "background colour", b"caBX": "C2PA signature"}
    return special.get(kind) or (text if kind in COLOUR_CHUNKS else f"{text} chunk")
