"""Read TIFF directories and samples, and write a TIFF with some strips or tiles changed.

libtiff decodes LZW, PackBits, fax and WebP; tifffile decodes the rest, because libvips' libtiff has neither
ZSTD nor LZMA and writes no EXIF directory. A rewritten TIFF keeps its byte order, BigTIFF, compression,
predictor, planar configuration, strips or tiles and all tags that do not describe the old pixels. Strips and
tiles without a changed pixel are copied, the others are encoded again.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import imagecodecs
import numpy as np
import pyvips
import tifffile
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC

from chromiq.photos.containers import DamageError, jpeg_frame
from chromiq.records import BoolMask
from chromiq.runtime.workers import thread_per_core

logging.getLogger("tifffile").propagate = False  # faults in files are reported as findings
logging.getLogger("tifffile").addHandler(logging.NullHandler())

EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665, 34853, 40965
ORIENTATION, XMP, IPTC, PHOTOSHOP, ICC = 274, 700, 33723, 34377, 34675
_SUB_DIRECTORIES = frozenset({EXIF_IFD, GPS_IFD, INTEROP_IFD})
_TYPE_BYTES = {int(kind): struct.calcsize(code) for kind, code in tifffile.TIFF.DATA_FORMATS.items()}
_MAX_TAGS, _MAX_BYTES, _MAX_DEPTH = 4096, 256 << 20, 2
# imagecodecs' LZW decoder reads out of bounds on corrupt strips, and it has no fax or TIFF WebP.
_FAX = frozenset({COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6})
_BY_LIBTIFF = _FAX | {COMPRESSION.LZW, COMPRESSION.PACKBITS, COMPRESSION.WEBP}
_FAX_OPTIONS = (292, 293)
_DEFLATE = COMPRESSION.ADOBE_DEFLATE
_ZIP = frozenset({_DEFLATE, COMPRESSION.DEFLATE})
_ZIP_LEVEL = 6  # of libdeflate, three times as fast as zlib
_LOSSY_LEVEL = 95
Order = Literal["<", ">"]


@dataclass(frozen=True)
class Entry:
    """A tag's TIFF type and its value: bytes in the file's byte order, or a sub-directory."""

    type: int
    value: bytes | Directory

    def numbers(self, order: Order) -> tuple[int, ...]:
        """The values of an integer tag; empty for other types."""
        code = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q"}.get(self.type)
        if code is None or isinstance(self.value, Directory):
            return ()
        count = len(self.value) // struct.calcsize(code)
        return struct.unpack(f"{order}{count}{code}", self.value[: count * struct.calcsize(code)])


@dataclass
class Directory:
    """A TIFF directory.

    Attributes:
        order: the byte order of the file, and of the values.
        tags: its tags.
        link_at: the position of the link to the next directory, in EXIF data that of the thumbnail; None if
            the directory was not read or is cut short.
        following: the offset of the next directory; 0 if this is the last.
    """

    order: Order = "<"
    tags: dict[int, Entry] = field(default_factory=dict)
    link_at: int | None = None
    following: int = 0

    def text(self, tag: int) -> str:
        """The text of an ASCII tag; empty if missing."""
        return (self.data(tag) or b"").split(b"\0")[0].decode("latin-1").strip()

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of an integer tag."""
        entry = self.tags.get(tag)
        values = entry.numbers(self.order) if entry else ()
        return values[0] if values else default

    def rationals(self, tag: int) -> tuple[float, ...]:
        """The values of a rational tag, without those whose denominator is 0."""
        entry = self.tags.get(tag)
        if entry is None or entry.type not in {5, 10} or isinstance(entry.value, Directory):
            return ()
        code = "I" if entry.type == 5 else "i"
        count = len(entry.value) // 8
        parts = struct.unpack(f"{self.order}{2 * count}{code}", entry.value[: 8 * count])
        return tuple(a / b for a, b in zip(parts[::2], parts[1::2], strict=True) if b)

    def data(self, tag: int) -> bytes | None:
        """A tag's bytes; None if missing or empty."""
        entry = self.tags.get(tag)
        return entry.value if entry and isinstance(entry.value, bytes) and entry.value else None

    def without(self, *tags: int) -> Directory:
        """A copy without some tags."""
        return Directory(self.order, {tag: self.tags[tag] for tag in self.tags if tag not in tags})

    def sub(self, tag: int) -> Directory:
        """The sub-directory of a tag; empty if missing."""
        entry = self.tags.get(tag)
        return entry.value if entry and isinstance(entry.value, Directory) else Directory(self.order)

    def with_short(self, tag: int, value: int) -> None:
        """Set a tag to one SHORT."""
        self.tags[tag] = Entry(3, struct.pack(f"{self.order}H", value))


def read_directory(
    stream: BinaryIO, offset: int, order: Order, *, big: bool = False, depth: int = 0
) -> Directory:
    """A directory and its EXIF, GPS and interoperability directories, without tags that point past the end.

    Args:
        stream: a TIFF file or EXIF data.
        offset: where the directory starts.
        order: the byte order.
        big: whether the file is a BigTIFF.
        depth: the nesting depth of the directory.
    """
    found = Directory(order)
    count_code, entry_code, size = ("Q", "HHQ8s", 20) if big else ("H", "HHI4s", 12)
    room = stream.seek(0, io.SEEK_END)  # the sum of all values is limited, as crafted ones may overlap
    stream.seek(offset)
    head = stream.read(struct.calcsize(count_code))
    if len(head) < struct.calcsize(count_code):
        return found
    count = min(struct.unpack(order + count_code, head)[0], _MAX_TAGS)
    table = stream.read(count * size)
    if len(link := stream.read(4)) == 4 and count < _MAX_TAGS and not big:
        found.link_at, found.following = stream.tell() - 4, struct.unpack(f"{order}I", link)[0]
    for at in range(0, len(table) - size + 1, size):
        tag, kind, length, inline = struct.unpack_from(order + entry_code, table, at)
        if kind not in _TYPE_BYTES:
            continue
        wanted = length * _TYPE_BYTES[kind]
        value = inline[:wanted]
        if wanted > len(inline):
            if wanted > min(room, _MAX_BYTES):
                continue
            room -= wanted
            stream.seek(struct.unpack(order + ("Q" if big else "I"), inline)[0])
            value = stream.read(wanted)
        if len(value) < wanted:
            continue
        entry = Entry(kind, value)
        if tag in _SUB_DIRECTORIES:
            where = entry.numbers(order)
            if len(where) != 1 or depth >= _MAX_DEPTH:
                continue
            entry = Entry(4, read_directory(stream, where[0], order, big=big, depth=depth + 1))
        found.tags[tag] = entry
    return found


def header_of(data: bytes) -> tuple[Order, bool, int] | None:
    """The byte order, whether it is a BigTIFF, and the offset of the first directory; None if not a TIFF."""
    orders: dict[bytes, Order] = {b"II": "<", b"MM": ">"}
    order = orders.get(data[:2])
    if order is None or len(data) < 8:
        return None
    version = struct.unpack(f"{order}H", data[2:4])[0]
    if version == 43 and len(data) >= 16:
        return order, True, struct.unpack(f"{order}Q", data[8:16])[0]
    return (order, False, struct.unpack(f"{order}I", data[4:8])[0]) if version == 42 else None


def write_tiff(directory: Directory, chunks: Iterable[bytes] = (), *, big: bool = False) -> bytes:
    """A TIFF with one directory, or EXIF data if there are no chunks.

    Args:
        directory: the tags; offsets and byte counts of strips or tiles are added.
        chunks: the encoded strips or tiles, in order.
        big: whether to write a BigTIFF.
    """
    order, pixels = directory.order, list(chunks)
    start = 16 if big else 8
    sizes, places, end = [len(chunk) for chunk in pixels], [], start
    for number, size in enumerate(sizes):
        places.append(end if size else 0)
        pixels[number] += bytes(size % 2)
        end += size + size % 2
    if pixels:
        kind, code = (16, "Q") if big else (4, "I")
        offsets, counts = (324, 325) if 322 in directory.tags else (273, 279)
        tags = dict(directory.tags)
        tags[offsets] = Entry(kind, struct.pack(f"{order}{len(places)}{code}", *places))
        tags[counts] = Entry(kind, struct.pack(f"{order}{len(pixels)}{code}", *sizes))
        directory = Directory(order, tags)
    tail = bytearray()
    first = _append(tail, directory, big, end)
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(f"{order}HHHQ", 43, 8, 0, first) if big else struct.pack(f"{order}HI", 42, first)
    return b"".join([mark + header, *pixels, tail])


def _append(out: bytearray, directory: Directory, big: bool, before: int) -> int:
    """Append a directory, its values first; return its offset. ``before`` bytes precede ``out``."""
    order, code, inline_bytes = directory.order, "Q" if big else "I", 8 if big else 4
    rows = []
    for tag, entry in sorted(directory.tags.items()):
        value = entry.value
        kind = entry.type
        if isinstance(value, Directory):
            if not value.tags:
                continue
            kind = 4
            value = struct.pack(f"{order}I", _append(out, value, big, before))
        count = len(value) // _TYPE_BYTES[kind]
        if len(value) > inline_bytes:
            place = before + len(out)
            out += value + bytes(len(value) % 2)
            value = struct.pack(order + code, place)
        rows.append(struct.pack(f"{order}HH{code}", tag, kind, count) + value.ljust(inline_bytes, b"\0"))
    start = before + len(out)
    out += struct.pack(order + ("Q" if big else "H"), len(rows)) + b"".join(rows) + bytes(inline_bytes)
    return start


def tiff_samples(path: Path, page: tifffile.TiffPage) -> NDArray[Any]:
    """Decode all channels of an image in a TIFF.

    Args:
        path: the file.
        page: the image.

    Returns:
        ``(h, w, channels)`` uint8 or uint16. Other bit depths are scaled to the next larger one; palette
        indices are not.

    Raises:
        ValueError: if the strips or tiles do not match the image.
        pyvips.Error: if libtiff cannot decode it.
    """
    if not any(page.databytecounts):
        raise DamageError("its strips or tiles are empty")
    shape = (int(page.imagelength), int(page.imagewidth))
    bits, palette = int(page.bitspersample), page.photometric == PHOTOMETRIC.PALETTE
    if int(page.compression) in _BY_LIBTIFF or page.fillorder != 1:
        stored = _samples_by_libtiff(path, page)
        return stored // (255 // ((1 << bits) - 1)) if palette and bits < 8 else stored
    # Parts that a corrupt strip does not fill are black, not uninitialised.
    try:
        stored = page.asarray(out=np.zeros(page.shape, page.dtype))
    except imagecodecs.DeflateError:
        # Some programs pad the last strip, which libdeflate rejects.
        return _samples_by_libtiff(path, page)
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        stored = np.moveaxis(stored.reshape(-1, *shape), 0, -1)
    stored = stored.reshape(*shape, -1)
    if stored.dtype == np.bool_ or bits == 1:
        return stored.astype(np.uint8) * (1 if palette else 255)
    if not palette and bits < 8:
        return (stored.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return (
        widened(stored, bits) if 8 < bits < 16 else stored.astype(stored.dtype.newbyteorder("="), copy=False)
    )


def widened(values: NDArray[Any], bits: int) -> NDArray[np.uint16]:
    """Scale values of 9 to 15 bits to 16."""
    if bits >= 16:
        return values.astype(np.uint16)
    return (values.astype(np.uint32) * 65535 // ((1 << bits) - 1)).astype(np.uint16)


def _samples_by_libtiff(path: Path, page: tifffile.TiffPage) -> NDArray[Any]:
    """Decode with libtiff, which also scales 1, 2 and 4 bits to 8.

    libvips would apply palettes and alpha and refuses tiles of separate planes, so it gets each plane as a
    TIFF of grey samples.
    """
    bits, channels = int(page.bitspersample), int(page.samplesperpixel)
    if bits not in ({1, 2, 4, 8, 16} if channels == 1 else {8, 16}):
        raise DamageError(f"{channels} channels of {bits} bits in this compression are not supported")
    strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if sum(count for _, count in strips) > path.stat().st_size:
        raise DamageError("its strips or tiles overlap")
    planes = channels if page.planarconfig == 2 else 1
    each = len(strips) // planes
    plain = _plain_samples(page, channels // planes)
    decoded = []
    with path.open("rb") as stream:
        for first in range(0, each * planes, each):
            chunks = []
            for offset, count in strips[first : first + each]:
                stream.seek(offset)
                chunks.append(stream.read(count))
            image = pyvips.Image.tiffload_buffer(
                write_tiff(plain, chunks), access="sequential", fail_on="error", unlimited=True
            )
            decoded.append(image.numpy().reshape(image.height, image.width, -1))
    return decoded[0] if planes == 1 else np.concatenate(decoded, axis=2)


def _plain_samples(page: tifffile.TiffPage, channels: int) -> Directory:
    """The tags of a TIFF with the page's strips or tiles as grey samples."""
    order: Order = page.parent.byteorder
    sizes = {322: page.tilewidth, 323: page.tilelength} if page.is_tiled else {278: page.rowsperstrip}
    shorts: dict[int, tuple[int, ...]] = {
        258: (int(page.bitspersample),) * channels, 259: (int(page.compression),), 262: (1,),
        266: (int(page.fillorder),), 277: (channels,), 284: (1,), 317: (int(page.predictor),),
        **({338: (0,) * (channels - 1)} if channels > 1 else {}),
    }  # fmt: skip
    longs = {256: page.imagewidth, 257: page.imagelength, **sizes}
    longs |= {tag: page.tags[tag].value for tag in _FAX_OPTIONS if tag in page.tags}
    return Directory(order, _numbers(order, shorts, longs))


def _numbers(
    order: Order, shorts: Mapping[int, tuple[int, ...]], longs: Mapping[int, int]
) -> dict[int, Entry]:
    tags = {tag: Entry(3, struct.pack(f"{order}{len(v)}H", *v)) for tag, v in shorts.items()}
    return tags | {tag: Entry(4, struct.pack(f"{order}I", int(value))) for tag, value in longs.items()}


def rewritten(
    path: Path,
    page: tifffile.TiffPage,
    directory: Directory,
    pixels_of: Callable[[slice, slice], NDArray[Any]],
    changed: BoolMask,
) -> tuple[bytes, str]:
    """Encode the changed strips or tiles of a TIFF and copy the others.

    Args:
        path: the file.
        page: the image.
        directory: the tags to write.
        pixels_of: returns a region as ``(rows, columns, channels)``, with all channels of the file.
        changed: ``(h, w)`` bool, True where pixels differ from the file's.

    Returns:
        The new file, and a note if its compression changed.
    """
    encode, note = _encoder(path, page), ""
    if encode is None:
        encode, note = _zipped, f"compression {tifffile.COMPRESSION(page.compression).name} became ZIP"
        directory.with_short(259, _DEFLATE)
        directory.with_short(317, 1)
        changed = np.ones_like(changed)
    planar = page.planarconfig == 2 and page.samplesperpixel > 1
    tables = page.jpegtables[2:-2] if page.compression == COMPRESSION.JPEG and page.jpegtables else b""
    # libtiff would apply the tables of a re-encoded strip to the strips after it.
    directory.tags.pop(347, None)
    places = []
    for index in range(len(page.dataoffsets)):
        _, (plane, _, top, left, _), shape = page.decode(None, index)
        places.append((plane, slice(top, top + shape[1]), slice(left, left + shape[2])))

    def encoded(index: int) -> bytes:
        plane, rows, columns = places[index]
        if not changed[rows, columns].any():
            with path.open("rb") as stream:
                stream.seek(page.dataoffsets[index])
                stored = stream.read(page.databytecounts[index])
                return stored[:2] + tables + stored[2:] if stored else stored
        part = pixels_of(rows, columns)
        part = part[..., plane : plane + 1] if planar else part
        if page.is_tiled:
            padding = (page.tilelength - part.shape[0], page.tilewidth - part.shape[1])
            part = np.pad(part, ((0, padding[0]), (0, padding[1]), (0, 0)), mode="edge")
        return bytes(encode(np.ascontiguousarray(part), page))

    with thread_per_core() as pool:
        chunks = list(pool.map(encoded, range(len(places))))
    return write_tiff(directory, chunks, big=page.parent.is_bigtiff), note


def _encoder(path: Path, page: tifffile.TiffPage) -> Any:
    """A function that encodes a strip or tile with the page's compression, or None."""
    if page.compression == COMPRESSION.WEBP:
        return None
    if page.compression == COMPRESSION.JPEG:
        # The subsampling tag may be missing or wrong, and all-black strips may be omitted.
        stored = (at for at, count in zip(page.dataoffsets, page.databytecounts, strict=True) if count)
        with path.open("rb") as stream:
            stream.seek(next(stored))
            frame = jpeg_frame(stream)
        return partial(_jpeg, sampling=frame.sampling if frame else page.subsampling or (1, 1))
    if page.compression == COMPRESSION.NONE:
        return _plain
    return _compressed if page.predictor in {1, 2} else None


def _plain(part: NDArray[Any], page: tifffile.TiffPage) -> bytes:
    return part.astype(part.dtype.newbyteorder(page.parent.byteorder)).tobytes()


def _compressed(part: NDArray[Any], page: tifffile.TiffPage) -> bytes:
    if page.predictor == 2:
        part = imagecodecs.delta_encode(part, axis=-2)
    if page.compression == COMPRESSION.PACKBITS:  # each row is packed separately
        return b"".join(imagecodecs.packbits_encode(_plain(row, page)) for row in part)
    if page.compression in _ZIP:
        return _deflated(_plain(part, page))
    return bytes(tifffile.TIFF.COMPRESSORS[page.compression](_plain(part, page)))


def _zipped(part: NDArray[Any], page: tifffile.TiffPage) -> bytes:
    return _deflated(_plain(part, page))


def _deflated(data: bytes) -> bytes:
    return bytes(imagecodecs.deflate_encode(data, level=_ZIP_LEVEL))


def _jpeg(part: NDArray[Any], page: tifffile.TiffPage, sampling: tuple[int, int]) -> bytes:
    ycbcr = page.photometric == PHOTOMETRIC.YCBCR
    return bytes(
        imagecodecs.jpeg_encode(
            part if part.shape[2] > 1 else part[..., 0],
            level=_LOSSY_LEVEL,
            colorspace="rgb" if part.shape[2] == 3 else None,
            outcolorspace=("ycbcr" if ycbcr else "rgb") if part.shape[2] == 3 else None,
            subsampling=sampling if ycbcr else None,
        )
    )


def plain_directory(
    pixels: NDArray[Any], about: Mapping[int, Entry], order: Order = "<"
) -> tuple[Directory, list[bytes]]:
    """The tags and strips of a ZIP-compressed RGB TIFF.

    Args:
        pixels: ``(h, w, 3 or 4)`` uint8 or uint16, with straight alpha.
        about: other tags, in the same byte order.
        order: the byte order.
    """
    height_px, width_px, channels = pixels.shape
    rows = max(1, min(height_px, (1 << 20) // (width_px * channels * pixels.itemsize)))
    ordered = pixels.dtype.newbyteorder(order)
    parts = (np.ascontiguousarray(pixels[top : top + rows]) for top in range(0, height_px, rows))
    strips = [_deflated(imagecodecs.delta_encode(part, axis=-2).astype(ordered).tobytes()) for part in parts]
    shorts: dict[int, tuple[int, ...]] = {
        258: (8 * pixels.itemsize,) * channels, 259: (_DEFLATE,), 262: (2,), 277: (channels,),
        284: (1,), 317: (2,), **({338: (2,)} if channels == 4 else {}),
    }  # fmt: skip
    longs = {256: width_px, 257: height_px, 278: rows}
    return Directory(order, {**about, **_numbers(order, shorts, longs)}), strips
