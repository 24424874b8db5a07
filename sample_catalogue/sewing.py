"""What the garments of the drawn sample catalogue are sewn from: sleeves, seams, buttons, pockets, folds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chromiq.sample_catalogue.cloth import Fabric, Rgb
from chromiq.sample_catalogue.shapes import Detail, Fold, Part, Points, darker, ellipse, smooth, tube


@dataclass(frozen=True, eq=False)
class Clothes:
    """Layers of one garment, from back to front.

    Attributes:
        inside: seen through the neckline, behind the neck.
        sleeves: left and right, laid under the body of the garment.
        forearms: the part of a sleeve that a bent arm brings before the body.
        body: trunk, skirt or legs with all that is sewn on.
        sleeve_end: how far the sleeves reach along the arm: 0 none, 1 the wrist.
    """

    body: list[Part]
    inside: list[Part] = field(default_factory=list)
    sleeves: tuple[list[Part], list[Part]] = field(default_factory=lambda: ([], []))
    forearms: tuple[list[Part], list[Part]] = field(default_factory=lambda: ([], []))
    sleeve_end: float = 0.0


def seam(points: list[tuple[float, float]], width: float, opacity: float, rgb: Rgb | None = None) -> Detail:
    """A sewn line; with a colour it is a contrasting thread."""
    return Detail(smooth(points), rgb, width, opacity, 0.003)


def button(x: float, y: float, cloth: Rgb, radius: float) -> list[Detail]:
    """A button that stands out from cloth of that colour, with its shadow and four holes' hollow."""
    lifted: Rgb = (int(cloth[0] * 0.7 + 55), int(cloth[1] * 0.7 + 55), int(cloth[2] * 0.7 + 55))
    face = darker(cloth, 0.78) if sum(cloth) > 380 else lifted
    return [
        Detail(ellipse(x + 0.008, y + 0.014, radius * 1.15, radius * 1.15), None, 0.0, 0.5, 0.008),
        Detail(ellipse(x, y, radius, radius), face, 0.0, 1.0),
        Detail(ellipse(x, y, radius * 0.55, radius * 0.55), darker(face, 0.8), 0.0, 0.9),
    ]


def patch_pocket(x: float, y: float, width: float, height: float) -> list[Detail]:
    """A pocket sewn onto a shirt, its upper left corner at x, y."""
    low = y + height * 0.86
    frame = [(x, y), (x, low), (x + width / 2, y + height), (x + width, low), (x + width, y), (x, y)]
    return [
        Detail(np.array(frame), None, 0.012, 0.35, 0.003),
        Detail(np.array([(x, y + 0.07), (x + width, y + 0.07)]), None, 0.008, 0.3, 0.002),
    ]


def flap_pocket(x: float, y: float) -> list[Detail]:
    """A jacket's pocket under its flap, the middle of the flap's upper edge at x, y."""
    box = np.array([(x - 0.22, y), (x + 0.22, y), (x + 0.22, y + 0.15), (x - 0.22, y + 0.15), (x - 0.22, y)])
    return [Detail(box[:2], None, 0.022, 0.5, 0.004), Detail(box[1:], None, 0.014, 0.4, 0.006)]


def random_fold(start: Points, way: Points, width: float, rng: np.random.Generator) -> Fold:
    """A slightly bent fold of random height from `start` along `way`."""
    middle = start + way / 2 + rng.normal(0, 0.04, 2)
    height = width * rng.uniform(0.16, 0.34) * (1 if rng.random() < 0.6 else -1)
    return Fold(smooth(np.array([start, middle, start + way]), steps=6), width, height)


def cloth_tube(
    line: Points,
    radii: tuple[float, ...],
    fabric: Fabric,
    rng: np.random.Generator,
    *,
    folds: int,
    hem: float,
    round_start: bool = False,
    details: tuple[Detail, ...] = (),
) -> Part:
    """A sleeve or a trouser leg, creased at random, with a seam `hem` above its end."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    creases = []
    for _ in range(folds):
        at = int(rng.integers(2, len(line) - 2))
        normal = np.array([-tangent[at, 1], tangent[at, 0]])
        radius = float(np.interp(at / (len(line) - 1), np.linspace(0, 1, len(radii)), radii))
        way = normal * radius * rng.uniform(0.6, 1.2) + tangent[at] * rng.uniform(-0.4, 0.4)
        start = line[at] + normal * radius * rng.uniform(-0.5, 0.5) - way / 2
        creases.append(random_fold(start, way, 0.08, rng))
    normal = np.array([-tangent[-1, 1], tangent[-1, 0]]) * radii[-1] * 1.3
    sewn = line[-1] - tangent[-1] * hem
    hem_line = Detail(np.stack([sewn + normal, sewn - normal]), None, 0.014, 0.4, 0.004)
    return Part(
        tube(line, radii, round_start=round_start),
        fabric,
        spine=line,
        radii=radii,
        roundness=0.78,
        flatness=1.5,
        folds=tuple(creases),
        drape=0.008,
        details=(*details, hem_line),
        shadow=0.3,
    )
