"""Heads of the drawn sample catalogue: faces and hair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chromiq.sample_catalogue.people import Person
from chromiq.sample_catalogue.shapes import Detail, Part, Points, darker, ellipse, mirrored, smooth

_COMB = (-0.06, -0.03, 0.0, 0.03, 0.06, 0.09)


def face_parts(person: Person) -> list[Part]:
    """Ears and face."""
    skin = person.skin
    slim = 0.0 if person.figure.joint_x > 0.75 else 0.015
    outline = mirrored(
        smooth(
            [
                (0.0, 0.04),
                (0.24, 0.10),
                (0.355 - slim, 0.32),
                (0.350 - slim, 0.58),
                (0.315 - 2 * slim, 0.80),
                (0.195 - 2 * slim, 0.965),
                (0.0, 1.02),
            ]
        )
    )
    ears = [Part(ellipse(0.36 * s, 0.58, 0.055, 0.11), person.skin_fabric, shadow=0.0) for s in (-1, 1)]
    red = 0.58 if slim else 0.74
    lip = (int(skin[0] * 0.82), int(skin[1] * red), int(skin[2] * red))
    # In the shadow of the lids the white of an eye is hardly lighter than fair skin.
    eye_white = darker((250, 244, 238), 0.62 + 0.26 * skin[1] / 200)
    details: list[Detail] = []
    for s in (-1, 1):
        eye = smooth([(0.075, 0.535), (0.15, 0.497), (0.235, 0.525), (0.16, 0.562)], closed=True) * (s, 1)
        details += [
            Detail(ellipse(0.155 * s, 0.50, 0.11, 0.055), None, 0.0, 0.20, 0.025),
            Detail(eye, eye_white, opacity=1.0),
            Detail(ellipse(0.155 * s, 0.528, 0.036, 0.036), (70, 50, 38), opacity=1.0),
            Detail(ellipse(0.155 * s, 0.528, 0.016, 0.016), (12, 10, 10), opacity=1.0),
            Detail(ellipse(0.145 * s - 0.008, 0.517, 0.008, 0.008), (240, 240, 240), opacity=0.7),
            Detail(_arc([(0.07, 0.535), (0.15, 0.493), (0.245, 0.522)], s), (25, 18, 16), 0.016, 0.9),
            Detail(_arc([(0.09, 0.548), (0.16, 0.566), (0.23, 0.53)], s), None, 0.008, 0.35),
            Detail(_brow(s, thick=not slim), darker(person.hair, 0.8), 0.0, 0.8, 0.004),
            Detail(ellipse(0.22 * s, 0.70, 0.10, 0.08), (205, 90, 80), 0.0, 0.08, 0.04),
            Detail(ellipse(0.038 * s, 0.705, 0.017, 0.010), None, 0.0, 0.5, 0.004),
            Detail(_arc([(0.055, 0.66), (0.073, 0.695), (0.05, 0.715)], s), None, 0.012, 0.3, 0.006),
        ]
    details += [
        Detail(smooth([(0.045, 0.47), (0.03, 0.58), (0.05, 0.66)]), None, 0.03, 0.18, 0.015),
        Detail(smooth([(-0.008, 0.48), (-0.008, 0.64)]), _lighter(skin), 0.024, 0.45, 0.012),
        Detail(ellipse(0.0, 0.735, 0.07, 0.014), None, 0.0, 0.25, 0.012),
        Detail(_mouth(upper=True), lip, 0.0, 0.95, 0.003),
        Detail(_mouth(upper=False), darker(lip, 1.12), 0.0, 0.95, 0.003),
        Detail(
            smooth([(-0.118, 0.812), (-0.03, 0.818), (0.03, 0.818), (0.118, 0.812)]),
            darker(lip, 0.45),
            0.009,
            0.8,
        ),
        Detail(ellipse(0.0, 0.885, 0.075, 0.012), None, 0.0, 0.22, 0.012),
    ]
    return [
        *ears,
        Part(outline, person.skin_fabric, details=tuple(details), flatness=2.2, roundness=0.7, shadow=0.1),
    ]


def hair_behind(person: Person) -> list[Part]:
    """Hair that hangs behind the neck and the shoulders."""
    shapes: dict[str, Points] = {
        "bob": smooth([(0, -0.09), (0.34, 0.02), (0.47, 0.45), (0.46, 0.95), (0.36, 1.16), (0, 1.12)]),
        "long": smooth([(0, -0.09), (0.35, 0.02), (0.48, 0.5), (0.52, 1.1), (0.56, 1.7), (0, 1.8)]),
        "afro": smooth([(0, -0.26), (0.42, -0.14), (0.62, 0.22), (0.56, 0.66), (0.38, 0.88), (0, 0.9)]),
    }
    if person.hair_style not in shapes:
        return []
    return [Part(mirrored(shapes[person.hair_style]), person.hair_fabric, roundness=0.6, shadow=0.0)]


def hair_before(person: Person) -> list[Part]:
    """Hair around the face; long hair falls over one shoulder, in front of what is worn."""
    fabric, style = person.hair_fabric, person.hair_style
    if style == "buzz":
        cap = mirrored(
            np.vstack(
                [
                    smooth([(0, 0.0), (0.25, 0.05), (0.37, 0.30), (0.365, 0.52)]),
                    smooth([(0.335, 0.52), (0.31, 0.30), (0.2, 0.215), (0, 0.20)]),
                ]
            )
        )
        return [Part(cap, fabric, roundness=0.6, shadow=0.1)]
    if style == "short":
        crown = [(-0.365, 0.52), (-0.40, 0.30), (-0.35, 0.04), (-0.14, -0.12), (0.14, -0.13), (0.36, 0.02)]
        outline = np.vstack(
            [
                smooth([*crown, (0.405, 0.28), (0.365, 0.52)]),
                smooth([(0.335, 0.50), (0.325, 0.34), (0.27, 0.22), (0.06, 0.20), (-0.14, 0.13)]),
                smooth([(-0.17, 0.12), (-0.25, 0.20), (-0.32, 0.34), (-0.335, 0.50)]),
            ]
        )
        combed = [[(-0.16, 0.10), (-0.05, 0.02 - d), (0.16, -0.02 - d), (0.37, 0.20 - d)] for d in _COMB]
        return [_strands(outline, person, combed)]
    if style == "afro":
        cap = mirrored(
            np.vstack(
                [
                    smooth([(0, -0.2), (0.36, -0.06), (0.46, 0.3), (0.40, 0.62)]),
                    smooth([(0.345, 0.58), (0.30, 0.30), (0.16, 0.20), (0, 0.19)]),
                ]
            )
        )
        return [Part(cap, fabric, roundness=0.5, shadow=0.1)]
    if style == "bun":
        cap = mirrored(
            np.vstack(
                [
                    smooth([(0, -0.06), (0.28, 0.0), (0.39, 0.28), (0.365, 0.54)]),
                    smooth([(0.345, 0.48), (0.27, 0.28), (0.12, 0.19), (0, 0.18)]),
                ]
            )
        )
        knot = Part(ellipse(0.02, -0.15, 0.19, 0.16), fabric, shadow=0.2)
        roots = np.linspace(-0.3, 0.3, 7)
        drawn_back = [[(x, 0.22 + x * x), (x * 0.7, 0.05), (x * 0.2, -0.06)] for x in roots]
        return [knot, _strands(cap, person, drawn_back)]
    end = 1.12 if style == "bob" else 1.0
    parts = []
    for s in (-1, 1):
        inner = smooth([(-0.07 * s, 0.12), (0.20, 0.24), (0.33, 0.46), (0.345, 0.72), (0.30, end)])
        outer = smooth([(0.40, end), (0.475, 0.80), (0.455, 0.36), (0.32, 0.0), (-0.07 * s, -0.10)])
        falling = [
            [(0.02 * s, 0.02), ((0.28 + d) * s, 0.12), ((0.38 + d) * s, 0.45), ((0.38 + d) * s, end)]
            for d in (-0.05, -0.02, 0.02, 0.05)
        ]
        parts.append(_strands(np.vstack([inner, outer]) * (s, 1), person, falling))
    if style == "long":
        lock = np.vstack(
            [
                smooth([(0.36, 0.72), (0.47, 0.9), (0.55, 1.3), (0.53, 1.75), (0.42, 2.12)]),
                smooth([(0.34, 2.05), (0.30, 1.7), (0.33, 1.3), (0.30, 1.0), (0.33, 0.72)]),
            ]
        )
        waves = [[(-0.37 + d, 0.75), (-0.43 + d, 1.3), (-0.39 + d, 2.05)] for d in (-0.07, -0.03, 0.02, 0.06)]
        parts.insert(0, _strands(lock * (-1, 1), person, waves))
    return parts


def _strands(outline: Points, person: Person, lines: Sequence[Sequence[tuple[float, float]]]) -> Part:
    """A mass of hair with strands, in turn darker and lighter, along `lines`."""
    shades = (darker(person.hair, 0.55), _lighter(person.hair))
    strands = tuple(
        Detail(smooth(np.array(line)), shades[index % 2], 0.016, 0.30, 0.008)
        for index, line in enumerate(lines)
    )
    return Part(outline, person.hair_fabric, details=strands, roundness=0.5, shadow=0.25)


def _lighter(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    r, g, b = (int(value + 0.22 * (255 - value)) for value in rgb)
    return r, g, b


def _arc(points: list[tuple[float, float]], side: int) -> Points:
    return smooth(points) * (side, 1)


def _brow(side: int, *, thick: bool) -> Points:
    drop = 0.012 if thick else 0.0
    over = smooth([(0.065, 0.445), (0.16, 0.410), (0.265, 0.440)])
    under = smooth([(0.265, 0.445 + drop / 2), (0.16, 0.430 + drop), (0.068, 0.466 + drop)])
    return np.vstack([over, under]) * (side, 1)


def _mouth(*, upper: bool) -> Points:
    if upper:
        top = smooth([(-0.12, 0.812), (-0.045, 0.785), (0.0, 0.794), (0.045, 0.785), (0.12, 0.812)])
        return np.vstack([top, smooth([(0.12, 0.814), (0.0, 0.822), (-0.12, 0.814)])])
    low = smooth([(-0.115, 0.814), (-0.05, 0.848), (0.05, 0.848), (0.115, 0.814)])
    return np.vstack([low, smooth([(0.115, 0.814), (0.0, 0.82), (-0.115, 0.814)])])
