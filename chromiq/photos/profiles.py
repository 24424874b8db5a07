"""ICC profiles: read, judged, and left behind for sRGB by relative colorimetric intent with black points."""

from __future__ import annotations

import io
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageCms

MODES_16_BIT = frozenset({"I;16", "I;16B", "I;16L", "I"})
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_DATETIME_FIELD = slice(24, 36)


@cache
def srgb_profile() -> bytes:
    """An sRGB ICC profile, the same bytes every time (its creation date is blanked)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[_DATETIME_FIELD] = bytes(12)
    return bytes(data)


def through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture of a profile as sRGB, in mode RGB.

    Raises:
        ImageCms.PyCMSError: if the profile is broken or fits another kind of picture.
    """
    source = parsed_profile(profile, image.mode)
    if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
        image = image.convert("RGB")
    transform = _transform_to_srgb(profile, image.mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only an in-place conversion returns None
    return converted


def is_srgb(profile: bytes | None) -> bool:
    """Whether an RGB picture of a profile is sRGB as it stands; one without is taken as sRGB.

    Raises:
        ImageCms.PyCMSError: if the profile is broken or fits another kind of picture.
    """
    if not profile:
        return True
    parsed_profile(profile, "RGB")
    return _transform_to_srgb(profile, "RGB") is None


def parsed_profile(profile: bytes, mode: str) -> ImageCms.ImageCmsProfile:
    """A profile that can be read and describes pictures of a mode.

    Raises:
        ImageCms.PyCMSError: if it is broken or fits another kind of picture.
    """
    try:
        parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except OSError as error:
        raise ImageCms.PyCMSError(error) from error
    space = parsed.profile.xcolor_space.strip()
    spaces = {"L": {"GRAY", "RGB"}, "LA": {"GRAY", "RGB"}, "CMYK": {"CMYK"}, "LAB": {"Lab"}}.get(
        mode, {"RGB"}
    )
    if mode not in MODES_16_BIT and space not in spaces:
        raise ImageCms.PyCMSError(f"a profile for {space} in a picture of mode {mode}")
    return parsed


@lru_cache(maxsize=64)
def _transform_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What takes a picture of a profile to sRGB; None if it is sRGB, so that its pixels stay as they are.

    There are many sRGB profiles, so it is tried out: none moves any of 4,913 colours by more than a level.
    """
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=_INTENT,
        flags=_FLAGS,
    )
    if mode == "RGB":
        steps = np.linspace(0, 255, 17).astype(np.uint8)
        probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
        tried = ImageCms.applyTransform(Image.fromarray(probe), transform)
        assert tried is not None
        if np.abs(np.asarray(tried).astype(int) - probe).max() <= 1:
            return None
    return transform
