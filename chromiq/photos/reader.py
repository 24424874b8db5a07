"""The one reader of photos: kind of file, size, colours, and the pixels as they are stored.

libvips decodes JPEG, PNG, WebP and AVIF, libtiff and tifffile TIFF (see `chromiq.photos.tiff`), Pillow BMP,
which libvips does not know. Nothing is decoded before its size is known, and only formats of photos are: a
file is recognised by its first bytes, whatever it is called, and handed to the decoder of that format alone.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image

from chromiq.errors import Finding, UnsoundError
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
from chromiq.photos.containers import JPEG_FRAMES, jpeg_frame
from chromiq.photos.metadata import (
    Metadata,
    exif_space,
    metadata_of_avif,
    metadata_of_tiff,
    read_metadata,
    resolution,
)
from chromiq.photos.tiff import tiff_samples, widened

# A file may be written again under its name, so no result of an operation is kept.
pyvips.cache_set_max(0)

MIN_SIDE_PX = 64
MAX_PIXELS = 175_000_000
MAX_SIDE_PX = 32_000
_LONGEST_PATH = 300
Format = Literal["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP"]
_EXPORT = "Export it as a JPEG, PNG, WebP or TIFF."
_EIGHT_OR_16_BITS = "Export it with 8 or 16 bits a channel."
_DEVELOP = "Develop it in a raw converter and export a TIFF or JPEG."
_HEIC = "HEIC needs an HEVC decoder, which is not included. " + _EXPORT
# Offset, bytes, what such a file is, how to get a photo of it.
_OTHER_KINDS = (
    *(
        (8, brand, "a HEIC picture", _HEIC)
        for brand in (b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1")
    ),
    (4, b"ftypcrx ", "a camera raw file", _DEVELOP),
    (4, b"ftyp", "a video", "Export one picture of it as a JPEG, PNG, WebP or TIFF."),
    (8, b"CR\2", "a camera raw file", _DEVELOP),
    (0, b"IIRO", "a camera raw file", _DEVELOP),
    (0, b"IIU\0", "a camera raw file", _DEVELOP),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file", _DEVELOP),
    (0, b"GIF8", "a GIF", _EXPORT),
    (0, b"%!PS", "a PostScript page", _EXPORT),
    (0, b"%PDF", "a PDF", _EXPORT),
    (0, b"8BPS", "a Photoshop file", _EXPORT),
    (0, b"\xff\x0a", "a JPEG XL picture", _EXPORT),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", _EXPORT),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", _EXPORT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _EXPORT),
    (0, b"II\xbc", "a JPEG XR picture", _EXPORT),
    (0, b"v/1\x01", "an OpenEXR picture", _EXPORT),
    (0, b"#?RADIANCE", "a Radiance picture", _EXPORT),
    (0, b"\0\0\1\0", "an icon", _EXPORT),
    (0, b"qoif", "a QOI picture", _EXPORT),
    (0, b"gimp xcf", "a GIMP file", _EXPORT),
    (0, b"SIMPLE  =", "a FITS picture", _EXPORT),
    (0, b"\1\xda", "an SGI picture", _EXPORT),
    *((0, b"P%d%c" % (n, end), "a Netpbm picture", _EXPORT) for n in range(1, 8) for end in b"\n "),
    (0, b"\0\5\x16\7", "macOS file data (AppleDouble), not the photo", "Copy the photo itself."),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the photo", "Run git lfs pull."),
    (0, b"<", "a web page or other text", "Download the photo again."),
)
_JPEG_FRAMES = JPEG_FRAMES | {0xF7}
_LOSSLESS_FRAMES = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_CHANNELS: dict[Kind, int] = {"grey": 1, "rgb": 3, "cmyk": 4}
_TIFF_KINDS: dict[int, Kind] = {0: "grey", 1: "grey", 5: "cmyk"}  # by photometric; all others are RGB
_LOADERS = {"JPEG": "jpegload", "PNG": "pngload", "WEBP": "webpload", "AVIF": "heifload"}
# cICP and a HEIF's nclx: primaries of ITU-T H.273.
_CODE_POINTS = {1: "sRGB", 9: "Rec. 2020", 12: "Display P3"}
_SRGB_LIKE_TRANSFERS = frozenset({1, 6, 13, 14, 15})
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = 2
_TIFF_WHITE, _TIFF_PRIMARIES, _TIFF_TRANSFER = 318, 319, 301
_REDUCED, _MASK_PAGE = 1, 4
_TIFF_JPEG = 7
# Fax, WebP and what photo software writes. Others state sizes of their own in each strip.
_TIFF_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, _TIFF_JPEG, 8, 32773, 32946, 34925, 50000, 50001})
# RGB and alpha of 16 bits.
_MOST_TIFF_BYTES = 8 * MAX_PIXELS
_RAW_PHOTOMETRICS, _MOST_RAW_PAGES = frozenset({32803, 34892}), 8
_YCBCR = 6
# What a decoder may raise on bytes that are not what they promise.
_DECODING_ERRORS = (
    pyvips.Error, OSError, ValueError, SyntaxError, struct.error, RuntimeError, IndexError, KeyError,
    TypeError, NotImplementedError, ZeroDivisionError, OverflowError, AttributeError, AssertionError,
    MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pixels:
    """A photo's pixels as its file has them: not turned, in its own colours.

    Attributes:
        values: ``(h, w)`` grey or ``(h, w, 3 or 4)`` RGB or CMYK, uint8 or uint16.
        alpha: ``(h, w)`` of the same type; None if nothing is transparent.
        kind: what the channels of `values` are.
    """

    values: NDArray[Any]
    alpha: NDArray[Any] | None
    kind: Kind


@dataclass(frozen=True, eq=False)
class PhotoFile:
    """A photo as far as its header tells.

    Attributes:
        path: the file.
        format: what it is, whatever its suffix says.
        stored_wh: width and height in pixels as it is stored.
        kind: what its channels are.
        metadata: what it says beside its pixels.
    """

    path: Path
    format: Format
    stored_wh: tuple[int, int]
    kind: Kind
    metadata: Metadata

    @property
    def orientation(self) -> int:
        """The EXIF orientation 1..8."""
        return self.metadata.orientation

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        return self.stored_wh[::-1] if self.orientation >= 5 else self.stored_wh

    @cached_property
    def space(self) -> ColourSpace:
        """What its colours mean.

        Raises:
            UnsoundError: if its profile cannot be used, or it states a space that is unknown.
        """
        stated = self.metadata.profile is None and self.metadata.profile_is_whole
        try:
            return _space_of(self)
        except ProfileError as error:
            hint = "Export it with its ICC profile, not as HDR." if stated else "Export it again as sRGB."
            code = "photo.space" if stated else "photo.profile"
            raise _unsound(code, self.path, str(error), hint) from error

    def decode(self, least_wh: tuple[int, int] | None = None) -> Pixels:
        """All pixels, or, of a JPEG, at a half, a quarter or an eighth of its sides.

        Args:
            least_wh: the upright width and height that suffice.

        Raises:
            UnsoundError: if the file is cut short or damaged.
        """
        with decoding(self.path):
            pixels, shrink = self._decoded(least_wh)
            sides = tuple(side // shrink for side in self.stored_wh[::-1])  # libvips rounds down
            channels = () if pixels.kind == "grey" else (_CHANNELS[pixels.kind],)
            if pixels.values.shape != sides + channels:
                raise ValueError(f"its pixels are of shape {pixels.values.shape}")
            return pixels

    def _decoded(self, least_wh: tuple[int, int] | None) -> tuple[Pixels, int]:
        """The pixels, and by how much they are smaller."""
        if self.format == "TIFF":
            return _tiff_pixels(self.path), 1
        if self.format == "BMP":
            with Image.open(self.path, formats=("BMP",)) as image:
                values = np.array(image.convert("RGBA"))
            # Some programs name an alpha channel and leave it empty.
            alpha = (
                np.ascontiguousarray(values[..., 3])
                if image.mode == "RGBA" and values[..., 3].any()
                else None
            )
            return Pixels(np.ascontiguousarray(values[..., :3]), alpha, "rgb"), 1
        shrink = _shrink(self.size_wh, least_wh) if self.format == "JPEG" and least_wh is not None else 1
        return _vips_pixels(stored_image(self.path, self.format, shrink), self.kind), shrink


def open_photo(path: Path, min_side_px: int = MIN_SIDE_PX) -> PhotoFile:
    """Look at a photo's header.

    Args:
        path: the file.
        min_side_px: the shortest side that is taken.

    Raises:
        UnsoundError: with one `Finding`, if the file is missing, no photo, too small or too large, holds
            several pictures, or values of a depth that no camera writes.
    """
    _refuse_missing(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        message = f"it cannot be opened: {error.strerror}"
        raise _unsound("photo.unreadable", path, message, "Check its permissions.") from error
    image_format = _format_of(head)
    if image_format is None:
        kind, hint = next(
            ((name, hint) for at, mark, name, hint in _OTHER_KINDS if head[at:].startswith(mark)),
            ("not an image", _EXPORT),
        )
        raise _unsound("photo.unreadable", path, f"it is {kind}", hint, got=kind)
    try:
        photo, frames = _header(path, image_format)
    except UnsoundError:
        raise
    except Image.DecompressionBombError as error:
        message = f"it is larger than {MAX_PIXELS // 1_000_000} megapixels"
        raise _unsound("photo.large", path, message, "Scale it down.") from error
    except _DECODING_ERRORS as error:
        message = f"it cannot be opened: {_reason(error)}"
        hint = "Replace it by a JPEG, PNG, WebP or TIFF that is exported again."
        raise _unsound("photo.unreadable", path, message, hint) from error
    width_px, height_px = photo.stored_wh
    size = f"{width_px}x{height_px}"
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        most = f"{MAX_SIDE_PX} px a side and {MAX_PIXELS // 1_000_000} megapixels"
        message = f"it is {size}, larger than {most}"
        raise _unsound("photo.large", path, message, "Scale it down.", wanted=most, got=size)
    if min(width_px, height_px) < min_side_px:
        message = f"it is {size}, smaller than {min_side_px} px a side"
        raise _unsound("photo.small", path, message, "Use the original photo.", got=size)
    if frames > 1:
        raise _unsound("photo.animated", path, f"it holds {frames} pictures", "Export one of them.")
    return photo


def _unsound(
    code: str, path: Path | str, message: str, hint: str, *, wanted: str | None = None, got: str | None = None
) -> UnsoundError:
    return UnsoundError.of(Finding(code, str(path), message, hint, wanted=wanted, got=got))


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """What a decoder complains of in the block is a finding."""
    try:
        yield
    except UnsoundError:
        raise
    except _DECODING_ERRORS as error:
        message = f"it is damaged or cut short: {_reason(error)}"
        raise _unsound("photo.truncated", path, message, "Copy or export it again.") from error


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, pyvips.Error):  # the first line is what pyvips was about to do
        lines = lines[1:] or ["its data cannot be decoded"]
    return (lines[-1] if lines else type(error).__name__)[:200]


def _refuse_missing(path: Path) -> None:
    try:
        # A pipe or a device would be waited for, or read for ever.
        missing = None if path.is_file() else "not a file" if path.exists() else "no such file"
    except OSError as error:  # such as a name that is too long
        missing = str(error.strerror)
    if missing:
        where = str(path)[:_LONGEST_PATH]
        raise _unsound(
            "photo.missing", where, f"it cannot be read: {missing}", "Check the path.", got=missing
        )
    if path.stat().st_size == 0:
        raise _unsound("photo.empty", path, "the file is empty", "Copy it again.")


def _format_of(head: bytes) -> Format | None:
    starts: tuple[tuple[bytes, Format], ...] = (
        (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"BM", "BMP"),
        (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"),
    )  # fmt: skip
    for start, name in starts:
        if head.startswith(start) and head[8:11] != b"CR\2":
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    brands = head[8 : min(64, int.from_bytes(head[:4]))] if head[4:8] == b"ftyp" else b""
    return "AVIF" if b"avif" in brands or b"avis" in brands else None


def _header(path: Path, image_format: Format) -> tuple[PhotoFile, int]:
    """The file, and how many pictures it holds.

    Raises:
        UnsoundError: if its values are of a kind that is not taken.
    """
    if image_format == "TIFF":
        return _tiff_header(path)
    if image_format == "BMP":
        with Image.open(path, formats=("BMP",)) as image:
            metadata = Metadata(dots_per_inch=resolution(*image.info.get("dpi", (0, 0))))
        return PhotoFile(path, image_format, image.size, "rgb", metadata), 1
    metadata = read_metadata(path, image_format)
    if image_format == "JPEG":
        _refuse_other_jpeg(path, metadata)
    image = stored_image(path, image_format)
    fields = image.get_fields()
    frames = image.get("n-pages") if "n-pages" in fields else 1
    if image_format == "PNG" and any(each.kind == b"acTL" for each in metadata.blocks):
        frames = 2
    if image_format == "AVIF":
        with path.open("rb") as stream:
            frames = max(frames, 2) if stream.read(12)[8:] == b"avis" else frames
        exif, xmp, profile = (
            bytes(image.get(name)) if name in fields else None
            for name in ("exif-data", "xmp-data", "icc-profile-data")
        )
        metadata = metadata_of_avif(exif, xmp, profile)
    kind: Kind = "cmyk" if image.interpretation == "cmyk" else "grey" if image.bands < 3 else "rgb"
    if image.format not in {"uchar", "ushort"}:
        raise _unsound("photo.depth", path, f"it holds values of type {image.format}", _EIGHT_OR_16_BITS)
    return PhotoFile(path, image_format, (image.width, image.height), kind, metadata), frames


def _refuse_other_jpeg(path: Path, metadata: Metadata) -> None:
    """JPEG of 12 bits and lossless JPEG are other formats under the same first bytes."""
    frame = next((each for each in metadata.blocks if each.kind[0] in _JPEG_FRAMES), None)
    if frame is None:
        return
    if frame.kind[0] in _LOSSLESS_FRAMES:
        raise _unsound("photo.depth", path, "it is a lossless JPEG", _EXPORT)
    if frame.payload[:1] not in {b"", b"\x08"}:
        message = f"it is a JPEG of {frame.payload[0]} bits"
        raise _unsound("photo.depth", path, message, "Export it as an 8-bit JPEG or a TIFF.")


def stored_image(path: Path, image_format: Format, shrink: int = 1) -> pyvips.Image:
    """A JPEG, PNG, WebP or AVIF as libvips decodes it, from top to bottom and not turned."""
    options: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    if image_format == "JPEG":
        options["shrink"] = shrink
    return pyvips.Operation.call(_LOADERS[image_format], os.fsencode(path), **options)


def _vips_pixels(image: pyvips.Image, kind: Kind) -> Pixels:
    values = image.numpy()
    if image.format == "ushort" and image.interpretation not in {"rgb16", "grey16"}:
        values = widened(values, int(image.get("bits-per-sample")))
    channels = _CHANNELS[kind]
    if values.ndim == 2:
        return Pixels(values, None, kind)
    alpha = np.ascontiguousarray(values[..., channels]) if values.shape[2] > channels else None
    values = values[..., 0] if channels == 1 else values[..., :channels]
    return Pixels(np.ascontiguousarray(values), alpha, kind)


def _shrink(size_wh: tuple[int, int], least_wh: tuple[int, int]) -> int:
    """By how much a JPEG may be decoded smaller, so that it still covers a size."""
    most = min(side // max(1, least) for side, least in zip(size_wh, least_wh, strict=True))
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)


# ---------------------------------------------------------------- TIFF


@contextmanager
def tiff_page(path: Path) -> Iterator[tuple[tifffile.TiffPage, int]]:
    """A TIFF's photo, and how many whole pictures the file holds; reduced pictures and masks do not count.

    Some programs write a pyramid without saying which of its pictures are reduced: each is half of the last.
    """
    with tifffile.TiffFile(path) as file:
        pages = [file.pages[number].aspage() for number in range(min(len(file.pages), 64))]
        whole = [
            page
            for page, before in zip(pages, [None, *pages], strict=False)
            if not int(page.subfiletype) & (_REDUCED | _MASK_PAGE) and not _is_half(page, before)
        ]
        yield (whole or pages)[0], max(1, len(whole))


def _is_half(page: tifffile.TiffPage, of: tifffile.TiffPage | None) -> bool:
    if of is None:
        return False
    sides, whole = ((each.imagewidth, each.imagelength) for each in (page, of))
    return all(abs(2 * side - before) <= 1 for side, before in zip(sides, whole, strict=True))


def _tiff_header(path: Path) -> tuple[PhotoFile, int]:
    with tiff_page(path) as (page, frames):
        _refuse_other_tiff(path, page)
        size_wh = (int(page.imagewidth), int(page.imagelength))
        metadata = metadata_of_tiff(path, page)
        kind = _TIFF_KINDS.get(int(page.photometric), "rgb")
    return PhotoFile(path, "TIFF", size_wh, kind, metadata), frames


def _refuse_other_tiff(path: Path, page: tifffile.TiffPage) -> None:
    """What else is stored as TIFF, and pixels whose colours would be guessed."""
    photometric, compression, bits = int(page.photometric), int(page.compression), page.bitspersample
    stored_bytes = page.imagewidth * page.imagelength * page.samplesperpixel * bits // 8
    code, message, hint = "photo.depth", "", _EIGHT_OR_16_BITS
    if photometric in _RAW_PHOTOMETRICS or _is_camera_raw(page.parent):
        code, message, hint = "photo.unreadable", "it is a camera raw file", _DEVELOP
    elif int(page.sampleformat) == 3:
        message = "it holds floating-point values, whose white is unknown"
    elif bits > 16 or int(page.sampleformat) != 1:
        message = f"it holds {bits}-bit integers"
    elif int(page.planarconfig) not in {1, 2}:
        message = f"its planes are stored in way {int(page.planarconfig)}, which is unknown"
    elif page.samplesperpixel > 16 or page.imagedepth != 1:
        message = f"it holds {page.samplesperpixel} channels"
    elif stored_bytes > _MOST_TIFF_BYTES:
        code, hint = "photo.large", "Scale it down, or export it without layers."
        message = f"its {page.samplesperpixel} channels take {stored_bytes >> 20} MB"
    elif photometric in {0, 1} and page.samplesperpixel > 2 and not page.extrasamples:
        message, hint = (
            f"it is grey with {page.samplesperpixel} channels of unknown meaning",
            "Export it as RGB.",
        )
    elif compression not in _TIFF_COMPRESSIONS:
        hint = "Export it with LZW or ZIP compression."
        message = f"its compression {getattr(page.compression, 'name', compression)} is not supported"
    elif photometric not in {0, 1, 2, 3, 5} and not (photometric == _YCBCR and compression == _TIFF_JPEG):
        hint = "Export it as RGB."
        message = f"its colours are stored as {getattr(page.photometric, 'name', photometric)}"
    if message:
        raise _unsound(code, path, message, hint)


def _is_camera_raw(file: tifffile.TiffFile) -> bool:
    """Whether a TIFF is a DNG, NEF or ARW. Its first picture often is a small preview of the photo.

    A DNGVersion tag alone says nothing: raw converters copy it into the photos that they export.
    """
    pages = [file.pages[number].aspage() for number in range(min(len(file.pages), _MOST_RAW_PAGES))]
    inner = [each.aspage() for page in pages for each in (page.pages or [])[:_MOST_RAW_PAGES]]
    return any(int(page.photometric) in _RAW_PHOTOMETRICS for page in (*pages, *inner))


def _tiff_pixels(path: Path) -> Pixels:
    with tiff_page(path) as (page, _):
        _refuse_larger_strips(path, page)
        stored = tiff_samples(path, page)
        photometric = int(page.photometric)
        if photometric == 3:
            return Pixels(_through_palette(stored[..., 0], page), None, "rgb")
        extras = [int(extra) for extra in page.extrasamples]
    kind = _TIFF_KINDS.get(photometric, "rgb")
    colours = _CHANNELS[kind]
    values = stored[..., :colours]
    alpha = None
    for index, extra in enumerate(extras):
        if extra in {1, 2} and colours + index < stored.shape[2]:
            alpha = np.ascontiguousarray(stored[..., colours + index])
            values = undone_alpha(values, alpha) if extra == 1 else values
            break
    if photometric == 0:
        values = np.iinfo(values.dtype).max - values
    return Pixels(np.ascontiguousarray(values[..., 0] if colours == 1 else values), alpha, kind)


def _refuse_larger_strips(path: Path, page: tifffile.TiffPage) -> None:
    """A JPEG strip states its own size, which the decoder believes: a few bytes could ask for gigabytes."""
    if int(page.compression) != _TIFF_JPEG:
        return
    rows, columns = (
        (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    )
    with path.open("rb") as stream:
        for offset in page.dataoffsets:
            stream.seek(offset)
            frame = jpeg_frame(stream)
            if frame and (frame.height_px > max(rows, 8) or frame.width_px > columns):
                raise ValueError(f"a strip states {frame.width_px}x{frame.height_px} pixels")


def undone_alpha(values: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Colours into which alpha was multiplied, without it; where nothing is seen, as they are."""
    full = np.iinfo(values.dtype).max
    seen = np.where(alpha > 0, alpha, full)[..., None].astype(np.float32)
    return np.rint(np.minimum(values * (full / seen), full)).astype(values.dtype)


def _through_palette(stored: NDArray[Any], page: tifffile.TiffPage) -> NDArray[np.uint8]:
    palette = np.asarray(page.colormap).T
    # Old programs write a palette of 8 bits, though the format's is of 16.
    eight = (palette if palette.max() < 256 else palette >> 8).astype(np.uint8)
    return eight[stored]


# ---------------------------------------------------------------- colour


def _space_of(photo: PhotoFile) -> ColourSpace:
    """What the file says of its colours, the most binding word first; sRGB if it says nothing."""
    metadata = photo.metadata
    chunks = {each.kind: each.payload for each in metadata.blocks} if photo.format == "PNG" else {}
    if len(chunks.get(b"cICP", b"")) == 4:
        if chunks[b"cICP"][2:] != b"\0\1":
            raise ProfileError("its cICP chunk states YCbCr or a limited range, which is not supported")
        space = _code_point_space(chunks[b"cICP"][0], chunks[b"cICP"][1], "its cICP chunk")
        if space:
            return space
    if not metadata.profile_is_whole:
        raise ProfileError("part of its ICC profile is missing")
    if metadata.profile:
        return icc_space(metadata.profile, photo.kind)
    if photo.kind == "cmyk":  # whatever else is said is about RGB
        return ColourSpace(None, "")
    if photo.format == "AVIF":
        with photo.path.open("rb") as stream:
            _, found, nclx = stream.read(1 << 16).partition(b"colrnclx")
        if found and len(nclx) >= 4:
            primaries, transfer = struct.unpack(">HH", nclx[:4])
            space = _code_point_space(primaries, transfer, "its nclx box")
            if space:
                return space
    if b"sRGB" in chunks:
        return ColourSpace(None, "its sRGB chunk")
    if (space := _gamma_space(chunks)) is not None:
        return space
    stated = exif_space(metadata.exif)
    if stated:
        return named_space(stated, "EXIF")
    white, corners = (metadata.exif.rationals(tag) for tag in (_TIFF_WHITE, _TIFF_PRIMARIES))
    if photo.format == "TIFF" and len(white) == 2 and len(corners) == 6:
        return primaries_space(white, corners, None, "its PrimaryChromaticities tag")
    name = metadata.xmp_text("photoshop:ICCProfile")
    if name and photo.kind == "rgb":
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
    """The space of a PNG's gAMA and cHRM chunks; None without, or where they say nothing of sense."""
    gamma_data, corners = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    gamma = int.from_bytes(gamma_data) / 100_000 if len(gamma_data) == 4 else 0.0
    xy = [value / 100_000 for value in struct.unpack(">8I", corners)] if len(corners) == 32 else []
    stated = [*(["gAMA"] if gamma else []), *(["cHRM"] if any(xy) else [])]
    if not stated or (xy and any(xy) and not all(xy)):
        return None
    by = f"its {' and '.join(stated)} chunk" + "s" * (len(stated) > 1)
    white, primaries = (xy[:2], xy[2:]) if any(xy) else (D65_XY, SRGB_PRIMARIES_XY)
    return primaries_space(white, primaries, 1 / gamma if gamma else None, by)
