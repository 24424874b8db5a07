"""What a photo's file says beside its pixels, and what of it may be carried on once pixels have changed.

The owner's words (EXIF, GPS, IPTC, XMP, clipping paths, comments, resolution) are kept. What describes the
old pixels is dropped and named: thumbnails, previews, layers, gain maps, indexes of second pictures,
signatures.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tifffile

from chromiq.photos.containers import Block, jpeg_segments, png_chunks, webp_chunks
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
    header_of,
    read_directory,
    write_tiff,
)

EXIF_HEAD, XMP_HEAD = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP_HEAD, _ICC_HEAD, _MPF_HEAD = b"Photoshop 3.0\0", b"ICC_PROFILE\0", b"MPF\0"
_GAIN_MAP_HEAD = b"urn:iso:std:iso:ts:21496:-1\0"
_PNG_XMP = b"XML:com.adobe.xmp"
_ICC_PART_BYTES = 65_519
_SEGMENT_ROOM = 65_533
_INTEGER_TYPES = frozenset({1, 3, 4})
APP0, APP1, APP2, APP11, APP13, APP14, COMMENT = b"\xe0", b"\xe1", b"\xe2", b"\xeb", b"\xed", b"\xee", b"\xfe"
COLOUR_SPACE_TAG, INTEROP_INDEX = 40961, 1
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
# Of a TIFF's or EXIF's first directory: what speaks of the photo and not of how its pixels are stored.
_ABOUT = frozenset(
    {269, 270, 271, 272, ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, 285, _RESOLUTION_UNIT, 305, 306, 315, 316}
    | {18246, 18249, 33432, EXIF_IFD, GPS_IFD, 40091, 40092, 40093, 40094, 40095}
)
# How pixels are stored.
_STRUCTURE = frozenset(
    {*range(254, 269), 273, *range(277, 285), *range(288, 294), 297, 301, *range(317, 330)}
    | {*range(332, 348), *range(512, 522), *range(529, 533), 32997, 32998, 50838}
)
_MAKER_NOTE = 37500
_MAKE, _TEXTS = 271, frozenset({269, 270, 305, 315, 33432})
_LAYERS, _SUB_IFDS, _SIGNATURE = 37724, 330, 52545
_DESCRIBES_PIXELS = {_LAYERS: "Photoshop layers", _SUB_IFDS: "previews", _SIGNATURE: "C2PA signature"}
# Chunks of a PNG or WebP that are the encoder's own, that state colours, and that are read by name.
_PIXEL_CHUNKS = frozenset(
    {b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT"}
    | {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
)
_COLOUR_CHUNKS = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP"})
_COMMON_CHUNKS = frozenset({b"eXIf", b"pHYs", b"EXIF", b"XMP ", b"ICCP"})
_THUMBNAIL_RESOURCES = frozenset({0x0409, 0x040C})
_IPTC_RESOURCE, _IPTC_DIGEST = 0x0404, 0x0425
_CLIPPING_PATHS = range(0x07D0, 0x0BB7)
# Namespaces of XMP that only speak of pictures stored elsewhere in the old file.
_XMP_PICTURES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
    "http://ns.google.com/photos/1.0/container/": "index of second pictures",
    "http://ns.google.com/photos/1.0/camera/": "motion photo",
    "http://ns.google.com/photos/1.0/depthmap/": "depth map",
    "http://ns.google.com/photos/1.0/image/": "second picture",
}
_MOST_PREFIXES = 16
_MOST_DOTS_PER_INCH = 65_535


@dataclass(frozen=True)
class Metadata:
    """What a file says, format by format the same.

    Attributes:
        exif: the directory of the camera's data, with EXIF, GPS and interoperability directories in it.
        exif_data: as the file has it, from its byte order mark on; None in a TIFF.
        xmp: the packet.
        photoshop: image resources.
        iptc: the IPTC records of a TIFF, which others keep among Photoshop's resources.
        profile: the ICC profile.
        dots_per_inch: across and down; None if the file does not say.
        blocks: all blocks of a JPEG, PNG or WebP.
        second_pictures: what else a file holds, by name.
        profile_is_whole: False if part of the ICC profile is missing.
        extra_channels: of a TIFF, beside its colours: alpha and saved selections.
    """

    exif: Directory = field(default_factory=Directory)
    exif_data: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    iptc: bytes | None = None
    profile: bytes | None = None
    dots_per_inch: tuple[float, float] | None = None
    blocks: tuple[Block, ...] = ()
    second_pictures: tuple[str, ...] = ()
    profile_is_whole: bool = True
    extra_channels: int = 0

    @property
    def orientation(self) -> int:
        """1..8; 1 without, or where the file says something else."""
        entry = self.exif.tags.get(ORIENTATION)
        value = self.exif.number(ORIENTATION, 1)
        return value if entry and entry.type in _INTEGER_TYPES and value in range(1, 9) else 1

    def xmp_text(self, name: str) -> str:
        """A simple property of the XMP packet, such as ``"photoshop:ICCProfile"``; empty if missing."""
        text = (self.xmp or b"").decode("utf-8", "replace")
        found = re.search(rf"""{name}\s*=\s*["']([^"']*)|<{name}>([^<]*)</""", text)
        return (found[1] or found[2] or "").strip() if found else ""


@dataclass
class Carried:
    """What became of each block of metadata: names for the user."""

    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def keep(self, name: str) -> None:
        """Note what was kept."""
        if name not in self.kept:
            self.kept.append(name)

    def drop(self, name: str) -> None:
        """Note what was not."""
        if name not in self.dropped:
            self.dropped.append(name)

    def lose(self, *names: str) -> None:
        """Note that what was kept so far is dropped."""
        for name in set(names) & set(self.kept):
            self.kept.remove(name)
            self.drop(name)


def read_metadata(path: Path, image_format: str) -> Metadata:
    """All that a file of ``"JPEG"``, ``"PNG"`` or ``"WEBP"`` says; nothing for other formats."""
    readers: dict[str, Callable[[Path], Metadata]] = {"JPEG": _of_jpeg, "PNG": _of_png, "WEBP": _of_webp}
    return readers[image_format](path) if image_format in readers else Metadata()


def metadata_of_tiff(path: Path, page: tifffile.TiffPage) -> Metadata:
    """All that a TIFF says about one of its pictures."""
    with path.open("rb") as stream:
        directory = read_directory(stream, page.offset, page.parent.byteorder, big=page.parent.is_bigtiff)
    profile = _bytes_of(directory, ICC)
    return Metadata(
        exif=directory,
        xmp=_bytes_of(directory, XMP),
        photoshop=_bytes_of(directory, PHOTOSHOP),
        iptc=_bytes_of(directory, IPTC),
        profile=profile,
        dots_per_inch=_dots_of_directory(directory),
        second_pictures=("previews",) if len(page.parent.pages) > 1 else (),
        extra_channels=len(page.extrasamples),
    )


def parsed_exif(data: bytes | None) -> Directory:
    """The first directory of EXIF data; an empty one if it cannot be read."""
    header = header_of(data or b"")
    if data is None or header is None:
        return Directory()
    return read_directory(io.BytesIO(data), header[2], header[0], big=header[1])


def metadata_of_avif(exif: bytes | None, xmp: bytes | None, profile: bytes | None) -> Metadata:
    """All that an AVIF says. Boxes of the format turn the picture; the orientation in EXIF is not applied."""
    directory = parsed_exif(exif)
    directory.tags.pop(ORIENTATION, None)
    return Metadata(exif=directory, xmp=xmp, profile=profile, dots_per_inch=_dots_of_directory(directory))


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
        elif kind == APP2 and payload.startswith(_ICC_HEAD) and len(payload) > len(_ICC_HEAD) + 2:
            at = len(_ICC_HEAD)
            total = payload[at + 1]
            parts[payload[at]] = payload[at + 2 :]
        elif kind == APP2 and payload.startswith(_MPF_HEAD):
            seconds.append("index of second pictures (MPF)")
        elif kind == APP13 and payload.startswith(_PHOTOSHOP_HEAD):
            photoshop = (photoshop or b"") + payload[len(_PHOTOSHOP_HEAD) :]
        elif kind == APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 12:
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
        dots_per_inch=_dots_of_directory(directory) or dots,
        blocks=tuple(segments),
        second_pictures=tuple(seconds),
    )


def _of_png(path: Path) -> Metadata:
    chunks = png_chunks(path)
    found = {each.kind: each.payload for each in chunks}
    exif = found.get(b"eXIf")
    exif = exif.removeprefix(EXIF_HEAD) if exif else None
    profile, whole = None, True
    if b"iCCP" in found:
        decoder = zlib.decompressobj()
        try:
            profile = decoder.decompress(found[b"iCCP"].split(b"\0", 1)[1][1:], 64 << 20)
            whole = decoder.eof
        except (zlib.error, IndexError):
            whole = False
    dots = None
    if len(found.get(b"pHYs", b"")) == 9:
        across, down, unit = struct.unpack(">IIB", found[b"pHYs"])
        dots = resolution(across * 0.0254, down * 0.0254) if unit == 1 else None
    xmp = next((xmp for each in chunks if (xmp := _png_xmp(each)) is not None), None)
    directory = parsed_exif(exif)
    return Metadata(
        exif=directory, exif_data=exif, xmp=xmp, profile=profile, profile_is_whole=whole,
        dots_per_inch=dots or _dots_of_directory(directory), blocks=tuple(chunks),
    )  # fmt: skip


def _png_xmp(chunk: Block) -> bytes | None:
    if chunk.kind != b"iTXt" or not chunk.payload.startswith(_PNG_XMP + b"\0"):
        return None
    rest = chunk.payload[len(_PNG_XMP) + 1 :]
    text = rest[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, 64 << 20) if rest[:1] == b"\1" else text
    except zlib.error:
        return None


def _of_webp(path: Path) -> Metadata:
    chunks = webp_chunks(path)
    found = {each.kind: each.payload for each in chunks}
    exif = found.get(b"EXIF")
    exif = exif.removeprefix(EXIF_HEAD) if exif else None
    directory = parsed_exif(exif)
    return Metadata(
        exif=directory, exif_data=exif, xmp=found.get(b"XMP "), profile=found.get(b"ICCP"),
        dots_per_inch=_dots_of_directory(directory), blocks=tuple(chunks),
    )  # fmt: skip


def _bytes_of(directory: Directory, tag: int) -> bytes | None:
    entry = directory.tags.get(tag)
    return entry.value if entry and isinstance(entry.value, bytes) and entry.value else None


def _dots_of_directory(directory: Directory) -> tuple[float, float] | None:
    across, down = (directory.rationals(tag) for tag in (_X_RESOLUTION, _Y_RESOLUTION))
    per_inch = {2: 1.0, 3: 2.54}.get(directory.number(_RESOLUTION_UNIT, 2), 0)
    return resolution(across[0] * per_inch, down[0] * per_inch) if across and down else None


def resolution(across: float, down: float) -> tuple[float, float] | None:
    """Dots per inch; None for what no device has and not every format can hold."""
    return (across, down) if all(1 <= dots <= _MOST_DOTS_PER_INCH for dots in (across, down)) else None


# ---------------------------------------------------------------- what is carried on


def carried_exif(metadata: Metadata, carried: Carried, *, to_srgb: bool) -> bytes | None:
    """EXIF data for a JPEG, PNG or WebP, without its thumbnail.

    Data that was in such a file stays where it is byte for byte, as makers' notes point into it.
    """
    directory = metadata.exif
    if not directory.tags.keys() & _ABOUT:
        return None
    patched = _patched_in_place(metadata.exif_data, carried, to_srgb=to_srgb)
    _name_exif(directory, carried)
    if patched is not None:
        return patched
    _name_rebuilt(metadata, carried)
    return write_tiff(_about(directory, to_srgb=to_srgb))


def _exif_for_jpeg(metadata: Metadata, carried: Carried, *, to_srgb: bool) -> bytes | None:
    """EXIF data that fits into one segment, if need be without the maker's notes."""
    data = carried_exif(metadata, carried, to_srgb=to_srgb)
    if data is None or len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD):
        return data
    about = _about(metadata.exif, to_srgb=to_srgb)
    if EXIF_IFD in about.tags:
        exif = Directory(about.order, dict(about.sub(EXIF_IFD).tags))
        if exif.tags.pop(_MAKER_NOTE, None):
            carried.drop("maker notes")
        about.tags[EXIF_IFD] = Entry(4, exif)
    data = write_tiff(about)
    if len(data) <= _SEGMENT_ROOM - len(EXIF_HEAD):
        return data
    carried.lose("EXIF", "GPS", "texts")
    return None


def _about(directory: Directory, *, to_srgb: bool) -> Directory:
    """What speaks of the photo."""
    tags = {tag: entry for tag, entry in directory.tags.items() if tag in _ABOUT and _is_sound(tag, entry)}
    about = Directory(directory.order, tags)
    if to_srgb and EXIF_IFD in tags:
        exif = Directory(directory.order, dict(directory.sub(EXIF_IFD).tags))
        exif.with_short(COLOUR_SPACE_TAG, 1)
        exif.tags.pop(INTEROP_IFD, None)
        about.tags[EXIF_IFD] = Entry(4, exif)
    return about


def _is_sound(tag: int, entry: Entry) -> bool:
    return tag != ORIENTATION or entry.type in _INTEGER_TYPES


def _name_rebuilt(metadata: Metadata, carried: Carried) -> None:
    """Name what is left out of a first directory that is built from what is known."""
    known = _ABOUT | _STRUCTURE | _DESCRIBES_PIXELS.keys() | {XMP, IPTC, PHOTOSHOP, ICC}
    if metadata.exif.tags.keys() - known:
        carried.drop("other TIFF tags")
    if _has_second_directory(metadata.exif_data):
        carried.drop("EXIF thumbnail")


def _has_second_directory(data: bytes | None) -> bool:
    header = header_of(data or b"")
    if data is None or header is None or header[1]:
        return False
    try:
        count = struct.unpack_from(f"{header[0]}H", data, header[2])[0]
        return bool(struct.unpack_from(f"{header[0]}I", data, header[2] + 2 + 12 * count)[0])
    except struct.error:
        return False


def _name_exif(directory: Directory, carried: Carried) -> None:
    if directory.sub(EXIF_IFD).tags or directory.text(_MAKE):
        carried.keep("EXIF")
    elif directory.tags.keys() & _TEXTS:
        carried.keep("texts")
    if directory.sub(GPS_IFD).tags:
        carried.keep("GPS")


def _patched_in_place(data: bytes | None, carried: Carried, *, to_srgb: bool) -> bytes | None:
    """EXIF data with its thumbnail blanked and the colour space set; None if missing or damaged."""
    header = header_of(data or b"")
    if data is None or header is None or header[1]:
        return None
    order, _, first = header
    out = bytearray(data)
    try:
        count = struct.unpack_from(f"{order}H", out, first)[0]
        link = first + 2 + 12 * count
        following = struct.unpack_from(f"{order}I", out, link)[0]
        if following:
            carried.drop("EXIF thumbnail")
            thumbnail = read_directory(io.BytesIO(data), following, order)
            start, length = thumbnail.number(513), thumbnail.number(514)
            struct.pack_into(f"{order}I", out, link, 0)
            if start and length and start + length <= len(out):
                out[start : start + length] = bytes(length)
                while out and start + length >= len(out) > start and start > link + 4:
                    del out[start:]
        if to_srgb:
            _set_srgb(out, first, order)
    except struct.error:
        return None
    return bytes(out)


def _set_srgb(out: bytearray, first: int, order: str) -> None:
    """Set EXIF's ColorSpace to sRGB, and the interoperability index to R98, where they are."""
    for where in _entry_places(out, first, order):
        tag, _, _, pointer = struct.unpack_from(f"{order}HHII", out, where)
        if tag != EXIF_IFD:
            continue
        for place in _entry_places(out, pointer, order):
            inner, _, _, target = struct.unpack_from(f"{order}HHII", out, place)
            if inner == COLOUR_SPACE_TAG:
                struct.pack_into(f"{order}HIHH", out, place + 2, 3, 1, 1, 0)
            elif inner == INTEROP_IFD:
                for last in _entry_places(out, target, order):
                    if struct.unpack_from(f"{order}H", out, last)[0] == INTEROP_INDEX:
                        struct.pack_into("4s", out, last + 8, b"R98\0")


def _entry_places(data: bytearray, first: int, order: str) -> list[int]:
    count = min(struct.unpack_from(f"{order}H", data, first)[0], 4096)
    return [first + 2 + 12 * index for index in range(count) if first + 14 + 12 * index <= len(data)]


def carried_xmp(packet: bytes | None, carried: Carried) -> bytes | None:
    """An XMP packet without thumbnails and what speaks of pictures that are gone."""
    if packet is None:
        return None
    try:
        text = packet.decode("utf-8")
    except UnicodeDecodeError:
        carried.keep("XMP")
        return packet
    bare = _without_elements(text, r"[\w-]+:Thumbnails")
    if bare != text:
        carried.drop("XMP thumbnails")
    for namespace, name in _XMP_PICTURES.items():
        declared = rf"""xmlns:([\w-]+)\s*=\s*["']{re.escape(namespace)}["']"""
        for prefix in list(dict.fromkeys(re.findall(declared, bare)))[:_MOST_PREFIXES]:
            shorter = _without_properties(bare, rf"{re.escape(prefix)}:[\w-]+")
            if shorter != bare:
                carried.drop(name)
            bare = shorter
    bare = _without_properties(bare, r"[\w-]+:HasExtendedXMP")
    carried.keep("XMP")
    return bare.encode("utf-8")


def _without_properties(text: str, names: str) -> str:
    """XMP without the elements and attributes whose names match a pattern."""
    return re.sub(rf"""\s(?:{names})\s*=\s*("[^"]*"|'[^']*')""", "", _without_elements(text, names))


def _without_elements(text: str, names: str) -> str:
    """XMP without the elements whose names match a pattern; in linear time, as packets reach 100 MB."""
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


def resources(data: bytes | None) -> list[tuple[int, bytes, bytes]]:
    """Photoshop's image resources: number, content, and the whole as it is stored."""
    found, at = [], 0
    while (
        data is not None
        and at + 12 <= len(data)
        and data[at : at + 4] in {b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"}
    ):
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
    return "Photoshop thumbnail" if number in _THUMBNAIL_RESOURCES else "Photoshop resources"


def carried_resources(data: bytes | None, carried: Carried) -> bytes | None:
    """Photoshop's image resources without thumbnails."""
    kept = []
    for number, content, whole in resources(data):
        if number in _THUMBNAIL_RESOURCES:
            carried.drop(_resource_name(number))
        elif number == 0x0422 and parsed_exif(content).tags:
            carried.drop("EXIF copy among Photoshop resources")
        else:
            kept.append(whole)
            carried.keep(_resource_name(number))
    return b"".join(kept) or None


def jpeg_blocks(metadata: Metadata, carried: Carried, *, profile: bytes | None, to_srgb: bool) -> list[Block]:
    """A JPEG's segments from a JPEG: all of them, cleaned, in their order.

    Args:
        metadata: of the source, a JPEG.
        carried: what is kept and dropped is noted there.
        profile: the ICC profile to write; None for none.
        to_srgb: whether the pixels were converted.
    """
    kept: list[Block] = []
    if profile and to_srgb:
        kept += _icc_segments(profile)
    for block in metadata.blocks:
        kind, payload = block.kind, block.payload
        if kind == APP1 and payload.startswith(EXIF_HEAD):
            data = (
                carried_exif(metadata, carried, to_srgb=to_srgb)
                if payload[6:] == metadata.exif_data
                else None
            )
            kept += [Block(APP1, EXIF_HEAD + data)] if data else []
        elif kind == APP1 and payload.startswith(XMP_HEAD):
            data = carried_xmp(payload[len(XMP_HEAD) :], carried)
            kept += [Block(APP1, XMP_HEAD + data)] if data else []
        elif kind == APP2 and payload.startswith(_ICC_HEAD):
            if not to_srgb:
                kept.append(block)
                carried.keep("ICC profile")
        elif kind == APP13 and payload.startswith(_PHOTOSHOP_HEAD):
            continue  # below, as one resource may be spread over several segments
        elif stale := _stale_segment(block):
            carried.drop(stale)
        elif name := _other_block(block):
            kept.append(block)
            carried.keep(name)
    if metadata.dots_per_inch:
        carried.keep("resolution")
    return kept + _photoshop_segments(carried_resources(metadata.photoshop, carried))


def _stale_segment(block: Block) -> str:
    """The name of a JPEG's segment that describes the old pixels or what lies behind them; else empty."""
    kind, payload = block.kind, block.payload
    if kind == APP1 and payload.startswith(_XMP_MORE_HEAD):
        return "extended XMP"
    if kind == APP2 and payload.startswith(_MPF_HEAD):
        return "index of second pictures (MPF)"
    if kind == APP2 and payload.startswith(_GAIN_MAP_HEAD):
        return "gain map"
    if kind == APP11:
        return "C2PA signature" if b"c2pa" in payload[:256] else "JUMBF or HDR data (APP11)"
    return ""


def _other_block(block: Block) -> str:
    """The name of a block of a JPEG, PNG or WebP beside those every format has; else empty."""
    kind, payload = block.kind, block.payload
    if kind == COMMENT:
        return "comment"
    if len(kind) == 1:
        known = (EXIF_HEAD, XMP_HEAD, _ICC_HEAD, _PHOTOSHOP_HEAD)
        if kind[0] not in range(0xE1, 0xF0) or kind == APP14 or payload.startswith(known):
            return ""
        name = payload.split(b"\0")[0][:20]
        shown = f" ({name.decode('ascii')})" if name.isascii() and name.isalnum() else ""
        return f"APP{kind[0] - 0xE0}{shown}"
    if kind in _PIXEL_CHUNKS | _COLOUR_CHUNKS | _COMMON_CHUNKS or _png_xmp(block) is not None:
        return ""
    return "C2PA signature" if kind == b"caBX" else f"{kind.decode('latin-1').strip()} chunk"


def _drop_other_blocks(metadata: Metadata, carried: Carried) -> None:
    """Name the blocks and tags that have no place in another format."""
    for block in metadata.blocks:
        if name := _stale_segment(block) or _other_block(block):
            carried.drop(name)
    for tag, name in _DESCRIBES_PIXELS.items():
        if tag in metadata.exif.tags:
            carried.drop(name)


def about_blocks(
    metadata: Metadata, image_format: str, carried: Carried, *, profile: bytes | None, to_srgb: bool
) -> list[Block]:
    """A JPEG's, PNG's or WebP's blocks of metadata that comes from another format.

    Args:
        metadata: of the source.
        image_format: of the target.
        carried: what is kept and dropped is noted there.
        profile: the ICC profile to write.
        to_srgb: whether the pixels were converted.
    """
    carry_exif = _exif_for_jpeg if image_format == "JPEG" else carried_exif
    exif = carry_exif(metadata, carried, to_srgb=to_srgb)
    xmp = carried_xmp(metadata.xmp, carried)
    _drop_other_blocks(metadata, carried)
    _name_profile(metadata, carried, profile)
    if metadata.dots_per_inch:  # a WebP has no place for it beside EXIF
        has_place = image_format != "WEBP" or _dots_of_directory(metadata.exif)
        (carried.keep if has_place else carried.drop)("resolution")
    if image_format == "JPEG":
        if xmp and len(xmp) > _SEGMENT_ROOM - len(XMP_HEAD):
            carried.lose("XMP")
            xmp = None
        photoshop = carried_resources(_all_resources(metadata), carried)
        return [
            *([Block(APP1, EXIF_HEAD + exif)] if exif else []),
            *([Block(APP1, XMP_HEAD + xmp)] if xmp else []),
            *(_icc_segments(profile) if profile else []),
            *_photoshop_segments(photoshop),
        ]
    for number, _, _ in resources(_all_resources(metadata)):
        carried.drop(_resource_name(number))
    if image_format == "WEBP":
        named = {b"ICCP": profile, b"EXIF": exif, b"XMP ": xmp}
        return [Block(kind, payload) for kind, payload in named.items() if payload]
    found = [Block(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))] if profile else []
    if metadata.dots_per_inch:
        across, down = (round(dots / 0.0254) for dots in metadata.dots_per_inch)
        found.append(Block(b"pHYs", struct.pack(">IIB", across, down, 1)))
    found += [Block(b"eXIf", exif)] if exif else []
    return found + ([_png_xmp_chunk(xmp)] if xmp else [])


def _name_profile(metadata: Metadata, carried: Carried, profile: bytes | None) -> None:
    if metadata.profile:
        (carried.keep if profile == metadata.profile else carried.drop)("ICC profile")


def png_blocks(metadata: Metadata, carried: Carried, *, profile: bytes | None, to_srgb: bool) -> list[Block]:
    """A PNG's chunks from a PNG: all that may be copied when pixels have changed."""
    kept: list[Block] = []
    if profile and to_srgb:
        kept.append(Block(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    for block in metadata.blocks:
        kind = block.kind
        if kind == b"bKGD":  # of six bytes, it is a colour of as many bits as are written
            kept += [block] if len(block.payload) == 6 else []
            (carried.keep if len(block.payload) == 6 else carried.drop)("background colour")
        elif kind in _PIXEL_CHUNKS:
            continue  # the encoder's own, or bound to a palette
        elif kind in _COLOUR_CHUNKS:
            if not to_srgb:
                kept.append(block)
                carried.keep({b"iCCP": "ICC profile"}.get(kind, kind.decode()))
        elif kind == b"eXIf":
            data = carried_exif(metadata, carried, to_srgb=to_srgb)
            kept += [Block(kind, data)] if data else []
        elif _png_xmp(block) is not None:
            kept += [_png_xmp_chunk(carried_xmp(_png_xmp(block), carried) or b"")]
        elif kind == b"pHYs":
            kept.append(block)
            carried.keep("resolution")
        elif kind in {b"tEXt", b"zTXt", b"iTXt", b"tIME", b"mDCV", b"cLLI"} or kind[3:].islower():
            kept.append(block)
            carried.keep(_other_block(block))
        else:
            carried.drop(_other_block(block))
    return kept


def _png_xmp_chunk(packet: bytes) -> Block:
    return Block(b"iTXt", _PNG_XMP + b"\0\0\0\0\0" + packet)


def tiff_tags(metadata: Metadata, carried: Carried) -> Directory:
    """The tags of a TIFF from a TIFF: all of them, cleaned."""
    directory = metadata.exif
    kept = Directory(directory.order, dict(directory.tags))
    for tag, name in _DESCRIBES_PIXELS.items():
        if kept.tags.pop(tag, None):
            carried.drop(name)
    xmp, photoshop = carried_xmp(metadata.xmp, carried), carried_resources(metadata.photoshop, carried)
    for tag, value in ((XMP, xmp), (PHOTOSHOP, photoshop)):
        if value and tag in kept.tags:
            kept.tags[tag] = Entry(kept.tags[tag].type, value)
        else:
            kept.tags.pop(tag, None)
    _name_exif(directory, carried)
    for tag, name in ((IPTC, "IPTC"), (ICC, "ICC profile"), (_X_RESOLUTION, "resolution")):
        if tag in kept.tags:
            carried.keep(name)
    return kept


def tiff_tags_about(
    metadata: Metadata, carried: Carried, *, profile: bytes | None, to_srgb: bool
) -> Directory:
    """The tags of a TIFF about a photo of another format, or of one that is encoded again."""
    about = _about(metadata.exif, to_srgb=to_srgb)
    _name_exif(metadata.exif, carried)
    _name_rebuilt(metadata, carried)
    _drop_other_blocks(metadata, carried)
    xmp = carried_xmp(metadata.xmp, carried)
    photoshop = carried_resources(_all_resources(metadata), carried)
    iptc = next((content for number, content, _ in resources(photoshop) if number == _IPTC_RESOURCE), None)
    for tag, kind, value in ((XMP, 1, xmp), (PHOTOSHOP, 1, photoshop), (IPTC, 7, iptc), (ICC, 7, profile)):
        if value:
            about.tags[tag] = Entry(kind, value)
    _name_profile(metadata, carried, profile)
    stated = [about.tags.pop(tag, None) for tag in (_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)]
    if metadata.dots_per_inch:
        carried.keep("resolution")
        for tag, dots in zip((_X_RESOLUTION, _Y_RESOLUTION), metadata.dots_per_inch, strict=True):
            about.tags[tag] = Entry(5, struct.pack(f"{about.order}II", round(dots * 100), 100))
        about.with_short(_RESOLUTION_UNIT, 2)
    elif any(stated):
        carried.drop("resolution")
    return about


def _all_resources(metadata: Metadata) -> bytes | None:
    """Photoshop's resources, with the IPTC records that a TIFF keeps beside them."""
    data = metadata.photoshop or b""
    if metadata.iptc and not any(number == _IPTC_RESOURCE for number, _, _ in resources(data)):
        length = len(metadata.iptc)
        data += b"8BIM" + _IPTC_RESOURCE.to_bytes(2) + b"\0\0" + length.to_bytes(4) + metadata.iptc
        data += bytes(length % 2)
    return data or None


def _icc_segments(profile: bytes) -> list[Block]:
    parts = [profile[at : at + _ICC_PART_BYTES] for at in range(0, len(profile), _ICC_PART_BYTES)]
    return [
        Block(APP2, _ICC_HEAD + bytes([number, len(parts)]) + part)
        for number, part in enumerate(parts, start=1)
    ]


def _photoshop_segments(data: bytes | None) -> list[Block]:
    room = _SEGMENT_ROOM - len(_PHOTOSHOP_HEAD)
    return [
        Block(APP13, _PHOTOSHOP_HEAD + data[at : at + room])
        for at in range(0, len(data or b""), room)
        if data
    ]


# Sony's numbers; the second stands for a profile that is embedded.
_OTHER_COLOUR_SPACES = {0xFFFD: "Wide Gamut RGB", 0xFFFE: "ICC profile"}


def exif_space(exif: Directory) -> str:
    """The colour space that EXIF states, such as ``"sRGB"`` or ``"Adobe RGB (1998)"``, or nothing: ``""``.

    "Uncalibrated" alone states nothing: programs write it into every file whose space they do not know.
    """
    directory = exif.sub(EXIF_IFD)
    space = directory.number(COLOUR_SPACE_TAG, -1)
    index = directory.sub(INTEROP_IFD).text(INTEROP_INDEX)
    if index == "R03" or space == 2:
        return "Adobe RGB (1998)"
    if space in _OTHER_COLOUR_SPACES:
        return _OTHER_COLOUR_SPACES[space]
    return "sRGB" if space == 1 or index == "R98" else ""
