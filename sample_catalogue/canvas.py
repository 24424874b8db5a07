"""The painter of the drawn sample catalogue, and what it paints.

A picture is a list of `Part`, painted from back to front in linear light. Shapes are polylines in *heads*,
so that one description serves any picture size. Shading comes from surface normals: the roundness of the
part, its folds and its weave. Edges are antialiased, and the garment's coverage is carried along, which makes
its mask exact by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from chromiq.colour import linear_to_srgb
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.sample_catalogue.fabrics import Fabric, Rgb, albedo_of, blend, linear, stretched_noise
from chromiq.sample_catalogue.outlines import Points, frames_along, spread, tapered

_SUBPIXEL_BITS = 4

Window = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True)
class Light:
    """The studio's light.

    Attributes:
        toward: unit-free direction to the lamp: right, down, to the camera.
        ambient: 0..1, share of light without direction.
        gains: linear gain of red, green, blue: white balance and exposure.
        falloff: relative change of brightness from left to right and from top to bottom.
    """

    toward: tuple[float, float, float]
    ambient: float
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


def both_sides(*details: Detail) -> list[Detail]:
    """Details of the right side, mirrored onto the left, and as they are."""
    return [replace(detail, points=detail.points * (side, 1)) for side in (-1, 1) for detail in details]


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

    def moved(self, move: Callable[[Points], Points]) -> Part:
        """The part with `move` applied to all its points."""
        return replace(
            self,
            outline=move(self.outline),
            spine=None if self.spine is None else move(self.spine),
            folds=tuple(replace(fold, points=move(fold.points)) for fold in self.folds),
            details=tuple(replace(detail, points=move(detail.points)) for detail in self.details),
        )


def mirrored_pair(part: Part) -> list[Part]:
    """A part of the right side, mirrored onto the left, and as it is."""
    return [part.moved(lambda points: points * (-1, 1)), part]


class Canvas:
    """A picture in the making, in linear light; `finish` gives it as sRGB.

    Args:
        size_wh: in pixels.
        origin_px: ``(2,)``, pixel x, y of the drawing's origin.
        scale_px: pixels per head.
        background: its backdrop, sRGB 0..255.
        relief: depth of all folds; worn cloth falls deeper than cloth laid flat.
        shadow_on_background: whether the backdrop is close enough to catch shadows.
    """

    def __init__(
        self,
        size_wh: tuple[int, int],
        origin_px: Points,
        scale_px: float,
        light: Light,
        background: Rgb,
        *,
        relief: float,
        shadow_on_background: bool,
    ) -> None:
        shape = (size_wh[1], size_wh[0])
        self._origin, self._scale, self._light, self._relief = origin_px, scale_px, light, relief
        self._linear = np.empty((*shape, 3), np.float32)
        self._linear[:] = linear(background)
        self._solid = np.full(shape, 1.0 if shadow_on_background else 0.0, np.float32)
        self._garment = np.zeros(shape, np.float32)

    def paint(self, part: Part, rng: Generator) -> None:
        """Lay `part` over what is there."""
        outline_px = self._to_px(part.outline)
        window, corner = _window(outline_px, 2, self._solid.shape)
        if window is None:
            return
        beneath, garment, solid = self._linear[window], self._garment[window], self._solid[window]
        coverage = _filled(outline_px - corner, solid.shape)
        if part.fade_y is not None:
            whole_y, gone_y = np.array(part.fade_y) * self._scale + self._origin[1] - corner[1]
            left = (gone_y - np.arange(len(coverage), dtype=np.float32)) / (gone_y - whole_y)
            coverage *= np.clip(left, 0, 1)[:, None]
        away = np.asarray(self._light.toward[:2]) * 0.05 * self._scale
        self._darken(outline_px - away, part.shadow, 0.05 * self._scale, self._solid)
        blend(beneath, self._shaded(part, coverage, corner, rng), coverage)
        solid[:] = np.maximum(solid, coverage)
        garment += coverage * (part.is_garment - garment)

    def soft_shadow(self, outline: Points, strength: float, blur: float) -> None:
        """Darken the picture softly inside `outline`, as where feet meet the floor."""
        self._darken(self._to_px(outline), strength, blur * self._scale, np.ones_like(self._solid))

    def finish(self, rng: Generator) -> tuple[RgbImage, BoolMask]:
        """The picture as ``(H, W, 3)`` uint8 sRGB and the garment's mask as ``(H, W)`` bool."""
        height_px, width_px = self._garment.shape
        across, down = self._light.falloff
        x = np.linspace(-0.5, 0.5, width_px, dtype=np.float32)
        y = np.linspace(-0.5, 0.5, height_px, dtype=np.float32)[:, None]
        brightness = 1 + across * x + down * y
        gains = np.asarray(self._light.gains, np.float32)
        encoded = linear_to_srgb(np.clip(self._linear * brightness[..., None] * gains, 0, 1))
        encoded += rng.standard_normal((height_px, width_px, 1), dtype=np.float32) * 0.003
        return np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8), self._garment >= 0.5

    def _shaded(self, part: Part, coverage: FloatImage, corner: Points, rng: Generator) -> FloatImage:
        """Colours of the part, in linear light and of the size of `coverage`."""
        scale = self._scale
        if part.spine is None:
            fields = _sheet_coordinates(coverage, self._origin - corner, scale)
        else:
            fields = _tube_coordinates(coverage.shape, self._to_px(part.spine) - corner, part.radii, scale)
        across, u, v, normal_x, normal_y = fields
        bend = np.sign(across) * np.abs(across) ** part.flatness * part.roundness
        height = self._fold_heights(part.folds, coverage.shape, corner)
        if part.drape:
            height += part.drape * scale * stretched_noise(u, v, rng)
        height *= self._relief
        slope_y, slope_x = np.gradient(height)
        nx = np.clip(bend, -0.92, 0.92) * normal_x - slope_x
        ny = np.clip(bend, -0.92, 0.92) * normal_y - slope_y
        # Normals of a height field are (-dh/dx, -dh/dy, 1); the bend of a tube is its normal already.
        lx, ly, lz = np.asarray(self._light.toward) / np.linalg.norm(self._light.toward)
        nz = np.sqrt(np.maximum(1 - bend**2, 0.1))
        facing = np.maximum((nx * lx + ny * ly + nz * lz) / np.sqrt(1 + slope_x**2 + slope_y**2), 0)
        ambient = self._light.ambient
        # Where the surface turns away, less of the surrounding light arrives.
        lit = (ambient + (1 - ambient) * facing / lz) * (1 - 0.25 * np.abs(across) ** 6)
        albedo = albedo_of(part.fabric, u + 0.05 * slope_x, v + 0.5 * height / scale, scale, rng)
        for detail in part.details:
            self._add_detail(detail, albedo, lit, corner)
        return albedo * lit[..., None] + (part.fabric.shine * facing**12)[..., None]

    def _fold_heights(self, folds: tuple[Fold, ...], shape: tuple[int, int], corner: Points) -> FloatImage:
        """Height of the folds in pixels."""
        height = np.zeros(shape, np.float32)
        for width in sorted({fold.width for fold in folds}):
            layer = np.zeros(shape, np.float32)
            for fold in folds:
                if fold.width == width:
                    stroke = _fixed(self._to_px(tapered(fold.points, width)) - corner)
                    cv2.fillPoly(layer, [stroke], fold.height * self._scale, cv2.LINE_8, _SUBPIXEL_BITS)
            height += _gaussian(layer, 0.45 * width * self._scale)
        return height

    def _add_detail(self, detail: Detail, albedo: FloatImage, lit: FloatImage, corner: Points) -> None:
        points_px = self._to_px(detail.points) - corner
        width_px, blur_px = detail.width * self._scale, detail.blur * self._scale
        window, corner = _window(points_px, int(blur_px * 3 + width_px) + 3, lit.shape)
        if window is None:
            return
        local_px, shape = points_px - corner, lit[window].shape
        cover = _stroked(local_px, shape, width_px) if detail.width else _filled(local_px, shape)
        if detail.blur:
            cover = _gaussian(cover, blur_px)
        if detail.rgb is None:
            lit[window] *= 1 - cover * detail.opacity
        else:
            blend(albedo[window], linear(detail.rgb), cover * detail.opacity)

    def _darken(self, outline_px: Points, strength: float, sigma_px: float, share: FloatImage) -> None:
        """Darken the picture inside a blurred outline, in each pixel by its `share`, ``(H, W)`` in 0..1."""
        window, corner = _window(outline_px, int(3 * sigma_px) + 2, share.shape)
        if window is None:
            return
        rows, columns = share[window].shape
        # On a coarse grid, as the difference is invisible.
        cell = max(1, int(sigma_px / 2))
        cells = (-(-rows // cell), -(-columns // cell))
        small = _gaussian(_filled((outline_px - corner) / cell, cells), sigma_px / cell)
        shade = cv2.resize(small, None, fx=cell, fy=cell, interpolation=cv2.INTER_LINEAR)[:rows, :columns]
        self._linear[window] *= 1 - strength * (shade * share[window])[..., None]

    def _to_px(self, points: Points) -> Points:
        return points * self._scale + self._origin


def _window(points_px: Points, margin_px: int, shape: tuple[int, int]) -> tuple[Window | None, Points]:
    """Where points lie in a picture of that shape, and the x, y of the upper left corner.

    None if that is less than two pixels high or wide.
    """
    low = np.maximum(np.floor(points_px.min(0)).astype(int) - margin_px, 0)
    high = np.minimum(np.ceil(points_px.max(0)).astype(int) + margin_px, shape[::-1])
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    return (window if (high - low).min() > 1 else None), low


def _fixed(points_px: Points) -> NDArray[np.int32]:
    """Points as OpenCV takes them, in fractions of a pixel."""
    return np.rint(points_px * 2**_SUBPIXEL_BITS).astype(np.int32)


def _filled(points_px: Points, shape: tuple[int, ...]) -> FloatImage:
    """Antialiased coverage 0..1 of a polygon."""
    target = np.zeros(shape, np.uint8)
    cv2.fillPoly(target, [_fixed(points_px)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return target / np.float32(255)


def _stroked(points_px: Points, shape: tuple[int, ...], width_px: float) -> FloatImage:
    """Antialiased coverage 0..1 of a line; thinner than a pixel, it gets fainter instead."""
    target = np.zeros(shape, np.uint8)
    ink, thick_px = int(255 * min(1.0, width_px)), max(1, round(width_px))
    cv2.polylines(target, [_fixed(points_px)], False, ink, thick_px, cv2.LINE_AA, _SUBPIXEL_BITS)
    return target / np.float32(255)


def _gaussian(layer: FloatImage, sigma_px: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), max(0.3, sigma_px)), np.float32)


def _sheet_coordinates(coverage: FloatImage, origin_px: Points, scale_px: float) -> tuple[FloatImage, ...]:
    """Across (-1..1), cloth coordinates u and v in heads, and the direction across, of a sheet."""
    rows, columns = coverage.shape
    inside = coverage > 0.5
    filled = inside.any(axis=1)
    first = np.where(filled, inside.argmax(axis=1), 0)[:, None]
    last = np.where(filled, columns - 1 - inside[:, ::-1].argmax(axis=1), columns - 1)[:, None]
    x = np.arange(columns, dtype=np.float32)[None]
    y = np.arange(rows, dtype=np.float32)[:, None]
    across = np.clip((x - (first + last) / 2) / np.maximum((last - first) / 2, 1), -1, 1)
    # The extent jumps where a neckline or an armhole begins; cloth doesn't.
    across = np.clip(_gaussian(across.astype(np.float32), 0.05 * scale_px), -1, 1)
    u = (x - origin_px[0]) / scale_px
    v = (y - origin_px[1]) / scale_px + 0.05 * across**2
    fields = (across, u, v, np.float32(1), np.float32(0))
    return tuple(np.broadcast_to(field, across.shape).astype(np.float32) for field in fields)


def _tube_coordinates(
    shape: tuple[int, int], spine_px: Points, radii: tuple[float, ...], scale_px: float
) -> tuple[FloatImage, ...]:
    """The same for a tube: v runs along its spine. On a coarse grid, as all of it is smooth."""
    cell = max(1, int(scale_px / 40))
    rows, columns = -(-shape[0] // cell), -(-shape[1] // cell)
    y, x = np.mgrid[:rows, :columns] * cell + (cell - 1) / 2
    cells = np.stack([x, y], axis=-1)
    nearest = ((spine_px**2).sum(-1) - 2 * cells @ spine_px.T).argmin(-1)
    tangent, normal = (vectors[nearest] for vectors in frames_along(spine_px))
    lengths = np.linalg.norm(np.diff(spine_px, axis=0, prepend=spine_px[:1]), axis=1)
    offset = (cells - spine_px[nearest]) / scale_px
    sideways, forward = (offset * normal).sum(-1), (offset * tangent).sum(-1)
    across = np.clip(sideways / spread(radii, len(spine_px))[nearest], -1, 1)
    along = np.cumsum(lengths)[nearest] / scale_px + forward
    coarse = np.dstack([across, -sideways, along, normal]).astype(np.float32)
    fine = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_LINEAR)
    return tuple(np.moveaxis(fine[: shape[0], : shape[1]], -1, 0))
