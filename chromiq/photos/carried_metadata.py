"""Decide which metadata is kept when the pixels of a photo have changed.

EXIF, GPS, IPTC, XMP, clipping paths, comments and resolution are kept. Metadata that describes the old pixels
is dropped and reported: thumbnails, previews, layers, gain maps, indexes of secondary images, signatures.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

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
    INTEROP_INDEX,
    MPF_HEAD,
    PHOTOSHOP_HEAD,
    PNG_XMP,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    XMP_HEAD,
    Y_RESOLUTION,
    Metadata,
    dots_of_directory,
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
    Order,
    header_of,
    read_directory,
    write_tiff,
)
from chromiq.photos.xmp import without_images

_XMP_MORE_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_GAIN_MAP_HEAD = b"urn:iso:std:iso:ts:21496:-1\0"
_APP11, _APP14, _COMMENT = b"\xeb", b"\xee", b"\xfe"
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
_DESCRIBES_PIXELS = {37724: "Photoshop layers", Tag.SubIFDs: "previews", 52545: "C2PA signature"}
# PNG and WebP chunks that the encoder writes, that state the colour space, and that are handled by name.
_PIXEL_CHUNKS = frozenset(
    {b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT"}
    | {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
)
_COLOUR_CHUNKS = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})
_COMMON_CHUNKS = frozenset({b"eXIf", b"pHYs", b"EXIF", b"XMP ", b"ICCP"})
_RESOURCE_MARKS = frozenset({b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"})
_STALE_RESOURCES = {
    0x0409: "Photoshop thumbnail",
    0x040C: "Photoshop thumbnail",
    0x0422: "EXIF copy among Photoshop resources",
}
_IPTC_RESOURCE, _IPTC_DIGEST = 0x0404, 0x0425
_CLIPPING_PATHS = range(0x07D0, 0x0BB7)


@dataclass
class Carried:
    """Builds the metadata of a new file and records what was kept and dropped.

    Attributes:
        source: the metadata of the original.
        profile: the ICC profile to write, or None.
        to_srgb: whether the pixels were converted to sRGB.
        kept: names of what was kept, for the user.
        dropped: names of what was dropped, for the user.
        notes: other differences, such as the compression.
    """

    source: Metadata
    profile: bytes | None = None
    to_srgb: bool = False
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, name: str) -> None:
        """Record the name of something kept."""
        if name not in self.kept:
            self.kept.append(name)

    def drop(self, name: str) -> None:
        """Record the name of something dropped."""
        if name not in self.dropped:
            self.dropped.append(name)

    def _lose(self, *names: str) -> None:
        """Move names from `kept` to `dropped`."""
        for name in set(names) & set(self.kept):
            self.kept.remove(name)
            self.drop(name)

    # ------------------------------------------------------------ by format

    def to_jpeg(self, *, same: bool = False) -> list[Block]:
        """The segments for a JPEG; if the source is one as well (``same``), its other segments are kept."""
        exif, xmp = self._exif_for_jpeg(), self.xmp(self.source.xmp)
        others = self._other_blocks(keep=same)
        self._name_profile()
        self._name_resolution(True)
        if xmp and len(xmp) > _SEGMENT_ROOM - len(XMP_HEAD):
            self._lose("XMP")
            xmp = None
        return [
            *([Block(APP1, EXIF_HEAD + exif)] if exif else []),
            *([Block(APP1, XMP_HEAD + xmp)] if xmp else []),
            *_icc_segments(self.profile),
            *others,
            *_photoshop_segments(self.resources(self._all_resources())),
        ]

    def png_to_png(self) -> list[Block]:
        """The chunks for a PNG made from a PNG."""
        self._name_profile()
        kept = [_icc_chunk(self.profile)] if self.profile and self.to_srgb else []
        for block in self.source.blocks:
            kind = block.kind
            if kind == b"bKGD":  # six bytes are RGB, which is also what is written
                kept += [block] if len(block.payload) == 6 else []
                (self.keep if len(block.payload) == 6 else self.drop)("background colour")
            elif kind in _PIXEL_CHUNKS:
                continue  # written by the encoder, or tied to a palette
            elif kind in _COLOUR_CHUNKS:
                if not self.to_srgb:
                    kept.append(block)
                    if kind != b"iCCP":
                        self.keep(kind.decode())
            elif kind == b"eXIf":
                data = self.exif()
                kept += [Block(kind, data)] if data else []
            elif (packet := png_xmp(block)) is not None:
                kept.append(_xmp_chunk(self.xmp(packet) or b""))
            elif kind == b"pHYs":
                kept.append(block)
                self.keep("resolution")
            elif kind in {b"tEXt", b"zTXt", b"iTXt", b"tIME", b"mDCV", b"cLLI"} or kind[3:].islower():
                kept.append(block)
                self.keep(_other_block(block))
            else:
                self.drop(_other_block(block))
        return kept

    def tiff_to_tiff(self) -> Directory:
        """The tags for a TIFF made from a TIFF."""
        kept = self.source.exif.without()
        for tag, name in _DESCRIBES_PIXELS.items():
            if kept.tags.pop(tag, None):
                self.drop(name)
        xmp, photoshop = self.xmp(self.source.xmp), self.resources(self.source.photoshop)
        for tag, value in ((XMP, xmp), (PHOTOSHOP, photoshop)):
            old = kept.tags.pop(tag, None)
            if value and old:
                kept.tags[tag] = Entry(old.type, value)
        self._name_exif()
        for tag, name in ((IPTC, "IPTC"), (ICC, "ICC profile"), (X_RESOLUTION, "resolution")):
            if tag in kept.tags:
                self.keep(name)
        return kept

    def to_png(self) -> list[Block]:
        """The chunks for a PNG made from another format."""
        exif, xmp = self.exif(), self._common()
        self._name_resolution(True)
        self._drop_resources()
        found = [_icc_chunk(self.profile)] if self.profile else []
        if self.source.dots_per_inch:
            across, down = (round(dots / 0.0254) for dots in self.source.dots_per_inch)
            found.append(Block(b"pHYs", struct.pack(">IIB", across, down, 1)))
        found += [Block(b"eXIf", exif)] if exif else []
        return found + ([_xmp_chunk(xmp)] if xmp else [])

    def to_webp(self) -> list[Block]:
        """The chunks for a WebP made from any format."""
        exif, xmp = self.exif(), self._common()
        self._name_resolution(bool(dots_of_directory(self.source.exif)))  # only EXIF can hold it
        self._drop_resources()
        named = {b"ICCP": self.profile, b"EXIF": exif, b"XMP ": xmp}
        return [Block(kind, payload) for kind, payload in named.items() if payload]

    def to_tiff(self) -> Directory:
        """The tags for a TIFF made from another format, or encoded from scratch."""
        about = self._about()
        self._name_exif()
        self._name_rebuilt()
        self._other_blocks()
        xmp, photoshop = self.xmp(self.source.xmp), self.resources(self._all_resources())
        iptc = next((found for number, found, _ in resources(photoshop) if number == _IPTC_RESOURCE), None)
        written = ((XMP, 1, xmp), (PHOTOSHOP, 1, photoshop), (IPTC, 7, iptc), (ICC, 7, self.profile))
        about.tags |= {tag: Entry(kind, value) for tag, kind, value in written if value}
        self._name_profile()
        stated = [about.tags.pop(tag, None) for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)]
        if self.source.dots_per_inch:
            self.keep("resolution")
            for tag, dots in zip((X_RESOLUTION, Y_RESOLUTION), self.source.dots_per_inch, strict=True):
                about.tags[tag] = Entry(5, struct.pack(f"{about.order}II", round(dots * 100), 100))
            about.with_short(RESOLUTION_UNIT, 2)
        elif any(stated):
            self.drop("resolution")
        return about

    def _common(self) -> bytes | None:
        """Record what is the same for every format but TIFF; return the XMP packet."""
        xmp = self.xmp(self.source.xmp)
        self._other_blocks()
        self._name_profile()
        return xmp

    # ------------------------------------------------------------ EXIF

    def exif(self) -> bytes | None:
        """EXIF data for a JPEG, PNG or WebP, without the thumbnail.

        Existing EXIF data is patched in place, because maker notes contain offsets into it.
        """
        if not self.source.exif.tags.keys() & _ABOUT:
            return None
        patched = self._patched_in_place()
        self._name_exif()
        if patched is not None:
            return patched
        self._name_rebuilt()
        return write_tiff(self._about())

    def _exif_for_jpeg(self) -> bytes | None:
        """EXIF data that fits into one segment, if necessary without maker notes."""
        data = self.exif()
        if data is None or len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD):
            return data
        about = self._about()
        if EXIF_IFD in about.tags:
            if Tag.MakerNote in about.sub(EXIF_IFD).tags:
                self.drop("maker notes")
            about.tags[EXIF_IFD] = Entry(4, about.sub(EXIF_IFD).without(Tag.MakerNote))
        data = write_tiff(about)
        if len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD):
            return data
        self._lose("EXIF", "GPS", "texts")
        return None

    def _about(self) -> Directory:
        """The tags of IFD0 that describe the photo."""
        directory = self.source.exif
        about = Directory(
            directory.order, {tag: directory.tags[tag] for tag in directory.tags if tag in _ABOUT}
        )
        if ORIENTATION in about.tags and about.tags[ORIENTATION].type not in INTEGER_TYPES:
            del about.tags[ORIENTATION]
        if self.to_srgb and EXIF_IFD in about.tags:
            exif = directory.sub(EXIF_IFD).without(INTEROP_IFD)
            exif.with_short(COLOUR_SPACE_TAG, 1)
            about.tags[EXIF_IFD] = Entry(4, exif)
        return about

    def _patched_in_place(self) -> bytes | None:
        """EXIF data with a zeroed thumbnail and the right colour space; None if missing or damaged."""
        data, second = self.source.exif_data, _second_directory(self.source.exif_data)
        if data is None or second is None:
            return None
        order, link, following = second
        out = bytearray(data)
        if following:
            self.drop("EXIF thumbnail")
            thumbnail = read_directory(io.BytesIO(data), following, order)
            start, length = thumbnail.number(513), thumbnail.number(514)
            struct.pack_into(f"{order}I", out, link, 0)
            if start and length and start + length <= len(out):
                out[start : start + length] = bytes(length)
                if start + length == len(out) and start > link + 4:
                    del out[start:]
        try:
            if self.to_srgb:
                _set_srgb(out, order)
        except struct.error:
            return None
        return bytes(out)

    # ------------------------------------------------------------ XMP and Photoshop's resources

    def xmp(self, packet: bytes | None) -> bytes | None:
        """An XMP packet without thumbnails and references to secondary images."""
        if packet is None:
            return None
        self.keep("XMP")
        bare, dropped = without_images(packet)
        for name in dropped:
            self.drop(name)
        return bare

    def resources(self, data: bytes | None) -> bytes | None:
        """Photoshop image resources without copies of the old pixels."""
        kept = []
        for number, _, whole in resources(data):
            if number in _STALE_RESOURCES:
                self.drop(_resource_name(number))
            else:
                kept.append(whole)
                self.keep(_resource_name(number))
        return b"".join(kept) or None

    def _all_resources(self) -> bytes:
        """Photoshop image resources, including the IPTC records of a TIFF."""
        data, iptc = self.source.photoshop or b"", self.source.iptc
        if iptc and not any(number == _IPTC_RESOURCE for number, _, _ in resources(data)):
            data += b"8BIM" + _IPTC_RESOURCE.to_bytes(2) + b"\0\0" + len(iptc).to_bytes(4) + iptc
            data += bytes(len(iptc) % 2)
        return data

    # ------------------------------------------------------------ names

    def _name_exif(self) -> None:
        directory = self.source.exif
        if directory.sub(EXIF_IFD).tags or directory.text(Tag.Make):
            self.keep("EXIF")
        elif directory.tags.keys() & _TEXTS:
            self.keep("texts")
        if directory.sub(GPS_IFD).tags:
            self.keep("GPS")

    def _name_rebuilt(self) -> None:
        """Record what is missing from a newly built IFD0."""
        known = _ABOUT | _STRUCTURE | _DESCRIBES_PIXELS.keys() | {XMP, IPTC, PHOTOSHOP, ICC}
        if self.source.exif.tags.keys() - known:
            self.drop("other TIFF tags")
        second = _second_directory(self.source.exif_data)
        if second and second[2]:
            self.drop("EXIF thumbnail")

    def _name_profile(self) -> None:
        if self.source.profile:
            (self.keep if self.profile == self.source.profile else self.drop)("ICC profile")

    def _name_resolution(self, has_place: bool) -> None:
        if self.source.dots_per_inch:
            (self.keep if has_place else self.drop)("resolution")

    def _other_blocks(self, *, keep: bool = False) -> list[Block]:
        """Keep or drop blocks and tags without a counterpart elsewhere; stale ones are always dropped."""
        kept = []
        for block in self.source.blocks:
            if stale := _stale_segment(block):
                self.drop(stale)
            elif name := _other_block(block):
                (self.keep if keep else self.drop)(name)
                kept.append(block)
        for tag, name in _DESCRIBES_PIXELS.items():
            if tag in self.source.exif.tags and not keep:
                self.drop(name)
        return kept if keep else []

    def _drop_resources(self) -> None:
        for number, _, _ in resources(self._all_resources()):
            self.drop(_resource_name(number))


def _second_directory(data: bytes | None) -> tuple[Order, int, int] | None:
    """Byte order, position and value of the link from IFD0 to IFD1; None if damaged."""
    header = header_of(data or b"")
    if data is None or header is None or header[1]:
        return None
    order, _, first = header
    try:
        link = first + 2 + 12 * struct.unpack_from(f"{order}H", data, first)[0]
        return order, link, struct.unpack_from(f"{order}I", data, link)[0]
    except struct.error:
        return None


def _set_srgb(out: bytearray, order: Order) -> None:
    """Set an existing ColorSpace to sRGB and an existing InteropIndex to R98, in place."""
    first = struct.unpack_from(f"{order}I", out, 4)[0]
    exif = [entry for entry in _entries(out, first, order) if entry[0] == EXIF_IFD]
    for tag, place, value in [inner for entry in exif for inner in _entries(out, entry[2], order)]:
        if tag == COLOUR_SPACE_TAG:
            struct.pack_into(f"{order}HIHH", out, place + 2, 3, 1, 1, 0)
        elif tag == INTEROP_IFD:
            for inner_tag, inner_place, _ in _entries(out, value, order):
                if inner_tag == INTEROP_INDEX:
                    struct.pack_into("4s", out, inner_place + 8, b"R98\0")


def _entries(data: bytearray, first: int, order: Order) -> Iterator[tuple[int, int, int]]:
    """Tag, position and value of each entry of a directory."""
    count = min(struct.unpack_from(f"{order}H", data, first)[0], 4096)
    for place in range(first + 2, min(first + 2 + 12 * count, len(data) - 11), 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHII", data, place)
        yield tag, place, value


def resources(data: bytes | None) -> list[tuple[int, bytes, bytes]]:
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


def _resource_name(number: int) -> str:
    if number in {_IPTC_RESOURCE, _IPTC_DIGEST}:
        return "IPTC"
    if number in _CLIPPING_PATHS:
        return "clipping path"
    return _STALE_RESOURCES.get(number, "Photoshop resources")


def _stale_segment(block: Block) -> str:
    """The name of a JPEG segment that describes the old pixels or data after them; else empty."""
    kind, payload = block.kind, block.payload
    if kind == APP1 and payload.startswith(_XMP_MORE_HEAD):
        return "extended XMP"
    if kind == APP2 and payload.startswith(MPF_HEAD):
        return "index of secondary images (MPF)"
    if kind == APP2 and payload.startswith(_GAIN_MAP_HEAD):
        return "gain map"
    if kind == _APP11:
        return "C2PA signature" if b"c2pa" in payload[:256] else "JUMBF or HDR data (APP11)"
    return ""


def _other_block(block: Block) -> str:
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
    if kind in _PIXEL_CHUNKS | _COLOUR_CHUNKS | _COMMON_CHUNKS or png_xmp(block) is not None:
        return ""
    return "C2PA signature" if kind == b"caBX" else f"{kind.decode('latin-1').strip()} chunk"


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
