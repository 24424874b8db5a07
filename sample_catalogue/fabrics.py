"""What drawn things are made of: ground colour, pattern and weave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from chromiq.colour import srgb_to_linear
from chromiq.records import FloatImage

Rgb = tuple[int, int, int]
Pattern = Literal["plain", "stripes", "pinstripes", "check", "dots", "flowers", "print"]
Weave = Literal["smooth", "plain", "twill", "denim", "knit", "melange", "skin", "hair"]

_TILE = 64
_FINE: dict[str, float] = {"smooth": 0.010, "plain": 0.030, "twill": 0.035, "skin": 0.008, "hair": 0.050}
_COARSE: dict[str, float] = {"denim": 0.080, "knit": 0.040, "melange": 0.160}
"""Amplitude of the weave's grain; that of coarse weaves forms clumps."""


@dataclass(frozen=True)
class Fabric:
    """What a part is made of.

    Attributes:
        rgb: ground colour, sRGB 0..255.
        weave: fine structure of the surface.
        pattern: drawn over the ground in the `accents`; a "print" is drawn by the garment.
        accents: the other colours of the pattern.
        pitch: repeat of the pattern in heads.
        shine: linear brightness of the gloss.
    """

    rgb: Rgb
    weave: Weave = "plain"
    pattern: Pattern = "plain"
    accents: tuple[Rgb, ...] = ()
    pitch: float = 0.2
    shine: float = 0.0


def darker(rgb: Rgb, share: float) -> Rgb:
    """`rgb` with each value multiplied by `share` and clipped.

    >>> darker((100, 200, 10), 0.5)
    (50, 100, 5)
    """
    r, g, b = (int(min(255, value * share)) for value in rgb)
    return r, g, b


def linear(rgb: Rgb) -> FloatImage:
    """A colour in linear sRGB 0..1, shape ``(3,)``."""
    return srgb_to_linear(np.asarray(rgb) / 255.0)


def blend(image: FloatImage, colour: FloatImage, share: NDArray[np.floating]) -> None:
    """Lay `colour`, ``(3,)`` or ``(H, W, 3)``, over `image` in place; `share` is its ``(H, W)`` opacity."""
    image += np.asarray(share, np.float32)[..., None] * (colour - image)


def albedo_of(fabric: Fabric, u: FloatImage, v: FloatImage, scale_px: float, rng: Generator) -> FloatImage:
    """Linear-light colour of the cloth.

    Args:
        u: ``(H, W)``, cloth coordinate across, in heads.
        v: ``(H, W)``, cloth coordinate along.
        scale_px: pixels per head, for antialiasing.

    Returns:
        ``(H, W, 3)`` float32, linear sRGB in 0..1.
    """
    albedo = np.empty((*u.shape, 3), np.float32)
    albedo[:] = linear(fabric.rgb)
    accents, pitch = [linear(rgb) for rgb in fabric.accents], fabric.pitch
    if fabric.pattern == "stripes":
        blend(albedo, accents[0], _bands(v, pitch, 0.5, scale_px))
    elif fabric.pattern == "pinstripes":
        blend(albedo, accents[0], _bands(u, pitch, 0.16, scale_px))
    elif fabric.pattern == "check":
        down, across = (_bands(at, pitch, 0.42, scale_px) for at in (u, v))
        blend(albedo, accents[0], 0.55 * (down + across) - 0.2 * down * across)
        fine_down, fine_across = (_bands(at + pitch / 3, pitch, 0.06, scale_px) for at in (u, v))
        blend(albedo, accents[-1], 0.6 * np.maximum(fine_down, fine_across))
    elif fabric.pattern in {"dots", "flowers"}:
        _scatter(albedo, accents, fabric, u, v, scale_px)
    return albedo * _weave(fabric.weave, u, v, scale_px, rng)[..., None]


def stretched_noise(u: FloatImage, v: FloatImage, rng: Generator) -> FloatImage:
    """Smooth noise of about unit size that varies across the cloth and hardly along it: its hang."""
    tile = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    noise = np.zeros_like(u)
    for across, along, weight in ((3.0, 0.35, 0.7), (6.0, 1.1, 0.3)):
        x, y = (u + 4) * across + 0.5 * np.sin(v * 1.7), (v + 4) * along
        x, y = (np.asarray(at % _TILE, np.float32) for at in (x, y))
        noise += weight * cv2.remap(tile, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    return noise


def _weave(weave: Weave, u: FloatImage, v: FloatImage, scale_px: float, rng: Generator) -> FloatImage:
    """Brightness of the surface about 1."""
    is_hair = weave == "hair"
    grain = stretched_noise(u * 6, v, rng) if is_hair else rng.standard_normal(u.shape, dtype=np.float32)
    if weave in _COARSE:
        grain = 0.4 * grain + 1.6 * cv2.GaussianBlur(grain, (0, 0), 0.005 * scale_px + 0.3)
    # A period of under 3 px can't be shown and would alias.
    if weave in {"twill", "denim"} and scale_px > 100:
        grain += 0.5 * np.sin((u + v) * 2 * np.pi / 0.03)
    elif weave == "knit" and scale_px > 75:
        grain += 1.4 * np.sin(u * 2 * np.pi / 0.045)
    return np.maximum(1 + (_FINE | _COARSE)[weave] * grain, 0.05)


def _bands(position: FloatImage, pitch: float, share: float, scale_px: float) -> FloatImage:
    """1 on bands that take `share` of each `pitch`, with soft edges one pixel wide."""
    phase = np.abs((position / pitch) % 1.0 - 0.5) * pitch
    return np.clip((share * pitch / 2 - phase) * scale_px + 0.5, 0, 1)


def _scatter(
    albedo: FloatImage,
    accents: list[FloatImage],
    fabric: Fabric,
    u: FloatImage,
    v: FloatImage,
    scale_px: float,
) -> None:
    """Dots or flowers, one to a cell of a staggered lattice."""
    pitch = fabric.pitch
    row = np.floor(v / pitch)
    shifted = u / pitch + 0.5 * (row % 2)
    column = np.floor(shifted)
    # A hash of the cell, so that neighbouring parts of a garment carry the same print.
    chance = np.abs(np.sin(row * 12.9898 + column * 78.233) * 43758.547) % 1.0
    jitter = 0.0 if fabric.pattern == "dots" else 0.14
    x = shifted - column - 0.5 + jitter * (chance - 0.5)
    y = v / pitch - row - 0.5 + jitter * ((chance * 7) % 1.0 - 0.5)
    radius = np.hypot(x, y) * pitch

    def within(limit: FloatImage | float) -> FloatImage:
        return np.clip((limit - radius) * scale_px + 0.5, 0, 1)

    if fabric.pattern == "dots":
        blend(albedo, accents[0], within(0.24 * pitch))
        return
    angle = np.arctan2(y, x) + chance * 6.28
    flower = within(pitch * (0.26 + 0.11 * np.cos(5 * angle)) * (0.75 + 0.4 * chance))
    *petals, heart = accents
    pick = np.floor(chance * 97) % len(petals)
    for index, colour in enumerate(petals):
        blend(albedo, colour, flower * (pick == index))
    blend(albedo, heart, within(0.09 * pitch))
