"""Read and write the segments of JPEG and the chunks of PNG and WebP files, byte for byte.

Pixels are decoded and encoded elsewhere. Blocks are located by their lengths; a length that leads past the
end of the file ends the list.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START_OF_IMAGE, _START_OF_SCAN, _END_OF_IMAGE = b"\xff\xd8", 0xDA, 0xD9
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_MAX_BLOCKS = 100_000
_MAX_BLOCK_BYTES = 256 << 20
_PIXELS = frozenset({b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})


class DamageError(ValueError):
    """A damaged file, described in words for the user."""


@dataclass(frozen=True)
class Block:
    """A JPEG segment or a PNG or WebP chunk.

    Attributes:
        kind: the second byte of a JPEG marker, or a four-letter chunk type.
        payload: its content without header and checksum; empty for chunks of pixels.
    """

    kind: bytes
    payload: bytes


def _segment_heads(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Marker and payload length of each segment up to the first scan; the stream is at its payload."""
    stream.seek(len(_START_OF_IMAGE), 1)
    for _ in range(_MAX_BLOCKS):
        if stream.read(1) != b"\xff":
            return
        marker = stream.read(1)
        while marker == b"\xff":  # fill bytes
            marker = stream.read(1)
        length = int.from_bytes(stream.read(2)) - 2
        if not marker or marker[0] in {_START_OF_SCAN, _END_OF_IMAGE} or length < 0:
            return
        start = stream.tell()
        yield marker, length
        stream.seek(start + length)


def jpeg_segments(path: Path) -> list[Block]:
    """The segments of a JPEG before its first scan."""
    found: list[Block] = []
    with path.open("rb") as stream:
        for marker, length in _segment_heads(stream):
            payload = stream.read(length)
            if len(payload) < length:
                break
            found.append(Block(marker, payload))
    return found


@dataclass(frozen=True)
class JpegFrame:
    """The size in a JPEG's frame header, and the sampling factors of the first component."""

    height_px: int
    width_px: int
    sampling: tuple[int, int]


def jpeg_frame(stream: BinaryIO) -> JpegFrame | None:
    """The frame header of the JPEG at the stream's position, or None."""
    for marker, _ in _segment_heads(stream):
        if marker[0] in JPEG_FRAMES:
            frame = stream.read(8).ljust(8, b"\0")
            size = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
            return JpegFrame(*size, (frame[7] >> 4, frame[7] & 15))
    return None


def jpeg_with_segments(data: bytes, segments: Iterable[Block], replaced: frozenset[int]) -> bytes:
    """Replace segments of a JPEG.

    Args:
        data: the JPEG.
        segments: the new segments, inserted after a leading APP0, or else at the start.
        replaced: markers of the segments to remove.
    """
    own, at = [], len(_START_OF_IMAGE)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _START_OF_SCAN:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] not in replaced:
            own.append(data[at:end])
        at = end
    new = [b"\xff" + each.kind + (len(each.payload) + 2).to_bytes(2) + each.payload for each in segments]
    first = 1 if own and own[0][1] == 0xE0 else 0
    return b"".join([_START_OF_IMAGE, *own[:first], *new, *own[first:], data[at:]])


def bytes_after_jpeg(path: Path) -> int:
    """The number of bytes after a JPEG's end marker: a secondary image, a video, a maker's data.

    Scans are skipped by their markers: entropy-coded 0xFF is followed by 0 or a restart marker.
    """
    data = path.read_bytes()
    at = len(_START_OF_IMAGE)
    while 0 <= at < len(data) - 1:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return 0
        marker = data[at + 1]
        if marker == _END_OF_IMAGE:
            return len(data) - at - 2
        if marker in {0x00, 0x01, 0xFF, 0xD8} or 0xD0 <= marker <= 0xD7:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0


def png_chunks(path: Path) -> list[Block]:
    """The chunks of a PNG, those of pixels without their payload."""
    return _chunks(path, len(PNG_SIGNATURE), webp=False)


def webp_chunks(path: Path) -> list[Block]:
    """The chunks of a WebP, those of pixels without their payload."""
    return _chunks(path, 12, webp=True)


def _chunks(path: Path, start: int, *, webp: bool) -> list[Block]:
    found: list[Block] = []
    with path.open("rb") as stream:
        stream.seek(start)
        while len(found) < _MAX_BLOCKS and len(head := stream.read(8)) == 8:
            kind, length = (
                (head[:4], int.from_bytes(head[4:], "little"))
                if webp
                else (head[4:], int.from_bytes(head[:4]))
            )
            payload = b""
            if kind in _PIXELS:
                stream.seek(length, 1)
            elif length > _MAX_BLOCK_BYTES or len(payload := stream.read(length)) < length:
                break
            stream.seek(length % 2 if webp else 4, 1)  # padding, or a checksum
            found.append(Block(kind, payload))
            if kind == b"IEND":
                break
    return found


def png_with_chunks(data: bytes, chunks: Iterable[Block], replaced: frozenset[bytes]) -> bytes:
    """Replace a PNG's chunks of some kinds; the new ones follow the header chunk."""
    own, at = [], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] not in replaced:
            own.append(data[at:end])
        at = end
    new = [
        len(each.payload).to_bytes(4)
        + each.kind
        + each.payload
        + zlib.crc32(each.kind + each.payload).to_bytes(4)
        for each in chunks
    ]
    return b"".join([PNG_SIGNATURE, own[0], *new, *own[1:]])


def webp_with_chunks(data: bytes, chunks: Iterable[Block], size_wh: tuple[int, int], *, alpha: bool) -> bytes:
    """Replace the ICCP, EXIF and XMP chunks of a still WebP, in the order the format requires."""
    new = {each.kind: each.payload for each in chunks}
    own, at = [], 12
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in {b"VP8 ", b"VP8L", b"ALPH"}:
            own.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    flags = (b"ICCP" in new) << 5 | alpha << 4 | (b"EXIF" in new) << 3 | (b"XMP " in new) << 2
    header = bytes([flags, 0, 0, 0]) + b"".join((side - 1).to_bytes(3, "little") for side in size_wh)
    ordered = [(b"VP8X", header), *((kind, new[kind]) for kind in (b"ICCP",) if kind in new), *own]
    ordered += [(kind, new[kind]) for kind in (b"EXIF", b"XMP ") if kind in new]
    body = b"WEBP" + b"".join(
        kind + len(payload).to_bytes(4, "little") + payload + bytes(len(payload) % 2)
        for kind, payload in ordered
    )
    return b"RIFF" + len(body).to_bytes(4, "little") + body
