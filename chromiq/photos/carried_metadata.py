"""Build the metadata of a new file from a photo's when its pixels have changed.

EXIF, GPS, IPTC, XMP, clipping paths, comments and resolution are kept. Metadata that describes the old pixels
is dropped: thumbnails, previews, layers, gain maps, indexes of secondary images, signatures.
"""

from __future__ import annotations

import io
import struct
import zlib
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
from chromiq.photos.metadata_names import (
    ABOUT,
    COLOUR_CHUNKS,
    IPTC_RESOURCE,
    STALE_RESOURCES,
    STALE_TAGS,
    block_name,
    stale_name,
)
from chromiq.photos.tiff import (
    EXIF_IFD,
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
from chromiq.photos.xmp import without_images

_SEGMENT_ROOM = 65_533


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

    def to_jpeg(self, *, same: bool = False) -> list[Block]:
        """The segments for a JPEG; if the source is one as well (``same``), its other segments are kept."""
        exif, xmp = self._exif_for_jpeg(), self._xmp()
        others = [each for each in self.source.blocks if same and block_name(each) and not stale_name(each)]
        return [
            *([Block(APP1, EXIF_HEAD + exif)] if exif else []),
            *([Block(APP1, XMP_HEAD + xmp)] if xmp and len(xmp) <= _SEGMENT_ROOM - len(XMP_HEAD) else []),
            *_icc_segments(self.profile),
            *others,
            *_photoshop_segments(self._resources()),
        ]

    def to_png(self, *, same: bool = False) -> list[Block]:
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
        kept = self.source.exif.without(*STALE_TAGS)
        resources = self._resources(self.source.photoshop)
        for tag, value in ((XMP, self._xmp()), (PHOTOSHOP, resources)):
            old = kept.tags.pop(tag, None)
            if value and old:
                kept.tags[tag] = Entry(old.type, value)
        return kept

    def to_tiff(self) -> Directory:
        """The tags for a TIFF made from another format, or encoded from scratch."""
        about, resources = self._about(), self._resources()
        iptc = next((each[1] for each in photoshop_resources(resources) if each[0] == IPTC_RESOURCE), None)
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
        if not self.source.exif.tags.keys() & ABOUT:
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
            directory.order, {tag: directory.tags[tag] for tag in directory.tags if tag in ABOUT}
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
        kept = [whole for number, _, whole in found if number not in STALE_RESOURCES]
        iptc = self.source.iptc
        if data is None and iptc and not any(number == IPTC_RESOURCE for number, _, _ in found):
            head = b"8BIM" + IPTC_RESOURCE.to_bytes(2) + b"\0\0" + len(iptc).to_bytes(4)
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
