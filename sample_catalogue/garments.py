"""The garments of the drawn sample catalogue: tops, dresses, trousers and skirts, and how they are sewn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator

from chromiq.sample_catalogue.canvas import Detail, Fold, Part, both_sides, mirrored_pair
from chromiq.sample_catalogue.fabrics import Fabric, Rgb, darker
from chromiq.sample_catalogue.outlines import (
    Knots,
    Points,
    ellipse,
    frames_along,
    mirrored,
    smooth,
    spread,
    tube,
)
from chromiq.sample_catalogue.people import Figure


@dataclass(frozen=True, eq=False)
class Clothes:
    """The parts of one garment, each list from back to front.

    Attributes:
        outside: sleeves and trunk, or skirt, or legs, with all that is sewn on.
        lining: seen through the neckline, behind the neck.
        forearms: by side, the part of a sleeve that a bent arm brings before the body.
    """

    outside: list[Part]
    lining: list[Part] = field(default_factory=list)
    forearms: dict[int, Part] = field(default_factory=dict)

    @property
    def parts(self) -> list[Part]:
        """All of them, from back to front."""
        return [*self.lining, *self.outside, *self.forearms.values()]


# ---------------------------------------------------------------- sewing


def _seam(knots: Knots, width: float, opacity: float, rgb: Rgb | None = None) -> Detail:
    """A sewn line; with a colour it is a contrasting thread."""
    return Detail(smooth(knots), rgb, width, opacity, 0.003)


def _buttons(x: float, rows: np.ndarray, cloth: Rgb, radius: float) -> list[Detail]:
    """A column of buttons that stand out from cloth of that colour, each with its shadow and its hollow."""
    r, g, b = (int(value * 0.7 + 55) for value in cloth)
    face = darker(cloth, 0.78) if sum(cloth) > 380 else (r, g, b)
    details = []
    for y in rows:
        details += [
            Detail(ellipse(x + 0.008, y + 0.014, radius * 1.15, radius * 1.15), None, 0.0, 0.5, 0.008),
            Detail(ellipse(x, y, radius, radius), face, 0.0, 1.0),
            Detail(ellipse(x, y, radius * 0.55, radius * 0.55), darker(face, 0.8), 0.0, 0.9),
        ]
    return details


def _random_fold(start: Points, way: Points, width: float, rng: Generator) -> Fold:
    """A slightly bent fold of random height from `start` along `way`."""
    middle = start + way / 2 + rng.normal(0, 0.04, 2)
    height = width * rng.uniform(0.16, 0.34) * (1 if rng.random() < 0.6 else -1)
    return Fold(smooth(np.array([start, middle, start + way]), steps=6), width, height)


def _cloth_tube(
    line: Points,
    radii: tuple[float, ...],
    fabric: Fabric,
    rng: Generator,
    *,
    folds: int,
    hem: float,
    round_start: bool = False,
) -> Part:
    """A sleeve or a trouser leg with that many random creases and a seam `hem` above its end."""
    tangent, normal = frames_along(line)
    radius = spread(radii, len(line))
    creases = []
    for _ in range(folds):
        at = int(rng.integers(2, len(line) - 2))
        way = normal[at] * radius[at] * rng.uniform(0.6, 1.2) + tangent[at] * rng.uniform(-0.4, 0.4)
        start = line[at] + normal[at] * radius[at] * rng.uniform(-0.5, 0.5) - way / 2
        creases.append(_random_fold(start, way, 0.08, rng))
    across, sewn = normal[-1] * radii[-1] * 1.3, line[-1] - tangent[-1] * hem
    return Part(
        tube(line, radii, round_start=round_start),
        fabric,
        spine=line,
        radii=radii,
        roundness=0.78,
        flatness=1.5,
        folds=tuple(creases),
        drape=0.008,
        details=(Detail(np.stack([sewn + across, sewn - across]), None, 0.014, 0.4, 0.004),),
        shadow=0.3,
    )


# ---------------------------------------------------------------- tops and dresses


@dataclass(frozen=True)
class _Cut:
    """The measures that distinguish one top from another, in heads; `sleeve_end` is 1 at the wrist."""

    neck_x: float = 0.27
    neck_depth: float = 1.56
    neck_bend: tuple[float, float] | None = None
    rib: float = 0.0
    sleeve_end: float = 1.0
    cuff: float = 0.06
    ease: float = 0.10
    hem_y: float = 4.1
    hem_drop: float = 0.0
    shoulder_x: float = 0.03


_CUTS = {
    "shirt": _Cut(hem_y=4.0, hem_drop=0.22, cuff=0.2),
    "T-shirt": _Cut(0.33, neck_depth=1.62, rib=0.09, sleeve_end=0.4, hem_y=3.95),
    "vest": _Cut(0.25, neck_depth=1.62, rib=0.07, sleeve_end=0, shoulder_x=-0.2),
    "jumper": _Cut(0.34, neck_depth=1.55, rib=0.13, cuff=0.22, ease=0.16, hem_y=3.85),
    "jacket": _Cut(neck_depth=2.72, neck_bend=(0.12, 2.0), ease=0.17, hem_y=4.35),
    "gilet": _Cut(
        neck_depth=2.05, neck_bend=(0.12, 1.75), sleeve_end=0, ease=0.12, hem_y=3.75, shoulder_x=-0.08
    ),
    "dress": _Cut(0.34, 1.78, rib=0.05, sleeve_end=0, ease=0.05, hem_y=6.3, shoulder_x=-0.1),
}


def top(
    kind: str, f: Figure, fabric: Fabric, rng: Generator, *, trim: Fabric | None = None, tucked: bool = False
) -> Clothes:
    """A garment for the upper body.

    Args:
        kind: ``"shirt"``, ``"T-shirt"``, ``"vest"``, ``"jumper"``, ``"jacket"``, ``"gilet"`` or ``"dress"``.
        trim: cloth of the sleeves and trims of a two-tone garment.
        tucked: closer to the body, its hem in the waistband.
    """
    cut = replace(_CUTS[kind], ease=0.03, hem_y=3.3, hem_drop=0.0) if tucked else _CUTS[kind]
    bend = cut.neck_bend or (cut.neck_x * 0.62, cut.neck_depth - 0.06)
    neckline = smooth([(0.0, cut.neck_depth), bend, (cut.neck_x, 1.30)])  # the right half, upwards
    trunk = Part(
        _trunk(kind, cut, f, neckline),
        fabric,
        roundness=0.62,
        flatness=2.6,
        folds=_trunk_folds(f, cut, rng),
        drape=0.012,
        details=tuple(_trunk_details(kind, cut, fabric)),
        shadow=0.3,
    )
    sleeves, forearms = _sleeves(cut, f, trim or fabric, rng)
    return Clothes(
        [*sleeves, trunk, *_collar(kind, cut, trim or fabric)], [_lining(cut, fabric, neckline)], forearms
    )


def _trunk(kind: str, cut: _Cut, f: Figure, neckline: Points) -> Points:
    ease, j = cut.ease, f.joint_x
    armpit = (j - 0.02 + ease / 2, 2.3 if kind == "gilet" else 2.12)
    armhole = smooth([(j + cut.shoulder_x, 1.50), (j - 0.03, 1.80), armpit])
    hip_x, hem_x = f.hip_x + ease * 0.9, f.hip_x + 0.52
    waist = (0.6 * f.waist_x + 0.4 * f.hip_x + 0.8 * ease, 2.8)
    below = [waist, (hip_x, 3.5), (hip_x + 0.02, cut.hem_y - cut.hem_drop)]
    if cut.hem_y < 3.5:
        below = [waist, (hip_x, cut.hem_y)]
    if kind == "dress":
        below = [
            (f.waist_x + ease, 2.85),
            (f.hip_x + ease + 0.12, 3.8),
            (hem_x - 0.1, 5.2),
            (hem_x, cut.hem_y),
        ]
    side = smooth([armpit, *below])
    hem = smooth([side[-1], (side[-1, 0] * 0.55, cut.hem_y + 0.01), (0.0, cut.hem_y + 0.04)])
    return mirrored(neckline, armhole, side, hem)


def _lining(cut: _Cut, fabric: Fabric, neckline: Points) -> Part:
    rim = smooth([(0, 1.22), (cut.neck_x * 0.7, 1.22), (cut.neck_x + 0.02, 1.30)])
    label = Detail(
        np.array([(-0.07, 1.33), (0.07, 1.33), (0.07, 1.40), (-0.07, 1.40)]), (235, 235, 230), 0.0, 0.9
    )
    cloth = replace(fabric, rgb=darker(fabric.rgb, 0.72), pattern="plain")
    return Part(mirrored(rim, neckline[::-1]), cloth, details=(label,), roundness=0.1, shadow=0.0)


def _trunk_folds(f: Figure, cut: _Cut, rng: Generator) -> tuple[Fold, ...]:
    folds = []
    low = cut.hem_y - cut.hem_drop
    for s in (-1, 1):
        for _ in range(3):  # from the armhole toward the waist
            start = np.array([f.joint_x * rng.uniform(0.75, 0.95) * s, rng.uniform(1.95, 2.3)])
            length, steep = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.9)
            folds.append(_random_fold(start, np.array([-0.5 * s, steep]) * length, 0.09, rng))
        for _ in range(3):  # where the waist takes the cloth in
            start = np.array([f.waist_x * s, rng.uniform(2.6, min(3.4, low - 0.3))])
            way = np.array([-rng.uniform(0.2, 0.5) * s, rng.uniform(-0.1, 0.2)])
            folds.append(_random_fold(start, way, 0.07, rng))
        for _ in range(4):  # from the hem upward
            start = np.array([rng.uniform(0.1, f.hip_x) * s, low + 0.15])
            way = np.array([-0.04 * s, -rng.uniform(0.5, 1.1)])
            folds.append(_random_fold(start, way, 0.13, rng))
    if cut.hem_y > 5:  # a skirt part hangs in pleats from the waist
        for x in np.linspace(-0.9, 0.9, 9) + rng.normal(0, 0.03, 9):
            line = smooth([(x * 0.5, 3.0), (x * 0.8, 4.4), (x * 1.2, cut.hem_y + 0.3)], steps=8)
            folds.append(Fold(line, 0.2, float(rng.uniform(0.03, 0.06))))
    return tuple(folds)


def _sleeves(cut: _Cut, f: Figure, fabric: Fabric, rng: Generator) -> tuple[list[Part], dict[int, Part]]:
    """The sleeves, and by side the forearms that are held before the body."""
    sleeves: list[Part] = []
    forearms: dict[int, Part] = {}
    slim = 0.86 if f.model.woman else 1.0
    loose = (cut.ease - 0.10) / 2
    radii = [r + loose for r in (0.265, 0.265, 0.25, 0.235, 0.22, 0.21, 0.19, 0.16)]
    if cut.sleeve_end < 1:
        radii = [0.26, 0.265, 0.265, 0.26]
    slim_radii = tuple(slim * r for r in radii)
    for side in (-1, 1) if cut.sleeve_end else ():
        line = f.arm_line(side, 0.0, cut.sleeve_end)
        line[0, 1] += slim * (radii[0] - 0.265)  # a wider sleeve starts lower, under the same shoulder seam
        sleeves.append(_cloth_tube(line, slim_radii, fabric, rng, folds=12, hem=cut.cuff, round_start=True))
        if f.arms[side > 0] == "front" and cut.sleeve_end == 1:
            line = f.arm_line(side, 0.5)
            forearms[side] = _cloth_tube(
                line, slim_radii[4:], fabric, rng, folds=6, hem=cut.cuff, round_start=True
            )
    return sleeves, forearms


def _trunk_details(kind: str, cut: _Cut, fabric: Fabric) -> list[Detail]:
    hem, neck = cut.hem_y, cut.neck_depth

    def closure(x: float, width: float, opacity: float) -> Detail:
        return _seam([(x, neck - 0.02), (x, hem + 0.1)], width, opacity)

    def across(half_width: float, y: float, rise: float, width: float, opacity: float) -> Detail:
        return _seam([(-half_width, y - rise), (0.0, y), (half_width, y - rise)], width, opacity)

    if kind == "shirt":
        pocket = [(0.24, 2.05), (0.24, 2.4112), (0.43, 2.47), (0.62, 2.4112), (0.62, 2.05), (0.24, 2.05)]
        return [
            closure(0.075, 0.016, 0.5),
            closure(-0.075, 0.010, 0.25),
            Detail(np.array(pocket), None, 0.012, 0.35, 0.003),
            Detail(np.array([(0.24, 2.12), (0.62, 2.12)]), None, 0.008, 0.3, 0.002),
            *_buttons(0.0, np.linspace(neck + 0.15, hem - 0.2, 6), fabric.rgb, 0.032),
        ]
    if kind == "jacket":
        flap = np.array([(0.28, 3.45), (0.72, 3.45), (0.72, 3.60), (0.28, 3.60), (0.28, 3.45)])
        return [
            closure(0.0, 0.016, 0.5),
            *both_sides(
                Detail(flap[:2], None, 0.022, 0.5, 0.004),
                Detail(flap[1:], None, 0.014, 0.4, 0.006),
                _seam([(0.42, 2.2), (0.40, 2.9), (0.45, 3.4)], 0.012, 0.22),
            ),
            _seam([(0.30, 2.12), (0.56, 2.06)], 0.035, 0.35),
            *_buttons(-0.07, np.linspace(2.86, 3.32, 2), fabric.rgb, 0.05),
        ]
    if kind == "gilet":
        pocket, dart = [(0.28, 3.1), (0.60, 3.04)], [(0.36, 1.9), (0.34, 2.8), (0.40, hem)]
        return [
            closure(0.0, 0.016, 0.5),
            *both_sides(_seam(pocket, 0.03, 0.4), _seam(dart, 0.012, 0.22)),
            *_buttons(-0.07, np.linspace(2.2, hem - 0.2, 5), fabric.rgb, 0.045),
        ]
    if kind == "dress":
        return [across(0.9, 2.90, 0.04, 0.018, 0.45), across(1.4, hem - 0.07, 0.05, 0.012, 0.3)]
    hem_seam = across(1.2, hem - (0.08 if kind == "T-shirt" else 0.24), 0.03, 0.012, 0.3)
    return [hem_seam, *_sunset(fabric)] if fabric.pattern == "print" and kind == "T-shirt" else [hem_seam]


def _sunset(fabric: Fabric) -> list[Detail]:
    """A print on the chest: a sun behind hills."""
    sun, hills, sky = fabric.accents
    corners = [(0.36, 2.74), (-0.36, 2.74)]
    far = smooth([(-0.36, 2.50), (-0.16, 2.34), (0.02, 2.46), (0.20, 2.30), (0.36, 2.44)])
    near = smooth([(-0.36, 2.62), (-0.10, 2.58), (0.12, 2.66), (0.36, 2.56)])
    return [
        Detail(np.array([(-0.36, 1.98), (0.36, 1.98), *corners]), sky, opacity=0.96),
        Detail(ellipse(0.05, 2.33, 0.17, 0.17), sun, opacity=0.96),
        Detail(np.vstack([far, corners]), hills, opacity=0.96),
        Detail(np.vstack([near, corners]), darker(hills, 0.6), opacity=0.96),
    ]


def _collar(kind: str, cut: _Cut, trim: Fabric) -> list[Part]:
    """Collars, ribs and lapels, laid on the trunk."""
    x, low = cut.neck_x, cut.neck_depth - 0.08
    if kind == "shirt":
        tip, outer, inner = [(0.0, 1.60), (0.16, 1.83)], (0.36, 1.50), (x - 0.05, 1.20)
        fall = smooth([outer, (0.35, 1.36), (x + 0.03, 1.25), inner], steps=5)
        leaf = np.vstack([tip, fall, smooth([inner, (0.15, 1.42), (0.0, 1.60)], steps=5)])
        edge = Detail(np.array([(0.025, 1.61), (0.165, 1.79), (0.335, 1.49)]), None, 0.008, 0.3)
        return mirrored_pair(Part(leaf, trim, roundness=0.25, details=(edge,), shadow=0.5))
    if kind == "jacket":
        roll, step = smooth([(0.0, 2.74), (0.13, 2.0), (0.25, 1.30)]), smooth([(0.40, 1.50), (0.50, 1.72)])
        fall = smooth([(0.58, 1.84), (0.36, 2.35), (0.0, 2.80)])
        lapel = np.vstack([roll, [(0.30, 1.25)], step, [(0.40, 1.79)], fall])
        notch = Detail(np.array([(0.27, 1.66), (0.40, 1.79)]), None, 0.015, 0.5)
        return mirrored_pair(Part(lapel, trim, roundness=0.2, details=(notch,), shadow=0.5))
    if not cut.rib:
        return []
    line = smooth([(-x, 1.30), (-x * 0.66, low), (0, cut.neck_depth), (x * 0.66, low), (x, 1.30)])
    radii = (cut.rib / 2, cut.rib / 2)
    # A rib is cut from plain cloth, of the stripe's colour if there is one.
    rgb = trim.accents[0] if trim.pattern == "stripes" else trim.rgb
    rib = replace(trim, rgb=rgb, pattern="plain")
    return [Part(tube(line, radii), rib, spine=line, radii=radii, roundness=0.5, shadow=0.25)]


# ---------------------------------------------------------------- trousers and skirts

_WAIST_Y = 2.86
_THREAD = (196, 140, 70)


def bottom(kind: str, figure: Figure, fabric: Fabric, rng: Generator) -> Clothes:
    """A garment for the lower body.

    Args:
        kind: ``"trousers"``, ``"jeans"``, ``"shorts"`` or ``"skirt"``.
    """
    if kind == "skirt":
        return Clothes([_skirt(figure, fabric, rng), _waistband(figure, fabric, loops=())])
    legs = [_leg(kind, figure, side, fabric, rng) for side in (-1, 1)]
    seat, loops = _seat(kind, figure, fabric, rng), (-0.72, -0.38, 0.38, 0.72)
    return Clothes([*legs, seat, _waistband(figure, fabric, loops)])


def _skirt(f: Figure, fabric: Fabric, rng: Generator) -> Part:
    hem_x = f.hip_x + 0.42
    side = smooth([(f.waist_x + 0.03, _WAIST_Y), (f.hip_x + 0.10, 3.7), (hem_x - 0.10, 4.9), (hem_x, 5.7)])
    hem = smooth([side[-1], (0.6, 5.80), (0.0, 5.84)])
    pleats = []
    for index, x in enumerate(np.linspace(-0.95, 0.95, 13) + rng.normal(0, 0.02, 13)):
        line = smooth([(x * 0.60, 3.0), (x * 0.85, 4.2), (x * 1.15, 6.3)], steps=8)
        pleats.append(Fold(line, 0.16, float(rng.uniform(0.05, 0.08)) * (1 if index % 2 else -0.6)))
    hem_seam = _seam([(-1.3, 5.66), (-0.6, 5.74), (0.0, 5.77), (0.6, 5.74), (1.3, 5.66)], 0.012, 0.3)
    outline = mirrored([(0.0, _WAIST_Y + 0.03)], side, hem)
    return Part(outline, fabric, roundness=0.6, folds=tuple(pleats), drape=0.012, details=(hem_seam,))


def _waistband(f: Figure, fabric: Fabric, loops: tuple[float, ...]) -> Part:
    """The band, with belt loops at those shares of its half width."""
    x, y = f.waist_x + 0.045, _WAIST_Y
    above = smooth([(-x + 0.02, y - 0.08), (0, y - 0.04), (x - 0.02, y - 0.08)])
    below = smooth([(x + 0.005, y + 0.12), (0, y + 0.17), (-x - 0.005, y + 0.12)])
    edges = [x * at + dx for at in loops for dx in (-0.025, 0.025)]
    details = tuple(Detail(np.array([(at, y - 0.07), (at, y + 0.16)]), None, 0.010, 0.35) for at in edges)
    outline = np.vstack([above, below])
    return Part(outline, fabric, roundness=0.6, flatness=2.6, details=details, shadow=0.3)


def _leg(kind: str, f: Figure, side: int, fabric: Fabric, rng: Generator) -> Part:
    is_short = kind == "shorts"
    radii = {
        "shorts": (0.36, 0.39, 0.385, 0.38, 0.38),
        "jeans": (0.35, 0.385, 0.36, 0.315, 0.275, 0.25, 0.235, 0.225, 0.215),
    }.get(kind, (0.36, 0.395, 0.385, 0.355, 0.32, 0.30, 0.285, 0.27, 0.26))
    line = f.leg_line(side, 0.44 if is_short else 0.97)
    if is_short:  # wide legs must not touch, or they look like a skirt
        line = line + np.linspace(0, 0.09 * side, len(line))[:, None] * (1, 0)
    slim_radii = tuple(r - 0.02 * f.model.woman for r in radii)
    leg = _cloth_tube(line, slim_radii, fabric, rng, folds=6 if is_short else 16, hem=0.10)
    if kind == "jeans":
        return leg
    crease = Detail(line[4:] + np.array((0.02 * side, 0.0)), None, 0.02, 0.18, 0.01)
    return replace(leg, details=(crease, *leg.details))


def _seat(kind: str, f: Figure, fabric: Fabric, rng: Generator) -> Part:
    side = smooth([(f.waist_x + 0.04, _WAIST_Y + 0.02), (f.hip_x + 0.05, 3.50), (0.65, 4.0)])
    crotch = smooth([side[-1], (0.55, 4.28), (0.25, 4.34), (0.0, 4.28)])
    thread, bold = (_THREAD, 0.8) if kind == "jeans" else (None, 0.32)
    pocket = [(f.waist_x - 0.14, 3.02), (f.hip_x - 0.08, 3.26), (f.hip_x + 0.06, 3.5)]
    pocket_seams = [_seam(pocket, 0.020, 0.5)]
    if thread:
        pocket_seams.append(_seam([(x, y + 0.035) for x, y in pocket], 0.010, bold, thread))
    details = (
        _seam([(0.0, 2.95), (0.01, 3.9), (0.0, 4.3)], 0.014, 0.45),
        _seam([(0.12, 3.0), (0.13, 3.65), (0.02, 3.95)], 0.011, bold, thread),
        *_buttons(0.0, np.array([_WAIST_Y + 0.06]), fabric.rgb, 0.035),
        *both_sides(*pocket_seams),
    )
    folds = []
    for s in (-1, 1):
        for _ in range(3):  # drawn from the crotch toward the hips
            start = np.array([0.06 * s, rng.uniform(3.95, 4.2)])
            way = np.array([rng.uniform(0.25, 0.45) * s, rng.uniform(-0.3, 0.05)])
            folds.append(_random_fold(start, way, 0.08, rng))
    return Part(
        mirrored([(0.0, _WAIST_Y + 0.06)], side, crotch),
        fabric,
        roundness=0.7,
        flatness=2.4,
        folds=tuple(folds),
        drape=0.008,
        details=details,
        fade_y=(3.75, 4.25),
        shadow=0.0,
    )
