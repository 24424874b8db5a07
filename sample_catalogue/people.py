"""The models of the drawn sample catalogue: pose, skin, face, hair, hands, shoes.

All lengths are in heads, y from the top of the head (0) over the chin (1) to the soles (about 7.8);
x is 0 in the middle of the body. ``side`` is +1 for what lies to the right on the picture, -1 to the left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chromiq.sample_catalogue.canvas import Detail, Part, both_sides, mirrored_pair
from chromiq.sample_catalogue.fabrics import Fabric, Rgb, darker
from chromiq.sample_catalogue.outlines import Knots, Points, ellipse, mirrored, smooth, tube

ArmPose = Literal["hang", "pocket", "hip", "front", "flat"]
HairStyle = Literal["short", "bob", "long", "bun", "afro", "buzz"]


@dataclass(frozen=True)
class Model:
    """Who wears the garment."""

    skin: Rgb
    hair: Rgb
    hair_style: HairStyle
    woman: bool

    @property
    def skin_fabric(self) -> Fabric:
        """Skin as a material."""
        return Fabric(self.skin, weave="skin", shine=0.02)

    @property
    def hair_fabric(self) -> Fabric:
        """Hair as a material."""
        return Fabric(self.hair, weave="hair", shine=0.03)


@dataclass(frozen=True)
class Figure:
    """A body and how it stands.

    Attributes:
        model: whose body it is.
        arms: pose of the left and right arm on the picture.
        joint_x: shoulder joint's distance from the middle.
        waist_x: half width of the waist.
        hip_x: half width of the hips.
        sway: how far the hips are pushed to the right.
        turn: how far the body is turned: the middle of the chest moves that far to the right.
        tilt: how far the shoulders drop to the right, per head.
        stride: how far the feet stand apart.
    """

    model: Model
    arms: tuple[ArmPose, ArmPose]
    joint_x: float
    waist_x: float
    hip_x: float
    sway: float
    turn: float
    tilt: float
    stride: float

    def pose(self, points: Points) -> Points:
        """Points of the upright, frontal body, moved to where this stance has them."""
        x, y = points.T
        hips = np.exp(-(((y - 4.0) / 1.6) ** 2))
        chest = np.exp(-(((y - 2.6) / 1.8) ** 2)) * np.clip(1 - (x / 0.9) ** 2, 0, 1)
        shoulders = np.clip((3.2 - y) / 1.6, 0, 1) * np.clip((y - 0.9) / 0.5, 0, 1)
        return np.stack([x + self.sway * hips + self.turn * chest, y + self.tilt * x * shoulders], axis=-1)

    def arm_line(self, side: int, start: float = 0.0, end: float = 1.0) -> Points:
        """The arm's centre line from `start` to `end`: 0 is the shoulder, 0.5 the elbow, 1 the wrist."""
        j = self.joint_x
        elbow, wrist = {
            "hang": ((j + 0.16, 2.95), (j + 0.17, 4.05)),
            "pocket": ((j + 0.40, 2.90), (self.hip_x + 0.10, 3.78)),
            "hip": ((j + 0.68, 2.80), (self.waist_x + 0.30, 3.22)),
            "front": ((j + 0.22, 2.92), (0.34, 3.02)),
            "flat": ((j + 0.26, 2.90), (j + 0.42, 4.02)),
        }[self.arms[side > 0]]
        # Slimmer arms hang from the same shoulder line.
        shoulder = (j - 0.03, 1.725 if self.model.woman else 1.77)
        shoulder, elbow, wrist = np.array([shoulder, elbow, wrist]) * (side, 1)
        # Two knots about the elbow keep the arm from bending like a hose.
        knots = np.array([shoulder, 0.2 * shoulder + 0.8 * elbow, 0.8 * elbow + 0.2 * wrist, wrist])
        line = smooth(knots, steps=14)
        return line[round(start * (len(line) - 1)) : round(end * (len(line) - 1)) + 1]

    def leg_line(self, side: int, end: float = 1.0) -> Points:
        """The leg's centre line: 0 is the hip, 1 the ankle."""
        s = self.stride
        line = smooth([(0.33, 3.45), (0.35 + s / 2, 5.55), (0.33 + s, 7.42)], steps=20) * (side, 1)
        return line[: round(end * (len(line) - 1)) + 1]


def body_parts(f: Figure) -> list[Part]:
    """Legs and trunk."""
    skin = f.model.skin_fabric
    radii = (0.32, 0.34, 0.30, 0.235, 0.20, 0.215, 0.17, 0.12)
    legs = [_limb(f.leg_line(side), radii, skin) for side in (-1, 1)]
    j = f.joint_x
    shoulder: Knots = [(0.0, 1.1), (0.20, 1.12), (0.25, 1.36), (j - 0.06, 1.55), (j - 0.02, 1.80)]
    trunk = smooth([*shoulder, (j - 0.10, 2.15), (f.waist_x, 2.85), (f.hip_x, 3.75), (0.0, 4.15)])
    collarbone = Detail(smooth([(0.10, 1.52), (0.35, 1.47), (0.62, 1.50)]), None, 0.03, 0.16, 0.02)
    details = tuple(both_sides(collarbone))
    return [*legs, Part(mirrored(trunk), skin, details=details, flatness=2.5, shadow=0.2)]


def neck_part(f: Figure) -> Part:
    """The neck, with the chin's shadow on it."""
    broad = 0.195 if f.model.woman else 0.235
    half = smooth([(0.0, 0.6), (broad, 0.7), (broad, 1.1), (broad + 0.09, 1.36), (0.0, 1.62)])
    shade = Detail(ellipse(0.0, 0.98, 0.36, 0.20), None, 0.0, 0.38, 0.05)
    return Part(mirrored(half), f.model.skin_fabric, details=(shade,), flatness=1.5, shadow=0.0)


def arm_part(f: Figure, side: int, *, forearm_only: bool = False) -> Part:
    """The bare arm from the shoulder or from the elbow to the wrist."""
    thick = 0.84 if f.model.woman else 1.0
    radii = tuple(thick * r for r in (0.22, 0.215, 0.19, 0.165, 0.16, 0.155, 0.13, 0.10))
    line = f.arm_line(side, 0.5 if forearm_only else 0.0)
    return _limb(line, radii[4:] if forearm_only else radii, f.model.skin_fabric, round_start=True)


def hand_parts(f: Figure, side: int) -> list[Part]:
    """A relaxed hand at the end of the arm."""
    wrist, before = f.arm_line(side)[[-1, -6]]
    forward = (wrist - before) / np.linalg.norm(wrist - before)
    if f.arms[side > 0] == "hip":
        forward = np.array([-0.75 * side, 0.66])
    inward = np.array([-forward[1], forward[0]]) * side

    def digit(*knots: tuple[float, float], radii: tuple[float, ...], shadow: float) -> Part:
        """A tube through knots: how far along the hand, and how far inward."""
        line = smooth(np.array([wrist + forward * along + inward * across for along, across in knots]))
        return replace(_limb(line, radii, f.model.skin_fabric), shadow=shadow)

    thumb = digit((0.06, 0.05), (0.22, 0.14), (0.36, 0.13), radii=(0.055, 0.05, 0.03), shadow=0.25)
    finger_radii = (0.040, 0.040, 0.036, 0.024)
    fingers = []
    for a, length in ((-0.09, 0.27), (-0.032, 0.33), (0.03, 0.35), (0.085, 0.30)):
        joint, tip = (0.28 + 0.5 * length, a * 1.05 + 0.02), (0.28 + length, a * 0.9 + 0.05)
        fingers.append(digit((0.28, a), joint, tip, radii=finger_radii, shadow=0.15))
    palm_radii = (0.09, 0.11, 0.135, 0.13, 0.07)
    palm = digit((-0.08, 0), (0.08, 0), (0.24, 0), (0.38, 0), radii=palm_radii, shadow=0.0)
    return [thumb, *fingers, palm]


def shoe_parts(f: Figure, fabric: Fabric) -> list[Part]:
    """A pair of shoes, toes turned a little outward."""
    toe: Knots = [(0.19, 7.62), (0.25, 7.80), (0.13, 7.90)]
    outline = smooth([(-0.13, 7.36), (0.13, 7.36), *toe, (-0.08, 7.89), (-0.16, 7.72)], closed=True)
    details = [Detail(smooth([(-0.14, 7.82), (0.06, 7.86), (0.24, 7.81)]), None, 0.02, 0.5)]
    for y in (7.5, 7.56, 7.62):
        lace = np.array([(-0.06, y), (0.08, y + 0.01)])
        details.append(Detail(lace, darker(fabric.rgb, 0.5), 0.015, 0.7))
    shoe = Part(outline, fabric, details=tuple(details), flatness=1.5)
    return mirrored_pair(shoe.moved(lambda points: points + np.array((0.33 + f.stride, 0))))


def _limb(line: Points, radii: tuple[float, ...], skin: Fabric, *, round_start: bool = False) -> Part:
    outline = tube(line, radii, round_start=round_start)
    return Part(outline, skin, spine=line, radii=radii, flatness=1.4, shadow=0.25)


# ---------------------------------------------------------------- faces and hair

# The right half of the hair that hangs behind, from the middle above to the middle below.
_HAIR_BEHIND: dict[str, Knots] = {
    "bob": [(0, -0.09), (0.34, 0.02), (0.47, 0.45), (0.46, 0.95), (0.36, 1.16), (0, 1.12)],
    "long": [(0, -0.09), (0.35, 0.02), (0.48, 0.5), (0.52, 1.1), (0.56, 1.7), (0, 1.8)],
    "afro": [(0, -0.26), (0.42, -0.14), (0.62, 0.22), (0.56, 0.66), (0.38, 0.88), (0, 0.9)],
}
# The right half of the hair around the face: its outer edge downwards, its inner edge upwards.
_OUTER_EDGE: dict[str, Knots] = {
    "buzz": [(0, 0.0), (0.25, 0.05), (0.37, 0.30), (0.365, 0.52)],
    "short": [(0, -0.13), (0.26, -0.08), (0.40, 0.28), (0.365, 0.52)],
    "afro": [(0, -0.2), (0.36, -0.06), (0.46, 0.3), (0.40, 0.62)],
    "bob": [(0, -0.10), (0.32, 0.0), (0.455, 0.36), (0.475, 0.80), (0.40, 1.12)],
}
_INNER_EDGE: dict[str, Knots] = {
    "buzz": [(0.335, 0.52), (0.31, 0.30), (0.2, 0.215), (0, 0.20)],
    "short": [(0.335, 0.50), (0.325, 0.34), (0.2, 0.19), (0, 0.18)],
    "afro": [(0.345, 0.58), (0.30, 0.30), (0.16, 0.20), (0, 0.19)],
    "bob": [(0.30, 1.12), (0.345, 0.72), (0.33, 0.46), (0.20, 0.24), (0, 0.14)],
}
_LOCK_OUTER: Knots = [(0.36, 0.72), (0.47, 0.9), (0.55, 1.3), (0.53, 1.75), (0.42, 2.12)]
_LOCK_INNER: Knots = [(0.34, 2.05), (0.30, 1.7), (0.33, 1.3), (0.30, 1.0), (0.33, 0.72)]
_FACE: Knots = [(0, 0.04), (0.24, 0.10), (0.35, 0.32), (0.34, 0.58), (0.29, 0.80), (0.18, 0.96), (0, 1.02)]


def face_parts(model: Model) -> list[Part]:
    """Ears and face."""
    r, g, b = model.skin
    lip = (int(r * 0.82), int(g * 0.64), int(b * 0.64))
    brow, nose = [(0.065, 0.455), (0.16, 0.42), (0.265, 0.45)], [(0.055, 0.66), (0.073, 0.695), (0.05, 0.715)]
    details = (
        Detail(ellipse(0.0, 0.72, 0.06, 0.02), None, 0.0, 0.25, 0.012),
        *both_sides(
            Detail(ellipse(0.155, 0.50, 0.11, 0.055), None, 0.0, 0.20, 0.025),
            Detail(ellipse(0.155, 0.530, 0.075, 0.030), (225, 220, 214), opacity=1.0),
            Detail(ellipse(0.155, 0.528, 0.032, 0.032), (45, 32, 26), opacity=1.0),
            Detail(smooth(brow), model.hair, 0.025, 0.8, 0.004),
            Detail(smooth(nose), None, 0.012, 0.3, 0.006),
        ),
        Detail(ellipse(0.0, 0.815, 0.115, 0.032), lip, 0.0, 0.95, 0.003),
        Detail(smooth([(-0.115, 0.812), (0.0, 0.82), (0.115, 0.812)]), darker(lip, 0.45), 0.009, 0.8),
    )
    skin = model.skin_fabric
    ears = [Part(ellipse(0.36 * s, 0.58, 0.055, 0.11), skin, shadow=0.0) for s in (-1, 1)]
    face = mirrored(smooth(_FACE))
    return [*ears, Part(face, skin, details=details, flatness=2.2, roundness=0.7, shadow=0.1)]


def hair_behind(model: Model) -> list[Part]:
    """Hair that hangs behind the neck and the shoulders."""
    if model.hair_style not in _HAIR_BEHIND:
        return []
    outline = mirrored(smooth(_HAIR_BEHIND[model.hair_style]))
    return [Part(outline, model.hair_fabric, roundness=0.6, shadow=0.0)]


def hair_before(model: Model) -> list[Part]:
    """Hair around the face; long hair falls over one shoulder, in front of what is worn."""
    fabric, style = model.hair_fabric, model.hair_style
    cap = {"bun": "short", "long": "bob"}.get(style, style)
    outline = mirrored(smooth(_OUTER_EDGE[cap]), smooth(_INNER_EDGE[cap]))
    parts = [Part(outline, fabric, roundness=0.6, shadow=0.15)]
    if style == "bun":
        parts.insert(0, Part(ellipse(0.02, -0.15, 0.19, 0.16), fabric, shadow=0.2))
    if style == "long":
        lock = np.vstack([smooth(_LOCK_OUTER), smooth(_LOCK_INNER)]) * (-1, 1)
        parts.insert(0, Part(lock, fabric, roundness=0.5, shadow=0.25))
    return parts
