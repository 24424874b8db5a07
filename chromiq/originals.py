"""A photo as its owner stored it, so that a part can be changed and the rest given back as it was."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from chromiq.errors import UsageError
from chromiq.files import atomic_path
from chromiq.images import read_photo, srgb_profile
from chromiq.records import BoolMask, RgbImage

LOSSLESS_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".webp", ".bmp"})


@dataclass(frozen=True, eq=False)
class Original:
    """A photo's own pixels and what its file says about them.

    Attributes:
        path: the file.
        srgb: ``(H, W, 3)`` uint8 sRGB, upright: what to compute with.
        stored: ``(H, W, 3)`` uint8, upright, in the file's own colour space; None if the file is not
            8-bit RGB, so that it has to be written as 8-bit sRGB.
        profile: the file's ICC profile, or None.
        exif: its EXIF block with the orientation taken out, or empty.
        jpeg: quantisation tables and chroma sampling of a JPEG.
    """

    path: Path
    srgb: RgbImage
    stored: RgbImage | None
    profile: bytes | None
    exif: bytes
    jpeg: dict[str, Any]


def read_original(path: Path) -> Original:
    """Read a photo together with what is needed to write it back.

    Raises:
        UnsoundError: as `chromiq.images.read_photo`.
    """
    srgb = read_photo(path).rgb
    with Image.open(path) as image:
        jpeg = {}
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            jpeg = {"qtables": image.quantization, "subsampling": JpegImagePlugin.get_sampling(image)}
        profile = image.info.get("icc_profile")
        upright = ImageOps.exif_transpose(image)
        exif = upright.getexif().tobytes() if image.getexif() else b""
        stored = np.array(upright) if upright.mode == "RGB" else None
    return Original(path, srgb, stored, profile, exif, jpeg)


def write_changed(path: Path, original: Original, changed: RgbImage, mask: BoolMask) -> None:
    """Write a photo whose sRGB pixels were changed inside a mask, in the original's own colour space.

    Metadata and profile are kept. In a lossless format the pixels outside the mask are bit-identical to
    the original's. A JPEG is encoded with the original's own tables, which keeps what was not changed as
    near as that format allows.

    Args:
        path: where to; the suffix gives the format.
        original: what was read.
        changed: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool, where `changed` differs.

    Raises:
        UsageError: if the suffix is none that can be written.
    """
    suffix = path.suffix.lower()
    if suffix not in LOSSLESS_SUFFIXES | {".jpg", ".jpeg"}:
        raise UsageError(f"{path}: wanted a name ending in .jpg, .png, .tif or .webp; choose one of these")
    pixels, profile = changed, srgb_profile()
    if original.stored is not None:
        pixels, profile = original.stored.copy(), original.profile or profile
        pixels[mask] = _into_profile(changed[mask][None], original.profile)[0]
    options: dict[str, Any] = {"icc_profile": profile}
    if original.exif:
        options["exif"] = original.exif
    image_format = Image.registered_extensions()[suffix]
    if image_format == "JPEG":
        options |= original.jpeg or {"quality": 95, "subsampling": 0}
    elif image_format == "WEBP":
        options["lossless"] = True
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format=image_format, **options)


def copy_untouched(path: Path, original: Original) -> None:
    """Give the photo back byte for byte, or re-encoded without change if the format differs."""
    if path.suffix.lower() == original.path.suffix.lower():
        with atomic_path(path) as temporary:
            shutil.copyfile(original.path, temporary)
    else:
        write_changed(path, original, original.srgb, np.zeros(original.srgb.shape[:2], bool))


def _into_profile(rgb: RgbImage, profile: bytes | None) -> RgbImage:
    if not profile:
        return rgb
    converted = ImageCms.profileToProfile(
        Image.fromarray(rgb),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return np.array(converted)
