"""Read photos upright and in a known colour space; write sRGB images.

The colour space comes from the ICC profile or other metadata (`Photo.space`); without any, sRGB is assumed
(`Photo.assumed_srgb`). `Photo.rgb` is 8-bit sRGB for models and display; `Photo.values` keeps the file's bit
depth and gamut. `chromiq.photos.originals` writes a changed photo as the original was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.files import write_bytes
from chromiq.photos.colour_space import ColourSpace, eight_bits, srgb_profile
from chromiq.photos.metadata import turned_upright
from chromiq.photos.reader import MIN_SIDE_PX, PhotoFile, Pixels, open_photo
from chromiq.photos.tiff import ICC, Entry, plain_directory, write_tiff
from chromiq.records import BoolMask, FloatImage, RgbImage

ImageFormat = Literal["JPEG", "PNG", "WEBP", "TIFF"]
JPEG_QUALITY = 95
WRITABLE_FORMATS: dict[str, ImageFormat] = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG",
    ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
# A mask stored as JPEG may have slightly coloured edges.
_GREY_WITHIN_LEVELS, _MAX_COLOURED_SHARE, _SAMPLED_EVERY_PX = 32, 0.01, 3
_BILINEAR_BELOW = 1.5


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        file: its header.
        space: the colour space of `values`.
        converted: why `values` were converted to sRGB; empty if they are in the file's own space.
        assumed_srgb: whether sRGB was assumed because the file states no colour space.
        least_wh: the smallest upright width and height needed; None for full size.
    """

    file: PhotoFile
    space: ColourSpace
    converted: str
    assumed_srgb: bool
    least_wh: tuple[int, int] | None = None

    @cached_property
    def _upright(self) -> Pixels:
        pixels = self.file.decode(self.least_wh)
        values, alpha = pixels.values, pixels.alpha
        if self.converted or pixels.kind == "grey":
            values = self.file.space.to_srgb(values, pixels.kind)
        alpha = None if alpha is None else turned_upright(alpha, self.file.orientation)
        return Pixels(turned_upright(values, self.file.orientation), alpha, "rgb")

    @property
    def values(self) -> NDArray[Any]:
        """``(H, W, 3)`` uint8 or uint16 RGB in `space`, not premultiplied by alpha."""
        return self._upright.values

    @property
    def alpha(self) -> NDArray[Any] | None:
        """``(H, W)`` of the dtype of `values`, or None."""
        return self._upright.alpha

    def release(self) -> None:
        """Free the memory of the pixels; they are decoded again when needed."""
        for name in ("_upright", "rgb"):
            self.__dict__.pop(name, None)

    @property
    def path(self) -> Path:
        """The file."""
        return self.file.path

    @cached_property
    def rgb(self) -> RgbImage:
        """``(H, W, 3)`` uint8 sRGB, composited over white."""
        return self.over_white(self.space.to_bytes(self.values))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Warnings about an assumed or converted colour space."""
        found = []
        if self.assumed_srgb:
            found.append(untagged_finding([self.path]))
        if self.converted:
            found.append(
                Finding(
                    "photo.converted",
                    str(self.path),
                    f"{self.converted}, so the result is sRGB",
                    "Export it as RGB with a display profile to keep its own colours.",
                    "warning",
                )
            )
        return tuple(found)

    def over_white(self, values: NDArray[Any]) -> NDArray[Any]:
        """Composite ``(H, W, 3)`` uint8, or of the dtype of `values`, over white; unchanged without alpha."""
        if self.alpha is None:
            return values
        alpha = eight_bits(self.alpha) if values.dtype == np.uint8 else self.alpha
        full = int(np.iinfo(values.dtype).max)
        opacity = alpha[..., None].astype(np.uint32)
        return ((values * opacity + full * (full - opacity) + full // 2) // full).astype(values.dtype)

    def lab(self, rows: NDArray[np.intp] | slice, columns: NDArray[np.intp] | slice) -> FloatImage:
        """CIE Lab (D65) of some pixels, float32, computed from `values` without clipping to sRGB."""
        return self.space.to_lab(self.values[rows, columns])


def read_photo(
    path: Path, *, min_side_px: int = MIN_SIDE_PX, least_wh: tuple[int, int] | None = None
) -> Photo:
    """Read a photo.

    Args:
        path: the file.
        min_side_px: the minimum length of the shorter side.
        least_wh: the smallest width and height needed; a JPEG that is larger is decoded at 1/2, 1/4 or 1/8
            of its size, which is faster.

    Raises:
        UnsoundError: with one `Finding`, if the file is missing, damaged or not a supported photo, too small
            or too large, or its colour space is unknown.
    """
    photo = _photo(open_photo(path, min_side_px), least_wh)
    _ = photo.values
    return photo


def _photo(file: PhotoFile, least_wh: tuple[int, int] | None) -> Photo:
    space, converted = file.space, ""
    if file.kind == "cmyk":
        converted = "it is CMYK" + (
            "" if space.profile else " without a profile, converted by a plain formula"
        )
    elif file.kind == "grey" and not space.is_srgb:
        converted = "it is grey with a profile"
    elif not space.is_writable:
        converted = "its profile has no transform from Lab to RGB"
    assumed = not space.stated_by and file.kind != "cmyk"
    return Photo(
        file, ColourSpace(None, space.stated_by) if converted else space, converted, assumed, least_wh
    )


def photo_size_wh(path: Path) -> tuple[int, int]:
    """Upright width and height in pixels, from the header.

    Raises:
        UnsoundError: if the file is not a readable photo.
    """
    return open_photo(path, 1).size_wh


def states_colours(path: Path) -> bool:
    """Whether a photo states its colour space; if not, sRGB is assumed."""
    return bool(open_photo(path, 1).space.stated_by)


def untagged_finding(paths: list[Path]) -> Finding:
    """One warning for all photos that state no colour space."""
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} photos, the first {paths[0]}"
    message = "no colour profile, read as sRGB"
    hint = "Export photos of another colour space with their profile."
    return Finding("photo.untagged", where, message, hint, "warning")


# ---------------------------------------------------------------- reduced size


def read_small(photo: Path | PhotoFile, side_px: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """A preview, ``(h, w, 3)`` upright 8-bit sRGB whose longer side is at most `side_px`.

    Args:
        photo: its file, or what `open_photo` gave of it.
        grey: return ``(h, w)`` instead, for files known to be grey, such as masks.

    Raises:
        UnsoundError: as `read_photo`.
    """
    file = open_photo(photo, 1) if isinstance(photo, Path) else photo
    return _scaled(file, side_px / max(file.size_wh), grey)


def read_high(path: Path, height_px: int) -> RgbImage:
    """As `read_small`, with a height of at most `height_px`."""
    file = open_photo(path, 1)
    return _scaled(file, height_px / file.size_wh[1], False)


def _scaled(file: PhotoFile, scale: float, grey: bool) -> NDArray[np.uint8]:
    scale = min(1.0, scale)
    width_px, height_px = file.size_wh
    size_wh = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    image = _levels(file, size_wh) if grey else _photo(file, size_wh).rgb
    if (image.shape[1], image.shape[0]) == size_wh:
        return image
    # Area interpolation is slow, and bilinear skips no pixels at factors below this.
    bilinear = image.shape[0] < _BILINEAR_BELOW * size_wh[1]
    interpolation = cv2.INTER_LINEAR if bilinear else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size_wh, interpolation=interpolation))


def _levels(file: PhotoFile, least_wh: tuple[int, int]) -> NDArray[np.uint8]:
    if file.kind == "grey":
        pixels = file.decode(least_wh)
        if pixels.alpha is None:
            return turned_upright(eight_bits(pixels.values), file.orientation)
    return _photo(file, least_wh).rgb[..., 0]


# ---------------------------------------------------------------- masks


def read_mask(path: Path) -> BoolMask:
    """A mask file as ``(H, W)`` bool: True where grey and alpha are 128 or more. Profiles are ignored.

    Raises:
        UnsoundError: if the file cannot be read or is coloured.
    """
    grey, alpha = _mask_levels(path)
    return grey >= 128 if alpha is None else (grey >= 128) & (alpha >= 128)


def read_mask_share(path: Path) -> float:
    """The mean grey level of a mask file, 0..1.

    Raises:
        UnsoundError: as `read_mask`.
    """
    return float(_mask_levels(path)[0].mean(dtype=np.float64) / 255)


def _mask_levels(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    file = open_photo(path, 1)
    pixels = file.decode()
    values = eight_bits(pixels.values)
    if pixels.kind == "cmyk":
        values = eight_bits(ColourSpace(None, "").to_srgb(values, "cmyk"))
    if values.ndim == 3:
        _refuse_colours(path, values)
        values = values[..., 0]
    alpha = None if pixels.alpha is None else turned_upright(eight_bits(pixels.alpha), file.orientation)
    return turned_upright(values, file.orientation), alpha


def _refuse_colours(path: Path, rgb: RgbImage) -> None:
    """Refuse a photo given as a mask, or a mask painted in a colour: thresholding it would be a guess."""
    sample = rgb[::_SAMPLED_EVERY_PX, ::_SAMPLED_EVERY_PX]
    coloured = float(np.mean(np.ptp(sample, axis=2) > _GREY_WITHIN_LEVELS))
    if coloured > _MAX_COLOURED_SHARE:
        message = f"a mask is grey, but {coloured:.0%} of this image is coloured"
        raise UnsoundError.of(
            Finding("mask.colour", str(path), message, "Paint the garment white and the rest black.")
        )


def write_mask(path: Path, mask: BoolMask | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """Write a mask as 8-bit grey PNG; bool becomes 0 and 255, uint8 is unchanged."""
    write_bytes(path, encode_mask(mask))


def encode_mask(mask: BoolMask | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A mask as the bytes of a PNG, as `write_mask` writes it."""
    grey = mask.astype(np.uint8) * 255 if mask.dtype == np.bool_ else mask
    # PNG filters do not help with long runs of one level.
    return bytes(vips_image(grey).pngsave_buffer(compression=1, filter="none"))


# ---------------------------------------------------------------- sRGB images


def write_photo(path: Path, rgb: RgbImage, *, quality: int = JPEG_QUALITY) -> None:
    """Write an sRGB image atomically, with an sRGB profile.

    Args:
        path: ends in ``.jpg``, ``.jpeg``, ``.png``, ``.webp``, ``.tif`` or ``.tiff``; WebP is lossless.
        rgb: ``(H, W, 3)`` uint8, sRGB.
        quality: of a JPEG, 1..100.

    Raises:
        UsageError: if the suffix is another one.
    """
    image_format = WRITABLE_FORMATS.get(path.suffix.lower())
    if image_format is None:
        raise UsageError(f"{path}: the name must end in .jpg, .png, .tif or .webp; choose one of these")
    write_bytes(path, encode_photo(rgb, image_format, quality=quality))


def encode_photo(
    rgb: RgbImage,
    image_format: ImageFormat = "JPEG",
    *,
    quality: int = JPEG_QUALITY,
    chroma_subsampling: bool = False,
    tagged: bool = True,
) -> bytes:
    """An encoded image as `write_photo` writes it.

    Args:
        chroma_subsampling: whether a JPEG is 4:2:0. This costs up to dE00 18 on fine saturated patterns, so
            it is only for reproducing published results.
        tagged: whether to embed an sRGB profile.
    """
    if image_format == "TIFF":
        directory, strips = plain_directory(rgb, {ICC: Entry(7, srgb_profile())} if tagged else {})
        return write_tiff(directory, strips)
    image = vips_image(rgb)
    if tagged:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", srgb_profile())
    if image_format == "JPEG":
        mode = "on" if chroma_subsampling else "off"
        return bytes(image.jpegsave_buffer(Q=quality, subsample_mode=mode, keep="icc"))
    return encode_lossless(image, image_format)


def encode_image(rgb: RgbImage, image_format: Literal["JPEG", "PNG"] = "JPEG", quality: int = 90) -> bytes:
    """An sRGB image encoded without a profile, for embedding in a report."""
    return encode_photo(rgb, image_format, quality=quality, tagged=False)


def encode_lossless(image: pyvips.Image, image_format: Literal["PNG", "WEBP"]) -> bytes:
    """Encode an 8- or 16-bit PNG or a lossless WebP, with the ICC profile if there is one."""
    if image_format == "WEBP":
        return bytes(image.webpsave_buffer(lossless=True, exact=True, keep="icc"))
    # One filter and a low level: a third of the time for a few per cent of size.
    return bytes(image.pngsave_buffer(compression=2, filter="up", keep="icc"))


def vips_image(pixels: NDArray[Any]) -> pyvips.Image:
    """A libvips image of ``(h, w)`` grey or ``(h, w, 3 or 4)`` RGB, uint8 or uint16."""
    deep = pixels.dtype == np.uint16
    names = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return image.copy(interpretation=names[pixels.ndim == 3])
