"""An affine map in Lab, fitted to colours before and after, and applied inside a mask at full size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from chromiq.imaging.masks import bounding_box, inner_edge, matte
from chromiq.photos.colour_space import SRGB, ColourSpace
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.runtime.workers import thread_per_core

# So few that the arrays between two steps stay in the processor's cache.
_CHUNK = 32_768
# Cells along each side of the cube of all colours, and the share of its side by which a map may bend in one.
_LATTICE, _STRAIGHT_WITHIN = 128, 0.0004
_FULL = 65535
_STRIDES = np.array([(_LATTICE + 1) ** 2, _LATTICE + 1, 1])
_CORNERS = [int(np.array(corner) @ _STRIDES) for corner in np.ndindex(2, 2, 2)]
# Directions in which colours vary by less than this say nothing about how they are stretched.
_NOISE_LAB = 0.7
# Gaussians of a smooth map: how many at most, how wide in L*, a* and b*, how far apart in widths, how stiff.
_CENTRES = 32
_WIDTHS_LAB = np.array([18.0, 9.0, 9.0])
_CENTRES_APART = 0.5
_BUMP_STIFFNESS = 0.003

PixelsOf = Callable[[slice], NDArray[Any]]  # the garment's pixels (P, 3) in some rows
TargetOf = Callable[[NDArray[Any]], tuple[FloatImage, BoolMask]]  # as `_mapped`


class MapsColours(Protocol):
    """Whatever takes Lab colours ``(..., 3)`` to others."""

    def apply(self, lab: FloatImage) -> FloatImage:
        """Those others."""


@dataclass(frozen=True, eq=False)
class ColourMap:
    """An affine map in Lab: ``matrix @ (lab - source) + target``.

    Attributes:
        matrix: ``(3, 3)``.
        source: ``(3,)`` Lab.
        target: ``(3,)`` Lab.
    """

    matrix: FloatImage
    source: FloatImage
    target: FloatImage

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        return (lab - self.source) @ self.matrix.T + self.target


def fit_affine(before: FloatImage, after: FloatImage) -> ColourMap:
    """The affine map nearest to taking colours to colours, by least squares; where nothing varies, a shift.

    Args:
        before: ``(P, 3)`` Lab.
        after: ``(P, 3)`` Lab of the same pixels.

    >>> colours = np.random.default_rng(0).uniform(0, 80, (99, 3))
    >>> fitted = fit_affine(colours, colours * 1.2 + 3)
    >>> bool(np.allclose(fitted.apply(colours), colours * 1.2 + 3, atol=0.1))
    True
    """
    source, target = before.mean(axis=0, dtype=np.float64), after.mean(axis=0, dtype=np.float64)
    off, wanted = before - source, after - target
    ridge = _NOISE_LAB**2 * np.eye(3)
    matrix = np.linalg.solve(off.T @ off / len(off) + ridge, off.T @ wanted / len(off) + ridge).T
    return ColourMap(matrix, source, target)


@dataclass(frozen=True, eq=False)
class SmoothColourMap:
    """A smooth map of Lab that never extrapolates: each colour moves as the nearest colours seen do.

    ``lab + (clip(lab) - source) @ matrix.T + shift + sum_k exp(-|(clip(lab) - c_k) / widths|^2 / 2) m_k``,
    where ``clip`` brings a colour into the range of those seen along their principal axes.

    Attributes:
        source: ``(3,)`` Lab, mean of the colours seen.
        axes: ``(3, 3)``, a principal axis of the colours seen per column.
        low: ``(3,)`` the least seen along each axis, from the mean.
        high: ``(3,)`` the most.
        matrix: ``(3, 3)`` displacement per Lab from the mean.
        shift: ``(3,)`` displacement of the mean.
        centres: ``(K, 3)`` Lab.
        moves: ``(K, 3)`` displacement in Lab at each centre, beside the affine part.
    """

    source: FloatImage
    axes: FloatImage
    low: FloatImage
    high: FloatImage
    matrix: FloatImage
    shift: FloatImage
    centres: FloatImage
    moves: FloatImage

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        pixels = np.asarray(lab, np.float64).reshape(-1, 3)
        within = np.clip((pixels - self.source) @ self.axes, self.low, self.high) @ self.axes.T
        moved = pixels + within @ self.matrix.T + self.shift
        moved += _bumps(within + self.source, self.centres) @ self.moves
        return moved.reshape(np.shape(lab))


def fit_smooth(before: FloatImage, after: FloatImage) -> SmoothColourMap:
    """The smooth map nearest to taking colours to colours, by ridge regression.

    Args:
        before: ``(P, 3)`` Lab.
        after: ``(P, 3)`` Lab of the same pixels.

    >>> colours = np.random.default_rng(0).normal(50, 10, (200, 3))
    >>> fitted = fit_smooth(colours, colours + [0, 5, 0])
    >>> bool(np.allclose(fitted.apply(colours), colours + [0, 5, 0], atol=0.1))
    True
    """
    before = np.asarray(before, np.float64)
    source = before.mean(axis=0)
    off, moves = before - source, after - before
    axes = np.linalg.eigh(off.T @ off)[1]
    low, high = np.percentile(off @ axes, [1, 99], axis=0)
    within = np.clip(off @ axes, low, high) @ axes.T
    centres = _spread_out(within, _CENTRES) + source
    basis = np.concatenate([np.ones((len(off), 1)), within, _bumps(within + source, centres)], axis=1)
    penalty = np.concatenate([[1e-6], np.full(3, _NOISE_LAB**2), np.full(len(centres), _BUMP_STIFFNESS)])
    fitted = np.linalg.solve(basis.T @ basis / len(off) + np.diag(penalty), basis.T @ moves / len(off))
    return SmoothColourMap(source, axes, low, high, fitted[1:4].T, fitted[0], centres, fitted[4:])


def _bumps(lab: FloatImage, centres: FloatImage) -> FloatImage:
    here, there = lab / _WIDTHS_LAB, centres / _WIDTHS_LAB
    squared = np.square(here).sum(axis=1)[:, None] + np.square(there).sum(axis=1) - 2 * here @ there.T
    return np.exp(-0.5 * np.maximum(squared, 0))


def _spread_out(lab: FloatImage, count: int) -> FloatImage:
    """Farthest-point colours, from the mean on: ``(K, 3)``."""
    chosen = [int(np.argmin(np.square(lab / _WIDTHS_LAB).sum(axis=1)))]
    away = np.full(len(lab), np.inf)
    while len(chosen) < min(count, len(lab)):
        away = np.minimum(away, np.square((lab - lab[chosen[-1]]) / _WIDTHS_LAB).sum(axis=1))
        if away.max() < _CENTRES_APART**2:
            break
        chosen.append(int(away.argmax()))
    return lab[chosen]


@dataclass(frozen=True, eq=False)
class BlendedMap:
    """The map whose result lies between those of two.

    Attributes:
        first: a map.
        second: another.
        shares: ``(3,)`` share of the second in L*, a* and b*, 0..1.

    >>> same, lighter = (ColourMap(np.eye(3), np.zeros(3), np.array([change, 0, 0])) for change in (0, 10))
    >>> BlendedMap(same, lighter, np.array([0.25, 0, 0])).apply(np.zeros(3)).tolist()
    [2.5, 0.0, 0.0]
    """

    first: MapsColours
    second: MapsColours
    shares: FloatImage

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        return (1 - self.shares) * self.first.apply(lab) + self.shares * self.second.apply(lab)


@dataclass(frozen=True, eq=False)
class PartialMap:
    """A map applied in part, or beyond itself.

    Attributes:
        whole: the map.
        strength: 0 changes nothing, 1 is the whole of it.
    """

    whole: MapsColours
    strength: float

    def apply(self, lab: FloatImage) -> FloatImage:
        """Mapped Lab colours of shape ``(..., 3)``."""
        return lab + self.strength * (self.whole.apply(lab) - lab)


class Recoloured(NamedTuple):
    """What a colour map makes of a photo.

    Attributes:
        part: ``(rows, columns, 3)``, of the photo's type and space: what takes the place of a part of it.
        box: the rows and columns of that part.
        out_of_gamut: share of the garment, 0..1, that lost chroma, as the space cannot hold its colour.
    """

    part: NDArray[Any]
    box: tuple[slice, slice]
    out_of_gamut: float = 0.0

    def within(self, photo: NDArray[Any]) -> NDArray[Any]:
        """All of the photo ``(H, W, 3)``, a new array each time."""
        whole = photo.copy()
        whole[self.box] = self.part
        return whole


def apply_colour_map(
    photo: NDArray[Any],
    mask: BoolMask,
    colour_map: MapsColours,
    space: ColourSpace = SRGB,
    *,
    has_rim: bool = False,
) -> Recoloured:
    """A photo with the map applied inside the mask, softly at its edge; the rest bit-identical.

    Args:
        photo: ``(H, W, 3)`` uint8 or uint16 in a colour space.
        mask: ``(H, W)`` bool.
        colour_map: what to apply, in Lab.
        space: what the photo's values mean.
        has_rim: whether the mask holds the rim that `with_rim` adds, where the photo tells what is garment.
    """
    if not mask.any():
        nowhere = (slice(0, 0), slice(0, 0))
        return Recoloured(photo[nowhere], nowhere)
    box = bounding_box(mask, margin_px=1)
    before, inside = photo[box], mask[box]
    after = before.copy()
    weight = matte(mask, photo, box) if has_rim else inner_edge(inside, max(mask.shape))
    # Strips of rows: where the garment is, taken of all of it at once, would be more than the photo itself.
    rows_px = max(1, _CHUNK // inside.shape[1])
    strips = [slice(top, top + rows_px) for top in range(0, len(inside), rows_px)]
    with thread_per_core() as pool:

        def pixels_of(strip: slice) -> NDArray[Any]:
            return before[strip][inside[strip]]

        prepare = _table if photo.dtype == np.uint8 else _lattice
        target_of = prepare(pixels_of, strips, colour_map, space, pool)

        def mix(strip: slice) -> tuple[float, float]:
            here, share = pixels_of(strip), weight[strip][inside[strip]]
            target, moved = target_of(here)
            after[strip][inside[strip]] = np.rint(here + share[:, None] * (target - here))
            return share[moved].sum(dtype=float), share.sum(dtype=float)

        outside, changed = np.sum(list(pool.map(mix, strips)), axis=0)
    return Recoloured(after, box, float(outside / changed) if changed else 0.0)


def _table(
    pixels_of: PixelsOf, strips: Sequence[slice], colour_map: MapsColours, space: ColourSpace, pool: Executor
) -> TargetOf:
    """`_mapped` of bytes. Cloth has far fewer colours than pixels: each is mapped once, found by a table."""
    present = np.zeros(1 << 24, bool)

    def see(strip: slice) -> None:
        present[_codes(pixels_of(strip))] = True

    list(pool.map(see, strips))
    found = np.flatnonzero(present)
    places = np.empty(1 << 24, np.int32)
    places[found] = np.arange(len(found))
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    mapped, outside = _mapped_in_parts(colours, colour_map, space, pool)

    def target_of(here: RgbImage) -> tuple[FloatImage, BoolMask]:
        at = places.take(_codes(here))
        return mapped.take(at, axis=0), outside.take(at)

    return target_of


def _mapped_in_parts(
    colours: NDArray[Any], colour_map: MapsColours, space: ColourSpace, pool: Executor
) -> tuple[FloatImage, BoolMask]:
    """`_mapped` of many colours, by all processors."""
    mapped, outside = np.empty(colours.shape, np.float32), np.empty(len(colours), bool)

    def fill(start: int) -> None:
        these = slice(start, start + _CHUNK)
        mapped[these], outside[these] = _mapped(colours[these], colour_map, space)

    list(pool.map(fill, range(0, len(colours), _CHUNK)))
    return mapped, outside


def _codes(pixels: RgbImage) -> NDArray[np.int32]:
    """Each colour as one number."""
    codes = pixels[:, 0].astype(np.int32) << 16
    codes |= pixels[:, 1].astype(np.int32) << 8
    codes |= pixels[:, 2]
    return codes


def _lattice(
    pixels_of: PixelsOf, strips: Sequence[slice], colour_map: MapsColours, space: ColourSpace, pool: Executor
) -> TargetOf:
    """`_mapped` of 16 bits, by interpolation between the corners of a lattice's cells: cloth fills few.

    Where the map bends within a cell, at the space's surface and in the darkest colours, each pixel is mapped
    by itself.
    """
    filled = np.zeros((_LATTICE + 1,) * 3, bool)

    def see(strip: slice) -> int:
        here = pixels_of(strip)
        filled.reshape(-1)[_cells(here)[0]] = True
        return len(here)

    def mapped_at(numbers: NDArray[Any]) -> tuple[FloatImage, BoolMask]:
        exact = np.rint(numbers * (_FULL / _LATTICE)).astype(np.uint16)
        return _mapped_in_parts(exact, colour_map, space, pool)

    pixel_count = sum(pool.map(see, strips))
    cells = np.flatnonzero(filled)
    if 2 * len(cells) > pixel_count:
        return lambda here: _mapped(here, colour_map, space)
    for axis in range(3):
        here = np.moveaxis(filled, axis, 0)
        here[1:] |= here[:-1].copy()
    corners = np.flatnonzero(filled)
    places = np.zeros(filled.size, np.int32)
    places[corners] = np.arange(len(corners))
    targets, outside = mapped_at(np.stack(np.unravel_index(corners, filled.shape), axis=1))
    middles, moved = mapped_at(np.stack(np.unravel_index(cells, filled.shape), axis=1) + 0.5)
    means = sum(targets[places[cells + offset]] for offset in _CORNERS) / 8
    moved |= np.any([outside[places[cells + offset]] for offset in _CORNERS], axis=0)
    bent = np.zeros(filled.size, bool)
    bent[cells] = moved | (np.abs(means - middles).max(axis=1) > _STRAIGHT_WITHIN * _FULL)

    def target_of(here: NDArray[Any]) -> tuple[FloatImage, BoolMask]:
        cell, share = _cells(here)
        at = [targets.take(places.take(cell + offset), axis=0) for offset in _CORNERS]
        for axis in (2, 1, 0):
            on = share[:, axis : axis + 1]
            at = [low + on * (high - low) for low, high in zip(at[::2], at[1::2], strict=True)]
        target, out = at[0], np.zeros(len(here), bool)
        if (exactly := bent.take(cell)).any():
            target[exactly], out[exactly] = _mapped(here[exactly], colour_map, space)
        return target, out

    return target_of


def _cells(pixels: NDArray[Any]) -> tuple[NDArray[np.intp], FloatImage]:
    """The lowest corner of each pixel's cell ``(P,)``, as one number, and where in it the pixel is, 0..1."""
    at = pixels.astype(np.float32) * np.float32(_LATTICE / _FULL)
    low = np.minimum(at, _LATTICE - 1).astype(np.intp)
    return low @ _STRIDES, at - low.astype(np.float32)


def _mapped(pixels: NDArray[Any], colour_map: MapsColours, space: ColourSpace) -> tuple[FloatImage, BoolMask]:
    """Pixels ``(P, 3)`` after the map, in their own units, as float32, and which left the space's gamut."""
    return space.from_lab(colour_map.apply(space.to_lab(pixels)), pixels.dtype)
