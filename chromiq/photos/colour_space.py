"""Colour spaces of photos: conversion between device values, CIE Lab and sRGB, in float.

Every statement of a colour space is turned into an ICC profile first, so there is one way to Lab and back.
Little CMS evaluates profiles (through imagecodecs, which accepts floats), relative colorimetric with black
point compensation. Most profiles consist of a matrix and three curves, which are sampled once and then
computed with numpy, forty times as fast and without clipping.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import imagecodecs
import numpy as np
from numpy.typing import DTypeLike, NDArray

from chromiq.colour import bytes_to_linear, lab_to_linear, linear_to_lab, linear_to_srgb, srgb_to_linear
from chromiq.records import BoolMask, FloatImage, RgbImage

Kind = Literal["rgb", "grey", "cmyk"]

_INTENT = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
_FLAGS = imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION
_NAMES_OF_KIND = {"rgb": "RGB", "grey": "GRAY", "cmyk": "CMYK"}
_DATETIME_FIELD = slice(24, 36)
# A value outside 0..1 by more than this is out of gamut.
_OVERSHOOT = 0.002
# Lookup tables cannot be inverted exactly: a round trip within this dE76 is in gamut.
_TABLE_ERROR_LAB = 2.0
_GAMUT_STEPS = 8
_ROWS_AT_ONCE, _PIXELS_AT_ONCE = 256, 4_000_000
_ADDITIVE_WITHIN = 2e-4

# White point and primaries in CIE 1931 xy, and the gamma; None for the sRGB curve.
D65_XY, _D50 = (0.3127, 0.3290), (0.3457, 0.3585)
_SPACES: dict[str, tuple[tuple[float, float], tuple[float, ...], float | None]] = {
    "Adobe RGB (1998)": (D65_XY, (0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 563 / 256),
    "Display P3": (D65_XY, (0.68, 0.32, 0.265, 0.69, 0.15, 0.06), None),
    "ProPhoto RGB": (_D50, (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001), 1.8),
    "Rec. 2020": (D65_XY, (0.708, 0.292, 0.170, 0.797, 0.131, 0.046), None),
}
SRGB_PRIMARIES_XY = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_SAME_XY_WITHIN = 0.006


class ProfileError(Exception):
    """An unusable ICC profile or an unknown colour space."""


@cache
def srgb_profile() -> bytes:
    """An sRGB ICC profile, always the same bytes (without a creation date)."""
    return _undated(imagecodecs.cms_profile("srgb"))


@dataclass(frozen=True)
class ColourSpace:
    """A colour space.

    Attributes:
        profile: its ICC profile; None for sRGB.
        stated_by: the metadata that states it, such as ``"ICC profile"`` or ``"EXIF"``; empty if sRGB is
            assumed.
    """

    profile: bytes | None = None
    stated_by: str = ""

    @property
    def is_srgb(self) -> bool:
        """Whether RGB values are sRGB."""
        return self.profile is None or _is_srgb(self.profile)

    @property
    def is_writable(self) -> bool:
        """Whether Lab can be converted to this space; profiles of cameras and scanners are often one-way."""
        return self.is_srgb or _model(self.profile).writable

    def to_srgb(self, values: NDArray[Any], kind: Kind = "rgb") -> NDArray[Any]:
        """Convert to sRGB at the same bit depth, clipped to its gamut.

        Args:
            values: ``(H, W)`` or ``(H, W, 3 or 4)`` uint8 or uint16.
            kind: the meaning of the channels.

        Returns:
            ``(H, W, 3)`` of the same dtype.
        """
        if kind == "cmyk" and self.profile is None:
            return _naive_rgb_of_cmyk(values)
        if kind == "grey" and (self.is_srgb or _space_of(self.profile) == "RGB"):
            values, kind = np.repeat(values[..., None], 3, axis=-1), "rgb"
        if kind == "rgb" and self.is_srgb:
            return values
        assert self.profile is not None
        out = np.empty((*values.shape[:2], 3), values.dtype)
        rows = max(1, _PIXELS_AT_ONCE // max(1, values.shape[1]))
        for top in range(0, len(values), rows):
            strip = slice(top, top + rows)
            out[strip] = _transform(values[strip], self.profile, srgb_profile(), values.dtype)
        return out

    def to_bytes(self, values: NDArray[Any]) -> RgbImage:
        """Convert RGB ``(H, W, 3)`` to 8-bit sRGB, clipped to its gamut."""
        return eight_bits(self.to_srgb(values))

    def to_lab(self, values: NDArray[Any]) -> FloatImage:
        """Convert RGB to CIE Lab (D65, adapted from the profile's D50), without clipping.

        Args:
            values: ``(..., 3)`` uint8 or uint16 in this space.

        Returns:
            ``(..., 3)`` float32.
        """
        if self.is_srgb:
            if values.dtype == np.uint8:
                return linear_to_lab(bytes_to_linear(values))
            return linear_to_lab(srgb_to_linear(values / np.float64(np.iinfo(values.dtype).max)))
        return linear_to_lab(_model(self.profile).linear(values.reshape(-1, 3)).reshape(values.shape))

    def from_lab(self, lab: FloatImage, dtype: np.dtype[Any]) -> tuple[FloatImage, BoolMask]:
        """Convert Lab to RGB. Chroma is reduced where a colour is out of gamut; hue and lightness are kept.

        Args:
            lab: ``(P, 3)``.
            dtype: uint8 or uint16, which determines the range of the result.

        Returns:
            ``(P, 3)`` float32 in 0..255 or 0..65535, not rounded, and ``(P,)`` bool, True if out of gamut.

        Raises:
            ProfileError: if the space is not `is_writable`.
        """
        lab = np.array(lab, np.float32)
        np.clip(lab[..., 0], 0, 100, out=lab[..., 0])
        numbers, outside = self._encode(lab)
        if outside.any():
            wide = lab[outside]
            low, high = np.zeros((len(wide), 1), np.float32), np.ones((len(wide), 1), np.float32)
            for _ in range(_GAMUT_STEPS):
                share = (low + high) / 2
                _, still = self._encode(wide * np.hstack([np.ones_like(share), share, share]))
                high, low = np.where(still[:, None], share, high), np.where(still[:, None], low, share)
            numbers[outside] = self._encode(wide * np.hstack([np.ones_like(low), low, low]))[0]
        return (np.clip(numbers, 0, 1) * np.iinfo(dtype).max).astype(np.float32), outside

    def _encode(self, lab: FloatImage) -> tuple[FloatImage, BoolMask]:
        """RGB with in-gamut values in 0..1, and which colours are out of gamut."""
        linear = lab_to_linear(lab)
        if self.is_srgb:
            numbers = linear_to_srgb(linear)
            far = (numbers < -_OVERSHOOT) | (numbers > 1 + _OVERSHOOT)
            return numbers, np.asarray(far.any(axis=-1))
        return _model(self.profile).encode(linear)


SRGB = ColourSpace(None, "")


def eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Round an 8- or 16-bit image to 8 bits.

    >>> eight_bits(np.array([0, 128, 129, 65535], np.uint16)).tolist()
    [0, 0, 1, 255]
    """
    if image.dtype == np.uint8:
        return image
    out = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), _ROWS_AT_ONCE):
        strip = slice(top, top + _ROWS_AT_ONCE)
        out[strip] = (image[strip].astype(np.uint32) + 128) // 257
    return out


@lru_cache(maxsize=16)
def icc_space(profile: bytes, kind: Kind) -> ColourSpace:
    """The colour space of an embedded ICC profile.

    Raises:
        ProfileError: if it cannot be parsed or is for other channels.
    """
    space = _space_of(profile)
    wanted = _NAMES_OF_KIND[kind]
    if space != wanted and not (kind == "grey" and space == "RGB"):
        raise ProfileError(f"its profile is for {space or 'an unknown space'}, its pixels are {wanted}")
    probe = np.zeros((1, 1, {"RGB": 3, "CMYK": 4}.get(space, 1)), np.uint8)
    _transform(probe if space != "GRAY" else probe[..., 0], profile, srgb_profile(), np.uint8)
    return ColourSpace(profile, "ICC profile")


def named_space(name: str, stated_by: str) -> ColourSpace:
    """The colour space with a name as photo software writes it.

    Raises:
        ProfileError: if the name is unknown.

    >>> named_space("sRGB IEC61966-2.1", "XMP").is_srgb
    True
    >>> named_space("Adobe RGB (1998)", "EXIF").is_srgb
    False
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if "srgb" in plain:
        return ColourSpace(None, stated_by)
    for known in _SPACES:
        if re.sub(r"[^a-z0-9]", "", known.lower())[:8] in plain.replace("bt2020", "rec2020"):
            return ColourSpace(_profile_of(*_SPACES[known]), stated_by)
    raise ProfileError(
        f"{stated_by} names the colour space {name[:60]!r}, which is unknown without its profile"
    )


def primaries_space(
    white_xy: Sequence[float], primaries_xy: Sequence[float], gamma: float | None, stated_by: str
) -> ColourSpace:
    """The colour space with a given white point, primaries and gamma.

    Args:
        white_xy: CIE 1931 x and y.
        primaries_xy: x and y of red, green and blue.
        gamma: the exponent from values to linear light; None for the curve of known primaries.
        stated_by: the metadata that states them.

    Raises:
        ProfileError: if the values are invalid, or the gamma is missing and the primaries are unknown.
    """
    stated = (*white_xy, *primaries_xy)
    known = {"sRGB": (D65_XY, SRGB_PRIMARIES_XY, None), **_SPACES}
    for name, (white, primaries, exponent) in known.items():
        near = all(abs(a - b) < _SAME_XY_WITHIN for a, b in zip(stated, (*white, *primaries), strict=True))
        # A PNG states the sRGB curve as gamma 1/0.45455.
        if near and (gamma is None or abs(gamma - (exponent or 2.2)) < 0.05):
            return ColourSpace(_profile_of(*_SPACES[name]) if name != "sRGB" else None, stated_by)
    if gamma is None:
        raise ProfileError(f"{stated_by} states primaries {_shown(primaries_xy)}, which no known space has")
    if not (0.2 < gamma < 5) or not all(0 <= value <= 1 for value in stated) or min(white_xy) <= 0:
        raise ProfileError(f"{stated_by} states primaries {_shown(primaries_xy)} and gamma {gamma:g}")
    return ColourSpace(_profile_of(tuple(white_xy), tuple(primaries_xy), gamma), stated_by)


def _shown(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


@lru_cache(maxsize=16)
def _profile_of(white: tuple[float, ...], primaries: tuple[float, ...], gamma: float | None) -> bytes:
    curve: dict[str, Any] = {"gamma": gamma}
    if gamma is None:
        steps = np.linspace(0, 1, 4096)
        curve = {"transferfunction": np.tile(srgb_to_linear(steps).astype(np.float32), (3, 1))}
    xyy = [value for at in range(0, 6, 2) for value in (*primaries[at : at + 2], 1.0)]
    try:
        return _undated(imagecodecs.cms_profile("rgb", whitepoint=[*white, 1.0], primaries=xyy, **curve))
    except (imagecodecs.CmsError, ValueError) as error:
        raise ProfileError(f"primaries {_shown(primaries)}: {error}") from error


def _undated(profile: bytes) -> bytes:
    data = bytearray(profile)
    data[_DATETIME_FIELD] = bytes(12)
    return bytes(data)


def _space_of(profile: bytes | None) -> str:
    """The ICC header's colour space: ``RGB``, ``GRAY``, ``CMYK``, ``Lab`` ..."""
    return profile[16:20].decode("ascii", "replace").strip() if profile else "RGB"


def _transform(values: NDArray[Any], source: bytes, target: bytes, dtype: DTypeLike) -> NDArray[Any]:
    try:
        return np.asarray(
            imagecodecs.cms_transform(
                np.ascontiguousarray(values),
                source,
                target,
                colorspace=_space_of(source).lower(),
                outcolorspace=_space_of(target).lower(),
                outdtype=np.dtype(dtype).name,
                intent=_INTENT,
                flags=_FLAGS,
            )
        )
    except (imagecodecs.CmsError, ValueError) as error:
        raise ProfileError(f"Little CMS: {error}") from error


def _naive_rgb_of_cmyk(values: NDArray[Any]) -> NDArray[Any]:
    full = np.iinfo(values.dtype).max
    ink = values.astype(np.uint32)
    return ((full - ink[..., :3]) * (full - ink[..., 3:4]) // full).astype(values.dtype)


@lru_cache(maxsize=64)
def _is_srgb(profile: bytes) -> bool:
    """Whether a profile changes none of 4,913 colours by more than a level; there are many sRGB profiles."""
    if _space_of(profile) != "RGB":
        return False
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    probe = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
    moved = _transform(probe, profile, srgb_profile(), np.uint8)
    return bool(np.abs(moved.astype(int) - probe).max() <= 1)


@cache
def _srgb_from_xyz() -> NDArray[np.float64]:
    """The matrix from the profile connection space (XYZ, D50) to linear sRGB."""
    corners = np.eye(3, dtype=np.float32)[None]
    columns = _transform(corners, srgb_profile(), _xyz_profile(), np.float32)[0]
    matrix: NDArray[np.float64] = np.linalg.inv(columns.T.astype(np.float64))
    return matrix


@cache
def _xyz_profile() -> bytes:
    return bytes(imagecodecs.cms_profile("xyz"))


class _Tables:
    """A profile with lookup tables, evaluated by Little CMS."""

    def __init__(self, profile: bytes) -> None:
        self._profile = profile
        try:
            self._numbers(np.array([[0.3, 0.3, 0.2]], np.float32))
            self.writable = True
        except ProfileError:
            self.writable = False

    def linear(self, values: NDArray[Any]) -> FloatImage:
        """Linear sRGB ``(P, 3)``, outside 0..1 if out of its gamut, of device values ``(P, 3)``."""
        xyz = _transform(values[None], self._profile, _xyz_profile(), np.float32)[0]
        return xyz @ _srgb_from_xyz().T.astype(np.float32)

    def encode(self, linear: FloatImage) -> tuple[FloatImage, BoolMask]:
        """Device values 0..1 of linear sRGB, and which colours do not survive the round trip."""
        numbers = self._numbers(linear @ np.linalg.inv(_srgb_from_xyz()).T.astype(np.float32))
        back = linear_to_lab(self.linear(np.clip(numbers, 0, 1)))
        return numbers, np.linalg.norm(back - linear_to_lab(linear), axis=-1) > _TABLE_ERROR_LAB

    def _numbers(self, xyz: FloatImage) -> FloatImage:
        return _transform(xyz[None].astype(np.float32), _xyz_profile(), self._profile, np.float32)[0]


class _Shaper:
    """A profile with a matrix and three curves, evaluated by numpy."""

    writable = True

    def __init__(self, matrix: NDArray[np.float64], curves: NDArray[np.float64]) -> None:
        self._matrix, self._curves = matrix.astype(np.float32), curves.astype(np.float32)
        self._inverse = np.linalg.inv(matrix).astype(np.float32)
        self._numbers = np.linspace(0, 1, curves.shape[1], dtype=np.float32)

    def linear(self, values: NDArray[Any]) -> FloatImage:
        """As `_Tables.linear`, of uint8 or uint16."""
        at = values.astype(np.uint16) * 257 if values.dtype == np.uint8 else values
        light = np.stack([curve[at[:, channel]] for channel, curve in enumerate(self._curves)], axis=-1)
        return light @ self._matrix.T

    def encode(self, linear: FloatImage) -> tuple[FloatImage, BoolMask]:
        """As `_Tables.encode`; a colour is out of gamut if its values are out of range."""
        light = linear @ self._inverse.T
        below, above = light < 0, light > 1
        numbers = np.stack(
            [
                np.interp(light[:, channel], curve, self._numbers)
                for channel, curve in enumerate(self._curves)
            ],
            axis=-1,
        ).astype(np.float32)
        numbers += np.where(below | above, light - np.clip(light, 0, 1), 0)
        far = (light < -_OVERSHOOT) | (light > 1 + _OVERSHOOT)
        return numbers, np.asarray(far.any(axis=-1))


@lru_cache(maxsize=16)
def _model(profile: bytes | None) -> _Tables | _Shaper:
    assert profile is not None
    tables = _Tables(profile)
    if not tables.writable:
        return tables
    full = np.eye(3) * 65535
    matrix = tables.linear(full.astype(np.uint16)).T.astype(np.float64)
    if abs(np.linalg.det(matrix)) < 1e-6:
        return tables
    # The curve of a channel is its response alone, along the strongest component of its primary.
    curves = np.empty((3, 65536))
    ramp = np.arange(65536, dtype=np.uint16)
    for channel in range(3):
        alone = np.zeros((65536, 3), np.uint16)
        alone[:, channel] = ramp
        strongest = int(np.abs(matrix[:, channel]).argmax())
        curves[channel] = tables.linear(alone)[:, strongest] / matrix[strongest, channel]
    shaper = _Shaper(matrix, np.maximum.accumulate(np.clip(curves, 0, 1), axis=1))
    probe = np.random.default_rng(0).integers(0, 65536, (512, 3)).astype(np.uint16)
    additive = np.abs(shaper.linear(probe) - tables.linear(probe)).max() < _ADDITIVE_WITHIN
    return shaper if additive else tables
