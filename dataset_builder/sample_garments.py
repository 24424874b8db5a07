"""The garments of the drawn sample catalogue, cut for the upright, frontal figure.

`top` and `bottom` return `Clothes`: layers that the scene lays behind, on and before the body. The same
layers without a body make the still-life. Lengths are in heads, see `sample_people`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from dataset_builder.sample_cloth import Fabric, Rgb
from dataset_builder.sample_people import Figure, darker, ellipse, mirrored
from dataset_builder.sample_shapes import Detail, Fold, Part, Points, smooth, tube

Garment = Literal[
    "shirt", "T-shirt", "jumper", "jacket", "gilet", "dress", "trousers", "jeans", "skirt", "shorts"
]


@dataclass(frozen=True, eq=False)
class Clothes:
    """Layers of one garment.

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


@dataclass(frozen=True)
class Cut:
    """The measures that tell one top from another, in heads."""

    neck_x: float = 0.27
    neck_depth: float = 1.55
    sleeve_end: float = 1.0
    sleeve_ease: float = 0.09
    ease: float = 0.10
    hem_y: float = 4.1
    hem_drop: float = 0.0
    shoulder_x: float = 0.10
    armhole_y: float = 2.12


CUTS: dict[str, Cut] = {
    "shirt": Cut(neck_depth=1.56, hem_y=4.0, hem_drop=0.22),
    "T-shirt": Cut(neck_x=0.33, neck_depth=1.62, sleeve_end=0.36, sleeve_ease=0.10, hem_y=3.95),
    "jumper": Cut(neck_x=0.34, neck_depth=1.55, sleeve_ease=0.12, ease=0.16, hem_y=3.85),
    "jacket": Cut(neck_depth=2.72, sleeve_ease=0.10, ease=0.17, hem_y=4.35, shoulder_x=0.13),
    "gilet": Cut(neck_depth=2.05, sleeve_end=0.0, ease=0.12, hem_y=3.75, shoulder_x=-0.08, armhole_y=2.3),
    "dress": Cut(neck_x=0.36, neck_depth=1.75, sleeve_end=0.0, ease=0.05, hem_y=6.3, shoulder_x=-0.10),
}


def top(
    kind: str, figure: Figure, fabric: Fabric, rng: np.random.Generator, second: Fabric | None = None
) -> Clothes:
    """A garment for the upper body.

    Args:
        kind: a key of `CUTS`.
        figure: for whom it is cut.
        fabric: the cloth.
        rng: for the fall of the folds.
        second: cloth of the sleeves and trims of a two-tone garment.
    """
    cut = CUTS[kind]
    trim = second or fabric
    neck, body = _trunk(kind, cut, figure)
    parts = [
        Part(
            body,
            fabric,
            roundness=0.62,
            flatness=2.6,
            folds=_trunk_folds(figure, cut, rng),
            drape=0.010,
            details=_trunk_details(kind, cut, fabric),
            shadow=0.3,
        )
    ]
    back = mirrored(
        np.vstack([smooth([(0, 1.22), (cut.neck_x * 0.7, 1.22), (cut.neck_x + 0.02, 1.30)]), neck[::-1]])
    )
    label = Detail(
        np.array([(-0.07, 1.33), (0.07, 1.33), (0.07, 1.40), (-0.07, 1.40)]), (235, 235, 230), opacity=0.9
    )
    lining = replace(fabric, rgb=darker(fabric.rgb, 0.72), pattern="plain")
    inside = [Part(back, lining, details=(label,), roundness=0.1, shadow=0.0)]
    sleeves, forearms = _sleeves(cut, figure, trim, rng, cuffed=kind in {"shirt", "jumper"})
    return Clothes(_finished(kind, cut, parts, trim), inside, sleeves, forearms, cut.sleeve_end)


def _trunk(kind: str, cut: Cut, f: Figure) -> tuple[Points, Points]:
    """The neckline's right half from the middle up, and the whole outline."""
    shoulder_x, e = f.joint_x + cut.shoulder_x, cut.ease
    if kind in {"jacket", "gilet"}:
        neck = smooth([(0.0, cut.neck_depth), (0.12, 2.0 if kind == "jacket" else 1.75), (cut.neck_x, 1.30)])
    else:
        neck = smooth([(0.0, cut.neck_depth), (cut.neck_x * 0.62, cut.neck_depth - 0.06), (cut.neck_x, 1.30)])
    armhole = smooth(
        [(shoulder_x, 1.50), (f.joint_x - 0.06, 1.85), (f.joint_x - 0.02 + e / 2, cut.armhole_y)]
    )
    if kind == "dress":
        side = smooth(
            [
                armhole[-1],
                (f.waist_x + e, 2.85),
                (f.hip_x + e + 0.12, 3.8),
                (f.hip_x + 0.42, 5.2),
                (f.hip_x + 0.52, cut.hem_y),
            ]
        )
    else:
        side = smooth([armhole[-1], (f.waist_x + e, 2.9), (f.hip_x + e * 0.9, cut.hem_y - cut.hem_drop)])
    hem = smooth([side[-1], (side[-1, 0] * 0.55, cut.hem_y + 0.01), (0.0, cut.hem_y + 0.04)])
    return neck, mirrored(np.vstack([neck, armhole, side, hem]))


def _trunk_folds(f: Figure, cut: Cut, rng: np.random.Generator) -> tuple[Fold, ...]:
    folds = []
    for s in (-1, 1):
        for _ in range(3):  # from the armhole toward the waist
            x, y = f.joint_x * rng.uniform(0.75, 0.95), rng.uniform(1.95, 2.3)
            length, steep = rng.uniform(0.4, 0.8), rng.uniform(0.8, 1.8)
            folds.append(_fold(s, (x, y), (-0.5 * length, steep * 0.5 * length), 0.09, rng))
        for _ in range(3):  # where the waist takes the cloth in
            y = rng.uniform(2.6, min(3.4, cut.hem_y - 0.3))
            folds.append(
                _fold(s, (f.waist_x, y), (-rng.uniform(0.2, 0.5), rng.uniform(-0.1, 0.2)), 0.07, rng)
            )
        for _ in range(3):  # from the hem upward
            x = rng.uniform(0.1, f.hip_x)
            folds.append(_fold(s, (x, cut.hem_y - 0.05), (-0.04, -rng.uniform(0.4, 0.9)), 0.12, rng))
    return tuple(folds)


def _fold(
    side: int, start: tuple[float, float], way: tuple[float, float], width: float, rng: np.random.Generator
) -> Fold:
    a, b = np.array(start), np.array(start) + way
    middle = (a + b) / 2 + rng.normal(0, 0.04, 2)
    height = width * rng.uniform(0.10, 0.22) * (1 if rng.random() < 0.6 else -1)
    return Fold(smooth(np.array([a, middle, b]), steps=6) * (side, 1), width, height)


def _sleeves(
    cut: Cut, f: Figure, fabric: Fabric, rng: np.random.Generator, *, cuffed: bool
) -> tuple[tuple[list[Part], list[Part]], tuple[list[Part], list[Part]]]:
    sleeves: tuple[list[Part], list[Part]] = ([], [])
    forearms: tuple[list[Part], list[Part]] = ([], [])
    if cut.sleeve_end == 0:
        return sleeves, forearms
    thin = 1.0 if f.joint_x > 0.75 else 0.88
    for index, side in enumerate((-1, 1)):
        line = f.arm_line(side, 0, cut.sleeve_end)
        line = np.vstack([line[:1] - (0.06 * side, 0.13), line])
        widths = np.array([0.13, 0.19, 0.19, 0.18, 0.165, 0.16, 0.145, 0.105]) + cut.sleeve_ease
        if cut.sleeve_end < 1:
            widths = np.array([0.13, 0.19, 0.20, 0.205]) + cut.sleeve_ease
        radii = tuple(float(w) for w in widths * thin)
        sleeves[index].append(_sleeve(line, radii, fabric, rng, cuffed=cuffed))
        if f.arms[index] == "front" and cut.sleeve_end == 1:
            lower = f.arm_line(side, 0.47, 1)
            forearms[index].append(_sleeve(lower, radii[4:], fabric, rng, cuffed=cuffed))
    return sleeves, forearms


def _sleeve(
    line: Points, radii: tuple[float, ...], fabric: Fabric, rng: np.random.Generator, *, cuffed: bool
) -> Part:
    folds = []
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    for _ in range(9):
        at = int(rng.integers(2, len(line) - 2))
        normal = np.array([-tangent[at, 1], tangent[at, 0]])
        reach = radii[len(radii) // 2] * rng.uniform(0.7, 1.3)
        shift = rng.uniform(-0.5, 0.5) * radii[0]
        middle = line[at] + normal * shift
        way = normal * reach / 2 + tangent[at] * rng.uniform(-0.22, 0.22)
        height = 0.07 * rng.uniform(0.10, 0.22) * (1 if rng.random() < 0.6 else -1)
        folds.append(Fold(smooth(np.array([middle - way, middle, middle + way]), steps=6), 0.07, height))
    end, forward = line[-1], tangent[-1]
    normal = np.array([-forward[1], forward[0]])
    back = 0.2 if cuffed else 0.06
    seam = np.stack(
        [end - forward * back + normal * radii[-1] * 1.2, end - forward * back - normal * radii[-1] * 1.2]
    )
    details = (Detail(seam, None, 0.014, 0.4, 0.004),)
    return Part(
        tube(line, radii),
        fabric,
        spine=line,
        radii=radii,
        roundness=0.75,
        flatness=1.6,
        folds=tuple(folds),
        drape=0.006,
        details=details,
        shadow=0.25,
    )


def _trunk_details(kind: str, cut: Cut, fabric: Fabric) -> tuple[Detail, ...]:
    hem = cut.hem_y
    details: list[Detail] = []
    if kind in {"shirt", "jacket", "gilet"}:
        x = 0.075 if kind == "shirt" else 0.0
        details.append(_seam([(x, cut.neck_depth - 0.02), (x, hem + 0.1)], 0.016, 0.5))
        if kind == "shirt":
            details.append(_seam([(-0.075, cut.neck_depth - 0.02), (-0.075, hem + 0.1)], 0.010, 0.25))
        first, last, count = {
            "shirt": (cut.neck_depth + 0.15, hem - 0.2, 6),
            "jacket": (2.86, 3.32, 2),
            "gilet": (2.2, hem - 0.2, 5),
        }[kind]
        bx = 0.0 if kind == "shirt" else -0.07
        for y in np.linspace(first, last, count):
            details += _button(bx, float(y), fabric.rgb, 0.032 if kind == "shirt" else 0.05)
    if kind == "shirt":
        details += _pocket(0.24, 2.05, 0.38, 0.42)
    if kind == "jacket":
        for s in (-1, 1):
            details += _flap(0.50 * s, 3.45)
            details.append(_seam([(0.42 * s, 2.2), (0.40 * s, 2.9), (0.45 * s, 3.4)], 0.012, 0.22))
        details.append(_seam([(0.30, 2.12), (0.56, 2.06)], 0.035, 0.35))
    if kind == "gilet":
        for s in (-1, 1):
            details.append(_seam([(0.28 * s, 3.1), (0.60 * s, 3.04)], 0.03, 0.4))
    if kind == "dress":
        details.append(_seam([(-0.9, 2.86), (0.0, 2.90), (0.9, 2.86)], 0.018, 0.45))
    else:
        details.append(
            _seam([(-1.2, hem - 0.09), (0.0, hem - 0.05), (1.2, hem - 0.09)], 0.010, 0.25)
            if not cut.hem_drop
            else _seam([(0, 0), (0.01, 0)], 0.01, 0.0)
        )
    return tuple(details)


def _finished(kind: str, cut: Cut, parts: list[Part], trim: Fabric) -> list[Part]:
    """Collars, ribs and lapels on top."""
    if kind == "shirt":
        leaf = np.array(
            [(0.0, 1.60), (0.16, 1.83), (0.36, 1.50), (cut.neck_x + 0.04, 1.26), (cut.neck_x - 0.05, 1.20)]
        )
        leaf = np.vstack(
            [
                leaf[:3],
                smooth([leaf[2], (0.35, 1.36), leaf[3]], steps=5),
                leaf[4:],
                smooth([leaf[4], (0.15, 1.42), leaf[0]], steps=5),
            ]
        )
        for s in (-1, 1):
            edge = _seam([(0.025, 1.61), (0.165, 1.79), (0.335, 1.49)], 0.008, 0.3)
            parts.append(
                Part(
                    leaf * (s, 1),
                    trim,
                    roundness=0.25,
                    details=(replace(edge, points=edge.points * (s, 1)),),
                    shadow=0.45,
                )
            )
    elif kind in {"T-shirt", "jumper", "dress"}:
        wide = 0.09 if kind == "T-shirt" else (0.13 if kind == "jumper" else 0.05)
        line = smooth(
            [
                (-cut.neck_x, 1.30),
                (-cut.neck_x * 0.66, cut.neck_depth - 0.08),
                (0, cut.neck_depth),
                (cut.neck_x * 0.66, cut.neck_depth - 0.08),
                (cut.neck_x, 1.30),
            ]
        )
        radii = (wide / 2, wide / 2)
        parts.append(Part(tube(line, radii), trim, spine=line, radii=radii, roundness=0.5, shadow=0.25))
    elif kind == "jacket":
        for s in (-1, 1):
            lapel = np.vstack(
                [
                    smooth([(0.0, 2.74), (0.13, 2.0), (0.25, 1.30)]),
                    [(0.33, 1.27)],
                    smooth([(0.40, 1.50), (0.50, 1.72)]),
                    [(0.40, 1.79), (0.58, 1.84)],
                    smooth([(0.58, 1.84), (0.36, 2.35), (0.0, 2.80)]),
                ]
            )
            notch = Detail(np.array([(0.27, 1.66), (0.40, 1.79)]) * (s, 1), None, 0.015, 0.5)
            parts.append(Part(lapel * (s, 1), trim, roundness=0.2, details=(notch,), shadow=0.5))
    return parts


def bottom(
    kind: str, f: Figure, fabric: Fabric, rng: np.random.Generator, second: Fabric | None = None
) -> Clothes:
    """Trousers, jeans, shorts or a skirt."""
    if kind == "skirt":
        return _skirt(f, fabric, rng, second or fabric)
    return _legs(kind, f, fabric, rng, second or fabric)


def _skirt(f: Figure, fabric: Fabric, rng: np.random.Generator, trim: Fabric) -> Clothes:
    side = smooth(
        [(f.waist_x + 0.03, 2.85), (f.hip_x + 0.10, 3.7), (f.hip_x + 0.32, 4.9), (f.hip_x + 0.42, 5.7)]
    )
    hem = smooth([side[-1], (0.6, 5.80), (0.0, 5.84)])
    outline = mirrored(np.vstack([[(0.0, 2.88)], side, hem]))
    folds = tuple(
        Fold(
            smooth([(x * 0.62, 3.05), (x * 0.85, 4.2), (x * 1.12, 5.8)], steps=8),
            0.16,
            0.022 * (1 if i % 2 else -1),
        )
        for i, x in enumerate(np.linspace(-0.92, 0.92, 12) + rng.normal(0, 0.03, 12))
    )
    hem_line = _seam([(-1.3, 5.66), (-0.6, 5.74), (0.0, 5.77), (0.6, 5.74), (1.3, 5.66)], 0.010, 0.3)
    body = Part(outline, fabric, roundness=0.6, flatness=2.0, folds=folds, drape=0.012, details=(hem_line,))
    return Clothes([body, _waistband(f, 2.85, trim)])


def _waistband(f: Figure, y: float, fabric: Fabric) -> Part:
    x = f.waist_x + 0.05
    outline = np.vstack(
        [
            smooth([(-x + 0.02, y - 0.08), (0, y - 0.04), (x - 0.02, y - 0.08)]),
            smooth([(x + 0.02, y + 0.12), (0, y + 0.17), (-x - 0.02, y + 0.12)]),
        ]
    )
    return Part(outline, fabric, roundness=0.6, flatness=2.6, shadow=0.3)


def _legs(kind: str, f: Figure, fabric: Fabric, rng: np.random.Generator, trim: Fabric) -> Clothes:
    end = {"shorts": 0.36}.get(kind, 0.97)
    wide = {"jeans": 0.02, "shorts": 0.10}.get(kind, 0.06)
    parts = []
    for side in (-1, 1):
        line = f.leg_line(side, end)
        radii = tuple(wide + r for r in (0.37, 0.36, 0.31, 0.265, 0.24, 0.225, 0.215, 0.205))
        if kind == "shorts":
            radii = (0.42, 0.42, 0.42, 0.42)
        folds = []
        for _ in range(10):
            at = int(rng.integers(3, len(line) - 1))
            spot = line[at] + (rng.uniform(-0.15, 0.15), 0)
            way = np.array([rng.uniform(0.10, 0.2), rng.uniform(-0.12, 0.12)])
            folds.append(
                Fold(
                    smooth(np.array([spot - way, spot, spot + way]), steps=6),
                    0.07,
                    0.07 * rng.uniform(-0.2, 0.2),
                )
            )
        ironed = 0.0 if kind == "jeans" else 0.18
        crease = Detail(line[4:] + np.array((0.02 * side, 0)), None, 0.02, ironed, 0.01)
        hem = Detail(line[-1] + np.array([(-0.5, -0.07), (0.5, -0.07)]), None, 0.012, 0.35, 0.003)
        parts.append(
            Part(
                tube(line, radii),
                fabric,
                spine=line,
                radii=radii,
                roundness=0.8,
                flatness=1.5,
                folds=tuple(folds),
                drape=0.008,
                details=(crease, hem),
                shadow=0.3,
            )
        )
    side_line = smooth([(f.waist_x + 0.04, 2.88), (f.hip_x + 0.08, 3.6), (f.hip_x + 0.07 + wide / 2, 4.15)])
    seat = mirrored(
        np.vstack(
            [[(0.0, 2.92)], side_line, smooth([(f.hip_x + 0.05 + wide / 2, 4.3), (0.2, 4.25), (0.0, 4.32)])]
        )
    )
    details = [
        _seam([(0.0, 2.95), (0.01, 3.9), (0.0, 4.3)], 0.014, 0.4),
        _seam([(0.10, 3.0), (0.12, 3.7), (0.02, 3.95)], 0.010, 0.3),
    ]
    for s in (-1, 1):
        details.append(
            _seam(
                [((f.waist_x - 0.12) * s, 3.02), ((f.hip_x - 0.05) * s, 3.25), ((f.hip_x + 0.06) * s, 3.5)],
                0.018,
                0.45,
            )
        )
    parts.append(
        Part(seat, fabric, roundness=0.7, flatness=2.4, drape=0.008, details=tuple(details), shadow=0.0)
    )
    parts.append(_waistband(f, 2.88, trim))
    return Clothes(parts)


def _seam(points: list[tuple[float, float]], width: float, opacity: float) -> Detail:
    return Detail(smooth(points), None, width, opacity, 0.004)


def _button(x: float, y: float, rgb: Rgb, radius: float) -> list[Detail]:
    light = sum(rgb) > 380
    face: Rgb = (
        darker(rgb, 0.78)
        if light
        else (int(rgb[0] * 0.7 + 55), int(rgb[1] * 0.7 + 55), int(rgb[2] * 0.7 + 55))
    )
    return [
        Detail(ellipse(x + 0.008, y + 0.014, radius * 1.15, radius * 1.15), None, 0.0, 0.5, 0.008),
        Detail(ellipse(x, y, radius, radius), face, 0.0, 1.0),
        Detail(ellipse(x, y, radius * 0.55, radius * 0.55), darker(face, 0.8), 0.0, 0.9),
    ]


def _pocket(x: float, y: float, wide: float, high: float) -> list[Detail]:
    frame = np.array(
        [
            (x, y),
            (x, y + high * 0.86),
            (x + wide / 2, y + high),
            (x + wide, y + high * 0.86),
            (x + wide, y),
            (x, y),
        ]
    )
    return [
        Detail(frame, None, 0.012, 0.35, 0.003),
        Detail(np.array([(x, y + 0.07), (x + wide, y + 0.07)]), None, 0.008, 0.3, 0.002),
    ]


def _flap(x: float, y: float) -> list[Detail]:
    box = np.array([(x - 0.22, y), (x + 0.22, y), (x + 0.22, y + 0.15), (x - 0.22, y + 0.15), (x - 0.22, y)])
    return [Detail(box[:2], None, 0.022, 0.5, 0.004), Detail(box[1:], None, 0.014, 0.4, 0.006)]
