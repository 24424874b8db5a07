"""A photo as its owner stored it, so that a part can be changed and the rest given back as it was.

What is computed with is upright sRGB; what is written lies as the file's own pixels do, in its colour
space and at its depth. Outside what was changed PNG, TIFF, BMP and lossless WebP come back bit for bit.
A JPEG is stored in blocks: those that were not touched are copied as they are stored. Where that cannot
be done it is encoded anew with its own tables and chroma sampling, which leaves most pixels as they were
and the others off by a step or two (`tests/test_originals.py` measures it). `Kept` says which it was.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, JpegImagePlugin

from chromiq.errors import UsageError
from chromiq.files import atomic_path
from chromiq.photos import original_metadata as metadata
from chromiq.photos.images import ORIENTATION, orientation_of, to_srgb
from chromiq.photos.jpeg_blocks import restore_blocks
from chromiq.photos.profiles import is_srgb, srgb_profile
from chromiq.photos.soundness import sound_photo
from chromiq.records import BoolMask, RgbImage

LOSSLESS_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".webp", ".bmp"})
_PLAIN_MODES = frozenset({"RGB", "RGBA"})


class Kept(StrEnum):
    """What became of the pixels that were not changed."""

    ALL = "every pixel is as it was"
    BLOCKS = "every JPEG block that was not touched is as it was"
    ENCODED = "JPEG was encoded anew, off by a few steps; .png or .tif keep every pixel"
    CONVERTED = "the photo was converted to 8 bits of sRGB"


@dataclass(frozen=True, eq=False)
class Original:
    """A photo's own pixels and what its file says about them.

    Attributes:
        path: the file.
        srgb: ``(H, W, 3)`` uint8 sRGB, upright: what to compute with.
        stored: ``(h, w, 3 or 4)`` uint8 or uint16 in the file's own colour space, as the file has them, not
            turned; None if the file is grey, CMYK or of a palette, so that it is written as 8-bit sRGB.
        orientation: the EXIF orientation, 1..8.
        profile: the file's ICC profile, or None.
        image_format: Pillow's name of what the file is, whatever its suffix says.
    """

    path: Path
    srgb: RgbImage
    stored: NDArray[Any] | None
    orientation: int
    profile: bytes | None
    image_format: str

    def computable(self) -> NDArray[Any]:
        """Upright sRGB ``(H, W, 3)`` at the file's depth where its values are sRGB already, else `srgb`."""
        if self.stored is None or self.stored.dtype == np.uint8 or not is_srgb(self.profile):
            return self.srgb
        return np.ascontiguousarray(metadata.upright(self.stored[..., :3], self.orientation))

    @property
    def stores_computable(self) -> bool:
        """Whether the file's own values are those of `computable`, merely turned."""
        return _is_plain(self.stored, self.profile)


def read_original(path: Path) -> Original:
    """Read a photo together with what is needed to write it back.

    Raises:
        UnsoundError: as `chromiq.photos.images.read_photo`.
    """
    with sound_photo(path, for_colour=True) as image:
        profile = image.info.get("icc_profile")
        orientation = orientation_of(image)
        stored: NDArray[Any] | None = None
        if metadata.is_16_bit_rgb(image):
            stored = _read_16_bit(path)
        elif image.mode in _PLAIN_MODES and "transparency" not in image.info:
            stored = np.asarray(image)
        if stored is not None and stored.dtype == np.uint8 and _is_plain(stored, profile):
            srgb = np.ascontiguousarray(metadata.upright(stored, orientation))
        else:
            srgb = to_srgb(image)
        # A phone's JPEG with a preview behind it.
        image_format = "JPEG" if image.format == "MPO" else str(image.format)
    return Original(path, srgb, stored, orientation, profile, image_format)


def write_changed(path: Path, original: Original, changed: NDArray[Any]) -> Kept:
    """Write a photo of which some sRGB pixels were changed, as the original was stored.

    Metadata, profile, orientation, bit depth, transparency and a JPEG's tables are kept. With a profile
    other than sRGB the change is exact to 1/255 and is added to 16-bit values, whose finer steps stay.

    Args:
        path: where to; the suffix gives the format.
        original: what was read.
        changed: ``(H, W, 3)`` upright sRGB of the type that `Original.computable` gave.

    Returns:
        What became of the pixels that were not changed.

    Raises:
        UsageError: if the suffix is none that can be written.
    """
    suffix = path.suffix.lower()
    if suffix not in LOSSLESS_SUFFIXES | {".jpg", ".jpeg"}:
        raise UsageError(f"{path}: wanted a name ending in .jpg, .png, .tif or .webp; choose one of these")
    with atomic_path(path) as temporary:
        if original.stored is None:
            return _save(temporary, to_bytes(changed), original, suffix, turned=True)
        return _save(temporary, _as_stored(original, changed), original, suffix, turned=False)


def _as_stored(original: Original, changed: NDArray[Any]) -> NDArray[Any]:
    """The file's own pixels, with those that were changed in its colour space and at its depth."""
    assert original.stored is not None  # the caller saw to it
    values = metadata.as_stored(changed, original.orientation)
    if original.stores_computable:
        return np.ascontiguousarray(values)
    there = (values != metadata.as_stored(original.computable(), original.orientation)).any(axis=2)
    pixels = original.stored.copy()
    pixels[there, :3] = _in_file_values(original, values[there], there)
    return pixels


def copy_untouched(path: Path, original: Original) -> Kept:
    """Give the photo back byte for byte, or re-encoded without change if the format differs."""
    if path.suffix.lower() == original.path.suffix.lower():
        with atomic_path(path) as temporary:
            shutil.copyfile(original.path, temporary)
        return Kept.ALL
    return write_changed(path, original, original.computable())


def to_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """8-bit values of an 8- or 16-bit image, rounded.

    >>> to_bytes(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    if image.dtype == np.uint8:
        return image
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _is_plain(stored: NDArray[Any] | None, profile: bytes | None) -> bool:
    """Whether values as a file has them are sRGB, and all there is of its pixels."""
    return stored is not None and stored.shape[2] == 3 and is_srgb(profile)


def _in_file_values(original: Original, new: NDArray[Any], there: BoolMask) -> NDArray[Any]:
    """Changed pixels ``(P, 3)`` in the file's colour space and depth."""
    assert original.stored is not None  # the caller saw to it
    if original.stored.dtype == np.uint8:
        return _into_profile(to_bytes(new), original.profile)
    if new.dtype == np.uint16:
        return new
    old = metadata.as_stored(original.srgb, original.orientation)[there]
    step = _into_profile(new, original.profile).astype(int) - _into_profile(old, original.profile)
    return np.clip(original.stored[there, :3] + 257 * step, 0, 65535).astype(np.uint16)


def _save(path: Path, pixels: NDArray[Any], original: Original, suffix: str, *, turned: bool) -> Kept:
    """Write pixels uint8 or uint16 in a suffix's format; `turned` ones are upright sRGB."""
    stored = original.stored
    image_format = metadata.format_of(suffix)
    if image_format == "TIFF" and pixels.dtype == np.uint16:
        metadata.save_16_bit_tiff(path, pixels, original.path, original.profile)
        return Kept.ALL
    same_format = image_format == original.image_format and not turned
    options = _shared_options(original, turned=turned)
    if image_format == "PNG":
        # OpenCV takes half of Pillow's time, and 16 bits; Pillow says what belongs to the pixels.
        source = original.path.read_bytes() if same_format else _bare_png(options)
        path.write_bytes(metadata.with_png_chunks(metadata.png_bytes(pixels), source))
        return Kept.CONVERTED if turned else Kept.ALL
    pixels = to_bytes(pixels)
    with Image.open(original.path) as image:
        if image_format == "JPEG":
            pixels = pixels[..., :3]
            options |= {"quality": 95, "subsampling": 0}
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                del options["quality"]
                options |= {"qtables": image.quantization, "subsampling": JpegImagePlugin.get_sampling(image)}
                options["progressive"] = bool(image.info.get("progressive"))
        elif image_format == "WEBP":
            options |= {"lossless": True, "exact": True}
        elif image_format == "TIFF" and image.info.get("compression") in {"tiff_lzw", "tiff_adobe_deflate"}:
            options["compression"] = image.info["compression"]
        elif image_format == "BMP":
            options = {}
    Image.fromarray(pixels).save(path, format=image_format, **options)
    if image_format != "JPEG":
        return Kept.ALL if stored is not None and stored.dtype == np.uint8 else Kept.CONVERTED
    if not same_format or stored is None:
        return Kept.ENCODED
    blocks = restore_blocks(path, original.path, stored, pixels)
    path.write_bytes(metadata.with_jpeg_segments(path.read_bytes(), original.path.read_bytes()))
    return Kept.BLOCKS if blocks else Kept.ENCODED


def _bare_png(options: dict[str, Any]) -> bytes:
    """A PNG of one pixel with the metadata that Pillow is told."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG", **options)
    return buffer.getvalue()


def _shared_options(original: Original, *, turned: bool) -> dict[str, Any]:
    """What Pillow is told of a photo whatever the format; `turned` pixels are upright sRGB."""
    options: dict[str, Any] = {"icc_profile": (None if turned else original.profile) or srgb_profile()}
    with Image.open(original.path) as image:
        exif = metadata.exif_of(image)
        if turned and ORIENTATION in exif:
            del exif[ORIENTATION]
        options |= {"exif": exif.tobytes()} if len(exif) else {}
        if "dpi" in image.info:
            options["dpi"] = tuple(float(value) for value in image.info["dpi"])
    return options


def _read_16_bit(path: Path) -> NDArray[np.uint16] | None:
    """``(h, w, 3 or 4)`` uint16, which Pillow would cut to 8 bits; None if it is none after all."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels[..., order])


def _into_profile(rgb: RgbImage, profile: bytes | None) -> RgbImage:
    """Pixels ``(P, 3)`` uint8 sRGB in a profile's values."""
    if not profile:
        return rgb
    converted = ImageCms.profileToProfile(
        Image.fromarray(rgb[None]),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.array(converted)[0]
