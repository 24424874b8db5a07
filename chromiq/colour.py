"""sRGB, Lab (D65, 2 degree observer) and CIEDE2000, in strips so that memory stays flat.

Matrix and white point are scikit-image's, so are the results. OpenCV's float Lab is off by up to dE00
0.32 and is not used; its table lookup, matrix product and power are, as they are exact and fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq import ciede2000
from chromiq.records import FloatImage, RgbImage
from chromiq.runtime.torch_device import require_torch_device

# So few that the arrays between two steps stay in the processor's cache.
_STRIP_PIXELS = 16_384
_DEVICE_STRIP_PIXELS = 4_000_000

# The matrix scikit-image uses, so that a round trip through both closes.
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
# CIE 15: below it the cube root goes over into a line.
_LINEAR_BELOW, _LINE_SLOPE, _LINE_START = 0.008856, 7.787, 16 / 116


def _linear(encoded: NDArray[np.floating]) -> NDArray[np.floating]:
    size = np.abs(encoded)
    linear = np.where(size <= 0.04045, size / 12.92, _power((size + 0.055) / 1.055, 2.4))
    signed: NDArray[np.floating] = np.copysign(linear, encoded)
    return signed


def _power(values: NDArray[np.floating], exponent: float) -> NDArray[np.floating]:
    """Of values >= 0, in their own precision; OpenCV's is four times as fast as numpy's."""
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
    """CIE Lab of an sRGB image, as scikit-image's ``rgb2lab`` gives it.

    Args:
        rgb: shape ``(..., 3)``, uint8, sRGB.

    Returns:
        Shape ``(..., 3)``, float32: L 0..100, a and b about -128..127.

    >>> bool(np.allclose(srgb_to_lab(np.full((1, 1, 3), 255, np.uint8)), [100, 0, 0], atol=0.01))
    True
    """
    return _lab(_linear_of_bytes(rgb.reshape(1, -1, 3))).astype(np.float32).reshape(rgb.shape)


def rgb_to_lab(encoded: NDArray[np.floating]) -> FloatImage:
    """CIE Lab of gamma-encoded sRGB in 0..1, of any precision and beyond it: ``(..., 3)`` to float32.

    >>> bool(np.allclose(rgb_to_lab(np.array([1.0, 1.0, 1.0])), [100, 0, 0], atol=0.01))
    True
    """
    linear = _linear(np.asarray(encoded, np.float64))
    return _lab(linear.reshape(1, -1, 3)).astype(np.float32).reshape(linear.shape)


def linear_to_lab(linear: NDArray[np.floating]) -> FloatImage:
    """CIE Lab (D65) of linear light with sRGB's primaries, ``(..., 3)``, 0..1 and beyond, to float32.

    >>> bool(np.allclose(linear_to_lab(np.ones((1, 3))), [[100, 0, 0]], atol=0.01))
    True
    """
    values = np.asarray(linear, np.float64)
    return _lab(values.reshape(1, -1, 3)).astype(np.float32).reshape(values.shape)


def _linear_of_bytes(rgb: RgbImage) -> NDArray[np.floating]:
    if not rgb.size:  # of which OpenCV makes nothing at all
        return rgb.astype(np.float64)
    linear: NDArray[np.floating] = cv2.LUT(np.ascontiguousarray(rgb), _LINEAR_OF_BYTE)
    return linear


def _lab(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Lab of linear ``(H, W, 3)``, in float64: float32 on the way would cost dE00 up to 5e-4."""
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
    return linear_to_srgb(lab_to_linear(lab))


def lab_to_rec2020_float(lab: NDArray[np.floating]) -> FloatImage:
    """As `lab_to_srgb_float`, of Rec. 2020's primaries and sRGB's curve: for colours beyond sRGB."""
    return linear_to_srgb(lab_to_linear(lab) @ _REC2020_FROM_SRGB.T.astype(np.float32))


def rec2020_to_lab(encoded: NDArray[np.floating]) -> FloatImage:
    """The inverse of `lab_to_rec2020_float`.

    >>> lab = np.array([[61.0, -88.0, 45.0]])
    >>> bool(np.allclose(rec2020_to_lab(lab_to_rec2020_float(lab)), lab, atol=0.01))
    True
    """
    return linear_to_lab(_linear(np.asarray(encoded, np.float64)) @ np.linalg.inv(_REC2020_FROM_SRGB).T)


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
    """Linear light of gamma-encoded sRGB in 0..1 (IEC 61966-2-1); odd about 0, so out-of-range survives."""
    signed: FloatImage = _linear(encoded).astype(np.float32)
    return signed


def bytes_to_linear(rgb: RgbImage) -> FloatImage:
    """As `srgb_to_linear`, of ``(..., 3)`` uint8 sRGB, by a table.

    >>> bytes_to_linear(np.array([[0, 255, 188]], np.uint8)).round(2).tolist()
    [[0.0, 1.0, 0.5]]
    """
    linear: FloatImage = _linear_of_bytes(rgb.reshape(1, -1, 3)).astype(np.float32).reshape(rgb.shape)
    return linear


def linear_to_srgb(linear: NDArray[np.floating]) -> FloatImage:
    """Gamma-encoded sRGB of linear light in 0..1 (IEC 61966-2-1); odd about 0."""
    size = np.abs(linear)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * _power(size, 1 / 2.4) - 0.055)
    signed: FloatImage = np.copysign(encoded, linear).astype(np.float32)
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

    In float64 within 5e-5 of the 34 pairs that Sharma, Wu and Dalal published (to four decimals).
    """
    difference: NDArray[np.floating] = ciede2000.delta_e(delta_e_parts(a, b))
    return difference


def delta_e_parts(a: NDArray[np.floating], b: NDArray[np.floating]) -> ciede2000.Parts:
    """What lightness, chroma and hue have in CIEDE2000 between Lab arrays of shape ``(..., 3)``."""
    return ciede2000.parts(np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0))


def delta_e_map(a: RgbImage, b: RgbImage, *, device: str = "cpu") -> FloatImage:
    """CIEDE2000 per pixel between two sRGB images.

    Lab is made in float64, the difference in float32, over strips of rows by one thread per core: within
    2e-4 of scikit-image in float64, and under 150 MB beyond the result whatever the size.

    Args:
        a: shape ``(H, W, 3)``, uint8, sRGB.
        b: the same shape and type.
        device: ``"cpu"``, or torch's name of a device, such as ``"cuda"``, to compute on with torch.

    Returns:
        Shape ``(H, W)``, float32, dE00 >= 0.

    Raises:
        ValueError: if shapes differ or are not ``(H, W, 3)``, or a type is not uint8.
        UsageError: if torch has no such device here.

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
    difference = _delta_e_strip if device == "cpu" else _torch_delta_e(device)

    def fill(rows: slice) -> None:
        result[rows] = difference(a[rows], b[rows])

    if device == "cpu":
        _over_strips(fill, a.shape[:2], _STRIP_PIXELS, os.cpu_count() or 1)
    else:
        _over_strips(fill, a.shape[:2], _DEVICE_STRIP_PIXELS, 1)
    return result


def _delta_e_strip(a: RgbImage, b: RgbImage) -> FloatImage:
    first, second = (cv2.split(_lab(_linear_of_bytes(strip))) for strip in (a, b))
    turn = ciede2000.hue_turn(first, second).astype(np.float32)
    first, second = ([plane.astype(np.float32) for plane in planes] for planes in (first, second))
    difference: FloatImage = ciede2000.delta_e(ciede2000.parts(first, second, turn=turn))
    return difference


def _torch_delta_e(device: str) -> Callable[[RgbImage, RgbImage], FloatImage]:
    """The same steps in torch; the device's memory holds one strip at a time."""
    require_torch_device(device)
    import torch

    table = torch.tensor(_LINEAR_OF_BYTE, device=device)
    to_xyz = torch.tensor((_XYZ_FROM_RGB / _WHITE_XYZ[:, None]).T, device=device)
    to_lab = torch.tensor(_LAB_FROM_F, device=device)

    def lab_planes(strip: RgbImage) -> Any:
        xyz = table[torch.tensor(strip, device=device).long()] @ to_xyz
        f = torch.where(xyz > _LINEAR_BELOW, xyz ** (1 / 3), _LINE_SLOPE * xyz + _LINE_START)
        return (f @ to_lab[:, :3].T + to_lab[:, 3]).unbind(-1)

    def difference(a: RgbImage, b: RgbImage) -> FloatImage:
        first, second = lab_planes(a), lab_planes(b)
        turn = ciede2000.hue_turn(first, second, torch).float()
        first, second = ([plane.float() for plane in planes] for planes in (first, second))
        found: FloatImage = (
            ciede2000.delta_e(ciede2000.parts(first, second, torch, turn=turn), torch).cpu().numpy()
        )
        return found

    return difference


def _over_strips(
    work: Callable[[slice], None], size_hw: tuple[int, ...], strip_pixels: int, threads: int
) -> None:
    rows = max(1, strip_pixels // max(1, size_hw[1]))
    strips = [slice(top, top + rows) for top in range(0, size_hw[0], rows)]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for _ in pool.map(work, strips):
            pass
