"""Which of a photo's metadata goes into a new file when its pixels have changed, and what it is called.

EXIF, GPS, IPTC, XMP, clipping paths, comments and resolution are kept. Metadata that describes the old pixels
is dropped: thumbnails, previews, layers, gain maps, indexes of secondary images, signatures.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from bisect import bisect_left
from dataclasses import dataclass

from PIL.ExifTags import Base as Tag

from chromiq.photos.containers import Block
from chromiq.photos.metadata import (
    APP1,
    APP2,
    APP13,
    COLOUR_SPACE_TAG,
    EXIF_HEAD,
    ICC_HEAD,
    INTEGER_TYPES,
    MPF_HEAD,
    PHOTOSHOP_HEAD,
    PNG_XMP,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    XMP_HEAD,
    Y_RESOLUTION,
    Metadata,
    photoshop_resources,
    png_xmp,
)
from chromiq.photos.tiff import (
    EXIF_IFD,
    GPS_IFD,
    ICC,
    INTEROP_IFD,
    IPTC,
    ORIENTATION,
    PHOTOSHOP,
    XMP,
    Directory,
    Entry,
    read_directory,
    write_tiff,
)

_SEGMENT_ROOM = 65_533

# Tags of IFD0 that describe the photo and not how its pixels are stored.
_ABOUT = frozenset(
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
_STALE_TAGS = {37724: "Photoshop layers", Tag.SubIFDs: "previews", 52545: "C2PA signature"}
_KNOWN_TAGS = _ABOUT | _STRUCTURE | _STALE_TAGS.keys() | {XMP, IPTC, PHOTOSHOP, ICC}
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
_STALE_RESOURCES = {
    0x0409: "Photoshop thumbnail",
    0x040C: "Photoshop thumbnail",
    0x0422: "EXIF copy among Photoshop resources",
}
_IPTC_RESOURCE, _IPTC_DIGEST = 0x0404, 0x0425
_CLIPPING_PATHS = range(0x07D0, 0x0BB7)

# Namespaces of properties that describe images stored elsewhere in the file.
_NAMESPACES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
    "http://ns.google.com/photos/1.0/container/": "index of secondary images",
    "http://ns.google.com/photos/1.0/camera/": "motion photo",
    "http://ns.google.com/photos/1.0/depthmap/": "depth map",
    "http://ns.google.com/photos/1.0/image/": "secondary image",
}
_MAX_PREFIXES = 16


@dataclass(frozen=True)
class Carried:
    """A photo's metadata, to be written to a new file.

    Attributes:
        source: the metadata of the original.
        profile: the ICC profile to write, or None.
        to_srgb: whether the pixels were converted to sRGB.
    """

    source: Metadata
    profile: bytes | None = None
    to_srgb: bool = False

    def to_jpeg(self, *, same: bool) -> list[Block]:
        """The segments for a JPEG; if the source is one as well (``same``), its other segments are kept."""
        exif, xmp = self._exif_for_jpeg(), self._xmp()
        others = [each for each in self.source.blocks if same and _block_name(each) and not _stale_name(each)]
        return [
            *([Block(APP1, EXIF_HEAD + exif)] if exif else []),
            *([Block(APP1, XMP_HEAD + xmp)] if xmp and len(xmp) <= _SEGMENT_ROOM - len(XMP_HEAD) else []),
            *_icc_segments(self.profile),
            *others,
            *_photoshop_segments(self._resources()),
        ]

    def to_png(self, *, same: bool) -> list[Block]:
        """The chunks for a PNG; if the source is one as well (``same``), its other chunks are kept."""
        exif, xmp = self._exif(), self._xmp()
        if same and not self.to_srgb:
            found = [block for block in self.source.blocks if block.kind in COLOUR_CHUNKS]
        else:
            found = [_icc_chunk(self.profile)] if self.profile else []
        if same:
            found += [block for block in self.source.blocks if _is_safe_to_copy(block)]
        elif self.source.dots_per_inch:
            across, down = (round(dots / 0.0254) for dots in self.source.dots_per_inch)
            found.append(Block(b"pHYs", struct.pack(">IIB", across, down, 1)))
        found += [Block(b"eXIf", exif)] if exif else []
        return found + ([_xmp_chunk(xmp)] if xmp else [])

    def to_webp(self) -> list[Block]:
        """The chunks for a WebP."""
        named = {b"ICCP": self.profile, b"EXIF": self._exif(), b"XMP ": self._xmp()}
        return [Block(kind, payload) for kind, payload in named.items() if payload]

    def tiff_to_tiff(self) -> Directory:
        """The tags for a TIFF made from a TIFF."""
        kept = self.source.exif.without(*_STALE_TAGS)
        resources = self._resources(self.source.photoshop)
        for tag, value in ((XMP, self._xmp()), (PHOTOSHOP, resources)):
            old = kept.tags.pop(tag, None)
            if value and old:
                kept.tags[tag] = Entry(old.type, value)
        return kept

    def to_tiff(self) -> Directory:
        """The tags for a TIFF made from another format, or encoded from scratch."""
        about, resources = self._about(), self._resources()
        iptc = next((each[1] for each in photoshop_resources(resources) if each[0] == _IPTC_RESOURCE), None)
        written = ((XMP, 1, self._xmp()), (PHOTOSHOP, 1, resources), (IPTC, 7, iptc), (ICC, 7, self.profile))
        about.tags |= {tag: Entry(kind, value) for tag, kind, value in written if value}
        for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT):
            about.tags.pop(tag, None)
        if self.source.dots_per_inch:
            for tag, dots in zip((X_RESOLUTION, Y_RESOLUTION), self.source.dots_per_inch, strict=True):
                about.tags[tag] = Entry(5, struct.pack(f"{about.order}II", round(dots * 100), 100))
            about.with_short(RESOLUTION_UNIT, 2)
        return about

    def _exif(self) -> bytes | None:
        """EXIF data for a JPEG, PNG or WebP, without the thumbnail.

        Existing EXIF data is patched in place, because maker notes contain offsets into it. If the
        colour space changes it is rebuilt without them.
        """
        if not self.source.exif.tags.keys() & _ABOUT:
            return None
        return (None if self.to_srgb else self._patched_in_place()) or write_tiff(self._about())

    def _exif_for_jpeg(self) -> bytes | None:
        """EXIF data that fits into one segment, if necessary without maker notes."""
        data = self._exif()
        if data is None or len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD):
            return data
        about = self._about()
        if EXIF_IFD in about.tags:
            about.tags[EXIF_IFD] = Entry(4, about.sub(EXIF_IFD).without(Tag.MakerNote))
        data = write_tiff(about)
        return data if len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD) else None

    def _about(self) -> Directory:
        """The tags of IFD0 that describe the photo."""
        directory = self.source.exif
        about = Directory(
            directory.order, {tag: directory.tags[tag] for tag in directory.tags if tag in _ABOUT}
        )
        if ORIENTATION in about.tags and about.tags[ORIENTATION].type not in INTEGER_TYPES:
            del about.tags[ORIENTATION]
        if self.to_srgb and EXIF_IFD in about.tags:
            exif = directory.sub(EXIF_IFD).without(INTEROP_IFD, Tag.MakerNote)  # its offsets no longer fit
            exif.with_short(COLOUR_SPACE_TAG, 1)
            about.tags[EXIF_IFD] = Entry(4, exif)
        return about

    def _patched_in_place(self) -> bytes | None:
        """The EXIF data with its thumbnail zeroed; None if missing or damaged."""
        data, exif = self.source.exif_data, self.source.exif
        if data is None or exif.link_at is None:
            return None
        out = bytearray(data)
        if exif.following:
            thumbnail = read_directory(io.BytesIO(data), exif.following, exif.order)
            start, length = thumbnail.number(513), thumbnail.number(514)
            struct.pack_into(f"{exif.order}I", out, exif.link_at, 0)
            if start and length and start + length <= len(out):
                out[start : start + length] = bytes(length)
                if start + length == len(out) and start > exif.link_at + 4:
                    del out[start:]
        return bytes(out)

    def _xmp(self) -> bytes | None:
        """The XMP packet without thumbnails and references to secondary images."""
        return without_images(self.source.xmp)[0] if self.source.xmp else None

    def _resources(self, data: bytes | None = None) -> bytes | None:
        """Photoshop image resources without copies of the old pixels; by default with the IPTC of a TIFF."""
        found = photoshop_resources(self.source.photoshop if data is None else data)
        kept = [whole for number, _, whole in found if number not in _STALE_RESOURCES]
        iptc = self.source.iptc
        if data is None and iptc and not any(number == _IPTC_RESOURCE for number, _, _ in found):
            head = b"8BIM" + _IPTC_RESOURCE.to_bytes(2) + b"\0\0" + len(iptc).to_bytes(4)
            kept.append(head + iptc + bytes(len(iptc) % 2))
        return b"".join(kept) or None


def _is_safe_to_copy(chunk: Block) -> bool:
    """Whether a PNG's chunk may be copied when pixels have changed."""
    if chunk.kind == b"bKGD":  # six bytes are RGB, which is also what is written
        return len(chunk.payload) == 6
    if chunk.kind == b"eXIf" or png_xmp(chunk) is not None:
        return False
    return chunk.kind in {b"tIME", b"mDCV", b"cLLI"} or chunk.kind[3:].islower()


def _icc_chunk(profile: bytes) -> Block:
    return Block(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))


def _xmp_chunk(packet: bytes) -> Block:
    return Block(b"iTXt", PNG_XMP + b"\0\0\0\0\0" + packet)


def _icc_segments(profile: bytes | None) -> list[Block]:
    parts = _parts(profile, _SEGMENT_ROOM - len(ICC_HEAD) - 2)
    return [
        Block(APP2, ICC_HEAD + bytes([number, len(parts)]) + part)
        for number, part in enumerate(parts, start=1)
    ]


def _photoshop_segments(data: bytes | None) -> list[Block]:
    return [Block(APP13, PHOTOSHOP_HEAD + part) for part in _parts(data, _SEGMENT_ROOM - len(PHOTOSHOP_HEAD))]


def _parts(data: bytes | None, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)] if data else []


# ---------------------------------------------------------------- names


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
    found += [name for tag, name in _STALE_TAGS.items() if tag in directory.tags]
    found += without_images(metadata.xmp or b"")[1]
    found += [_resource_name(number) for number, _, _ in photoshop_resources(metadata.photoshop)]
    found += [name for block in metadata.blocks if (name := _stale_name(block) or _block_name(block))]
    return list(dict.fromkeys(found))


def _resource_name(number: int) -> str:
    if number in {_IPTC_RESOURCE, _IPTC_DIGEST}:
        return "IPTC"
    if number in _CLIPPING_PATHS:
        return "clipping path"
    return _STALE_RESOURCES.get(number, "Photoshop resources")


def _stale_name(block: Block) -> str:
    """The name of a JPEG segment that describes the old pixels or data after them; else empty."""
    for (kind, start), name in _STALE_SEGMENTS.items():
        if block.kind == kind and block.payload.startswith(start):
            return "C2PA signature" if b"c2pa" in block.payload[:256] else name
    return ""


def _block_name(block: Block) -> str:
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


# ---------------------------------------------------------------- XMP


def without_images(packet: bytes) -> tuple[bytes, list[str]]:
    """Remove thumbnails and properties of secondary images from an XMP packet.

    The packet is searched, not parsed: everything else stays byte for byte, and it may not be well-formed.

    Returns:
        The packet and the names of what was removed.
    """
    try:
        text = packet.decode("utf-8")
    except UnicodeDecodeError:
        return packet, []
    bare = _without_elements(text, r"[\w-]+:Thumbnails")
    dropped = ["XMP thumbnails"] if bare != text else []
    for namespace, name in _NAMESPACES.items():
        declared = rf"""xmlns:([\w-]+)\s*=\s*["']{re.escape(namespace)}["']"""
        for prefix in list(dict.fromkeys(re.findall(declared, bare)))[:_MAX_PREFIXES]:
            shorter = _without_properties(bare, rf"{re.escape(prefix)}:[\w-]+")
            dropped += [name] if shorter != bare else []
            bare = shorter
    return _without_properties(bare, r"[\w-]+:HasExtendedXMP").encode("utf-8"), dropped


def _without_properties(text: str, names: str) -> str:
    """Remove the elements and attributes whose names match a pattern."""
    return re.sub(rf"""\s(?:{names})\s*=\s*("[^"]*"|'[^']*')""", "", _without_elements(text, names))


def _without_elements(text: str, names: str) -> str:
    """Remove the elements whose names match a pattern, in linear time, as packets can be 100 MB."""
    ends: dict[str, list[int]] = {}
    for found in re.finditer(rf"</({names})\s*>", text):
        ends.setdefault(found[1], []).append(found.end())
    kept, at = [], 0
    for found in re.finditer(rf"<({names})\b[^<>]*>", text):
        if found.start() < at:
            continue
        end = found.end()
        if not found[0].endswith("/>"):
            later = ends.get(found[1], [])
            number = bisect_left(later, end)
            if number == len(later):
                continue
            end = later[number]
        kept.append(text[at : found.start()])
        at = end
    return "".join([*kept, text[at:]])
