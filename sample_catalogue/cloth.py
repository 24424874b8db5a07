"""Cloth of the drawn sample catalogue: colours, patterns, weave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import srgb_to_linear
from chromiq.records import FloatImage

Rgb = tuple[int, int, int]
Pattern = Literal["plain", "stripes", "pinstripes", "check", "dots", "flowers", "print"]
Weave = Literal["smooth", "plain", "twill", "denim", "knit", "melange", "skin", "hair"]

_TILE = 64
_AMPLITUDE: dict[str, float] = {
    "smooth": 0.010,
    "plain": 0.030,
    "twill": 0.035,
    "denim": 0.080,
    "knit": 0.040,
    "melange": 0.160,
    "skin": 0.008,
    "hair": 0.050,
}


@dataclass(frozen=True)
class Fabric:
    """What a part is made of.

    Attributes:
        rgb: ground colour, sRGB 0..255.
        pattern: drawn over the ground in the `accents`.
        accents: the other colours of the pattern.
        weave: fine structure of the surface.
        pitch: repeat of the pattern in heads.
        shine: linear brightness of the gloss.
    """

    rgb: Rgb
    pattern: Pattern = "plain"
    accents: tuple[Rgb, ...] = ()
    weave: Weave = "plain"
    pitch: float = 0.2
    shine: float = 0.0


def albedo_of(
    fabric: Fabric, u: FloatImage, v: FloatImage, scale_px: float, rng: np.random.Generator
) -> FloatImage:
    """Linear-light colour of the cloth.

    Args:
        u: ``(H, W)``, cloth coordinate across, in heads.
        v: ``(H, W)``, cloth coordinate along.
        scale_px: pixels per head, for antialiasing.

    Returns:
        ``(H, W, 3)`` float32, linear sRGB in 0..1.
    """
    albedo = np.empty((*u.shape, 3), np.float32)
    albedo[:] = _linear(fabric.rgb)
    accents = [_linear(rgb) for rgb in fabric.accents]
    edge = 1 / scale_px  # one pixel, in heads
    if fabric.pattern == "stripes":
        _blend(albedo, accents[0], _bands(v, fabric.pitch, 0.5, edge))
    elif fabric.pattern == "pinstripes":
        _blend(albedo, accents[0], _bands(u, fabric.pitch, 0.16, edge))
    elif fabric.pattern == "check":
        down, across = _bands(u, fabric.pitch, 0.42, edge), _bands(v, fabric.pitch, 0.42, edge)
        _blend(albedo, accents[0], 0.55 * (down + across) - 0.2 * down * across)
        fine = np.maximum(
            _bands(u + fabric.pitch / 3, fabric.pitch, 0.06, edge),
            _bands(v + fabric.pitch / 3, fabric.pitch, 0.06, edge),
        )
        _blend(albedo, accents[-1], 0.6 * fine)
    elif fabric.pattern in {"dots", "flowers"}:
        _scatter(albedo, fabric, accents, u, v, edge)
    return albedo * _weave(fabric.weave, u, v, scale_px, rng)[..., None]


def stretched_noise(u: FloatImage, v: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Smooth noise of about unit size that varies across the cloth and hardly along it: its hang."""
    tile = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    noise = np.zeros_like(u)
    for across, along, weight in ((3.0, 0.35, 0.7), (6.0, 1.1, 0.3)):
        map_x = (u + 4) * across + 0.5 * np.sin(v * 1.7)
        noise += weight * _sample(tile, map_x, (v + 4) * along)
    return noise


def _weave(
    weave: Weave, u: FloatImage, v: FloatImage, scale_px: float, rng: np.random.Generator
) -> FloatImage:
    if weave == "hair":
        grain = stretched_noise(u * 6, v, rng)
    else:
        grain = rng.standard_normal(u.shape, dtype=np.float32)
    if weave in {"denim", "melange", "knit"}:
        clumps = cv2.GaussianBlur(grain, (0, 0), 0.005 * scale_px + 0.3)
        grain = np.asarray(0.4 * grain + 1.6 * clumps, np.float32)
    amplitude = _AMPLITUDE[weave]
    structure = np.zeros_like(u)
    # A period of under 3 px can't be shown and would alias.
    if weave in {"twill", "denim"} and scale_px > 100:
        structure = 0.5 * np.sin((u + v) * 2 * np.pi / 0.03)
    elif weave == "knit" and scale_px > 75:
        structure = 1.4 * np.sin(u * 2 * np.pi / 0.045)
    return np.asarray(np.maximum(1 + amplitude * (grain + structure), 0.05), np.float32)


def _bands(position: FloatImage, pitch: float, share: float, edge: float) -> FloatImage:
    """1 on bands that take `share` of each `pitch`, with soft edges one pixel wide."""
    phase = np.abs((position / pitch) % 1.0 - 0.5) * pitch
    return np.asarray(np.clip((share * pitch / 2 - phase) / edge + 0.5, 0, 1), np.float32)


def _scatter(
    albedo: FloatImage, fabric: Fabric, accents: list[FloatImage], u: FloatImage, v: FloatImage, edge: float
) -> None:
    """Dots or flowers, one to a cell of a staggered lattice."""
    row = np.floor(v / fabric.pitch)
    shifted = u / fabric.pitch + 0.5 * (row % 2)
    column = np.floor(shifted)
    # A hash of the cell, so that neighbouring parts of a garment carry the same print.
    chance = np.abs(np.sin(row * 12.9898 + column * 78.233) * 43758.547) % 1.0
    jitter = 0.0 if fabric.pattern == "dots" else 0.14
    x = shifted - column - 0.5 + jitter * (chance - 0.5)
    y = v / fabric.pitch - row - 0.5 + jitter * ((chance * 7) % 1.0 - 0.5)
    radius = np.hypot(x, y) * fabric.pitch
    soft = 1 / edge
    if fabric.pattern == "dots":
        _blend(albedo, accents[0], np.clip((0.24 * fabric.pitch - radius) * soft + 0.5, 0, 1))
        return
    angle = np.arctan2(y, x) + chance * 6.28
    petal = fabric.pitch * (0.26 + 0.11 * np.cos(5 * angle)) * (0.75 + 0.4 * chance)
    flower = np.clip((petal - radius) * soft + 0.5, 0, 1)
    pick = np.floor(chance * 97) % max(1, len(accents) - 1)
    for index, colour in enumerate(accents[:-1] or accents):
        _blend(albedo, colour, flower * (pick == index))
    _blend(albedo, accents[-1], np.clip((0.09 * fabric.pitch - radius) * soft + 0.5, 0, 1))


def _sample(tile: FloatImage, x: FloatImage, y: FloatImage) -> FloatImage:
    wrapped = cv2.remap(
        tile,
        np.asarray(x % _TILE, np.float32),
        np.asarray(y % _TILE, np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(wrapped, np.float32)


def _blend(albedo: FloatImage, colour: FloatImage, share: NDArray[np.floating]) -> None:
    albedo += np.asarray(share, np.float32)[..., None] * (colour - albedo)


def _linear(rgb: Rgb) -> FloatImage:
    return srgb_to_linear(np.asarray(rgb) / 255.0)
