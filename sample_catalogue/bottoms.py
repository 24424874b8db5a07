"""Trousers, jeans, shorts and skirts of the drawn sample catalogue."""

from __future__ import annotations

import numpy as np

from chromiq.sample_catalogue.cloth import Fabric
from chromiq.sample_catalogue.people import Figure
from chromiq.sample_catalogue.sewing import Clothes, button, cloth_tube, random_fold, seam
from chromiq.sample_catalogue.shapes import Detail, Fold, Part, mirrored, smooth

_WAIST_Y = 2.86
_THREAD = (196, 140, 70)


def bottom(kind: str, figure: Figure, fabric: Fabric, rng: np.random.Generator) -> Clothes:
    """A garment for the lower body.

    Args:
        kind: ``"trousers"``, ``"jeans"``, ``"shorts"`` or ``"skirt"``.
        figure: for whom it is cut.
        fabric: the cloth.
        rng: for the fall of the folds.
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
