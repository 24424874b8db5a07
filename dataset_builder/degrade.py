"""(photo, mask, random numbers) -> the photo with a colour error of a known size inside the mask.

`published` is what the published run did: hue shifts and tints of any size, a no-op on grey cloth.
`perceptual` draws a kind of error that cameras and retouchers make and a size in dE00, and solves for the
strength that gives it. Outside the mask not a bit changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.errors import UsageError
from chromiq.records import BoolMask, Degradation, FloatImage, RgbImage
from dataset_builder.colour_errors import KINDS, ColourError

Style = Literal["published", "perceptual"]
DELTA_E_RANGE = (3.0, 25.0)
TOLERANCE = 0.05
_FEATHER_PX_PER_SIDE = 0.0015
_SOLVER_PIXELS = 4000
_PART_PIXELS = 16_384
_MAX_SIZES = 8
_DRAWS_PER_KIND = 2
_MAX_CLIPPED_SHARE = 0.02


def degrade(
    photo: RgbImage, mask: BoolMask, style: Style, rng: np.random.Generator, used: Sequence[str] = ()
) -> tuple[RgbImage, Degradation]:
    """A photo with a colour error inside a mask.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool, the garment.
        style: ``"published"`` or ``"perceptual"``.
        rng: decides kind, size and direction.
        used: kinds that this photo's other variants have; another one is taken if it can be.

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
        box = _box_of(mask)
        degraded, kind, parameters = _published(photo[box], rng)
        result = photo.copy()
        result[box] = np.where(mask[box][..., None], degraded, photo[box])
        return result, Degradation(kind, parameters, None, _mean_delta_e(photo[mask], result[mask]))
    return _perceptual(photo, mask, rng, used)


def _box_of(mask: BoolMask) -> tuple[slice, slice]:
    """The rows and columns a mask reaches over."""
    left, top, width_px, height_px = cv2.boundingRect(mask.astype(np.uint8))
    return slice(top, top + height_px), slice(left, left + width_px)


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


def _perceptual(
    photo: RgbImage, mask: BoolMask, rng: np.random.Generator, used: Sequence[str]
) -> tuple[RgbImage, Degradation]:
    garment = _Garment.of(photo, mask)
    sample = garment.sampled()
    # The size is drawn first and kept while kinds are tried: else large errors would be too rare.
    for _ in range(_MAX_SIZES):
        asked = ask_delta_e(rng)
        shuffled = [list(KINDS)[index] for index in rng.permutation(len(KINDS))]
        for kind in sorted(shuffled, key=used.count):
            for _ in range(_DRAWS_PER_KIND):
                error = KINDS[kind](rng, sample.rgb)
                strength = _solve(error, sample, asked) if error else None
                if error is None or strength is None:
                    continue
                changed = _apply(error, garment, strength)
                reached = _mean_delta_e(garment.rgb, changed)
                if abs(reached - asked) <= TOLERANCE * asked:
                    result = photo.copy()
                    result[mask] = changed
                    parameters = {"strength": strength, **error.parameters}
                    return result, Degradation(kind, parameters, asked, reached)
    raise UsageError(
        f"no colour error of dE00 {DELTA_E_RANGE[0]:g} to {DELTA_E_RANGE[1]:g} fits this garment in the "
        "sRGB gamut; use --degradation published for it, or leave it out"
    )


@dataclass(frozen=True, eq=False)
class _Garment:
    """A garment's pixels: ``rgb`` ``(P, 3)`` uint8, ``places`` ``(P, 2)`` row and column in 0..1, ``weight``
    ``(P, 1)`` 0..1, how far each belongs to the garment."""

    rgb: RgbImage
    places: FloatImage
    weight: FloatImage

    @classmethod
    def of(cls, photo: RgbImage, mask: BoolMask) -> _Garment:
        rows, columns = np.nonzero(mask)
        places = np.stack([rows / photo.shape[0], columns / photo.shape[1]], axis=1).astype(np.float32)
        return cls(photo[mask], places, _feather(mask)[mask][:, None])

    def part(self, chosen: slice | NDArray[np.int64]) -> _Garment:
        return _Garment(self.rgb[chosen], self.places[chosen], self.weight[chosen])

    def sampled(self) -> _Garment:
        count = len(self.rgb)
        return self.part(np.linspace(0, count - 1, min(count, _SOLVER_PIXELS)).astype(np.int64))


def _solve(error: ColourError, sample: _Garment, asked: float) -> float | None:
    """The strength at which a sample of the garment is off by `asked`; None if out of reach or gamut."""
    before = srgb_to_lab(sample.rgb)

    def beyond(strength: float) -> float:
        after = srgb_to_lab(_blend(error, sample, strength))
        return float(delta_e_lab(before, after).mean()) - asked

    if beyond(error.max_strength) < 0:
        return None
    strength = float(brentq(beyond, 0.0, error.max_strength, xtol=1e-4 * error.max_strength, rtol=1e-4))
    return None if _clipped_share(error, sample, strength) > _MAX_CLIPPED_SHARE else strength


def _apply(error: ColourError, garment: _Garment, strength: float) -> RgbImage:
    """All pixels of a garment with the error, in parts, so that memory stays flat on large photos."""
    changed = np.empty_like(garment.rgb)
    for part in _parts(len(changed)):
        changed[part] = _blend(error, garment.part(part), strength)
    return changed


def _blend(error: ColourError, garment: _Garment, strength: float) -> RgbImage:
    changed = np.clip(error.apply(garment.rgb / np.float32(255), garment.places, strength), 0, 1)
    mixed = garment.rgb + garment.weight * (changed * np.float32(255) - garment.rgb)
    return np.rint(mixed).astype(np.uint8)


def _clipped_share(error: ColourError, sample: _Garment, strength: float) -> float:
    """What share of the pixels the error would push clearly out of the sRGB gamut."""
    values = error.apply(sample.rgb / np.float32(255), sample.places, strength)
    return float(((values < -0.02) | (values > 1.02)).any(axis=1).mean())


def _feather(mask: BoolMask) -> FloatImage:
    """0..1, rising from the mask's edge inwards over a few pixels; 0 outside."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    width_px = max(1.0, _FEATHER_PX_PER_SIDE * max(mask.shape))
    return np.clip(inside / width_px, 0, 1).astype(np.float32)


def _mean_delta_e(a: RgbImage, b: RgbImage) -> float:
    """Between two lists of pixels ``(P, 3)``."""
    differences = [delta_e_lab(srgb_to_lab(a[part]), srgb_to_lab(b[part])) for part in _parts(len(a))]
    return float(np.concatenate(differences).mean(dtype=np.float64))


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _PART_PIXELS) for start in range(0, count, _PART_PIXELS)]
