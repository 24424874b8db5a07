"""The painter of the drawn sample catalogue: lays parts over each other in linear light.

Shading comes from surface normals: the roundness of the part, its folds and its weave. Edges are
antialiased, and the garment's coverage is carried along, which makes its mask exact by construction.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import linear_to_srgb, srgb_to_linear
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.sample_catalogue.shapes import (
    Detail,
    Frame,
    Light,
    Part,
    Points,
    Rgb,
    albedo_of,
    stretched_noise,
    tapered,
)

_SUBPIXEL_BITS = 4


class Canvas:
    """A picture in the making, in linear light; `finish` gives it as sRGB.

    Args:
        background: its backdrop, sRGB 0..255.
        relief: depth of all folds; worn cloth falls deeper than cloth laid flat.
        shadow_on_background: whether the backdrop is close enough to catch shadows.
    """

    def __init__(
        self, frame: Frame, light: Light, background: Rgb, *, relief: float, shadow_on_background: bool
    ) -> None:
        width_px, height_px = frame.size_wh
        self._frame, self._light, self._relief = frame, light, relief
        self._linear = np.empty((height_px, width_px, 3), np.float32)
        self._linear[:] = srgb_to_linear(np.asarray(background) / 255.0)
        self._solid = np.full((height_px, width_px), 1.0 if shadow_on_background else 0.0, np.float32)
        self._garment = np.zeros((height_px, width_px), np.float32)

    def paint(self, part: Part, rng: np.random.Generator) -> None:
        """Lay `part` over what is there."""
        outline_px = self._to_px(part.outline)
        box = self._box(outline_px, margin_px=2)
        if box is None:
            return
        x0, y0, x1, y1 = box
        coverage = _filled(outline_px - (x0, y0), (x1 - x0, y1 - y0))
        if part.fade_y is not None:
            whole_y, gone_y = np.array(part.fade_y) * self._frame.scale_px + self._frame.origin_px[1] - y0
            left = (gone_y - np.arange(y1 - y0, dtype=np.float32)) / (gone_y - whole_y)
            coverage *= np.clip(left, 0, 1)[:, None]
        self._throw_shadow(outline_px, part.shadow)
        colour = self._shaded(part, coverage, box, rng)
        rows, columns = slice(y0, y1), slice(x0, x1)
        beneath = self._linear[rows, columns]
        beneath += coverage[..., None] * (colour - beneath)
        self._solid[rows, columns] = np.maximum(self._solid[rows, columns], coverage)
        garment = self._garment[rows, columns]
        garment += coverage * ((1.0 if part.is_garment else 0.0) - garment)

    def soft_shadow(self, outline: Points, strength: float, blur: float) -> None:
        """Darken the picture softly inside `outline`, as where feet meet the floor."""
        shade, box = self._blurred(self._to_px(outline), blur * self._frame.scale_px)
        if box is not None:
            x0, y0, x1, y1 = box
            self._linear[y0:y1, x0:x1] *= 1 - strength * shade[..., None]

    def finish(self, rng: np.random.Generator) -> tuple[RgbImage, BoolMask]:
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

    def _shaded(
        self, part: Part, coverage: FloatImage, box: tuple[int, int, int, int], rng: np.random.Generator
    ) -> FloatImage:
        x0, y0, _, _ = box
        scale = self._frame.scale_px
        if part.spine is None:
            across, u, v, normal_x, normal_y = _sheet_coordinates(coverage, box, self._frame)
        else:
            spine_px = self._to_px(part.spine) - (x0, y0)
            across, u, v, normal_x, normal_y = _tube_coordinates(coverage.shape, spine_px, part.radii, scale)
        bend = np.sign(across) * np.abs(across) ** part.flatness * part.roundness
        height = self._height(part, u, v, coverage.shape, (x0, y0), rng)
        slope_y, slope_x = np.gradient(height)
        nx = np.clip(bend, -0.92, 0.92) * normal_x - slope_x
        ny = np.clip(bend, -0.92, 0.92) * normal_y - slope_y
        # Normals of a height field are (-dh/dx, -dh/dy, 1); the bend of a tube is its normal already.
        lx, ly, lz = np.asarray(self._light.toward) / np.linalg.norm(self._light.toward)
        facing = (nx * lx + ny * ly + np.sqrt(np.maximum(1 - bend**2, 0.1)) * lz) / np.sqrt(
            1 + slope_x**2 + slope_y**2
        )
        ambient = self._light.ambient
        lit = ambient + (1 - ambient) * np.maximum(facing, 0) / lz
        # Where the surface turns away, less of the surrounding light arrives.
        lit *= 1 - 0.25 * np.abs(across) ** 6
        albedo = albedo_of(part.fabric, u + 0.05 * slope_x, v + 0.5 * height / scale, scale, rng)
        for detail in part.details:
            self._add_detail(detail, albedo, lit, (x0, y0))
        shine = part.fabric.shine * np.maximum(facing, 0) ** 12
        shaded: FloatImage = (albedo * lit[..., None] + shine[..., None]).astype(np.float32)
        return shaded

    def _height(
        self,
        part: Part,
        u: FloatImage,
        v: FloatImage,
        shape: tuple[int, ...],
        corner: tuple[int, int],
        rng: np.random.Generator,
    ) -> FloatImage:
        """Height of the folds in pixels."""
        scale = self._frame.scale_px
        height = np.zeros(shape, np.float32)
        for width in sorted({fold.width for fold in part.folds}):
            layer = np.zeros(shape, np.float32)
            for fold in part.folds:
                if fold.width == width:
                    stroke = self._to_px(tapered(fold.points, width)) - corner
                    height_px = fold.height * scale
                    cv2.fillPoly(layer, [_fixed(stroke)], height_px, cv2.LINE_8, _SUBPIXEL_BITS)
            height += _gaussian(layer, 0.45 * width * scale)
        if part.drape:
            height += part.drape * scale * stretched_noise(u, v, rng)
        return height * np.float32(self._relief)

    def _add_detail(
        self, detail: Detail, albedo: FloatImage, lit: FloatImage, corner: tuple[int, int]
    ) -> None:
        scale = self._frame.scale_px
        points = self._to_px(detail.points) - corner
        margin = int(detail.blur * scale * 3 + detail.width * scale) + 3
        height_px, width_px = lit.shape
        left, top = np.maximum(np.floor(points.min(0)) - margin, 0).astype(int)
        right, bottom = np.minimum(np.ceil(points.max(0)) + margin, (width_px, height_px)).astype(int)
        if right <= left or bottom <= top:
            return
        local = points - (left, top)
        size_wh = (right - left, bottom - top)
        cover = _stroked(local, detail.width * scale, size_wh) if detail.width else _filled(local, size_wh)
        if detail.blur:
            cover = _gaussian(cover, detail.blur * scale)
        cover = cover * detail.opacity
        region = (slice(top, bottom), slice(left, right))
        if detail.rgb is None:
            lit[region] *= 1 - cover
        else:
            colour = srgb_to_linear(np.asarray(detail.rgb) / 255.0)
            albedo[region] += cover[..., None] * (colour - albedo[region])

    def _throw_shadow(self, outline_px: Points, strength: float) -> None:
        scale = self._frame.scale_px
        toward = np.asarray(self._light.toward[:2])
        shade, box = self._blurred(outline_px - toward * 0.05 * scale, 0.05 * scale)
        if box is not None:
            x0, y0, x1, y1 = box
            solid = self._solid[y0:y1, x0:x1]
            self._linear[y0:y1, x0:x1] *= 1 - strength * (shade * solid)[..., None]

    def _blurred(
        self, outline_px: Points, sigma_px: float
    ) -> tuple[FloatImage, tuple[int, int, int, int] | None]:
        """Coverage of an outline, blurred; computed on a coarse grid, as the difference is invisible."""
        box = self._box(outline_px, margin_px=int(3 * sigma_px) + 2)
        if box is None:
            return np.zeros((0, 0), np.float32), None
        x0, y0, x1, y1 = box
        cell = max(1, int(sigma_px / 2))
        small_wh = (-(-(x1 - x0) // cell), -(-(y1 - y0) // cell))
        small = _gaussian(_filled((outline_px - (x0, y0)) / cell, small_wh), sigma_px / cell)
        full = cv2.resize(small, (small_wh[0] * cell, small_wh[1] * cell), interpolation=cv2.INTER_LINEAR)
        return np.asarray(full[: y1 - y0, : x1 - x0], np.float32), box

    def _to_px(self, points: Points) -> Points:
        return np.asarray(points, np.float64) * self._frame.scale_px + self._frame.origin_px

    def _box(self, points_px: Points, margin_px: int) -> tuple[int, int, int, int] | None:
        width_px, height_px = self._frame.size_wh
        x0, y0 = np.maximum(np.floor(points_px.min(0)).astype(int) - margin_px, 0)
        x1, y1 = np.minimum(np.ceil(points_px.max(0)).astype(int) + margin_px, (width_px, height_px))
        return (int(x0), int(y0), int(x1), int(y1)) if min(x1 - x0, y1 - y0) > 1 else None


def _fixed(points_px: Points) -> NDArray[np.int32]:
    """Points as OpenCV takes them, in fractions of a pixel."""
    return np.rint(points_px * 2**_SUBPIXEL_BITS).astype(np.int32)


def _filled(points_px: Points, size_wh: tuple[int, int]) -> FloatImage:
    """Antialiased coverage 0..1 of a polygon."""
    target = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    cv2.fillPoly(target, [_fixed(points_px)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(target / np.float32(255), np.float32)


def _stroked(points_px: Points, width_px: float, size_wh: tuple[int, int]) -> FloatImage:
    """Antialiased coverage 0..1 of a line; thinner than a pixel, it gets fainter instead."""
    target = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    ink = int(255 * min(1.0, width_px))
    thick_px = max(1, round(width_px))
    cv2.polylines(target, [_fixed(points_px)], False, ink, thick_px, cv2.LINE_AA, _SUBPIXEL_BITS)
    return np.asarray(target / np.float32(255), np.float32)


def _gaussian(layer: FloatImage, sigma_px: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), max(0.3, sigma_px)), np.float32)


def _sheet_coordinates(
    coverage: FloatImage, box: tuple[int, int, int, int], frame: Frame
) -> tuple[FloatImage, ...]:
    """Across (-1..1), cloth coordinates u and v in heads, and the direction across, of a sheet."""
    height_px, width_px = coverage.shape
    inside = coverage > 0.5
    filled = inside.any(axis=1)
    first = np.where(filled, inside.argmax(axis=1), 0).astype(np.float32)[:, None]
    last = np.where(filled, width_px - 1 - inside[:, ::-1].argmax(axis=1), width_px - 1)
    last = last.astype(np.float32)[:, None]
    centre = (first + last) / 2
    half = np.maximum(last - centre, 1)
    x = np.arange(width_px, dtype=np.float32)[None]
    across = np.clip((x - centre) / half, -1, 1)
    # The extent jumps where a neckline or an armhole begins; cloth doesn't.
    across = np.clip(_gaussian(across, 0.05 * frame.scale_px), -1, 1)
    u = np.broadcast_to((x + box[0] - frame.origin_px[0]) / frame.scale_px, across.shape)
    y = (np.arange(height_px, dtype=np.float32)[:, None] + box[1] - frame.origin_px[1]) / frame.scale_px
    v = y + 0.05 * across**2
    fields = (across, u, v, np.ones_like(across), np.zeros_like(across))
    return tuple(np.asarray(field, np.float32) for field in fields)


def _tube_coordinates(
    shape: tuple[int, ...], spine_px: Points, radii: tuple[float, ...], scale_px: float
) -> tuple[FloatImage, ...]:
    """The same for a tube: v runs along its spine. On a coarse grid, as all of it is smooth."""
    cell = max(1, int(scale_px / 40))
    rows, columns = -(-shape[0] // cell), -(-shape[1] // cell)
    y, x = np.mgrid[:rows, :columns] * cell + (cell - 1) / 2
    cells = np.stack([x, y], axis=-1)
    nearest = ((spine_px**2).sum(-1) - 2 * cells @ spine_px.T).argmin(-1)
    tangent = np.gradient(spine_px, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(spine_px, axis=0), axis=1))]) / scale_px
    radius = np.interp(np.linspace(0, 1, len(spine_px)), np.linspace(0, 1, len(radii)), radii)
    offset = cells - spine_px[nearest]
    direction = tangent[nearest]
    normal = np.stack([-direction[..., 1], direction[..., 0]], axis=-1)
    sideways = (offset * normal).sum(-1) / scale_px
    forward = (offset * direction).sum(-1) / scale_px
    fields = (
        np.clip(sideways / radius[nearest], -1, 1),
        -sideways,
        along[nearest] + forward,
        normal[..., 0],
        normal[..., 1],
    )
    full_wh = (columns * cell, rows * cell)
    return tuple(
        cv2.resize(f.astype(np.float32), full_wh, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
        for f in fields
    )
