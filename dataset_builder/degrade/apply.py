"""(photo, mask, random numbers) -> the photo with a colour error of a known size inside the mask.

`published` is what the published run did: hue shifts and tints of any size, a no-op on grey cloth.
`perceptual` draws a kind of error that cameras and retouchers make and a size in dE00, and solves for the
strength that gives it. Outside the mask not a bit changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.dataset_builder.degrade.kinds import KINDS, ColourError
from chromiq.errors import UsageError
from chromiq.imaging.colour_error_table import PUBLISHED_TINT_ALPHA
from chromiq.imaging.masks import bounding_box, inner_edge
from chromiq.records import BoolMask, Degradation, FloatImage, RgbImage

Style = Literal["published", "perceptual"]
DELTA_E_RANGE = (3.0, 25.0)
TOLERANCE = 0.05
_ACCEPTED = 0.9 * TOLERANCE  # what is reached is an estimate
_SOLVED = 0.005
_MAX_STEPS = 40
_SOLVER_PIXELS = 2048
_MEASURED_PIXELS = 8192
_PART_PIXELS = 16_384
_MAX_SIZES = 8
_DRAWS_PER_KIND = 2
_MAX_CLIPPED_SHARE = 0.02
_LEVELS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def degrade(
    photo: RgbImage,
    garment: BoolMask | FloatImage,
    style: Style,
    rng: np.random.Generator,
    used: Sequence[str] = (),
) -> tuple[RgbImage, Degradation]:
    """A photo with a colour error on a garment.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        garment: ``(H, W)`` bool, or 0..1 how much of each pixel it takes; its mask is where that is half.
        style: ``"published"`` or ``"perceptual"``.
        rng: decides kind, size and direction.
        used: kinds that this photo's other variants have; another one is taken if it can be.

    Returns:
        The degraded photo, bit-identical outside the mask, and what was done to it. With
        ``"perceptual"`` the error is the less on a pixel the less of it is garment, and its mean dE00
        inside the mask is within 5 % of the one asked. That mean is taken over all pixels of a garment of
        up to 8,192, else over that many spread evenly, which tells it to about half a percent.

    Raises:
        UsageError: if the mask is empty or has another size than the photo.
    """
    mask = garment >= 0.5
    if mask.shape != photo.shape[:2] or not mask.any():
        raise UsageError(
            f"the mask must be of the photo's size, {photo.shape[:2]}, with a garment in it; it is "
            f"{mask.shape}, with {int(mask.sum())} pixels"
        )
    if style == "published":
        box = bounding_box(mask)
        degraded, kind, parameters = _published(photo[box], rng)
        result = photo.copy()
        result[box] = cv2.copyTo(degraded, mask[box].astype(np.uint8), photo[box].copy())
        inside = np.flatnonzero(mask[box])
        seen = inside[_spread(len(inside), _MEASURED_PIXELS)]
        before, after = (image.reshape(-1, 3)[seen] for image in (photo[box], degraded))
        return result, Degradation(kind, parameters, None, _mean_delta_e(before, after))
    return _perceptual(photo, mask, garment, rng, used)


def ask_delta_e(rng: np.random.Generator) -> float:
    """A mean dE00 to aim at: 3..25, three quarters of the time between 5 and 15, where real errors lie.

    The law is 3 + 22 Beta(1.8, 3.4): mean 10.6.
    """
    low, high = DELTA_E_RANGE
    return float(low + (high - low) * rng.beta(1.8, 3.4))


def _published(photo: RgbImage, rng: np.random.Generator) -> tuple[RgbImage, str, dict[str, float]]:
    if rng.random() < 0.5:
        hue, saturation, value = int(rng.integers(0, 180)), rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.1)
        levels = np.arange(256.0)
        gained = (np.clip(levels * gain, 0, 255).astype(np.float32) for gain in (saturation, value))
        hsv = cv2.LUT(cv2.cvtColor(photo, cv2.COLOR_RGB2HSV), _table((levels + hue) % 180, *gained))
        shifted = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8)
        return shifted, "hue", {"hue": hue, "saturation": saturation, "value": value}
    colour, alpha = rng.integers(0, 256, 3), rng.uniform(*PUBLISHED_TINT_ALPHA)
    red, green, blue = (float(channel) for channel in colour)
    tints = (np.arange(256) * (1 - alpha) + channel * alpha for channel in (red, green, blue))
    tinted = cv2.LUT(np.ascontiguousarray(photo), _table(*tints)).astype(np.uint8)
    return tinted, "tint", {"red": red, "green": green, "blue": blue, "alpha": alpha}


def _table(*channels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """What each of 256 levels becomes in each of three channels, as OpenCV's LUT takes it."""
    return np.stack(channels, axis=-1).astype(np.uint8)[None]


def _perceptual(
    photo: RgbImage,
    mask: BoolMask,
    coverage: BoolMask | FloatImage,
    rng: np.random.Generator,
    used: Sequence[str],
) -> tuple[RgbImage, Degradation]:
    box = bounding_box(mask, margin_px=1)
    garment = _Garment.of(photo, mask, coverage, box)
    inside = np.flatnonzero(mask[box])
    sample, measured = (
        _Sample(garment.part(inside[_spread(len(inside), most)]))
        for most in (_SOLVER_PIXELS, _MEASURED_PIXELS)
    )
    # The size is drawn first and kept while kinds are tried: else large errors would be too rare.
    for _ in range(_MAX_SIZES):
        asked = ask_delta_e(rng)
        shuffled = [list(KINDS)[index] for index in rng.permutation(len(KINDS))]
        for kind in sorted(shuffled, key=used.count):
            for _ in range(_DRAWS_PER_KIND):
                error = KINDS[kind](rng, sample.garment.rgb)
                strength = _solve(error, sample, asked) if error else None
                if error is None or strength is None:
                    continue
                reached = measured.delta_e(error, strength)
                if abs(reached - asked) <= _ACCEPTED * asked:
                    result = photo.copy()
                    result[box] = _apply(error, garment, strength).reshape(result[box].shape)
                    parameters = {"strength": strength, **error.parameters}
                    return result, Degradation(kind, parameters, asked, reached)
    raise UsageError(
        f"no colour error of dE00 {DELTA_E_RANGE[0]:g} to {DELTA_E_RANGE[1]:g} fits this garment in the "
        "sRGB gamut; use the degradation 'published' for it, or leave it out"
    )


@dataclass(frozen=True, eq=False)
class _Garment:
    """Pixels of a box around a garment.

    Attributes:
        rgb: ``(P, 3)`` uint8.
        weight: ``(P, 1)`` float32 in 0..1, how far each belongs to the garment; 0 outside its mask.
        numbers: ``(P,)``, which pixels of the box they are, counted row by row.
        box: rows and columns of that box on the photo.
        size_hw: of the photo.
    """

    rgb: RgbImage
    weight: FloatImage
    numbers: NDArray[np.int64]
    box: tuple[slice, slice]
    size_hw: tuple[int, int]

    @classmethod
    def of(
        cls, photo: RgbImage, mask: BoolMask, coverage: BoolMask | FloatImage, box: tuple[slice, slice]
    ) -> _Garment:
        """All of them."""
        weight = inner_edge(mask[box], max(mask.shape), least_px=1) * coverage[box]
        size_hw = (photo.shape[0], photo.shape[1])
        return cls(photo[box].reshape(-1, 3), weight.reshape(-1, 1), np.arange(weight.size), box, size_hw)

    def part(self, chosen: slice | NDArray[np.int64]) -> _Garment:
        return replace(self, rgb=self.rgb[chosen], weight=self.weight[chosen], numbers=self.numbers[chosen])

    def places(self) -> FloatImage:
        """``(P, 2)``, the rows and columns of the photo on which they lie, in 0..1."""
        rows, columns = self.box
        row, column = np.divmod(self.numbers, len(range(self.size_hw[1])[columns]))
        return np.stack(
            [(row + rows.start) / self.size_hw[0], (column + columns.start) / self.size_hw[1]], axis=1
        ).astype(np.float32)


class _Sample:
    """Pixels of a garment on which errors are tried."""

    def __init__(self, garment: _Garment) -> None:
        self.garment = garment
        self._lab = srgb_to_lab(garment.rgb)

    def delta_e(self, error: ColourError, strength: float) -> float:
        """The mean dE00 that an error makes."""
        after = srgb_to_lab(_blend(error, self.garment, strength))
        return float(delta_e_lab(self._lab, after).mean(dtype=np.float64))


def _solve(error: ColourError, sample: _Sample, asked: float) -> float | None:
    """The strength at which a sample of the garment is off by `asked`; None if out of reach or gamut.

    By false position, in the Illinois way: the end that stays twice counts half. It is done within half a
    percent, well before a general root finder is, and those take half a worker's start to import.
    """
    low, high = 0.0, error.max_strength
    below, above = -asked, sample.delta_e(error, high) - asked
    if above < 0:
        return None
    strength, beyond, last = high, above, 0
    for _ in range(_MAX_STEPS):
        if abs(beyond) <= _SOLVED * asked:
            break
        strength = (low * above - high * below) / (above - below)
        beyond = sample.delta_e(error, strength) - asked
        if beyond < 0:
            low, below, above = strength, beyond, above / 2 if last < 0 else above
        else:
            high, above, below = strength, beyond, below / 2 if last > 0 else below
        last = -1 if beyond < 0 else 1
    return None if _clipped_share(error, sample.garment, strength) > _MAX_CLIPPED_SHARE else strength


def _apply(error: ColourError, garment: _Garment, strength: float) -> RgbImage:
    """All these pixels with the error, in parts, so that memory stays flat on large photos."""
    changed = np.empty_like(garment.rgb)
    for part in _parts(len(changed)):
        changed[part] = _blend(error, garment.part(part), strength)
    return changed


def _blend(error: ColourError, garment: _Garment, strength: float) -> RgbImage:
    mixed = _mapped(error, garment, strength)  # and then in place: new arrays would take most of the time
    np.clip(mixed, 0, 1, out=mixed)
    mixed *= 255
    mixed -= garment.rgb
    mixed *= garment.weight
    mixed += garment.rgb
    return np.rint(mixed, out=mixed).astype(np.uint8)


def _mapped(error: ColourError, garment: _Garment, strength: float) -> FloatImage:
    """``(P, 3)`` float32 of its own, gamma-encoded, unclipped: what the error makes of each pixel."""
    if not error.per_channel:
        return error.apply(garment.rgb, garment.places(), strength)
    table = error.apply(_LEVELS, np.zeros((256, 2), np.float32), strength)
    looked_up: FloatImage = cv2.LUT(garment.rgb[None], table[None])[0]
    return looked_up


def _clipped_share(error: ColourError, sample: _Garment, strength: float) -> float:
    """What share of the pixels the error would push clearly out of the sRGB gamut."""
    values = _mapped(error, sample, strength)
    return float(((values < -0.02) | (values > 1.02)).any(axis=1).mean())


def _mean_delta_e(a: RgbImage, b: RgbImage) -> float:
    """Between two lists of pixels ``(P, 3)``."""
    differences = [delta_e_lab(srgb_to_lab(a[part]), srgb_to_lab(b[part])) for part in _parts(len(a))]
    return float(np.concatenate(differences).mean(dtype=np.float64))


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` places, in order, spread evenly; not in equal steps, which could fall in
    step with a stripe. The same every time."""
    if count <= most:
        return np.arange(count)
    jitter = np.random.default_rng(most).random(most)
    return ((np.arange(most) + jitter) * (count / most)).astype(np.int64)


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _PART_PIXELS) for start in range(0, count, _PART_PIXELS)]
