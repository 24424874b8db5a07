"""The one door to pixels: whatever comes in leaves as upright 8-bit sRGB, whatever goes out carries sRGB.

Orientation is taken from EXIF, colour from the embedded ICC profile (relative colorimetric, black
point compensation), 16 bits are scaled, transparency is laid over white. A photo without a profile
is taken as sRGB; `Photo.assumed_srgb` says so. `chromiq.photos.soundness` judges files
before they are decoded.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chromiq.errors import Finding, UnsoundError
from chromiq.files import write_bytes
from chromiq.photos.profiles import MODES_16_BIT, srgb_profile, through_profile
from chromiq.photos.soundness import MIN_SIDE_PX, sound_photo
from chromiq.records import BoolMask, RgbImage

JPEG_QUALITY = 95
ORIENTATION = 0x0112  # the EXIF tag
_GREY_MODES = frozenset({"1", "L", "LA", "I;16", "I;16B", "I;16L"})
# A mask stored as a JPEG has a little colour along its edges.
_GREY_WITHIN_LEVELS, _MAX_COLOURED_SHARE, _SAMPLED_EVERY_PX = 32, 0.01, 3
# A mask is runs of one level: filters, and a search for more than runs, take five times as long for nothing.
_MASK_AS_PNG = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_NONE,
)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as the rest of chromiq sees it.

    Attributes:
        rgb: ``(H, W, 3)`` uint8, sRGB, upright.
        path: the file it came from.
        assumed_srgb: True when the file carries no profile and was taken as sRGB.
    """

    rgb: RgbImage
    path: Path
    assumed_srgb: bool


def read_photo(
    path: Path, *, min_side_px: int = MIN_SIDE_PX, least_wh: tuple[int, int] | None = None
) -> Photo:
    """Read a photo into upright 8-bit sRGB.

    Args:
        path: the file.
        min_side_px: the shortest side that is taken.
        least_wh: the width and height that suffice, for all that `decode_smaller` can do.

    Raises:
        UnsoundError: with one `Finding`, if the file is missing, empty, no photo, cut short, too small
            or too large, or its colour profile cannot be read.
    """
    with sound_photo(path, min_side_px, for_colour=True) as image:
        if least_wh is not None:
            decode_smaller(image, least_wh)
        profile = image.info.get("icc_profile")
        return Photo(rgb=to_srgb(image), path=path, assumed_srgb=not profile)


def decode_smaller(image: Image.Image, least_wh: tuple[int, int]) -> None:
    """Have a picture that is not loaded yet decoded to as little as covers a size, at once and in part of the
    time: a JPEG to half, quarter or eighth of its sides, of which all data is read, others as they are.

    Args:
        image: as Pillow opened it.
        least_wh: width and height in pixels, upright, that are to be covered.
    """
    image.draft(None, least_wh[::-1] if lies_on_its_side(image) else least_wh)


def to_srgb(image: Image.Image) -> RgbImage:
    """Upright 8-bit sRGB of a loaded Pillow image, which is turned: shape ``(H, W, 3)``, uint8.

    Raises:
        ImageCms.PyCMSError: if the embedded profile is broken or fits another kind of image.
    """
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode in MODES_16_BIT:
        # Pillow's own convert("L") clips 16 bits to two levels.
        wide = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.rint(np.clip(wide / 257, 0, 255)).astype(np.uint8))
    alpha = None
    if "transparency" in image.info or image.mode in {"RGBA", "LA", "PA", "RGBa", "La"}:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode not in {"RGB", "L", "CMYK", "LAB"}:
        image = image.convert("RGB")
    if profile:
        image = through_profile(image, profile)
    elif image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=alpha)
        image = white
    return np.array(image, dtype=np.uint8)


def grey_of(image: Image.Image) -> NDArray[np.uint8]:
    """``(H, W)``, what `to_srgb` gives as its first channel; levels of plain grey are taken as they are."""
    plain = image.mode == "L" and not {"icc_profile", "transparency"} & image.info.keys()
    if plain and is_upright(image):
        return np.asarray(image)
    return to_srgb(image)[..., 0]


def write_photo(
    path: Path, rgb: RgbImage, *, quality: int = JPEG_QUALITY, chroma_subsampling: bool = False
) -> None:
    """Write an sRGB image whole or not at all, with an sRGB profile.

    Args:
        path: ends in ``.jpg``, ``.jpeg``, ``.png``, ``.webp``, ``.tif`` or ``.tiff``; WebP is lossless.
        rgb: ``(H, W, 3)`` uint8, sRGB.
        quality: of a JPEG, 1..100.
        chroma_subsampling: whether a JPEG stores colour at half resolution (4:2:0). It costs up to dE00
            18 on fine saturated patterns, so it is off unless something published is to be reproduced.
    """
    image_format = Image.registered_extensions()[path.suffix.lower()]
    write_bytes(path, encode_photo(rgb, image_format, quality=quality, chroma_subsampling=chroma_subsampling))


def encode_photo(
    rgb: RgbImage,
    image_format: str = "JPEG",
    *,
    quality: int = JPEG_QUALITY,
    chroma_subsampling: bool = False,
) -> bytes:
    """The bytes that `write_photo` writes, of Pillow's ``"JPEG"``, ``"PNG"``, ``"WEBP"`` or ``"TIFF"``."""
    options: dict[str, object] = {"icc_profile": srgb_profile()}
    if image_format == "JPEG":
        options |= {"quality": quality, "subsampling": 2 if chroma_subsampling else 0}
    elif image_format == "WEBP":
        options |= {"lossless": True}
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format=image_format, **options)
    return buffer.getvalue()


def read_mask(path: Path) -> BoolMask:
    """A mask file as ``(H, W)`` bool: True where its grey value, over black if transparent, is 128 or more.

    Raises:
        UnsoundError: if the file is missing, cannot be read or is in colours, whose meaning nobody knows.
    """
    with sound_photo(path, 1) as image:
        # A garment painted in white on nothing: laid over white, as a photo is, it would be gone.
        is_cut_out = image.has_transparency_data
        opaque = ImageOps.exif_transpose(image).convert("RGBA").getchannel("A") if is_cut_out else None
        if image.mode in _GREY_MODES:
            grey = grey_of(image)
        else:
            rgb = to_srgb(image)
            _refuse_colours(path, rgb)
            grey = rgb[..., 0]
        return np.asarray(grey >= 128) if opaque is None else (grey >= 128) & (np.asarray(opaque) >= 128)


def _refuse_colours(path: Path, rgb: RgbImage) -> None:
    """A photo given as a mask, or one painted in red: no threshold makes of it what was meant."""
    sample = rgb[::_SAMPLED_EVERY_PX, ::_SAMPLED_EVERY_PX]
    coloured = float(np.mean(np.ptp(sample, axis=2) > _GREY_WITHIN_LEVELS))
    if coloured > _MAX_COLOURED_SHARE:
        wanted, cure = "a mask, white on the garment and black elsewhere", "paint it so"
        finding = Finding.expected("mask.colour", str(path), wanted, f"colours on {coloured:.0%} of it", cure)
        raise UnsoundError(str(finding), [finding])


def write_mask(path: Path, mask: BoolMask | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Write a mask as 8-bit grey PNG: bool becomes 0 and 255, uint8 stays."""
    write_bytes(path, encode_mask(mask))


def encode_mask(mask: BoolMask | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """The bytes that `write_mask` writes."""
    grey = mask.astype(np.uint8) * 255 if mask.dtype == np.bool_ else mask
    _, data = cv2.imencode(".png", grey, _MASK_AS_PNG)
    return bytes(data)


def photo_size_wh(path: Path) -> tuple[int, int]:
    """Width and height in pixels, upright, from the header alone.

    Raises:
        UnsoundError: if the file is no readable photo.
    """
    with sound_photo(path, 1) as image:
        return image.size[::-1] if lies_on_its_side(image) else image.size


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 without, or where the file says what is none."""
    value = image.getexif().get(ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1


def is_upright(image: Image.Image) -> bool:
    """Whether its rows are what is seen from left to right and from top to bottom."""
    return orientation_of(image) == 1


def lies_on_its_side(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet has its width and height exchanged when it is upright."""
    # Pillow tells the size of a TIFF as it will be.
    return image.format != "TIFF" and orientation_of(image) >= 5


def carries_profile(path: Path) -> bool:
    """Whether a readable photo says in which colour space it is; one that does not is taken as sRGB."""
    with Image.open(path) as image:
        return bool(image.info.get("icc_profile"))


def encode_image(rgb: RgbImage, image_format: Literal["JPEG", "PNG"] = "JPEG", quality: int = 90) -> bytes:
    """An sRGB image as file bytes, for embedding in a report."""
    buffer = io.BytesIO()
    options: dict[str, object] = {"quality": quality, "subsampling": 0} if image_format == "JPEG" else {}
    Image.fromarray(rgb).save(buffer, format=image_format, **options)
    return buffer.getvalue()
