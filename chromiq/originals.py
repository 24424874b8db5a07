"""A photo as its owner stored it, so that a part can be changed and the rest given back as it was.

What is computed with is upright sRGB; what is written lies as the file's own pixels do, in its colour
space and at its depth. Outside what was changed PNG, TIFF, BMP and lossless WebP come back bit for bit.
A JPEG cannot promise that, as it is encoded anew: it gets its own tables and chroma sampling again, which
leaves most pixels as they were and the others off by a step or two (`tests/test_originals.py` measures it).
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, JpegImagePlugin

from chromiq import original_metadata as metadata
from chromiq.errors import UnsoundError, UsageError
from chromiq.files import atomic_path
from chromiq.images import inspect_photo, read_photo
from chromiq.profiles import srgb_profile
from chromiq.records import BoolMask, RgbImage

LOSSLESS_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".webp", ".bmp"})
# Half the time of zlib's own choice for a few per cent of size.
_PNG_LEVEL = 3
_PLAIN_MODES = frozenset({"RGB", "RGBA"})


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
    """

    path: Path
    srgb: RgbImage
    stored: NDArray[Any] | None
    orientation: int
    profile: bytes | None

    def computable(self) -> NDArray[Any]:
        """Upright sRGB ``(H, W, 3)`` at the file's depth where its values are sRGB already, else `srgb`."""
        if self.stored is None or self.stored.dtype == np.uint8 or not _is_srgb(self.profile):
            return self.srgb
        return np.ascontiguousarray(metadata.upright(self.stored[..., :3], self.orientation))


def read_original(path: Path) -> Original:
    """Read a photo together with what is needed to write it back.

    Raises:
        UnsoundError: as `chromiq.images.read_photo`.
    """
    found = inspect_photo(path)
    if found is not None:
        raise UnsoundError(str(found), [found])
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        orientation = metadata.orientation_of(image)
        stored: NDArray[Any] | None = None
        if metadata.is_16_bit_rgb(image):
            stored = _read_16_bit(path)
        elif image.mode in _PLAIN_MODES and "transparency" not in image.info:
            stored = _decoded(image)
    if stored is not None and stored.dtype == np.uint8 and stored.shape[2] == 3 and not profile:
        # Decoded once: these values are what `read_photo` gives.
        srgb = np.ascontiguousarray(metadata.upright(stored, orientation))
    else:
        srgb = read_photo(path).rgb
    return Original(path, srgb, stored, orientation, profile)


def write_changed(path: Path, original: Original, changed: NDArray[Any], mask: BoolMask) -> None:
    """Write a photo whose sRGB pixels were changed inside a mask, as the original was stored.

    Metadata, profile, orientation, bit depth, transparency and a JPEG's tables are kept. With a profile
    other than sRGB the change is exact to 1/255 and is added to 16-bit values, whose finer steps stay.

    Args:
        path: where to; the suffix gives the format.
        original: what was read.
        changed: ``(H, W, 3)`` upright sRGB of the type that `Original.computable` gave.
        mask: ``(H, W)`` bool, where `changed` differs.

    Raises:
        UsageError: if the suffix is none that can be written.
    """
    suffix = path.suffix.lower()
    if suffix not in LOSSLESS_SUFFIXES | {".jpg", ".jpeg"}:
        raise UsageError(f"{path}: wanted a name ending in .jpg, .png, .tif or .webp; choose one of these")
    same_format = metadata.format_of(suffix) == metadata.format_of(original.path.suffix.lower())
    if original.stored is None:
        with atomic_path(path) as temporary:
            _save_8_bit(temporary, to_bytes(changed), original, suffix, turned=True, same_format=False)
        return
    pixels = original.stored.copy()
    there = metadata.as_stored(mask, original.orientation)
    if there.any():
        pixels[there, :3] = _in_file_values(original, changed, there)
    with atomic_path(path) as temporary:
        if pixels.dtype == np.uint16 and metadata.format_of(suffix) in {"PNG", "TIFF"}:
            metadata.save_16_bit(temporary, pixels, original.path, suffix, original.profile)
        else:
            _save_8_bit(temporary, to_bytes(pixels), original, suffix, turned=False, same_format=same_format)


def copy_untouched(path: Path, original: Original) -> None:
    """Give the photo back byte for byte, or re-encoded without change if the format differs."""
    if path.suffix.lower() == original.path.suffix.lower():
        with atomic_path(path) as temporary:
            shutil.copyfile(original.path, temporary)
    else:
        write_changed(path, original, original.computable(), np.zeros(original.srgb.shape[:2], bool))


def to_bytes(image: NDArray[Any]) -> NDArray[np.uint8]:
    """8-bit values of an 8- or 16-bit image, rounded.

    >>> to_bytes(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    if image.dtype == np.uint8:
        return image
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _in_file_values(original: Original, changed: NDArray[Any], there: BoolMask) -> NDArray[Any]:
    """The changed pixels ``(P, 3)`` in the file's colour space and depth."""
    assert original.stored is not None  # the caller saw to it
    new = metadata.as_stored(changed, original.orientation)[there]
    if original.stored.dtype == np.uint8:
        return _into_profile(to_bytes(new), original.profile)
    if new.dtype == np.uint16:
        return new
    old = metadata.as_stored(original.srgb, original.orientation)[there]
    step = _into_profile(new, original.profile).astype(int) - _into_profile(old, original.profile)
    return np.clip(original.stored[there, :3] + 257 * step, 0, 65535).astype(np.uint16)


def _save_8_bit(
    path: Path, pixels: NDArray[np.uint8], original: Original, suffix: str, *, turned: bool, same_format: bool
) -> None:
    image_format = metadata.format_of(suffix)
    profile = None if turned else original.profile
    options: dict[str, Any] = {"icc_profile": profile or srgb_profile()}
    with Image.open(original.path) as image:
        exif = image.getexif()
        if turned and 0x0112 in exif:
            del exif[0x0112]
        options |= {"exif": exif.tobytes()} if len(exif) else {}
        if "dpi" in image.info:
            options["dpi"] = tuple(float(value) for value in image.info["dpi"])
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
        elif image_format == "PNG":
            options["compress_level"] = _PNG_LEVEL
        elif image_format == "BMP":
            options = {}
    Image.fromarray(pixels).save(path, format=image_format, **options)
    if same_format:
        metadata.restore(path, original.path)


def _decoded(image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels, or None if the file is cut short, which `read_photo` then says."""
    try:
        return np.array(image)
    except (OSError, SyntaxError, ValueError):
        return None


def _read_16_bit(path: Path) -> NDArray[np.uint16] | None:
    """``(h, w, 3 or 4)`` uint16, which Pillow would cut to 8 bits; None if it is none after all."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    order = [2, 1, 0, 3][: pixels.shape[2]]
    return np.ascontiguousarray(pixels[..., order])


def _is_srgb(profile: bytes | None) -> bool:
    """Whether a profile changes no 8-bit colour by more than a step."""
    if not profile:
        return True
    levels = np.arange(0, 256, 51, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    return bool(np.abs(_into_profile(cube, profile).astype(int) - cube).max() <= 1)


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
