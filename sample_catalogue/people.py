"""The models of the drawn sample catalogue: pose, skin, face, hair, hands, shoes.

All lengths are in heads, y from the top of the head (0) over the chin (1) to the soles (about 7.8);
x is 0 in the middle of the body. ``side`` is +1 for what lies to the right on the picture, -1 to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chromiq.sample_catalogue.shapes import (
    Detail,
    Fabric,
    Part,
    Points,
    Rgb,
    darker,
    ellipse,
    mirrored,
    smooth,
    tube,
)

ArmPose = Literal["hang", "pocket", "hip", "front", "flat"]
HairStyle = Literal["short", "bob", "long", "bun", "afro", "buzz"]


@dataclass(frozen=True)
class Figure:
    """A body and how it stands.

    Attributes:
        joint_x: shoulder joint's distance from the middle.
        waist_x: half width of the waist.
        hip_x: half width of the hips.
        arms: pose of the left and right arm on the picture.
        sway: how far the hips are pushed to the right.
        turn: how far the body is turned: the middle of the chest moves that far to the right.
        tilt: how far the shoulders drop to the right, per head.
        stride: how far the feet stand apart.
    """

    joint_x: float = 0.80
    waist_x: float = 0.66
    hip_x: float = 0.70
    arms: tuple[ArmPose, ArmPose] = ("hang", "hang")
    sway: float = 0.0
    turn: float = 0.0
    tilt: float = 0.0
    stride: float = 0.05

    def pose(self, points: Points) -> Points:
        """Points of the upright, frontal body, moved to where this stance has them."""
        x, y = np.asarray(points, np.float64).T
        hips = np.exp(-(((y - 4.0) / 1.6) ** 2))
        chest = np.exp(-(((y - 2.6) / 1.8) ** 2)) * np.clip(1 - (x / 0.9) ** 2, 0, 1)
        shoulders = np.clip((3.2 - y) / 1.6, 0, 1) * np.clip((y - 0.9) / 0.5, 0, 1)
        return np.stack([x + self.sway * hips + self.turn * chest, y + self.tilt * x * shoulders], axis=-1)

    def posed(self, part: Part) -> Part:
        """A part drawn for the upright body, in this stance."""
        return replace(
            part,
            outline=self.pose(part.outline),
            spine=None if part.spine is None else self.pose(part.spine),
            folds=tuple(replace(fold, points=self.pose(fold.points)) for fold in part.folds),
            details=tuple(replace(detail, points=self.pose(detail.points)) for detail in part.details),
        )

    def arm(self, side: int) -> Points:
        """Shoulder, elbow and wrist, shape ``(3, 2)``."""
        j = self.joint_x
        shoulder_y = 1.77 if j > 0.75 else 1.725  # slimmer arms hang from the same shoulder line
        elbow, wrist = {
            "hang": ((j + 0.16, 2.95), (j + 0.17, 4.05)),
            "pocket": ((j + 0.40, 2.90), (self.hip_x + 0.10, 3.78)),
            "hip": ((j + 0.68, 2.80), (self.waist_x + 0.30, 3.22)),
            "front": ((j + 0.22, 2.92), (0.34, 3.02)),
            "flat": ((j + 0.26, 2.90), (j + 0.42, 4.02)),
        }[self.arms[side > 0]]
        return np.array([(j - 0.03, shoulder_y), elbow, wrist]) * (side, 1)

    def arm_line(self, side: int, start: float = 0.0, end: float = 1.0) -> Points:
        """The arm's centre line from `start` to `end`: 0 is the shoulder, 0.5 the elbow, 1 the wrist."""
        shoulder, elbow, wrist = self.arm(side)
        # Two knots about the elbow keep the arm from bending like a hose.
        knots = [shoulder, 0.2 * shoulder + 0.8 * elbow, 0.8 * elbow + 0.2 * wrist, wrist]
        line = smooth(np.array(knots), steps=14)
        first, last = round(start * (len(line) - 1)), round(end * (len(line) - 1))
        return line[first : last + 1]

    def leg_line(self, side: int, end: float = 1.0) -> Points:
        """The leg's centre line: 0 is the hip, 1 the ankle."""
        s = self.stride
        line = smooth([(0.33, 3.45), (0.35 + s / 2, 5.55), (0.33 + s, 7.42)], steps=20) * (side, 1)
        return line[: round(end * (len(line) - 1)) + 1]


@dataclass(frozen=True)
class Model:
    """Who wears the garment."""

    skin: Rgb
    hair: Rgb
    hair_style: HairStyle
    woman: bool


@dataclass(frozen=True)
class Person:
    """A model in a stance."""

    figure: Figure
    model: Model

    @property
    def skin_fabric(self) -> Fabric:
        """Skin as a material."""
        return Fabric(self.model.skin, weave="skin", shine=0.02)

    @property
    def hair_fabric(self) -> Fabric:
        """Hair as a material."""
        return Fabric(self.model.hair, weave="hair", shine=0.03)


def body_parts(person: Person) -> list[Part]:
    """Legs, trunk and neck."""
    f, skin = person.figure, person.skin_fabric
    radii = (0.32, 0.34, 0.30, 0.235, 0.20, 0.215, 0.17, 0.12)
    legs = [_tube_part(f.leg_line(side), radii, skin) for side in (-1, 1)]
    trunk = mirrored(
        smooth(
            [
                (0.0, 1.1),
                (0.20, 1.12),
                (0.25, 1.36),
                (f.joint_x - 0.06, 1.55),
                (f.joint_x - 0.02, 1.80),
                (f.joint_x - 0.10, 2.15),
                (f.waist_x, 2.85),
                (f.hip_x, 3.75),
                (0.0, 4.15),
            ]
        )
    )
    collarbones = tuple(
        Detail(smooth([(0.10 * s, 1.52), (0.35 * s, 1.47), (0.62 * s, 1.50)]), None, 0.03, 0.16, 0.02)
        for s in (-1, 1)
    )
    return [*legs, Part(trunk, skin, details=collarbones, flatness=2.5, shadow=0.2)]


def neck_part(person: Person) -> Part:
    """The neck, with the chin's shadow on it."""
    broad = 0.235 if person.figure.joint_x > 0.75 else 0.195
    outline = mirrored(smooth([(0.0, 0.6), (broad, 0.7), (broad, 1.1), (broad + 0.09, 1.36), (0.0, 1.62)]))
    shade = Detail(ellipse(0.0, 0.98, 0.36, 0.20), None, 0.0, 0.38, 0.05)
    return Part(outline, person.skin_fabric, details=(shade,), flatness=1.5, shadow=0.0)


def arm_part(person: Person, side: int, *, forearm_only: bool = False) -> Part:
    """The bare arm from the shoulder or from the elbow to the wrist."""
    line = person.figure.arm_line(side, 0.5 if forearm_only else 0.0)
    thick = 1.0 if person.figure.joint_x > 0.75 else 0.84
    radii = tuple(thick * r for r in (0.22, 0.215, 0.19, 0.165, 0.16, 0.155, 0.13, 0.10))
    if forearm_only:
        radii = radii[4:]
    return replace(_tube_part(line, radii, person.skin_fabric), outline=tube(line, radii, round_start=True))


def hand_parts(person: Person, side: int) -> list[Part]:
    """A relaxed hand at the end of the arm."""
    wrist, before = person.figure.arm_line(side)[[-1, -6]]
    forward = (wrist - before) / np.linalg.norm(wrist - before)
    if person.figure.arms[side > 0] == "hip":
        forward = np.array([-0.75 * side, 0.66])
    inward = np.array([-forward[1], forward[0]]) * (1 if side > 0 else -1)

    def at(along: float, across: float) -> tuple[float, float]:
        x, y = wrist + forward * along + inward * across
        return float(x), float(y)

    skin = person.skin_fabric
    thumb = _tube_part(smooth([at(0.06, 0.05), at(0.22, 0.14), at(0.36, 0.13)]), (0.055, 0.05, 0.03), skin)
    palm = _tube_part(
        smooth([at(-0.08, 0), at(0.08, 0), at(0.24, 0), at(0.38, 0.0)]), (0.09, 0.11, 0.135, 0.13, 0.07), skin
    )
    fingers = [
        _tube_part(
            smooth([at(0.28, a), at(0.28 + 0.5 * n, a * 1.05 + 0.02), at(0.28 + n, a * 0.9 + 0.05)]),
            (0.040, 0.040, 0.036, 0.024),
            skin,
        )
        for a, n in ((-0.09, 0.27), (-0.032, 0.33), (0.03, 0.35), (0.085, 0.30))
    ]
    return [thumb, *[replace(finger, shadow=0.15) for finger in fingers], replace(palm, shadow=0.0)]


def shoe_parts(person: Person, fabric: Fabric) -> list[Part]:
    """A pair of shoes, toes turned a little outward."""
    parts = []
    for side in (-1, 1):
        x = (0.33 + person.figure.stride) * side
        outline = smooth(
            [
                (-0.13, 7.36),
                (0.13, 7.36),
                (0.19, 7.62),
                (0.25, 7.80),
                (0.13, 7.90),
                (-0.08, 7.89),
                (-0.16, 7.72),
            ],
            closed=True,
        ) * (side, 1) + (x, 0)
        sole = Detail(
            smooth([(-0.14, 7.82), (0.06, 7.86), (0.24, 7.81)]) * (side, 1) + (x, 0), None, 0.02, 0.5
        )
        lace = [
            Detail(np.array([(x - 0.06, y), (x + 0.08, y + 0.01)]), darker(fabric.rgb, 0.5), 0.015, 0.7)
            for y in (7.5, 7.56, 7.62)
        ]
        parts.append(Part(outline, fabric, details=(sole, *lace), flatness=1.5))
    return parts


def _tube_part(line: Points, radii: tuple[float, ...], fabric: Fabric) -> Part:
    return Part(tube(line, radii), fabric, spine=line, radii=radii, roundness=0.8, flatness=1.4, shadow=0.25)


# ---------------------------------------------------------------- faces and hair

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
    skin = person.model.skin
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
            Detail(
                _curve([(0.065, 0.455), (0.16, 0.42), (0.265, 0.45)], s), person.model.hair, 0.025, 0.8, 0.004
            ),
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
    if person.model.hair_style not in _HAIR_BEHIND:
        return []
    outline = mirrored(smooth(_HAIR_BEHIND[person.model.hair_style]))
    return [Part(outline, person.hair_fabric, roundness=0.6, shadow=0.0)]


def hair_before(person: Person) -> list[Part]:
    """Hair around the face; long hair falls over one shoulder, in front of what is worn."""
    fabric, style = person.hair_fabric, person.model.hair_style
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
