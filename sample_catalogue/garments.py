"""The garments of the drawn sample catalogue: tops, dresses, trousers and skirts, and how they are sewn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from chromiq.sample_catalogue.people import Figure
from chromiq.sample_catalogue.shapes import (
    Detail,
    Fabric,
    Fold,
    Part,
    Points,
    Rgb,
    darker,
    ellipse,
    mirrored,
    smooth,
    tube,
)

# ---------------------------------------------------------------- sewing


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


# ---------------------------------------------------------------- tops and dresses


@dataclass(frozen=True)
class Cut:
    """The measures that tell one top from another, in heads."""

    neck_x: float = 0.27
    neck_depth: float = 1.56
    sleeve_end: float = 1.0
    ease: float = 0.10
    hem_y: float = 4.1
    hem_drop: float = 0.0
    shoulder_x: float = 0.03
    armhole_y: float = 2.12


CUTS: dict[str, Cut] = {
    "shirt": Cut(hem_y=4.0, hem_drop=0.22),
    "T-shirt": Cut(neck_x=0.33, neck_depth=1.62, sleeve_end=0.40, hem_y=3.95),
    "vest": Cut(neck_x=0.25, neck_depth=1.62, sleeve_end=0.0, ease=0.03, hem_y=3.3, shoulder_x=-0.2),
    "jumper": Cut(neck_x=0.34, neck_depth=1.55, ease=0.16, hem_y=3.85),
    "jacket": Cut(neck_depth=2.72, ease=0.17, hem_y=4.35, shoulder_x=0.03),
    "gilet": Cut(neck_depth=2.05, sleeve_end=0.0, ease=0.12, hem_y=3.75, shoulder_x=-0.08, armhole_y=2.3),
    "dress": Cut(neck_x=0.34, neck_depth=1.78, sleeve_end=0.0, ease=0.05, hem_y=6.3, shoulder_x=-0.10),
}


def top(
    kind: str,
    figure: Figure,
    fabric: Fabric,
    rng: np.random.Generator,
    second: Fabric | None = None,
    *,
    tucked: bool = False,
) -> Clothes:
    """A garment for the upper body.

    Args:
        kind: a key of `CUTS`.
        second: cloth of the sleeves and trims of a two-tone garment.
        tucked: closer to the body, its hem in the waistband.
    """
    cut = CUTS[kind]
    if tucked:
        cut = replace(cut, ease=0.03, hem_y=3.3, hem_drop=0.0)
    trim = second or fabric
    neckline = _neckline(kind, cut)
    body = Part(
        _trunk(kind, cut, figure, neckline),
        fabric,
        roundness=0.62,
        flatness=2.6,
        folds=_trunk_folds(figure, cut, rng),
        drape=0.012,
        details=tuple(_trunk_details(kind, cut, fabric)),
        shadow=0.3,
    )
    sleeves, forearms = _sleeves(kind, cut, figure, trim, rng)
    return Clothes(
        [body, *_collar(kind, cut, trim)],
        [_inside_back(cut, fabric, neckline)],
        sleeves,
        forearms,
        cut.sleeve_end,
    )


def _neckline(kind: str, cut: Cut) -> Points:
    """The right half, from the middle up to the shoulder seam."""
    round_bend = (cut.neck_x * 0.62, cut.neck_depth - 0.06)
    bend = {"jacket": (0.12, 2.0), "gilet": (0.12, 1.75)}.get(kind, round_bend)
    return smooth([(0.0, cut.neck_depth), bend, (cut.neck_x, 1.30)])


def _trunk(kind: str, cut: Cut, f: Figure, neckline: Points) -> Points:
    e, joint_x = cut.ease, f.joint_x
    armpit = (joint_x - 0.02 + e / 2, cut.armhole_y)
    armhole = smooth([(joint_x + cut.shoulder_x, 1.50), (joint_x - 0.03, 1.80), armpit])
    hip_x = f.hip_x + e * 0.9
    waist_x = 0.6 * f.waist_x + 0.4 * f.hip_x + 0.8 * e
    below = [(waist_x, 2.8), (hip_x, 3.5), (hip_x + 0.02, cut.hem_y - cut.hem_drop)]
    if cut.hem_y < 3.5:
        below = [(waist_x, 2.8), (hip_x, cut.hem_y)]
    if kind == "dress":
        below = [
            (f.waist_x + e, 2.85),
            (f.hip_x + e + 0.12, 3.8),
            (f.hip_x + 0.42, 5.2),
            (f.hip_x + 0.52, cut.hem_y),
        ]
    side = smooth([armhole[-1], *below])
    hem = smooth([side[-1], (side[-1, 0] * 0.55, cut.hem_y + 0.01), (0.0, cut.hem_y + 0.04)])
    return mirrored(np.vstack([neckline, armhole, side, hem]))


def _inside_back(cut: Cut, fabric: Fabric, neckline: Points) -> Part:
    rim = smooth([(0, 1.22), (cut.neck_x * 0.7, 1.22), (cut.neck_x + 0.02, 1.30)])
    tag = np.array([(-0.07, 1.33), (0.07, 1.33), (0.07, 1.40), (-0.07, 1.40)])
    lining = replace(fabric, rgb=darker(fabric.rgb, 0.72), pattern="plain")
    label = Detail(tag, (235, 235, 230), opacity=0.9)
    return Part(
        mirrored(np.vstack([rim, neckline[::-1]])), lining, details=(label,), roundness=0.1, shadow=0.0
    )


def _trunk_folds(f: Figure, cut: Cut, rng: np.random.Generator) -> tuple[Fold, ...]:
    folds = []
    low = cut.hem_y - cut.hem_drop
    for s in (-1, 1):
        for _ in range(3):  # from the armhole toward the waist
            start = np.array([f.joint_x * rng.uniform(0.75, 0.95) * s, rng.uniform(1.95, 2.3)])
            length, steep = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.9)
            folds.append(random_fold(start, np.array([-0.5 * s, steep]) * length, 0.09, rng))
        for _ in range(3):  # where the waist takes the cloth in
            start = np.array([f.waist_x * s, rng.uniform(2.6, min(3.4, low - 0.3))])
            way = np.array([-rng.uniform(0.2, 0.5) * s, rng.uniform(-0.1, 0.2)])
            folds.append(random_fold(start, way, 0.07, rng))
        for _ in range(4):  # from the hem upward
            start = np.array([rng.uniform(0.1, f.hip_x) * s, low + 0.15])
            way = np.array([-0.04 * s, -rng.uniform(0.5, 1.1)])
            folds.append(random_fold(start, way, 0.13, rng))
    if cut.hem_y > 5:  # a skirt part hangs in pleats from the waist
        for x in np.linspace(-0.9, 0.9, 9) + rng.normal(0, 0.03, 9):
            line = smooth([(x * 0.5, 3.0), (x * 0.8, 4.4), (x * 1.2, cut.hem_y + 0.3)], steps=8)
            folds.append(Fold(line, 0.2, float(rng.uniform(0.03, 0.06))))
    return tuple(folds)


def _sleeves(
    kind: str, cut: Cut, f: Figure, fabric: Fabric, rng: np.random.Generator
) -> tuple[tuple[list[Part], list[Part]], tuple[list[Part], list[Part]]]:
    sleeves: tuple[list[Part], list[Part]] = ([], [])
    forearms: tuple[list[Part], list[Part]] = ([], [])
    if cut.sleeve_end == 0:
        return sleeves, forearms
    slim = 1.0 if f.joint_x > 0.75 else 0.86
    loose = cut.ease - 0.10
    radii = tuple(slim * (r + loose / 2) for r in (0.265, 0.265, 0.25, 0.235, 0.22, 0.21, 0.19, 0.16))
    if cut.sleeve_end < 1:
        radii = tuple(slim * r for r in (0.26, 0.265, 0.265, 0.26))
    hem = {"shirt": 0.2, "jumper": 0.22}.get(kind, 0.06)
    for index, side in enumerate((-1, 1)):
        line = f.arm_line(side, 0.0, cut.sleeve_end)
        line[0, 1] += radii[0] - slim * 0.265  # a wider sleeve starts lower, under the same shoulder seam
        sleeves[index].append(cloth_tube(line, radii, fabric, rng, folds=12, hem=hem, round_start=True))
        if f.arms[index] == "front" and cut.sleeve_end == 1:
            lower = f.arm_line(side, 0.5)
            forearms[index].append(
                cloth_tube(lower, radii[4:], fabric, rng, folds=6, hem=hem, round_start=True)
            )
    return sleeves, forearms


def _trunk_details(kind: str, cut: Cut, fabric: Fabric) -> list[Detail]:
    hem, neck = cut.hem_y, cut.neck_depth
    details: list[Detail] = []
    if kind == "shirt":
        details += [seam([(0.075, neck - 0.02), (0.075, hem + 0.1)], 0.016, 0.5)]
        details += [seam([(-0.075, neck - 0.02), (-0.075, hem + 0.1)], 0.010, 0.25)]
        details += patch_pocket(0.24, 2.05, 0.38, 0.42)
        details += _buttons(0.0, neck + 0.15, hem - 0.2, 6, fabric, 0.032)
    elif kind == "jacket":
        details += [seam([(0.0, neck - 0.02), (0.0, hem + 0.1)], 0.016, 0.5)]
        for s in (-1, 1):
            details += flap_pocket(0.50 * s, 3.45)
            details.append(seam([(0.42 * s, 2.2), (0.40 * s, 2.9), (0.45 * s, 3.4)], 0.012, 0.22))
        details.append(seam([(0.30, 2.12), (0.56, 2.06)], 0.035, 0.35))
        details += _buttons(-0.07, 2.86, 3.32, 2, fabric, 0.05)
    elif kind == "gilet":
        details += [seam([(0.0, neck - 0.02), (0.0, hem + 0.1)], 0.016, 0.5)]
        for s in (-1, 1):
            details.append(seam([(0.28 * s, 3.1), (0.60 * s, 3.04)], 0.03, 0.4))
            details.append(seam([(0.36 * s, 1.9), (0.34 * s, 2.8), (0.40 * s, hem)], 0.012, 0.22))
        details += _buttons(-0.07, 2.2, hem - 0.2, 5, fabric, 0.045)
    elif kind == "dress":
        details.append(seam([(-0.9, 2.86), (0.0, 2.90), (0.9, 2.86)], 0.018, 0.45))
        details.append(seam([(-1.4, hem - 0.12), (0.0, hem - 0.07), (1.4, hem - 0.12)], 0.012, 0.3))
    else:
        y = hem - (0.08 if kind == "T-shirt" else 0.24)
        details.append(seam([(-1.2, y - 0.03), (0.0, y), (1.2, y - 0.03)], 0.012, 0.3))
    if kind == "T-shirt" and fabric.pattern == "print":
        details += _sunset(fabric)
    return details


def _buttons(x: float, first: float, last: float, count: int, fabric: Fabric, radius: float) -> list[Detail]:
    rows = np.linspace(first, last, count)
    return [detail for y in rows for detail in button(x, float(y), fabric.rgb, radius)]


def _sunset(fabric: Fabric) -> list[Detail]:
    """A print on the chest: a sun behind hills."""
    sun, hills, sky = (fabric.accents * 3)[:3]
    frame = np.array([(-0.36, 1.98), (0.36, 1.98), (0.36, 2.74), (-0.36, 2.74)])
    far = [(-0.36, 2.50), (-0.16, 2.34), (0.02, 2.46), (0.20, 2.30), (0.36, 2.44)]
    near = [(-0.36, 2.62), (-0.10, 2.58), (0.12, 2.66), (0.36, 2.56)]
    corners = np.array([(0.36, 2.74), (-0.36, 2.74)])
    return [
        Detail(frame, sky, opacity=0.96),
        Detail(ellipse(0.05, 2.33, 0.17, 0.17), sun, opacity=0.96),
        Detail(np.vstack([smooth(far), corners]), hills, opacity=0.96),
        Detail(np.vstack([smooth(near), corners]), darker(hills, 0.6), opacity=0.96),
    ]


def _collar(kind: str, cut: Cut, trim: Fabric) -> list[Part]:
    """Collars, ribs and lapels, laid on the trunk."""
    if kind == "shirt":
        return [_shirt_leaf(cut, trim, s) for s in (-1, 1)]
    if kind == "jacket":
        return [_lapel(trim, s) for s in (-1, 1)]
    if kind == "gilet":
        return []
    width = {"T-shirt": 0.09, "vest": 0.07, "jumper": 0.13, "dress": 0.05}[kind]
    low = cut.neck_depth - 0.08
    x = cut.neck_x
    line = smooth([(-x, 1.30), (-x * 0.66, low), (0, cut.neck_depth), (x * 0.66, low), (x, 1.30)])
    radii = (width / 2, width / 2)
    # A rib is cut from plain cloth, of the stripe's colour if there is one.
    rgb = trim.accents[0] if trim.pattern == "stripes" else trim.rgb
    rib = replace(trim, rgb=rgb, pattern="plain")
    return [Part(tube(line, radii), rib, spine=line, radii=radii, roundness=0.5, shadow=0.25)]


def _shirt_leaf(cut: Cut, trim: Fabric, side: int) -> Part:
    tip, outer = (0.16, 1.83), (0.36, 1.50)
    above, inner = (cut.neck_x + 0.03, 1.25), (cut.neck_x - 0.05, 1.20)
    outline = np.vstack(
        [
            np.array([(0.0, 1.60), tip]),
            smooth([outer, (0.35, 1.36), above, inner], steps=5),
            smooth([inner, (0.15, 1.42), (0.0, 1.60)], steps=5),
        ]
    )
    edge = Detail(np.array([(0.025, 1.61), (0.165, 1.79), (0.335, 1.49)]) * (side, 1), None, 0.008, 0.3)
    return Part(outline * (side, 1), trim, roundness=0.25, details=(edge,), shadow=0.5)


def _lapel(trim: Fabric, side: int) -> Part:
    outline = np.vstack(
        [
            smooth([(0.0, 2.74), (0.13, 2.0), (0.25, 1.30)]),
            np.array([(0.30, 1.25)]),
            smooth([(0.40, 1.50), (0.50, 1.72)]),
            np.array([(0.40, 1.79)]),
            smooth([(0.58, 1.84), (0.36, 2.35), (0.0, 2.80)]),
        ]
    )
    notch = Detail(np.array([(0.27, 1.66), (0.40, 1.79)]) * (side, 1), None, 0.015, 0.5)
    return Part(outline * (side, 1), trim, roundness=0.2, details=(notch,), shadow=0.5)


# ---------------------------------------------------------------- trousers and skirts

_WAIST_Y = 2.86
_THREAD = (196, 140, 70)


def bottom(kind: str, figure: Figure, fabric: Fabric, rng: np.random.Generator) -> Clothes:
    """A garment for the lower body.

    Args:
        kind: ``"trousers"``, ``"jeans"``, ``"shorts"`` or ``"skirt"``.
    """
    if kind == "skirt":
        return Clothes([_skirt(figure, fabric, rng), _waistband(figure, fabric, loops_sewn=False)])
    legs = [_leg(kind, figure, side, fabric, rng) for side in (-1, 1)]
    return Clothes([*legs, _seat(kind, figure, fabric, rng), _waistband(figure, fabric, loops_sewn=True)])


def _skirt(f: Figure, fabric: Fabric, rng: np.random.Generator) -> Part:
    top_x, hip_x, hem_x = f.waist_x + 0.03, f.hip_x + 0.10, f.hip_x + 0.42
    side = smooth([(top_x, _WAIST_Y), (hip_x, 3.7), (hem_x - 0.10, 4.9), (hem_x, 5.7)])
    hem = smooth([side[-1], (0.6, 5.80), (0.0, 5.84)])
    pleats = []
    for index, x in enumerate(np.linspace(-0.95, 0.95, 13) + rng.normal(0, 0.02, 13)):
        line = smooth([(x * 0.60, 3.0), (x * 0.85, 4.2), (x * 1.15, 6.3)], steps=8)
        pleats.append(Fold(line, 0.16, float(rng.uniform(0.05, 0.08)) * (1 if index % 2 else -0.6)))
    low = [(-1.3, 5.66), (-0.6, 5.74), (0.0, 5.77), (0.6, 5.74), (1.3, 5.66)]
    return Part(
        mirrored(np.vstack([[(0.0, _WAIST_Y + 0.03)], side, hem])),
        fabric,
        roundness=0.6,
        flatness=2.0,
        folds=tuple(pleats),
        drape=0.012,
        details=(seam(low, 0.012, 0.3),),
    )


def _waistband(f: Figure, fabric: Fabric, *, loops_sewn: bool) -> Part:
    x, y = f.waist_x + 0.045, _WAIST_Y
    outline = np.vstack(
        [
            smooth([(-x + 0.02, y - 0.08), (0, y - 0.04), (x - 0.02, y - 0.08)]),
            smooth([(x + 0.005, y + 0.12), (0, y + 0.17), (-x - 0.005, y + 0.12)]),
        ]
    )
    loops = [np.array([(x * at, y - 0.07), (x * at, y + 0.16)]) for at in (-0.72, -0.38, 0.38, 0.72)]
    edges = [
        Detail(loop + np.array([dx, 0.0]), None, 0.010, 0.35) for loop in loops for dx in (-0.025, 0.025)
    ]
    details = edges if loops_sewn else []
    return Part(outline, fabric, roundness=0.6, flatness=2.6, details=tuple(details), shadow=0.3)


def _leg(kind: str, f: Figure, side: int, fabric: Fabric, rng: np.random.Generator) -> Part:
    end = 0.44 if kind == "shorts" else 0.97
    slim = 0.0 if f.joint_x > 0.75 else -0.02
    radii = {
        "shorts": (0.36, 0.39, 0.385, 0.38, 0.38),
        "jeans": (0.35, 0.385, 0.36, 0.315, 0.275, 0.25, 0.235, 0.225, 0.215),
    }.get(kind, (0.36, 0.395, 0.385, 0.355, 0.32, 0.30, 0.285, 0.27, 0.26))
    line = f.leg_line(side, end)
    if kind == "shorts":  # wide legs must not touch, or they look like a skirt
        line = line + np.linspace(0, 0.09 * side, len(line))[:, None] * (1, 0)
    crease = Detail(line[4:] + np.array([0.02 * side, 0.0]), None, 0.02, 0.18, 0.01)
    return cloth_tube(
        line,
        tuple(r + slim for r in radii),
        fabric,
        rng,
        folds=6 if kind == "shorts" else 16,
        hem=0.10,
        details=() if kind == "jeans" else (crease,),
    )


def _seat(kind: str, f: Figure, fabric: Fabric, rng: np.random.Generator) -> Part:
    side = smooth([(f.waist_x + 0.04, _WAIST_Y + 0.02), (f.hip_x + 0.05, 3.50), (0.65, 4.0)])
    crotch = smooth([side[-1], (0.55, 4.28), (0.25, 4.34), (0.0, 4.28)])
    thread = _THREAD if kind == "jeans" else None
    bold = 0.8 if thread else 0.32
    details = [
        seam([(0.0, 2.95), (0.01, 3.9), (0.0, 4.3)], 0.014, 0.45),
        seam([(0.12, 3.0), (0.13, 3.65), (0.02, 3.95)], 0.011, bold, thread),
        *button(0.0, _WAIST_Y + 0.06, fabric.rgb, 0.035),
    ]
    folds = []
    for s in (-1, 1):
        pocket = [((f.waist_x - 0.14) * s, 3.02), ((f.hip_x - 0.08) * s, 3.26), ((f.hip_x + 0.06) * s, 3.5)]
        details.append(seam(pocket, 0.020, 0.5))
        if thread:
            details.append(seam([(x, y + 0.035) for x, y in pocket], 0.010, bold, thread))
        for _ in range(3):  # drawn from the crotch toward the hips
            start = np.array([0.06 * s, rng.uniform(3.95, 4.2)])
            way = np.array([rng.uniform(0.25, 0.45) * s, rng.uniform(-0.3, 0.05)])
            folds.append(random_fold(start, way, 0.08, rng))
    return Part(
        mirrored(np.vstack([[(0.0, _WAIST_Y + 0.06)], side, crotch])),
        fabric,
        roundness=0.7,
        flatness=2.4,
        folds=tuple(folds),
        drape=0.008,
        details=tuple(details),
        fade_y=(3.75, 4.25),
        shadow=0.0,
    )
