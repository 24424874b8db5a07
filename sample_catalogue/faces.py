"""Heads of the drawn sample catalogue: faces and hair."""

from __future__ import annotations

import numpy as np

from chromiq.sample_catalogue.people import Person
from chromiq.sample_catalogue.shapes import Detail, Part, Points, darker, ellipse, mirrored, smooth

_Knots = list[tuple[float, float]]
# The right half of the outline, from the middle above to the middle below.
_HAIR_BEHIND: dict[str, _Knots] = {
    "bob": [(0, -0.09), (0.34, 0.02), (0.47, 0.45), (0.46, 0.95), (0.36, 1.16), (0, 1.12)],
    "long": [(0, -0.09), (0.35, 0.02), (0.48, 0.5), (0.52, 1.1), (0.56, 1.7), (0, 1.8)],
    "afro": [(0, -0.26), (0.42, -0.14), (0.62, 0.22), (0.56, 0.66), (0.38, 0.88), (0, 0.9)],
}
# Its outer edge downwards, then its inner edge, around the face, upwards.
_HAIR_BEFORE: dict[str, tuple[_Knots, _Knots]] = {
    "buzz": (
        [(0, 0.0), (0.25, 0.05), (0.37, 0.30), (0.365, 0.52)],
        [(0.335, 0.52), (0.31, 0.30), (0.2, 0.215), (0, 0.20)],
    ),
    "short": (
        [(0, -0.13), (0.26, -0.08), (0.40, 0.28), (0.365, 0.52)],
        [(0.335, 0.50), (0.325, 0.34), (0.2, 0.19), (0, 0.18)],
    ),
    "afro": (
        [(0, -0.2), (0.36, -0.06), (0.46, 0.3), (0.40, 0.62)],
        [(0.345, 0.58), (0.30, 0.30), (0.16, 0.20), (0, 0.19)],
    ),
    "bob": (
        [(0, -0.10), (0.32, 0.0), (0.455, 0.36), (0.475, 0.80), (0.40, 1.12)],
        [(0.30, 1.12), (0.345, 0.72), (0.33, 0.46), (0.20, 0.24), (0, 0.14)],
    ),
}
_LOCK = (
    [(0.36, 0.72), (0.47, 0.9), (0.55, 1.3), (0.53, 1.75), (0.42, 2.12)],
    [(0.34, 2.05), (0.30, 1.7), (0.33, 1.3), (0.30, 1.0), (0.33, 0.72)],
)


def face_parts(person: Person) -> list[Part]:
    """Ears and face."""
    skin = person.skin
    face = mirrored(
        smooth([(0, 0.04), (0.24, 0.10), (0.35, 0.32), (0.34, 0.58), (0.29, 0.80), (0.18, 0.96), (0, 1.02)])
    )
    ears = [Part(ellipse(0.36 * s, 0.58, 0.055, 0.11), person.skin_fabric, shadow=0.0) for s in (-1, 1)]
    lip = (int(skin[0] * 0.82), int(skin[1] * 0.64), int(skin[2] * 0.64))
    details = [Detail(ellipse(0.0, 0.72, 0.06, 0.02), None, 0.0, 0.25, 0.012)]
    for s in (-1, 1):
        details += [
            Detail(ellipse(0.155 * s, 0.50, 0.11, 0.055), None, 0.0, 0.20, 0.025),
            Detail(ellipse(0.155 * s, 0.530, 0.075, 0.030), (225, 220, 214), opacity=1.0),
            Detail(ellipse(0.155 * s, 0.528, 0.032, 0.032), (45, 32, 26), opacity=1.0),
            Detail(_curve([(0.065, 0.455), (0.16, 0.42), (0.265, 0.45)], s), person.hair, 0.025, 0.8, 0.004),
            Detail(_curve([(0.055, 0.66), (0.073, 0.695), (0.05, 0.715)], s), None, 0.012, 0.3, 0.006),
        ]
    details += [
        Detail(ellipse(0.0, 0.815, 0.115, 0.032), lip, 0.0, 0.95, 0.003),
        Detail(_curve([(-0.115, 0.812), (0.0, 0.82), (0.115, 0.812)], 1), darker(lip, 0.45), 0.009, 0.8),
    ]
    return [
        *ears,
        Part(face, person.skin_fabric, details=tuple(details), flatness=2.2, roundness=0.7, shadow=0.1),
    ]


def hair_behind(person: Person) -> list[Part]:
    """Hair that hangs behind the neck and the shoulders."""
    if person.hair_style not in _HAIR_BEHIND:
        return []
    outline = mirrored(smooth(_HAIR_BEHIND[person.hair_style]))
    return [Part(outline, person.hair_fabric, roundness=0.6, shadow=0.0)]


def hair_before(person: Person) -> list[Part]:
    """Hair around the face; long hair falls over one shoulder, in front of what is worn."""
    fabric, style = person.hair_fabric, person.hair_style
    if style == "bun":
        return [Part(ellipse(0.02, -0.15, 0.19, 0.16), fabric, shadow=0.2), _cap(person, "short")]
    if style == "long":
        lock = np.vstack([smooth(edge) for edge in _LOCK]) * (-1, 1)
        return [Part(lock, fabric, roundness=0.5, shadow=0.25), _cap(person, "bob")]
    return [_cap(person, style)]


def _cap(person: Person, style: str) -> Part:
    outline = mirrored(np.vstack([smooth(edge) for edge in _HAIR_BEFORE[style]]))
    return Part(outline, person.hair_fabric, roundness=0.6, shadow=0.15)


def _curve(points: _Knots, side: int) -> Points:
    return smooth(points) * (side, 1)
