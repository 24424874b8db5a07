"""(photo, mask, random numbers) -> the photo with a colour error of a known size inside the mask.

`published` is what the published run did: hue shifts and tints of any size, a no-op on grey cloth.
`perceptual` draws a kind of error that cameras and retouchers make and a size in dE00, and solves for the
strength that gives it. Outside the mask not a bit changes.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from chromiq.colour import delta_e_lab, delta_e_map, srgb_to_lab
from chromiq.errors import UsageError
from chromiq.records import BoolMask, Degradation, FloatImage, RgbImage
from dataset_builder.colour_errors import KINDS, ColourError

Style = Literal["published", "perceptual"]
DELTA_E_RANGE = (3.0, 25.0)
TOLERANCE = 0.05
_FEATHER_PX_PER_SIDE = 0.0015
_SOLVER_PIXELS = 4000
_MAX_TRIES = 40


def degrade(
    photo: RgbImage, mask: BoolMask, style: Style, rng: np.random.Generator
) -> tuple[RgbImage, Degradation]:
    """A photo with a colour error inside a mask.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool, the garment.
        style: ``"published"`` or ``"perceptual"``.
        rng: decides kind, size and direction.

    Returns:
        The degraded photo, bit-identical outside the mask, and what was done to it. With
        ``"perceptual"`` its mean dE00 inside the mask is within 5 % of the one asked.

    Raises:
        UsageError: if the mask is empty or has another size than the photo.
    """
    if mask.shape != photo.shape[:2] or not mask.any():
        raise UsageError(
            f"wanted a mask of the photo's size with a garment in it, got {mask.shape} for "
            f"{photo.shape[:2]} with {int(mask.sum())} pixels; mend the mask"
        )
    if style == "published":
        degraded, kind, parameters = _published(photo, rng)
        result = np.where(mask[..., None], degraded, photo)
        return result, Degradation(kind, parameters, None, _mean_delta_e(photo, result, mask))
    return _perceptual(photo, mask, rng)


def ask_delta_e(rng: np.random.Generator) -> float:
    """A mean dE00 to aim at: 3..25, three quarters of the time between 5 and 15, where real errors lie.

    The law is 3 + 22 Beta(1.8, 3.4): mean 10.6.
    """
    low, high = DELTA_E_RANGE
    return float(low + (high - low) * rng.beta(1.8, 3.4))


def _published(photo: RgbImage, rng: np.random.Generator) -> tuple[RgbImage, str, dict[str, float]]:
    if rng.random() < 0.5:
        hue, saturation, value = int(rng.integers(0, 180)), rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.1)
        hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + hue) % 180
        hsv[..., 1:] = np.clip(hsv[..., 1:] * [saturation, value], 0, 255)
        shifted = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.uint8)
        return shifted, "hue", {"hue": hue, "saturation": saturation, "value": value}
    colour, alpha = rng.integers(0, 256, 3), rng.uniform(0.35, 0.65)
    tinted = np.clip(photo * (1 - alpha) + colour * alpha, 0, 255).astype(np.uint8)
    red, green, blue = (float(channel) for channel in colour)
    return tinted, "tint", {"red": red, "green": green, "blue": blue, "alpha": alpha}


def _perceptual(photo: RgbImage, mask: BoolMask, rng: np.random.Generator) -> tuple[RgbImage, Degradation]:
    weight = _feather(mask)
    rows, columns = np.nonzero(mask)
    chosen = np.linspace(0, rows.size - 1, min(rows.size, _SOLVER_PIXELS)).astype(int)
    sample = photo[rows[chosen], columns[chosen]]
    places = np.stack([rows / photo.shape[0], columns / photo.shape[1]], axis=1).astype(np.float32)
    edge = weight[rows[chosen], columns[chosen], None]
    names = list(KINDS)
    for _ in range(_MAX_TRIES):
        asked = ask_delta_e(rng)
        kind = names[int(rng.integers(len(names)))]
        error = KINDS[kind](rng)
        strength = _solve(error, sample, places[chosen], edge, asked)
        if strength is None:
            continue
        result = photo.copy()
        result[mask] = _blend(error, photo[mask], places, weight[mask][:, None], strength)
        reached = _mean_delta_e(photo, result, mask)
        if abs(reached - asked) <= TOLERANCE * asked:
            parameters = {"strength": strength, **error.parameters}
            return result, Degradation(kind, parameters, asked, reached)
    raise UsageError(
        f"no colour error of dE00 {DELTA_E_RANGE[0]:g} to {DELTA_E_RANGE[1]:g} fits this garment in the "
        "sRGB gamut; use --degradation published for it, or leave it out"
    )


def _solve(
    error: ColourError, sample: RgbImage, places: FloatImage, edge: FloatImage, asked: float
) -> float | None:
    """The strength at which a sample of the garment is off by `asked`; None if out of reach."""
    before = srgb_to_lab(sample)

    def reached(strength: float) -> float:
        after = srgb_to_lab(_blend(error, sample, places, edge, strength))
        return float(delta_e_lab(before, after).mean())

    low, high = 0.0, error.max_strength
    if reached(high) < asked:
        return None
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < asked else (low, middle)
    if _clipped_share(error, sample, places, high) > 0.05:
        return None
    return high


def _blend(
    error: ColourError, pixels: RgbImage, places: FloatImage, weight: FloatImage, strength: float
) -> RgbImage:
    """Garment pixels ``(P, 3)`` with the error, by how much each belongs to the garment."""
    changed = np.clip(error.apply(pixels / np.float32(255), places, strength), 0, 1)
    mixed = pixels + weight * (changed * 255 - pixels)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _clipped_share(error: ColourError, sample: RgbImage, places: FloatImage, strength: float) -> float:
    """What share of the pixels the error would push clearly out of the sRGB gamut."""
    values = error.apply(sample / np.float32(255), places, strength)
    return float(((values < -0.02) | (values > 1.02)).any(axis=1).mean())


def _feather(mask: BoolMask) -> FloatImage:
    """0..1, rising from the mask's edge inwards over a few pixels; 0 outside."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    width_px = max(1.0, _FEATHER_PX_PER_SIDE * max(mask.shape))
    return np.clip(inside / width_px, 0, 1).astype(np.float32)


def _mean_delta_e(a: RgbImage, b: RgbImage, mask: BoolMask) -> float:
    return float(delta_e_map(a[mask][None], b[mask][None]).mean())
