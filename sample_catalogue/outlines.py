"""Curves and outlines in *heads* (1 = the height of a head), x to the right, y down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape ``(N, 2)``: x, y in heads."""
Radii = Sequence[float] | NDArray[np.float64]
Knots = Sequence[tuple[float, float]]


def smooth(knots: Knots | Points, *, steps: int = 10, closed: bool = False) -> Points:
    """A smooth curve through two knots or more: cubic Hermite pieces with Catmull-Rom tangents.

    Args:
        steps: points per piece.
        closed: whether the last knot is joined to the first.

    Returns:
        Shape ``(N, 2)``; every knot is on it.

    >>> smooth([(0, 0), (1, 0), (1, 1)], steps=2).tolist()
    [[0.0, 0.0], [0.5, -0.0625], [1.0, 0.0], [1.0625, 0.5], [1.0, 1.0]]
    """
    at = np.asarray(knots, np.float64)
    ring = np.vstack([at[-1:], at, at[:2]]) if closed else np.vstack([at[:1], at, at[-1:]])
    before, start, end, after = ring[:-3], ring[1:-2], ring[2:-1], ring[3:]
    controls = np.stack([start, end, (end - before) / 2, (after - start) / 2], axis=1)
    curve = (_hermite_basis(steps) @ controls).reshape(-1, 2)
    return curve if closed else np.vstack([curve, at[-1:]])


@cache
def _hermite_basis(steps: int) -> NDArray[np.float64]:
    """Weights of start, end, tangent at start and at end, at `steps` places: shape ``(steps, 4)``."""
    t = np.linspace(0, 1, steps, endpoint=False)
    return np.stack([2 * t**3 - 3 * t**2 + 1, 3 * t**2 - 2 * t**3, t**3 - 2 * t**2 + t, t**3 - t**2], axis=1)


def frames_along(line: Points) -> tuple[Points, Points]:
    """Unit vectors along the polyline `line` and to its right, each ``(N, 2)``."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    return tangent, np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)


def spread(radii: Radii, count: int) -> NDArray[np.float64]:
    """`radii`, evenly spaced along a line, interpolated at `count` places."""
    return np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(radii)), radii)


def tube(line: Points, radii: Radii, *, round_start: bool = False) -> Points:
    """The outline of a tube around the polyline `line`, its radii evenly spaced along it.

    Its ends are cut straight; with `round_start` the first is a half circle.

    >>> tube(np.array([(0.0, 0.0), (2.0, 0.0)]), [1, 3]).round(6).tolist()
    [[0.0, 1.0], [2.0, 3.0], [2.0, -3.0], [0.0, -1.0]]
    """
    tangent, normal = frames_along(line)
    radius = spread(radii, len(line))[:, None]
    sides = [line + normal * radius, (line - normal * radius)[::-1]]
    if round_start:
        angle = np.linspace(0, np.pi, 12)[1:-1, None]
        sides.append(line[0] - radius[0] * (normal[0] * np.cos(angle) + tangent[0] * np.sin(angle)))
    return np.vstack(sides)


def tapered(line: Points, width: float) -> Points:
    """The outline of a stroke that thins out toward both ends."""
    return tube(line, np.sin(np.linspace(0.05, np.pi - 0.05, 9)) * width / 2)


def mirrored(*half: Knots | Points) -> Points:
    """A closed outline from pieces of its right half, from the middle above to the middle below."""
    right = np.vstack(half)
    return np.vstack([right, right[::-1] * (-1, 1)])


def ellipse(x: float, y: float, rx: float, ry: float) -> Points:
    """A closed ellipse, 24 points."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=-1)
