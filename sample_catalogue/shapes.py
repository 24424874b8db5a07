"""What a drawn sample picture is made of: outlines, the parts, folds and details they bound, and their cloth.

A picture is a list of `Part` painted from back to front. Shapes are polylines in *heads* (1 = the height
of a head, x to the right, y down), so that one description serves any picture size; `Frame` maps
them to pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import srgb_to_linear
from chromiq.records import FloatImage

Points = NDArray[np.float64]
"""Shape ``(N, 2)``: x, y in heads."""
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
class Frame:
    """Where the drawing lies on the picture: pixel = origin + heads * scale."""

    size_wh: tuple[int, int]
    origin_px: tuple[float, float]
    scale_px: float


@dataclass(frozen=True)
class Light:
    """The studio's light.

    Attributes:
        toward: unit-free direction to the lamp: right, down, to the camera.
        ambient: 0..1, share of light without direction.
        gains: linear gain of red, green, blue: white balance and exposure.
        falloff: relative change of brightness from left to right and from top to bottom.
    """

    toward: tuple[float, float, float] = (-0.4, -0.5, 0.8)
    ambient: float = 0.45
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    falloff: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Detail:
    """Something on a part: a seam, a button, an eye.

    Attributes:
        points: a polyline in heads; filled when `width` is 0.
        rgb: its colour, or None for a groove that only darkens.
        width: line width in heads.
        blur: softness of the edge in heads.
    """

    points: Points
    rgb: Rgb | None = None
    width: float = 0.0
    opacity: float = 0.5
    blur: float = 0.0


@dataclass(frozen=True, eq=False)
class Fold:
    """A fold of the cloth along a line: ridge (height > 0) or valley, all lengths in heads."""

    points: Points
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Part:
    """One layer of the drawing.

    Attributes:
        outline: closed polyline in heads.
        spine: centre line of a tube such as a sleeve; None for a sheet such as a torso, whose
            middle is found row by row.
        radii: of the tube in heads, evenly spaced along the spine.
        roundness: 0 flat .. 1 a cylinder seen from the front.
        flatness: the higher, the flatter the middle of the cross-section.
        folds: single folds; `drape` adds a random hang of that height along the cloth.
        details: painted in order onto the part.
        fade_y: between these heights the part vanishes into what lies behind it, as a seat into legs.
        is_garment: counts for the garment's mask.
        shadow: 0..1, how dark a shadow it throws on the parts behind it.
    """

    outline: Points
    fabric: Fabric
    spine: Points | None = None
    radii: tuple[float, ...] = ()
    roundness: float = 0.8
    flatness: float = 2.0
    folds: tuple[Fold, ...] = ()
    drape: float = 0.0
    details: tuple[Detail, ...] = ()
    fade_y: tuple[float, float] | None = None
    is_garment: bool = False
    shadow: float = 0.35


def smooth(
    points: Sequence[tuple[float, float]] | Points, *, steps: int = 10, closed: bool = False
) -> Points:
    """A smooth curve through `points`: cubic Hermite pieces with Catmull-Rom tangents.

    Args:
        points: shape ``(K, 2)``, two knots or more.
        steps: points per piece.
        closed: whether the last knot is joined to the first.

    Returns:
        Shape ``(N, 2)``; every knot is on it.

    >>> smooth([(0, 0), (1, 0), (1, 1)], steps=2).tolist()
    [[0.0, 0.0], [0.5, -0.0625], [1.0, 0.0], [1.0625, 0.5], [1.0, 1.0]]
    """
    knots = np.asarray(points, np.float64)
    ring = np.vstack([knots[-1:], knots, knots[:2]]) if closed else np.vstack([knots[:1], knots, knots[-1:]])
    before, start, end, after = ring[:-3], ring[1:-2], ring[2:-1], ring[3:]
    controls = np.stack([start, end, (end - before) / 2, (after - start) / 2], axis=1)
    curve = (_hermite_basis(steps) @ controls).reshape(-1, 2)
    return curve if closed else np.vstack([curve, knots[-1:]])


@cache
def _hermite_basis(steps: int) -> NDArray[np.float64]:
    """Weights of start, end, tangent at start and at end, at `steps` places: shape ``(steps, 4)``."""
    t = np.linspace(0, 1, steps, endpoint=False)
    return np.stack([2 * t**3 - 3 * t**2 + 1, 3 * t**2 - 2 * t**3, t**3 - 2 * t**2 + t, t**3 - t**2], axis=1)


def tube(points: Points, radii: Sequence[float], *, round_start: bool = False) -> Points:
    """The outline of a tube around the polyline `points`, its radii evenly spaced along it.

    Its ends are cut straight; with `round_start` the first is a half circle.

    >>> tube(np.array([(0.0, 0.0), (2.0, 0.0)]), [1, 3]).round(6).tolist()
    [[0.0, 1.0], [2.0, 3.0], [2.0, -3.0], [0.0, -1.0]]
    """
    along = np.linspace(0, 1, len(points))
    radius = np.interp(along, np.linspace(0, 1, len(radii)), radii)[:, None]
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    sides = [points + normal * radius, (points - normal * radius)[::-1]]
    if round_start:
        angle = np.linspace(0, np.pi, 12)[1:-1, None]
        sides.append(points[0] - radius[0] * (normal[0] * np.cos(angle) + tangent[0] * np.sin(angle)))
    return np.vstack(sides)


def tapered(points: Points, width: float) -> Points:
    """The outline of a stroke that thins out toward both ends."""
    profile = np.sin(np.linspace(0.05, np.pi - 0.05, 9)) * width / 2
    return tube(np.asarray(points, np.float64), list(profile))


def darker(rgb: Rgb, share: float) -> Rgb:
    """`rgb` with each value multiplied by `share` and clipped.

    >>> darker((100, 200, 10), 0.5)
    (50, 100, 5)
    """
    r, g, b = (int(min(255, value * share)) for value in rgb)
    return r, g, b


def mirrored(points: Points) -> Points:
    """A closed outline from its right half, which runs from the middle above to the middle below."""
    half = np.asarray(points, np.float64)
    return np.vstack([half, half[::-1] * (-1, 1)])


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """A closed ellipse, 24 points."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=-1)


@dataclass(frozen=True)
class Fabric:
    """What a part is made of.

    Attributes:
        rgb: ground colour, sRGB 0..255.
        weave: fine structure of the surface.
        pattern: drawn over the ground in the `accents`.
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
