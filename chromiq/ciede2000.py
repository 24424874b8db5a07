"""CIEDE2000 of planes of Lab, without an angle: as fast as square roots and products are.

Formula and test data: Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and
Application 30 (2005). Hue angles enter it only through sines and cosines and through one narrow bump
around 275 degrees, so unit vectors in the (a', b') plane stand for them. That spares two arc tangents
and seven trigonometric functions a pixel, and nothing wraps around at 360 degrees.

Every function takes numpy arrays or torch tensors; `xp` is the module they belong to.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

_POW25_7 = 25.0**7
# acos(1 - v)^2 = sum over n of 2 (2 v)^n / (n^2 binomial(2n, n)); nine terms do, as where more
# would be wanted the bump is over.
_ARC_SQUARED = tuple(2.0 ** (n + 1) / (n**2 * math.comb(2 * n, n)) for n in range(1, 10))
_BUMP_PER_RAD2 = -((math.degrees(1) / 25) ** 2)
# Far below what a byte of colour can show, far above the smallest float32.
_TINY = 1e-30


class Parts(NamedTuple):
    """CIEDE2000's three weighted differences, signed, second minus first, and how two of them interact.

    dE00 squared is ``lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue``. All of one shape.
    """

    lightness: Any
    chroma: Any
    hue: Any
    rotation: Any


def delta_e(parts: Parts, xp: Any = np) -> Any:
    """dE00 of the parts."""
    lightness, chroma, hue, rotation = parts
    return xp.sqrt(lightness * lightness + chroma * chroma + hue * hue + rotation * chroma * hue)


def parts(first: Any, second: Any, xp: Any = np, *, turn: Any = None) -> Parts:
    """The parts of CIEDE2000 between two colours.

    Args:
        first: three arrays of one shape: L*, a*, b*, float32 or float64.
        second: the same.
        xp: ``numpy`` or ``torch``.
        turn: as `hue_turn` gives it, if it was computed of more precise colours.

    >>> sharma_1 = parts(np.array([50.0, 2.6772, -79.7751]), np.array([50.0, 0.0, -82.7485]))
    >>> round(float(delta_e(sharma_1)), 4)
    2.0425
    """
    lightness_1, a_1, b_1 = first
    lightness_2, a_2, b_2 = second
    if turn is None:
        turn = hue_turn(first, second, xp)
    mean = 0.5 * (xp.sqrt(a_1 * a_1 + b_1 * b_1) + xp.sqrt(a_2 * a_2 + b_2 * b_2))
    stretch = 1.5 - 0.5 * _saturation(mean, xp)
    a_1, a_2 = a_1 * stretch, a_2 * stretch
    chroma_1 = xp.sqrt(a_1 * a_1 + b_1 * b_1)
    chroma_2 = xp.sqrt(a_2 * a_2 + b_2 * b_2)
    # A grey has no hue: its unit vector is zero.
    scale = 1 / (chroma_1 + _TINY)
    x_1, y_1 = a_1 * scale, b_1 * scale
    scale = 1 / (chroma_2 + _TINY)
    x_2, y_2 = a_2 * scale, b_2 * scale
    across_x, across_y = x_2 - x_1, y_2 - y_1
    # The chord between the unit vectors is twice the sine of half the angle between the hues.
    hue = turn * xp.sqrt(chroma_1 * chroma_2 * (across_x * across_x + across_y * across_y))
    # Two vectors that point to the mean hue; their sum is long whether the hues agree or oppose.
    cos = x_1 + x_2 + turn * across_y
    sin = y_1 + y_2 - turn * across_x
    scale = 1 / xp.sqrt(cos * cos + sin * sin + _TINY)
    cos *= scale
    sin *= scale

    mean = 0.5 * (chroma_1 + chroma_2)
    from_middle = 0.5 * (lightness_1 + lightness_2) - 50
    from_middle *= from_middle
    weight = 1 + 0.015 * from_middle / xp.sqrt(20 + from_middle)
    return Parts(
        lightness=(lightness_2 - lightness_1) / weight,
        chroma=(chroma_2 - chroma_1) / (1 + 0.045 * mean),
        hue=hue / (1 + 0.015 * mean * _hue_weight(cos, sin)),
        rotation=-2 * _saturation(mean, xp) * _rotation_sine(cos, sin, xp),
    )


def hue_turn(first: Any, second: Any, xp: Any = np) -> Any:
    """1 where the short way from the first hue to the second goes anticlockwise, -1 clockwise, 0 for none.

    CIEDE2000 jumps where two hues oppose each other, so there the last digit of a colour decides: this
    asks for float64, the rest does not.
    """
    _, a_1, b_1 = first
    _, a_2, b_2 = second
    cross = a_1 * b_2 - b_1 * a_2
    turn = xp.sign(cross)
    level = cross == 0
    if level.any():
        # Both ways between opposed hues are as short: the formula goes from the smaller of the angles
        # in 0..360 to the larger.
        one = xp.ones_like(turn)
        smaller_first = (b_1 > 0) | ((b_1 == 0) & (a_1 > 0))
        opposed = level & (a_1 * a_2 + b_1 * b_2 < 0)
        turn = xp.where(opposed, xp.where(smaller_first, one, -one), turn)
    return turn


def _saturation(chroma: Any, xp: Any) -> Any:
    """``sqrt(C^7 / (C^7 + 25^7))``."""
    power = chroma * chroma
    power = power * power * power * chroma
    return xp.sqrt(power / (power + _POW25_7))


def _hue_weight(cos: Any, sin: Any) -> Any:
    """The formula's T for the mean hue, its angles multiplied by the double-angle formulas."""
    cos_2, sin_2 = 2 * cos * cos - 1, 2 * sin * cos
    cos_3, sin_3 = cos * (2 * cos_2 - 1), sin * (2 * cos_2 + 1)
    cos_4, sin_4 = 2 * cos_2 * cos_2 - 1, 2 * sin_2 * cos_2
    return (
        1
        - 0.17 * _cos_of_sum(cos, sin, -30)
        + 0.24 * cos_2
        + 0.32 * _cos_of_sum(cos_3, sin_3, 6)
        - 0.20 * _cos_of_sum(cos_4, sin_4, -63)
    )


def _rotation_sine(cos: Any, sin: Any, xp: Any) -> Any:
    """``sin(60 degrees * exp(-((h - 275) / 25)^2))``."""
    v = 1 - _cos_of_sum(cos, sin, -275)
    arc = _ARC_SQUARED[-1] * v
    for factor in _ARC_SQUARED[-2::-1]:
        arc += factor
        arc *= v
    # The formula's bump ends at 360 degrees, it does not wrap to 0.
    return xp.sin(math.radians(60) * xp.exp(_BUMP_PER_RAD2 * arc)) * (sin < 0)


def _cos_of_sum(cos: Any, sin: Any, degrees: float) -> Any:
    angle = math.radians(degrees)
    return math.cos(angle) * cos - math.sin(angle) * sin
