"""Convert between sRGB and CIE Lab (D65, 2 degree observer), and compute CIEDE2000.

The matrix and white point are scikit-image's, and the results agree with it. OpenCV's float Lab conversion is
not used, as it is off by up to dE00 0.32; its table lookup, matrix product and power are exact and fast.

CIEDE2000: Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and Application
30 (2005). Hue angles appear only in sines and cosines and in one narrow bump around 275 degrees, so they are
represented by unit vectors in the (a', b') plane. This saves two arc tangents and seven trigonometric
functions per pixel, and nothing wraps around at 360 degrees.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.records import FloatImage, RgbImage

# Small enough for the intermediate arrays to stay in the processor's cache.
_STRIP_PIXELS = 16_384

# As in scikit-image.
_XYZ_FROM_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_RGB_FROM_XYZ = np.linalg.inv(_XYZ_FROM_RGB)
_WHITE_XYZ = np.array([0.95047, 1.0, 1.08883])
# ITU-R BT.2087-0, of linear light.
_REC2020_FROM_SRGB = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
_D65_KELVIN = 6504.0
# CIE 15: below this the cube root is replaced by a line.
_LINEAR_BELOW, _LINE_SLOPE, _LINE_START = 0.008856, 7.787, 16 / 116
_POW25_7 = 25.0**7
# acos(1 - v)^2 = sum over n of 2 (2 v)^n / (n^2 binomial(2n, n)). Nine terms suffice: the bump is zero where
# more would be needed.
_ARC_SQUARED = tuple(2.0 ** (n + 1) / (n**2 * math.comb(2 * n, n)) for n in range(1, 10))
_BUMP_PER_RAD2 = -((math.degrees(1) / 25) ** 2)
# Far below any visible difference, far above the smallest float32.
_TINY = 1e-30

Plane = NDArray[np.floating]
Planes = Sequence[Plane] | Plane  # L*, a* and b*, each an array


def _linear(encoded: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, _power((size + 0.055) / 1.055, 2.4))
    signed: NDArray[np.floating] = np.copysign(linear, encoded)
    return signed


def _power(values: NDArray[np.floating], exponent: float) -> NDArray[np.floating]:
    """A power of values >= 0, in their own precision; OpenCV's is four times as fast as numpy's."""
    if not values.size:
        return values
    raised: NDArray[np.floating] = cv2.pow(values.reshape(-1), exponent).reshape(values.shape)
    return raised


_LINEAR_OF_BYTE = _linear(np.arange(256) / 255)
_LAB_FROM_F = np.array([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float64)
_F_FROM_LAB = np.array(
    [[1 / 116, 1 / 500, 0, 16 / 116], [1 / 116, 0, 0, 16 / 116], [1 / 116, 0, -1 / 200, 16 / 116]]
)


def srgb_to_lab(rgb: RgbImage) -> FloatImage:
    """Convert sRGB to CIE Lab, as scikit-image's ``rgb2lab`` does.

    Args:
        rgb: shape ``(..., 3)``, uint8, sRGB.

    Returns:
        Shape ``(..., 3)``, float32: L 0..100, a and b about -128..127.

    >>> bool(np.allclose(srgb_to_lab(np.full((1, 1, 3), 255, np.uint8)), [100, 0, 0], atol=0.01))
    True
    """
    return linear_to_lab(_linear_of_bytes(rgb))


def rgb_to_lab(encoded: NDArray[np.floating]) -> FloatImage:
    """Convert gamma-encoded float sRGB ``(..., 3)``, 0..1 or beyond, to CIE Lab in float32.

    >>> bool(np.allclose(rgb_to_lab(np.array([1.0, 1.0, 1.0])), [100, 0, 0], atol=0.01))
    True
    """
    return linear_to_lab(_linear(np.asarray(encoded, np.float64)))


def linear_to_lab(linear: NDArray[np.floating]) -> FloatImage:
    """Convert linear sRGB ``(..., 3)``, 0..1 or beyond, to CIE Lab (D65) in float32.

    >>> bool(np.allclose(linear_to_lab(np.ones((1, 3))), [[100, 0, 0]], atol=0.01))
    True
    """
    values = np.asarray(linear, np.float64)
    return _lab(values.reshape(1, -1, 3)).astype(np.float32).reshape(values.shape)


def _linear_of_bytes(rgb: RgbImage) -> NDArray[np.floating]:
    if not rgb.size:  # OpenCV rejects empty arrays
        return rgb.astype(np.float64)
    linear: NDArray[np.floating] = cv2.LUT(np.ascontiguousarray(rgb).reshape(1, -1), _LINEAR_OF_BYTE)
    return linear.reshape(rgb.shape)


def _lab(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lab of linear ``(H, W, 3)``, in float64; float32 would be off by up to dE00 5e-4."""
    if not linear.size:
        return linear
    xyz = cv2.transform(linear, _XYZ_FROM_RGB / _WHITE_XYZ[:, None])
    f = cv2.pow(xyz, 1 / 3)
    dark = xyz <= _LINEAR_BELOW
    if dark.any():
        f[dark] = _LINE_SLOPE * xyz[dark] + _LINE_START
    lab: NDArray[np.floating] = cv2.transform(f, _LAB_FROM_F)
    return lab


def lab_to_srgb(lab: NDArray[np.floating]) -> RgbImage:
    """Convert Lab to sRGB; colours out of gamut are clipped per channel.

    Args:
        lab: shape ``(..., 3)``, L 0..100.

    Returns:
        Shape ``(..., 3)``, uint8, sRGB, rounded.
    """
    rgb = lab_to_srgb_float(lab)
    encoded: RgbImage = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return encoded


def lab_to_srgb_float(lab: NDArray[np.floating]) -> FloatImage:
    """Convert Lab to gamma-encoded float32 sRGB, *not* clipped: values outside 0..1 are out of gamut.

    Formula: IEC 61966-2-1 and CIE 15, with scikit-image's white point. scikit-image's
    ``lab2rgb`` clips, which hides how far out of gamut a colour is.
    """
    return linear_to_srgb(lab_to_linear(lab))


def lab_to_rec2020_float(lab: NDArray[np.floating]) -> FloatImage:
    """As `lab_to_srgb_float`, with the primaries of Rec. 2020 and the curve of sRGB."""
    return linear_to_srgb(lab_to_linear(lab) @ _REC2020_FROM_SRGB.T.astype(np.float32))


def rec2020_to_lab(encoded: NDArray[np.floating]) -> FloatImage:
    """The inverse of `lab_to_rec2020_float`.

    >>> lab = np.array([[61.0, -88.0, 45.0]])
    >>> bool(np.allclose(rec2020_to_lab(lab_to_rec2020_float(lab)), lab, atol=0.01))
    True
    """
    return linear_to_lab(_linear(np.asarray(encoded, np.float64)) @ np.linalg.inv(_REC2020_FROM_SRGB).T)


class EncodedRgb(NamedTuple):
    """Gamma-encoded RGB of some primaries: values in 0..1 are in gamut.

    Attributes:
        from_lab: Lab ``(..., 3)`` to RGB, not clipped.
        to_lab: the inverse.
    """

    from_lab: Callable[[NDArray[np.floating]], FloatImage]
    to_lab: Callable[[NDArray[np.floating]], FloatImage]


ENCODED_SRGB = EncodedRgb(lab_to_srgb_float, rgb_to_lab)
ENCODED_REC2020 = EncodedRgb(lab_to_rec2020_float, rec2020_to_lab)


def lab_to_linear(lab: NDArray[np.floating]) -> FloatImage:
    """The inverse of `linear_to_lab`, in float32, not clipped."""
    if not lab.size:
        return lab.astype(np.float32)
    f = cv2.transform(np.asarray(lab, np.float64).reshape(1, -1, 3), _F_FROM_LAB)
    xyz = f * f
    xyz *= f
    dark = f <= 6 / 29
    if dark.any():
        xyz[dark] = (f[dark] - _LINE_START) / _LINE_SLOPE
    linear: FloatImage = cv2.transform(xyz, _RGB_FROM_XYZ * _WHITE_XYZ).astype(np.float32)
    return linear.reshape(lab.shape)


def srgb_to_linear(encoded: NDArray[np.floating]) -> FloatImage:
    """Decode gamma-encoded sRGB to linear light (IEC 61966-2-1); odd about 0, so negative values are kept."""
    signed: FloatImage = _linear(encoded).astype(np.float32)
    return signed


def bytes_to_linear(rgb: RgbImage) -> FloatImage:
    """As `srgb_to_linear`, for ``(..., 3)`` uint8 sRGB.

    >>> bytes_to_linear(np.array([[0, 255, 188]], np.uint8)).round(2).tolist()
    [[0.0, 1.0, 0.5]]
    """
    return _linear_of_bytes(rgb).astype(np.float32)


def linear_to_srgb(linear: NDArray[np.floating]) -> FloatImage:
    """Encode linear light as sRGB (IEC 61966-2-1); odd about 0."""
    size = np.abs(linear)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * _power(size, 1 / 2.4) - 0.055)
    signed: FloatImage = np.copysign(encoded, linear).astype(np.float32)
    return signed


def daylight_gains(mired: float) -> FloatImage:
    """The gains of linear sRGB red, green and blue under daylight of another temperature, green being 1.

    Formula: the CIE daylight locus, CIE 15:2018, equations 4.4 to 4.7 as chromaticities; stated for 4000
    to 25,000 K.

    Args:
        mired: shift of the reciprocal temperature from D65, -113..96; positive is warmer.

    Returns:
        Shape ``(3,)``, float32.

    >>> daylight_gains(0).tolist(), (daylight_gains(60) > 1).tolist()
    ([1.0, 1.0, 1.0], [True, False, False])
    """
    gains = _daylight_rgb(1e6 / (1e6 / _D65_KELVIN + mired)) / _daylight_rgb(_D65_KELVIN)
    balanced: FloatImage = (gains / gains[1]).astype(np.float32)
    return balanced


def _daylight_rgb(kelvin: float) -> NDArray[np.floating]:
    t = 1000 / kelvin
    x = (
        0.244063 + 0.09911 * t + 2.9678 * t**2 - 4.6070 * t**3
        if kelvin <= 7000
        else 0.237040 + 0.24748 * t + 1.9018 * t**2 - 2.0064 * t**3
    )
    y = -3 * x**2 + 2.87 * x - 0.275
    rgb: NDArray[np.floating] = _RGB_FROM_XYZ @ np.array([x / y, 1, (1 - x - y) / y])
    return rgb


def delta_e_lab(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """CIEDE2000 between Lab arrays of shape ``(..., 3)``, in their own precision.

    In float64 it is within 5e-5 of the 34 pairs published by Sharma, Wu and Dalal (to four decimals).
    """
    difference: NDArray[np.floating] = delta_e_of_parts(delta_e_parts(a, b))
    return difference


def delta_e_parts(a: NDArray[np.floating], b: NDArray[np.floating]) -> Parts:
    """The lightness, chroma and hue terms of CIEDE2000 between Lab arrays of shape ``(..., 3)``."""
    return plane_parts(np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0))


def delta_e_map(a: RgbImage, b: RgbImage) -> FloatImage:
    """CIEDE2000 per pixel between two sRGB images.

    Lab is computed in float64 and the difference in float32, in strips of rows on one thread per core. The
    result is within 2e-4 of scikit-image's, and takes under 150 MB beyond the result at any size.

    Args:
        a: shape ``(H, W, 3)``, uint8, sRGB.
        b: the same shape and type.

    Returns:
        Shape ``(H, W)``, float32, dE00 >= 0.

    Raises:
        ValueError: if shapes differ or are not ``(H, W, 3)``, or a type is not uint8.

    Examples:
        >>> white, black = np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)
        >>> delta_e_map(white, black).round(2).tolist()
        [[100.0, 100.0], [100.0, 100.0]]
    """
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an image must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
    if a.shape != b.shape:
        raise ValueError(f"the images must have the same size, not {a.shape} and {b.shape}")
    result = np.empty(a.shape[:2], dtype=np.float32)

    def fill(rows: slice) -> None:
        result[rows] = _delta_e_strip(a[rows], b[rows])

    height_px, width_px = a.shape[:2]
    rows_px = max(1, _STRIP_PIXELS // max(1, width_px))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for _ in pool.map(fill, [slice(top, top + rows_px) for top in range(0, height_px, rows_px)]):
            pass
    return result


def _delta_e_strip(a: RgbImage, b: RgbImage) -> FloatImage:
    exact_a, exact_b = cv2.split(_lab(_linear_of_bytes(a))), cv2.split(_lab(_linear_of_bytes(b)))
    turn = hue_turn(exact_a, exact_b).astype(np.float32)
    first, second = ([plane.astype(np.float32) for plane in planes] for planes in (exact_a, exact_b))
    difference: FloatImage = delta_e_of_parts(plane_parts(first, second, turn=turn))
    return difference


class Parts(NamedTuple):
    """The weighted differences of CIEDE2000, second minus first, and its rotation term; all of one shape.

    dE00 squared is ``lightness**2 + chroma**2 + hue**2 + rotation * chroma * hue``.
    """

    lightness: Plane
    chroma: Plane
    hue: Plane
    rotation: Plane


def delta_e_of_parts(parts: Parts) -> Plane:
    """CIEDE2000, given its terms."""
    lightness, chroma, hue, rotation = parts
    return np.sqrt(lightness * lightness + chroma * chroma + hue * hue + rotation * chroma * hue)


def plane_parts(first: Planes, second: Planes, *, turn: Plane | None = None) -> Parts:
    """The terms of CIEDE2000 between two colours.

    Args:
        first: three arrays of one shape: L*, a*, b*, float32 or float64.
        second: the same.
        turn: from `hue_turn`, if it was computed from more precise colours.

    >>> sharma_1 = plane_parts(np.array([50.0, 2.6772, -79.7751]), np.array([50.0, 0.0, -82.7485]))
    >>> round(float(delta_e_of_parts(sharma_1)), 4)
    2.0425
    """
    lightness_1, a_1, b_1 = first
    lightness_2, a_2, b_2 = second
    if turn is None:
        turn = hue_turn(first, second)
    mean = 0.5 * (np.sqrt(a_1 * a_1 + b_1 * b_1) + np.sqrt(a_2 * a_2 + b_2 * b_2))
    stretch = 1.5 - 0.5 * _saturation(mean)
    a_1, a_2 = a_1 * stretch, a_2 * stretch
    chroma_1 = np.sqrt(a_1 * a_1 + b_1 * b_1)
    chroma_2 = np.sqrt(a_2 * a_2 + b_2 * b_2)
    # A grey has no hue: its unit vector is zero.
    scale = 1 / (chroma_1 + _TINY)
    x_1, y_1 = a_1 * scale, b_1 * scale
    scale = 1 / (chroma_2 + _TINY)
    x_2, y_2 = a_2 * scale, b_2 * scale
    across_x, across_y = x_2 - x_1, y_2 - y_1
    # The chord between the unit vectors is twice the sine of half the angle between the hues.
    hue = turn * np.sqrt(chroma_1 * chroma_2 * (across_x * across_x + across_y * across_y))
    # The sum of two vectors at the mean hue, which is long whether the hues agree or oppose.
    cos = x_1 + x_2 + turn * across_y
    sin = y_1 + y_2 - turn * across_x
    scale = 1 / np.sqrt(cos * cos + sin * sin + _TINY)
    cos *= scale
    sin *= scale

    mean = 0.5 * (chroma_1 + chroma_2)
    from_middle = 0.5 * (lightness_1 + lightness_2) - 50
    from_middle *= from_middle
    weight = 1 + 0.015 * from_middle / np.sqrt(20 + from_middle)
    return Parts(
        lightness=(lightness_2 - lightness_1) / weight,
        chroma=(chroma_2 - chroma_1) / (1 + 0.045 * mean),
        hue=hue / (1 + 0.015 * mean * _hue_weight(cos, sin)),
        rotation=-2 * _saturation(mean) * _rotation_sine(cos, sin),
    )


def hue_turn(first: Planes, second: Planes) -> Plane:
    """1 where the short way from the first hue to the second goes anticlockwise, -1 clockwise, 0 for none.

    CIEDE2000 jumps where two hues oppose each other, so there the last digit of a colour decides: this
    asks for float64, the rest does not.
    """
    _, a_1, b_1 = first
    _, a_2, b_2 = second
    cross = a_1 * b_2 - b_1 * a_2
    turn = np.sign(cross)
    level = cross == 0
    if level.any():
        # Both ways between opposed hues are as short: the formula goes from the smaller of the angles
        # in 0..360 to the larger.
        one = np.ones_like(turn)
        smaller_first = (b_1 > 0) | ((b_1 == 0) & (a_1 > 0))
        opposed = level & (a_1 * a_2 + b_1 * b_2 < 0)
        turn = np.where(opposed, np.where(smaller_first, one, -one), turn)
    return turn


def _saturation(chroma: Plane) -> Plane:
    """``sqrt(C^7 / (C^7 + 25^7))``."""
    power = chroma * chroma
    power = power * power * power * chroma
    return np.sqrt(power / (power + _POW25_7))


def _hue_weight(cos: Plane, sin: Plane) -> Plane:
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


def _rotation_sine(cos: Plane, sin: Plane) -> Plane:
    """``sin(60 degrees * exp(-((h - 275) / 25)^2))``."""
    v = 1 - _cos_of_sum(cos, sin, -275)
    arc = _ARC_SQUARED[-1] * v
    for factor in _ARC_SQUARED[-2::-1]:
        arc += factor
        arc *= v
    # The formula's bump ends at 360 degrees, it does not wrap to 0.
    return np.sin(math.radians(60) * np.exp(_BUMP_PER_RAD2 * arc)) * (sin < 0)


def _cos_of_sum(cos: Plane, sin: Plane, degrees: float) -> Plane:
    angle = math.radians(degrees)
    return math.cos(angle) * cos - math.sin(angle) * sin
