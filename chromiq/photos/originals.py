"""Write a photo with part of its pixels changed and everything else preserved.

Orientation, bit depth, profile, compression, resolution and metadata are kept, except for metadata that
describes the old pixels (see `chromiq.photos.carried_metadata`); `Written` lists what was kept and dropped.
Unchanged pixels of PNG, TIFF and lossless WebP are bit-identical. In a JPEG only the changed blocks are
updated (see `chromiq.photos.jpeg_blocks`); where that is not possible it is encoded again with its own tables
and sampling, and its pixels change by a few levels.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC

from chromiq.errors import ChromiqError, Finding, UnsoundError, UsageError
from chromiq.files import atomic_path
from chromiq.imaging.masks import bounding_box
from chromiq.photos.carried_metadata import COLOUR_CHUNKS, Carried, metadata_names
from chromiq.photos.colour_space import eight_bits, srgb_profile
from chromiq.photos.containers import (
    bytes_after_jpeg,
    jpeg_with_segments,
    png_with_chunks,
    webp_with_chunks,
)
from chromiq.photos.images import (
    WRITABLE_FORMATS,
    Photo,
    encode_lossless,
    vips_image,
)
from chromiq.photos.jpeg_blocks import changed_jpeg
from chromiq.photos.metadata import turned_back
from chromiq.photos.reader import open_photo, tiff_page
from chromiq.photos.tiff import plain_directory, rewritten, tiff_samples, write_tiff
from chromiq.records import BoolMask

Box = tuple[slice, slice]
WHOLE: Box = (slice(None), slice(None))
_BMP_SUFFIX = ".bmp"
_EIGHT_BIT_SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".webp", _BMP_SUFFIX})
_APPLICATION_SEGMENTS = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
_PNG_METADATA = COLOUR_CHUNKS | {b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt"}
_PILLOW_SAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}


class Kept(StrEnum):
    """What happened to the pixels that were not changed."""

    ALL = "every pixel is unchanged"
    BLOCKS = "every JPEG block outside the change is unchanged"
    STRIPS = "every TIFF strip or tile outside the change is unchanged"
    ENCODED = "the JPEG was encoded again, off by a few levels; .png and .tif keep every pixel"
    CONVERTED = "the photo was converted to sRGB"
    REDUCED = "16 bits were rounded to 8; .png and .tif keep them"


@dataclass(frozen=True)
class Written:
    """How a photo was written.

    Attributes:
        outside: what happened to the pixels that were not changed.
        kept: names of the metadata that was kept.
        dropped: names of the metadata that was dropped.
        notes: other differences, such as the compression.
    """

    outside: Kept
    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_changed(path: Path, photo: Photo, changed: NDArray[Any], box: Box = WHOLE) -> Written:
    """Write a photo with part of its pixels changed, stored as the original was.

    Args:
        path: the output file; its suffix selects the format.
        photo: the original.
        changed: ``(rows, columns, 3)``, the new pixels of the box, upright, in the colour space and dtype of
            `Photo.values`.
        box: the rows and columns of `Photo.values` to replace.

    Raises:
        UsageError: if the suffix is not one of a writable format.
        UnsoundError: if the photo cannot be encoded in this format.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_FORMATS and suffix != _BMP_SUFFIX:
        raise UsageError(f"{path}: the name must end in .jpg, .png, .tif, .webp or .bmp; choose one of these")
    target = WRITABLE_FORMATS.get(suffix)
    profile = photo.file.metadata.profile
    if photo.converted:
        profile = srgb_profile()
    elif not profile and target != photo.file.format:
        profile = photo.space.profile or srgb_profile()
    before, notes = photo.file.metadata, []
    if photo.values.dtype == np.uint16 and suffix in _EIGHT_BIT_SUFFIXES:
        notes.append("16 bits became 8")
    if photo.file.kind == "grey":
        notes.append("grey became RGB")
    carried, transparent = Carried(before, profile, bool(photo.converted)), photo.alpha is not None
    try:
        data, outside = _encoded(photo, changed, box, suffix, carried, notes)
    except (ChromiqError, OSError, MemoryError):
        raise
    except Exception as error:  # codecs raise anything; name the photo, so that a batch can continue
        message = f"{path.name} cannot be written: {str(error)[:200] or repr(error)}"
        hint = "Choose another format, such as .png, or export the photo again."
        raise UnsoundError.of(Finding("photo.write", str(photo.path), message, hint)) from error
    with atomic_path(path, len(data)) as temporary:
        temporary.write_bytes(data)
        after = open_photo(temporary, 1).metadata
    stays = set(metadata_names(after)) - ({"ICC profile"} if after.profile != before.profile else set())
    # A profile that is written says the same as these chunks of a PNG.
    replaced = {kind.decode() for kind in COLOUR_CHUNKS} - stays if after.profile else set()
    names = [name for name in metadata_names(before) if name not in replaced]
    dropped = [name for name in names if name not in stays]
    if photo.file.format == "JPEG" and (more := bytes_after_jpeg(photo.path)):
        dropped.append(f"{more} bytes after the image")
    if before.extra_channels > max(transparent, after.extra_channels):
        dropped.append("saved selections")
    if transparent and target in {"JPEG", None}:
        dropped.append("transparency")
    kept = [name for name in names if name in stays]
    return Written(outside, tuple(kept), tuple(dropped), tuple(notes))


def output_name(photo: Path) -> str:
    """The file name for writing a photo: its own, or with the suffix .png if its format is read-only.

    >>> output_name(Path("a.tif")), output_name(Path("a.avif"))
    ('a.tif', 'a.png')
    """
    writable = photo.suffix.lower() in {*WRITABLE_FORMATS, _BMP_SUFFIX}
    return photo.name if writable else f"{photo.stem}.png"


def copy_untouched(path: Path, photo: Photo) -> Written:
    """Copy a photo byte for byte, or convert it if the suffix differs."""
    if path.suffix.lower() == photo.path.suffix.lower():
        with atomic_path(path) as temporary:
            shutil.copyfile(photo.path, temporary)
        return Written(Kept.ALL)
    return write_changed(path, photo, photo.values)


def _encoded(
    photo: Photo, part: NDArray[Any], box: Box, suffix: str, carried: Carried, notes: list[str]
) -> tuple[bytes, Kept]:
    target = WRITABLE_FORMATS.get(suffix)
    same = target == photo.file.format
    if target == "TIFF" and same and not photo.converted:
        found = _rewritten_tiff(photo, part, box, carried, notes)
        if found:
            return found
    if target == "JPEG":
        return _jpeg(photo, part, box, carried, notes)
    changed = photo.values.copy()
    changed[box] = part
    if target is None:
        same = photo.file.format == "BMP" and photo.alpha is None
        return _bmp(photo, changed), Kept.ALL if same else Kept.CONVERTED
    outside = Kept.CONVERTED if photo.converted else Kept.ALL
    pixels = turned_back(changed, photo.file.orientation)
    if photo.alpha is not None:
        pixels = np.dstack([pixels, turned_back(photo.alpha, photo.file.orientation)])
    if target == "TIFF":
        # PrimaryChromaticities is not kept.
        directory = replace(carried, profile=carried.profile or photo.space.profile).to_tiff()
        directory, strips = plain_directory(pixels, directory.tags, directory.order)
        if same:
            notes.append("TIFF stored as ZIP-compressed RGB")
        return write_tiff(directory, strips), outside
    if target == "WEBP":
        if pixels.dtype != np.uint8:
            pixels, outside = eight_bits(pixels), Kept.REDUCED
        if same:
            notes.append("WebP stored without loss")
        data, size_wh = encode_lossless(vips_image(pixels), "WEBP"), pixels.shape[1::-1]
        return webp_with_chunks(data, carried.to_webp(), size_wh, alpha=pixels.shape[2] == 4), outside
    data = encode_lossless(vips_image(pixels), "PNG")
    return png_with_chunks(data, carried.to_png(same=same), _PNG_METADATA), outside


def _stored_box(photo: Photo, box: Box) -> Box:
    """A box of `Photo.values` in the stored orientation."""
    if photo.file.orientation == 1:
        return box
    inside = np.zeros(photo.values.shape[:2], bool)
    inside[box] = True
    return bounding_box(turned_back(inside, photo.file.orientation))


def _different(first: NDArray[Any], second: NDArray[Any]) -> BoolMask:
    there = first[..., 0] != second[..., 0]
    for channel in range(1, first.shape[2]):
        there |= first[..., channel] != second[..., channel]
    return there


def _rewritten_tiff(
    photo: Photo, part: NDArray[Any], box: Box, carried: Carried, notes: list[str]
) -> tuple[bytes, Kept] | None:
    """Re-encode the changed strips or tiles of a TIFF; None if its pixels are not plain RGB."""
    with tiff_page(photo.path) as (page, _):
        lossy = page.compression == COMPRESSION.JPEG
        rgb = page.photometric == PHOTOMETRIC.RGB or (page.photometric == PHOTOMETRIC.YCBCR and lossy)
        if not rgb or int(page.bitspersample) not in {8, 16} or page.fillorder != 1:
            return None
        orientation, stored_box = photo.file.orientation, _stored_box(photo, box)
        before, after = (turned_back(each, orientation) for each in (photo.values[box], part))
        there = np.zeros((int(page.imagelength), int(page.imagewidth)), bool)
        there[stored_box] = _different(before, after)
        if page.samplesperpixel == 3:
            pixels_of = _parts_with(turned_back(photo.values, orientation), after, stored_box)
        else:
            samples = _all_samples(photo, page, after[there[stored_box]], there)
            pixels_of = lambda rows, columns: samples[rows, columns]  # noqa: E731
        data, note = rewritten(photo.path, page, carried.tiff_to_tiff(), pixels_of, there)
    notes += [note] if note else []
    return data, Kept.STRIPS if lossy else Kept.ALL


def _parts_with(whole: NDArray[Any], part: NDArray[Any], box: Box) -> Callable[[slice, slice], NDArray[Any]]:
    """A function that gives a region of the image with the box replaced, without copying the whole."""
    top, left = (each.start or 0 for each in box)

    def parts(rows: slice, columns: slice) -> NDArray[Any]:
        found = whole[rows, columns].copy()
        y, x = max(rows.start, top), max(columns.start, left)
        inner = part[y - top : max(0, rows.stop - top), x - left : max(0, columns.stop - left)]
        found[y - rows.start :, x - columns.start :][: inner.shape[0], : inner.shape[1]] = inner
        return found

    return parts


def _all_samples(photo: Photo, page: tifffile.TiffPage, new: NDArray[Any], there: BoolMask) -> NDArray[Any]:
    """All channels of a TIFF as stored, with new colours ``(P, 3)`` where ``there`` is True."""
    samples = tiff_samples(photo.path, page)
    if EXTRASAMPLE.ASSOCALPHA in page.extrasamples:
        alpha = samples[..., 3 + page.extrasamples.index(EXTRASAMPLE.ASSOCALPHA)][there][:, None].astype(
            np.float32
        )
        new = np.rint(new * (alpha / np.iinfo(samples.dtype).max)).astype(samples.dtype)
    samples[there, :3] = new
    return samples


def _bmp(photo: Photo, changed: NDArray[Any]) -> bytes:
    """Upright 8-bit sRGB, as BMP has no orientation, no profile and no metadata but the resolution."""
    buffer = io.BytesIO()
    image = Image.fromarray(photo.space.to_bytes(photo.over_white(changed)))
    image.save(buffer, "BMP", dpi=photo.file.metadata.dots_per_inch or (0, 0))
    return buffer.getvalue()


def _jpeg(
    photo: Photo, part: NDArray[Any], box: Box, carried: Carried, notes: list[str]
) -> tuple[bytes, Kept]:
    file = photo.file
    same = file.format == "JPEG" and file.kind == "rgb" and not photo.converted
    data, outside = (_with_part(photo, part, box, notes) if same else None), Kept.BLOCKS
    if data is None:
        changed = photo.values.copy()
        changed[box] = part
        stored = eight_bits(turned_back(photo.over_white(changed), file.orientation))
        data, outside = _encoded_again(file.path if same else None, stored, carried, notes), Kept.ENCODED
    if photo.converted:
        outside = Kept.CONVERTED
    blocks = carried.to_jpeg(same=file.format == "JPEG")
    return jpeg_with_segments(data, blocks, _APPLICATION_SEGMENTS), outside


def _with_part(photo: Photo, part: NDArray[Any], box: Box, notes: list[str]) -> bytes | None:
    """Change only the blocks of the box; None if that is not possible."""
    box = _stored_box(photo, box)
    corner = (box[0].start or 0, box[1].start or 0)
    photo.release()
    return changed_jpeg(photo.path, turned_back(part, photo.file.orientation), corner, notes)


def _encoded_again(
    source: Path | None, pixels: NDArray[np.uint8], carried: Carried, notes: list[str]
) -> bytes:
    """Encode a JPEG with the source's quantisation tables and, where Pillow supports it, its sampling.

    Pillow is used because libvips accepts no tables.
    """
    options: dict[str, Any] = {"quality": 95, "subsampling": 0}
    if source is not None:
        with Image.open(source, formats=("JPEG", "MPO")) as image:
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            sampling = [layer[1:3] for layer in image.layer]
            first = (sampling[0][0] // sampling[-1][0], sampling[0][1] // sampling[-1][1])
            if first not in _PILLOW_SAMPLING:
                notes.append("colour sampling became 4:4:4")
            options = {
                "qtables": image.quantization,
                "subsampling": _PILLOW_SAMPLING.get(first, 0),
                "progressive": bool(image.info.get("progressive")),
            }
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", dpi=carried.source.dots_per_inch or (0, 0), **options)
    return buffer.getvalue()
