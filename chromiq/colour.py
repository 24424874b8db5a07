"""sRGB, Lab (D65, 2 degree observer) and CIEDE2000, in strips so that memory stays flat.

Matrix, white point and CIEDE2000 are scikit-image's. OpenCV's float Lab is off by up to dE00 0.32
and is not used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from skimage import color

from chromiq.records import FloatImage, RgbImage

# So few that the arrays between two steps stay in the processor's cache.
_STRIP_PIXELS = 16_384

# The matrix scikit-image uses, so that a round trip through both closes.
_XYZ_FROM_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_RGB_FROM_XYZ = np.linalg.inv(_XYZ_FROM_RGB)
_WHITE_XYZ = np.array(color.xyz_tristimulus_values(illuminant="D65", observer="2"))
_D65_KELVIN = 6504.0
# CIE 15: below it the cube root goes over into a line.
_LINEAR_BELOW, _LINE_SLOPE, _LINE_START = 0.008856, 7.787, 16 / 116


def _linear(encoded: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    signed: NDArray[np.floating] = np.sign(encoded) * linear
    return signed


_LINEAR_OF_BYTE = _linear(np.arange(256) / 255)


def srgb_to_lab(rgb: RgbImage) -> FloatImage:
    """CIE Lab of an sRGB image.

    A table of the 256 values and one matrix take scikit-image's ``rgb2lab`` in a third of its time.

    Args:
        rgb: shape ``(..., 3)``, uint8, sRGB.

    Returns:
        Shape ``(..., 3)``, float32: L 0..100, a and b about -128..127.

    >>> bool(np.allclose(srgb_to_lab(np.full((1, 1, 3), 255, np.uint8)), [100, 0, 0], atol=0.01))
    True
    """
    return _lab_of_linear(np.take(_LINEAR_OF_BYTE, rgb))


def rgb_to_lab(encoded: NDArray[np.floating]) -> FloatImage:
    """CIE Lab of gamma-encoded sRGB in 0..1, of any precision and beyond it: ``(..., 3)`` to float32.

    >>> bool(np.allclose(rgb_to_lab(np.array([1.0, 1.0, 1.0])), [100, 0, 0], atol=0.01))
    True
    """
    return _lab_of_linear(_linear(encoded))


def _lab_of_linear(linear: NDArray[np.floating]) -> FloatImage:
    # In float64 to the end: float32 alone would cost dE00 up to 5e-4 later on.
    xyz = linear.reshape(-1, 3) @ (_XYZ_FROM_RGB / _WHITE_XYZ[:, None]).T
    f = np.where(xyz > _LINEAR_BELOW, np.cbrt(xyz), _LINE_SLOPE * xyz + _LINE_START)
    lab = np.empty(f.shape, np.float32)
    lab[:, 0] = 116 * f[:, 1] - 16
    lab[:, 1] = 500 * (f[:, 0] - f[:, 1])
    lab[:, 2] = 200 * (f[:, 1] - f[:, 2])
    return lab.reshape(linear.shape)


def lab_to_srgb(lab: NDArray[np.floating]) -> RgbImage:
    """sRGB of a Lab image; colours outside the sRGB gamut are clipped per channel.

    Args:
        lab: shape ``(..., 3)``, L 0..100.

    Returns:
        Shape ``(..., 3)``, uint8, sRGB, rounded.
    """
    rgb = lab_to_srgb_float(lab)
    encoded: RgbImage = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    return encoded


def lab_to_srgb_float(lab: NDArray[np.floating]) -> FloatImage:
    """sRGB of a Lab image in float32, gamma-encoded, *not* clipped: outside 0..1 is out of gamut.

    Formula: IEC 61966-2-1 and CIE 15, with scikit-image's white point. scikit-image's own
    ``lab2rgb`` clips and warns, which hides how far out of gamut a colour is.
    """
    flat = np.asarray(lab, dtype=np.float64)
    fy = (flat[..., 0] + 16) / 116
    f = np.stack([fy + flat[..., 1] / 500, fy, fy - flat[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - _LINE_START) / _LINE_SLOPE) * _WHITE_XYZ
    linear = xyz @ _RGB_FROM_XYZ.T
    return linear_to_srgb(linear.astype(np.float32))


def srgb_to_linear(encoded: NDArray[np.floating]) -> FloatImage:
    """Linear light of gamma-encoded sRGB in 0..1 (IEC 61966-2-1); odd about 0, so out-of-range survives."""
    signed: FloatImage = _linear(encoded).astype(np.float32)
    return signed


def linear_to_srgb(linear: NDArray[np.floating]) -> FloatImage:
    """Gamma-encoded sRGB of linear light in 0..1 (IEC 61966-2-1); odd about 0."""
    size = np.abs(linear)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    signed: FloatImage = (np.sign(linear) * encoded).astype(np.float32)
    return signed


def daylight_gains(mired: float) -> FloatImage:
    """What daylight of another colour temperature does to linear sRGB red, green and blue, green kept at 1.

    Formula: the CIE daylight locus, CIE 15:2018, equations 4.4 to 4.7 as chromaticities; stated for 4000
    to 25,000 K.

    Args:
        mired: shift of the reciprocal temperature from D65, -113..96; above 0 the light is warmer.

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

    Formula: Sharma, Wu and Dalal, Color Research and Application 30 (2005), by scikit-image.
    """
    difference: NDArray[np.floating] = color.deltaE_ciede2000(a, b)
    return difference


def delta_e_map(a: RgbImage, b: RgbImage) -> FloatImage:
    """CIEDE2000 per pixel between two sRGB images.

    Computed in float32 over strips of rows by one thread per core: within 2e-4 of scikit-image in
    float64, and under 150 MB beyond the result whatever the size.

    Args:
        a: shape ``(H, W, 3)``, uint8, sRGB.
        b: the same shape and type.

    Returns:
        Shape ``(H, W)``, float32, dE00 >= 0.

    Raises:
        ValueError: if shapes differ or are not ``(H, W, 3)``, or a type is not uint8.

    >>> white, black = np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)
    >>> delta_e_map(white, black).round(2).tolist()
    [[100.0, 100.0], [100.0, 100.0]]
    """
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"wanted uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if a.shape != b.shape:
        raise ValueError(f"wanted two images of one size, got {a.shape} and {b.shape}")
    result = np.empty(a.shape[:2], dtype=np.float32)

    def fill(rows: slice) -> None:
        result[rows] = delta_e_lab(srgb_to_lab(a[rows]), srgb_to_lab(b[rows]))

    _over_strips(fill, a.shape[:2])
    return result


def _over_strips(work: Callable[[slice], None], size_hw: tuple[int, ...]) -> None:
    rows = max(1, _STRIP_PIXELS // max(1, size_hw[1]))
    strips = [slice(top, top + rows) for top in range(0, size_hw[0], rows)]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for _ in pool.map(work, strips):
            pass
