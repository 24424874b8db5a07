"""Read photos: file format, size, colour space, metadata and the pixels as stored.

libvips decodes JPEG, PNG and WebP; libtiff and tifffile decode TIFF (see `chromiq.photos.tiff`); libavif, the
decoder of the browsers, decodes AVIF; Pillow decodes BMP, which libvips does not support. The format is
detected from the first bytes, not from the suffix, and only that format's decoder sees the file. No pixels
are decoded before the size has been checked.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import imagecodecs
import numpy as np
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Tag
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from chromiq.errors import Finding, UnsoundError
from chromiq.photos.colour_space import ColourSpace, Kind, ProfileError
from chromiq.photos.containers import JPEG_FRAMES, DamageError, jpeg_frame
from chromiq.photos.metadata import (
    Metadata,
    metadata_of_avif,
    metadata_of_tiff,
    read_metadata,
    resolution,
    stated_space,
    turned_upright,
)
from chromiq.photos.tiff import tiff_samples, widened
from chromiq.wording import path_text

# libvips caches results by file name, but a file may be overwritten.
pyvips.cache_set_max(0)
# Pillow warns about large images; `open_photo` checks the size itself.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

MIN_SIDE_PX = 64
MAX_PIXELS = 175_000_000
MAX_SIDE_PX = 32_000
Format = Literal["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP"]
_EXPORT = "Export it as a JPEG, PNG, WebP, AVIF, TIFF or BMP."
_EIGHT_OR_16_BITS = "Export it with 8 or 16 bits per channel."
_DEVELOP = "Develop it in a raw converter and export a TIFF or JPEG."
_COPY_AGAIN = "Copy or export it again."
_HEIC = "HEIC needs an HEVC decoder, which is not included. " + _EXPORT
# Offset, signature, kind of file, hint.
_OTHER_KINDS = (
    *((8, brand, "a HEIC image", _HEIC) for brand in (b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1")),
    (4, b"ftypcrx ", "a camera raw file", _DEVELOP),
    (4, b"ftyp", "a video", "Export a single frame as a JPEG, PNG, WebP or TIFF."),
    (8, b"CR\2", "a camera raw file", _DEVELOP),
    (0, b"IIRO", "a camera raw file", _DEVELOP),
    (0, b"IIU\0", "a camera raw file", _DEVELOP),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file", _DEVELOP),
    (0, b"GIF8", "a GIF", _EXPORT),
    (0, b"%!PS", "a PostScript file", _EXPORT),
    (0, b"%PDF", "a PDF", _EXPORT),
    (0, b"8BPS", "a Photoshop file", _EXPORT),
    (0, b"\xff\x0a", "a JPEG XL image", _EXPORT),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image", _EXPORT),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _EXPORT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image", _EXPORT),
    (0, b"II\xbc", "a JPEG XR image", _EXPORT),
    (0, b"v/1\x01", "an OpenEXR image", _EXPORT),
    (0, b"gimp xcf", "a GIMP file", _EXPORT),
    *((0, b"P%d%c" % (n, end), "a Netpbm image", _EXPORT) for n in range(1, 8) for end in b"\n "),
    (0, b"\0\5\x16\7", "macOS file data (AppleDouble), not the photo", "Copy the photo itself."),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the photo", "Run git lfs pull."),
    (0, b"<", "a web page or other text", "Download the photo again."),
)
_JPEG_FRAMES = JPEG_FRAMES | {0xF7}
_LOSSLESS_FRAMES = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
_CHANNELS: dict[Kind, int] = {"grey": 1, "rgb": 3, "cmyk": 4}
_TIFF_KINDS: dict[int, Kind] = {
    PHOTOMETRIC.MINISWHITE: "grey",
    PHOTOMETRIC.MINISBLACK: "grey",
    PHOTOMETRIC.SEPARATED: "cmyk",
}  # all others are RGB
_TIFF_PHOTOMETRICS = frozenset({*_TIFF_KINDS, PHOTOMETRIC.RGB, PHOTOMETRIC.PALETTE})
_LOADERS = {"JPEG": "jpegload", "PNG": "pngload", "WEBP": "webpload"}
_REDUCED, _MASK_PAGE = 1, 4  # bits of NewSubfileType
# Old JPEG, LERC, JPEG XL and the like are left out: their strips state sizes of their own.
_TIFF_COMPRESSIONS = frozenset(
    {
        COMPRESSION.NONE, COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6, COMPRESSION.LZW,
        COMPRESSION.JPEG, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS,
        COMPRESSION.LZMA, COMPRESSION.ZSTD, COMPRESSION.WEBP,
    }
)  # fmt: skip
_MAX_TIFF_BYTES = 8 * MAX_PIXELS  # 16-bit RGBA
_SAMPLE_KINDS = {2: "signed integers", 5: "complex integers", 6: "complex floating-point values"}
_RAW_PHOTOMETRICS, _MAX_RAW_PAGES = frozenset({PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW}), 8
_ALPHA = frozenset({EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA})
_BOX_BYTES = 1 << 16  # of an AVIF; they hold the boxes of its properties
_CLAP_BOX = b"\0\0\0\x28clap"
# What decoders raise on damaged data.
_DECODING_ERRORS = (
    pyvips.Error, OSError, ValueError, SyntaxError, struct.error, RuntimeError, IndexError, KeyError,
    TypeError, NotImplementedError, ZeroDivisionError, OverflowError, AttributeError, AssertionError,
    MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pixels:
    """A photo's pixels as stored: orientation and colour space are not applied.

    Attributes:
        values: ``(h, w)`` grey or ``(h, w, 3 or 4)`` RGB or CMYK, uint8 or uint16.
        alpha: ``(h, w)`` of the same dtype; None if the photo has no transparency.
        kind: the meaning of the channels of `values`.
    """

    values: NDArray[Any]
    alpha: NDArray[Any] | None
    kind: Kind


@dataclass(frozen=True, eq=False)
class PhotoFile:
    """A photo's header.

    Attributes:
        path: the file.
        format: detected from its content.
        stored_wh: width and height in pixels, before the orientation is applied.
        kind: the meaning of its channels.
        metadata: everything but the pixels.
    """

    path: Path
    format: Format
    stored_wh: tuple[int, int]
    kind: Kind
    metadata: Metadata

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1..8."""
        return self.metadata.orientation

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels, with the orientation applied."""
        return self.stored_wh[::-1] if self.orientation >= 5 else self.stored_wh

    @cached_property
    def space(self) -> ColourSpace:
        """The colour space.

        Raises:
            UnsoundError: if the ICC profile is unusable or the file states an unknown colour space.
        """
        stated = self.metadata.profile is None and self.metadata.profile_is_whole
        try:
            return stated_space(self.format, self.kind, self.metadata)
        except ProfileError as error:
            hint = "Export it with its ICC profile, not as HDR." if stated else "Export it again as sRGB."
            code = "photo.space" if stated else "photo.profile"
            raise _unsound(code, self.path, str(error), hint) from error

    def decode(self, least_wh: tuple[int, int] | None = None, *, strict: bool = False) -> Pixels:
        """Decode the pixels, a JPEG optionally at 1/2, 1/4 or 1/8 of its size.

        Args:
            least_wh: the smallest upright width and height needed; None for full size.
            strict: whether to refuse a JPEG that libjpeg warns about, which it does of harmless faults too.

        Raises:
            UnsoundError: if the file is damaged or cut short.
        """
        with decoding(self.path):
            pixels, shrink = self._decoded(least_wh, "warning" if strict else "error")
            sides = tuple(side // shrink for side in self.stored_wh[::-1])  # libvips rounds down
            channels = () if pixels.kind == "grey" else (_CHANNELS[pixels.kind],)
            if pixels.values.shape != sides + channels:
                raise DamageError("its size is not the one in its header")
            return pixels

    def _decoded(self, least_wh: tuple[int, int] | None, jpeg_fail_on: str) -> tuple[Pixels, int]:
        """The pixels and the factor they were reduced by."""
        if self.format == "TIFF":
            return _tiff_pixels(self.path), 1
        if self.format == "AVIF":
            return _avif_pixels(self.path, self.kind), 1
        if self.format == "BMP":
            with Image.open(self.path, formats=("BMP",)) as image:
                values = np.array(image.convert("RGBA" if image.mode == "RGBA" else "RGB"))
            # Some programs declare an alpha channel and leave it all zero.
            return _pixels_of(values if values[..., -1].any() else values[..., :3], "rgb"), 1
        shrink = _shrink(self.size_wh, least_wh) if self.format == "JPEG" and least_wh is not None else 1
        image = stored_image(self.path, self.format, shrink, jpeg_fail_on)
        values = image.numpy().reshape(image.height, image.width, image.bands)  # it squeezes a single pixel
        if image.format == "ushort" and image.interpretation not in {"rgb16", "grey16"}:
            values = widened(values, int(image.get("bits-per-sample")))
        return _pixels_of(values, self.kind), shrink


def open_photo(path: Path, min_side_px: int = MIN_SIDE_PX) -> PhotoFile:
    """Read a photo's header.

    Args:
        path: the file.
        min_side_px: the minimum length of the shorter side.

    Raises:
        UnsoundError: with one `Finding`, if the file is missing or not a supported photo, too small, too
            large, holds several images, or has an unsupported bit depth.
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
        message = "its header is damaged or cut short" + _details(error)
        raise _unsound("photo.unreadable", path, message, _COPY_AGAIN, got=_reason(error)) from error
    width_px, height_px = photo.stored_wh
    size = f"{width_px}x{height_px}"
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_PIXELS:
        most = f"{MAX_SIDE_PX} px per side and {MAX_PIXELS // 1_000_000} megapixels"
        message = f"it is {size}, larger than {most}"
        raise _unsound("photo.large", path, message, "Scale it down.", wanted=most, got=size)
    if min(width_px, height_px) < min_side_px:
        message = f"it is {size}, smaller than {min_side_px} px per side"
        raise _unsound("photo.small", path, message, "Use the original photo.", got=size)
    if frames > 1:
        raise _unsound("photo.animated", path, f"it holds {frames} images", "Export one of them.")
    return photo


def _unsound(
    code: str, path: Path | str, message: str, hint: str, *, wanted: str | None = None, got: str | None = None
) -> UnsoundError:
    return UnsoundError.of(Finding(code, str(path), message, hint, wanted=wanted, got=got))


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn a decoder's exception into an `UnsoundError` with the code ``photo.truncated``."""
    try:
        yield
    except UnsoundError:
        raise
    except _DECODING_ERRORS as error:
        message = "it is damaged or cut short" + _details(error)
        raise _unsound("photo.truncated", path, message, _COPY_AGAIN, got=_reason(error)) from error


def _details(error: BaseException) -> str:
    """What is wrong, where chromiq found it; a library's own text goes into `Finding.got`."""
    return f": {error}" if isinstance(error, DamageError) else ""


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]


def _refuse_missing(path: Path) -> None:
    try:
        # Reading a pipe or a device could block or never end.
        missing = None if path.is_file() else "not a file" if path.exists() else "no such file"
    except OSError as error:  # such as a name that is too long
        missing = str(error.strerror)
    if missing:
        message = f"it cannot be read: {missing}"
        raise _unsound("photo.missing", path_text(path), message, "Check the path.", got=missing)
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
    """The header and the number of images in the file.

    Raises:
        UnsoundError: if the pixel format is not supported.
    """
    if image_format == "TIFF":
        return _tiff_header(path)
    if image_format == "BMP":
        with Image.open(path, formats=("BMP",)) as image:
            metadata = Metadata(dots_per_inch=resolution(*image.info.get("dpi", (0, 0))))
        return PhotoFile(path, image_format, image.size, "rgb", metadata), 1
    if image_format == "AVIF":
        return _avif_header(path)
    metadata = read_metadata(path, image_format)
    if image_format == "JPEG":
        _refuse_other_jpeg(path, metadata)
    image = stored_image(path, image_format)
    fields = image.get_fields()
    frames = image.get("n-pages") if "n-pages" in fields else 1
    if image_format == "PNG":
        animation = next((each.payload for each in metadata.blocks if each.kind == b"acTL"), None)
        frames = frames if animation is None else max(2, int.from_bytes(animation[:4]))
    kind: Kind = "cmyk" if image.interpretation == "cmyk" else "grey" if image.bands < 3 else "rgb"
    if image.format not in {"uchar", "ushort"}:
        raise _unsound("photo.depth", path, f"it holds values of type {image.format}", _EIGHT_OR_16_BITS)
    return PhotoFile(path, image_format, (image.width, image.height), kind, metadata), frames


def _refuse_other_jpeg(path: Path, metadata: Metadata) -> None:
    """Refuse 12-bit and lossless JPEG, which start with the same bytes."""
    frame = next((each for each in metadata.blocks if each.kind[0] in _JPEG_FRAMES), None)
    if frame is None:
        return
    if frame.kind[0] in _LOSSLESS_FRAMES:
        raise _unsound("photo.depth", path, "it is a lossless JPEG", _EXPORT)
    if frame.payload[:1] not in {b"", b"\x08"}:
        message = f"it is a {frame.payload[0]}-bit JPEG"
        raise _unsound("photo.depth", path, message, "Export it as an 8-bit JPEG or a TIFF.")


def stored_image(
    path: Path, image_format: Format, shrink: int = 1, jpeg_fail_on: str = "error"
) -> pyvips.Image:
    """A JPEG, PNG or WebP as libvips decodes it, sequentially, without applying the orientation."""
    options: dict[str, Any] = {"fail_on": "error"}
    if image_format == "JPEG":
        options = {"fail_on": jpeg_fail_on, "shrink": shrink}
    return pyvips.Operation.call(_LOADERS[image_format], os.fsencode(path), access="sequential", **options)


def _pixels_of(values: NDArray[Any], kind: Kind) -> Pixels:
    """Split ``(h, w, channels)`` into colour and alpha."""
    channels = _CHANNELS[kind]
    alpha = np.ascontiguousarray(values[..., channels]) if values.shape[2] > channels else None
    values = values[..., 0] if channels == 1 else values[..., :channels]
    return Pixels(np.ascontiguousarray(values), alpha, kind)


def _shrink(size_wh: tuple[int, int], least_wh: tuple[int, int]) -> int:
    """The largest factor by which a JPEG can be reduced while decoding and still cover a size."""
    most = min(side // max(1, least) for side, least in zip(size_wh, least_wh, strict=True))
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)


# ---------------------------------------------------------------- AVIF


def _avif_header(path: Path) -> tuple[PhotoFile, int]:
    with path.open("rb") as stream:
        boxes = stream.read(_BOX_BYTES)
    with Image.open(path, formats=("AVIF",)) as image:
        if _CLAP_BOX in boxes:
            raise _unsound(
                "photo.unreadable",
                path,
                "it has a clap box, and cropping on display is not supported",
                _EXPORT,
            )
        kind: Kind = "grey" if image.mode in {"L", "LA"} else "rgb"
        size_wh = image.size[::-1] if _avif_orientation(image) >= 5 else image.size
        metadata = metadata_of_avif(image.info, boxes)
        return PhotoFile(path, "AVIF", size_wh, kind, metadata), getattr(image, "n_frames", 1)


def _avif_orientation(image: Image.Image) -> int:
    """The orientation by the irot and imir boxes, which Pillow writes into EXIF over its own."""
    return int(image.getexif().get(Tag.Orientation, 1))


def _avif_pixels(path: Path, kind: Kind) -> Pixels:
    data = path.read_bytes()
    with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
        orientation = _avif_orientation(image)
    values = turned_upright(imagecodecs.avif_decode(data), orientation)
    if values.dtype == np.uint16:  # Pillow would reduce them to 8 bits
        flags = data[:_BOX_BYTES].partition(b"av1C")[2][2:3]
        values = widened(values, 12 if flags and flags[0] & 0x20 else 10)
    return _pixels_of(values.reshape(*values.shape[:2], -1), kind)


# ---------------------------------------------------------------- TIFF


@contextmanager
def tiff_page(path: Path) -> Iterator[tuple[tifffile.TiffPage, int]]:
    """A TIFF's photo and the number of full-size images; reduced images and masks are not counted.

    Some programs write a pyramid without marking its levels as reduced: each is half the size of the last.
    """
    with tifffile.TiffFile(path) as file:
        pages = [file.pages[number].aspage() for number in range(min(len(file.pages), 64))]
        whole = [
            page
            for page, before in zip(pages, [None, *pages], strict=False)
            if not int(page.subfiletype) & (_REDUCED | _MASK_PAGE) and not _is_half(page, before)
        ]
        page = (whole or pages)[0]
        # Reading allocates as much as is claimed.
        page.databytecounts = tuple(min(count, file.filehandle.size) for count in page.databytecounts)
        yield page, max(1, len(whole))


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
    """Refuse camera raw files and pixel formats whose colours would be a guess."""
    if isinstance(page.bitspersample, tuple):
        raise _unsound("photo.depth", path, "its channels differ in bit depth", _EIGHT_OR_16_BITS)
    photometric, compression, bits = int(page.photometric), int(page.compression), page.bitspersample
    stored_bytes = int(page.imagewidth) * int(page.imagelength) * page.samplesperpixel * bits // 8
    code, message, hint = "photo.depth", "", _EIGHT_OR_16_BITS
    jpeg = compression == COMPRESSION.JPEG
    if photometric in _RAW_PHOTOMETRICS or _is_camera_raw(page.parent):
        code, message, hint = "photo.unreadable", "it is a camera raw file", _DEVELOP
    elif int(page.sampleformat) == 3:
        message = "it holds floating-point values, whose range is unknown"
    elif int(page.sampleformat) != 1:
        kind = _SAMPLE_KINDS.get(int(page.sampleformat), "values of unknown kind")
        message, hint = f"it holds {bits}-bit {kind}", "Export it with 8 or 16 unsigned bits per channel."
    elif bits > 16:
        message = f"it holds {bits}-bit integers"
    elif int(page.planarconfig) not in {1, 2}:
        message = f"its PlanarConfiguration is {int(page.planarconfig)}, which is unknown"
    elif page.samplesperpixel > 16 or page.imagedepth != 1:
        message = f"it holds {page.samplesperpixel} channels"
    elif stored_bytes > _MAX_TIFF_BYTES:
        code, hint = "photo.large", "Scale it down, or export it without layers."
        message = f"its {page.samplesperpixel} channels take {stored_bytes >> 20} MB"
    elif _TIFF_KINDS.get(photometric) == "grey" and page.samplesperpixel > 2 and not page.extrasamples:
        hint = "Export it as RGB."
        message = f"it is grey with {page.samplesperpixel} channels of unknown meaning"
    elif compression not in _TIFF_COMPRESSIONS:
        hint = "Export it with LZW or ZIP compression."
        message = f"its compression {getattr(page.compression, 'name', compression)} is not supported"
    elif photometric not in _TIFF_PHOTOMETRICS and not (photometric == PHOTOMETRIC.YCBCR and jpeg):
        hint = "Export it as RGB."
        message = f"its colours are stored as {getattr(page.photometric, 'name', photometric)}"
    if message:
        raise _unsound(code, path, message, hint)


def _is_camera_raw(file: tifffile.TiffFile) -> bool:
    """Whether a TIFF is a DNG, NEF or ARW, whose first image is often a small preview.

    The DNGVersion tag is no evidence: raw converters copy it into the photos that they export.
    """
    pages = [file.pages[number].aspage() for number in range(min(len(file.pages), _MAX_RAW_PAGES))]
    inner = [each.aspage() for page in pages for each in (page.pages or [])[:_MAX_RAW_PAGES]]
    return any(int(page.photometric) in _RAW_PHOTOMETRICS for page in (*pages, *inner))


def _tiff_pixels(path: Path) -> Pixels:
    with tiff_page(path) as (page, _):
        _refuse_larger_strips(path, page)
        stored = tiff_samples(path, page)
        photometric = int(page.photometric)
        if photometric == PHOTOMETRIC.PALETTE:
            return Pixels(_through_palette(stored[..., 0], page), None, "rgb")
        extras = [int(extra) for extra in page.extrasamples]
    kind = _TIFF_KINDS.get(photometric, "rgb")
    colours = _CHANNELS[kind]
    values = stored[..., :colours]
    alpha = None
    for index, extra in enumerate(extras):
        if extra in _ALPHA and colours + index < stored.shape[2]:
            alpha = np.ascontiguousarray(stored[..., colours + index])
            values = _unmultiplied(values, alpha) if extra == EXTRASAMPLE.ASSOCALPHA else values
            break
    if photometric == PHOTOMETRIC.MINISWHITE:
        values = np.iinfo(values.dtype).max - values
    return Pixels(np.ascontiguousarray(values[..., 0] if colours == 1 else values), alpha, kind)


def _refuse_larger_strips(path: Path, page: tifffile.TiffPage) -> None:
    """Check the size in each JPEG strip's header, or a few bytes could allocate gigabytes."""
    if page.compression != COMPRESSION.JPEG:
        return
    rows, columns = (
        (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    )
    with path.open("rb") as stream:
        for offset in page.dataoffsets:
            stream.seek(offset)
            frame = jpeg_frame(stream)
            if frame and (frame.height_px > max(rows, 8) or frame.width_px > columns):
                raise DamageError(f"a strip claims to be {frame.width_px}x{frame.height_px} pixels")


def _unmultiplied(values: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Colours divided by premultiplied alpha; fully transparent pixels are unchanged."""
    full = np.iinfo(values.dtype).max
    opacity = np.where(alpha > 0, alpha, full)[..., None].astype(np.float32)
    return np.rint(np.minimum(values * (full / opacity), full)).astype(values.dtype)


def _through_palette(stored: NDArray[Any], page: tifffile.TiffPage) -> NDArray[np.uint8]:
    palette = np.asarray(page.colormap).T
    # Some old programs write 8-bit palettes; the format asks for 16.
    eight = (palette if palette.max() < 256 else palette >> 8).astype(np.uint8)
    return eight[stored]
