"""(photo, mask, random numbers) -> the photo with a colour error of a known size inside the mask.

`published` is what the published run did: hue shifts and tints of any size, a no-op on grey cloth.
`perceptual` draws a kind of error that cameras and retouchers make and a size in dE00, and solves for the
strength that gives it. Outside the mask not a bit changes.

An error takes the levels of an sRGB photo and gives gamma-encoded values, 0..1 and unclipped: what lies
outside is out of gamut. Strength 0 changes nothing. Exposure and white balance act in linear light, as in a
camera.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import bytes_to_linear, delta_e_lab, lab_to_srgb_float, linear_to_srgb, srgb_to_lab
from chromiq.errors import UsageError
from chromiq.imaging.colour_error_table import (
    COLOUR_ERRORS,
    MOST_TINT_ALPHA,
    PUBLISHED_TINT_ALPHA,
    ColourErrorKind,
    Space,
)
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
_DYE_TRIES = 8
_DYE_SHARE = (0.05, 0.7)
_DYE_WIDTH = 12.0

Apply = Callable[[RgbImage, FloatImage, float], FloatImage]
"""(pixels ``(P, 3)`` uint8 sRGB, places ``(P, 2)`` as row and column in 0..1, strength) -> ``(P, 3)``."""


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
        labs = (srgb_to_lab(image.reshape(-1, 3)[seen]) for image in (photo[box], degraded))
        reached = float(delta_e_lab(*labs).mean(dtype=np.float64))
        return result, Degradation(kind, parameters, None, reached)
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
        garment.part(inside[_spread(len(inside), most)]) for most in (_SOLVER_PIXELS, _MEASURED_PIXELS)
    )
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

    @cached_property
    def _lab(self) -> FloatImage:
        return srgb_to_lab(self.rgb)

    def delta_e(self, error: ColourError, strength: float) -> float:
        """The mean dE00 that an error makes."""
        after = srgb_to_lab(_blend(error, self, strength))
        return float(delta_e_lab(self._lab, after).mean(dtype=np.float64))


def _solve(error: ColourError, sample: _Garment, asked: float) -> float | None:
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
    return None if _clipped_share(error, sample, strength) > _MAX_CLIPPED_SHARE else strength


def _apply(error: ColourError, garment: _Garment, strength: float) -> RgbImage:
    """All these pixels with the error, in parts, so that memory stays flat on large photos."""
    changed = np.empty_like(garment.rgb)
    for start in range(0, len(changed), _PART_PIXELS):
        part = slice(start, start + _PART_PIXELS)
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


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` places, in order, spread evenly; not in equal steps, which could fall in
    step with a stripe. The same every time."""
    if count <= most:
        return np.arange(count)
    jitter = np.random.default_rng(most).random(most)
    return ((np.arange(most) + jitter) * (count / most)).astype(np.int64)


@dataclass(frozen=True)
class ColourError:
    """One error of a kind, its direction drawn and its strength still open.

    Attributes:
        max_strength: as far as it is believable.
        parameters: its direction, for the manifest.
        per_channel: whether each channel of the outcome depends on that channel alone, and not on the
            place, so that a table of 256 levels says it all.
    """

    apply: Apply
    max_strength: float
    parameters: dict[str, float]
    per_channel: bool = False


Draw = Callable[[np.random.Generator, RgbImage], "ColourError | None"]
"""Draws an error for a garment's pixels ``(P, 3)``; None if that kind cannot befall it."""


def _of_table(name: str, parameter: str) -> Draw:
    """A kind of `COLOUR_ERRORS`, in a direction drawn."""
    return lambda rng, _: _in_direction(COLOUR_ERRORS[name], _sign(rng), parameter)


def _in_direction(kind: ColourErrorKind, sign: float, parameter: str) -> ColourError:
    levels_to_space, to_encoded = _SPACES[kind.space]

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        return to_encoded(kind.change(levels_to_space(rgb), sign * strength))

    most = kind.most[0] if sign > 0 else kind.most[1]
    return ColourError(apply, most, {parameter: sign}, per_channel=kind.per_channel)


def tint(rng: np.random.Generator, _: RgbImage) -> ColourError:
    """A veil of one colour, as reflected light or a filter gives it."""
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    names = dict(zip(("red", "green", "blue"), (float(channel) for channel in colour), strict=True))

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        seen = _encoded(rgb)
        return seen + strength * (colour - seen)

    return ColourError(apply, MOST_TINT_ALPHA, names, per_channel=True)


def channel_gamma(rng: np.random.Generator, _: RgbImage) -> ColourError:
    """One channel's gamma is off, so that shadows and highlights stay and the middle takes a cast."""
    channel = int(rng.integers(3))
    kind = COLOUR_ERRORS[("red_gamma", "green_gamma", "blue_gamma")[channel]]
    error = _in_direction(kind, _sign(rng), "darker")
    return replace(error, parameters={"channel": float(channel), **error.parameters})


def uneven_light(rng: np.random.Generator, _: RgbImage) -> ColourError:
    """Coloured light from one side of the body."""
    angle, warmer = rng.uniform(0, 2 * np.pi), _sign(rng)
    direction = np.array([np.sin(angle), np.cos(angle)], np.float32)
    gains = np.array([0.6, 0.1, -0.7], np.float32) * warmer

    def apply(rgb: RgbImage, places: FloatImage, strength: float) -> FloatImage:
        along = (places - 0.5) @ direction
        stops = (0.6 + along)[:, None] * gains * strength
        return linear_to_srgb(bytes_to_linear(rgb) * np.exp2(stops))

    return ColourError(apply, 2.5, {"angle": float(angle), "warmer": warmer})


def one_dye(rng: np.random.Generator, garment: RgbImage) -> ColourError | None:
    """One dye of a print off, moved in Lab, and the others true; None for cloth of one colour.

    What belongs to the dye falls off smoothly with the distance from its colour, in which lightness counts
    less: folds and shade are the same dye.

    Args:
        rng: chooses the dye and where it moves.
        garment: ``(P, 3)`` uint8 sRGB, pixels of the whole garment.
    """
    lab = srgb_to_lab(garment)
    for centre in lab[rng.integers(len(lab), size=_DYE_TRIES)]:
        belongs = _dye_share(lab, centre)
        if _DYE_SHARE[0] <= (belongs > 0.5).mean() <= _DYE_SHARE[1] and (belongs < 0.1).mean() > 0.2:
            break
    else:
        return None
    direction = rng.normal(size=3) * [0.5, 1, 1]
    direction /= np.linalg.norm(direction)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        seen = srgb_to_lab(rgb)
        return lab_to_srgb_float(seen + _dye_share(seen, centre)[:, None] * strength * direction)

    names = ("dye_lightness", "dye_a", "dye_b", "to_lightness", "to_a", "to_b")
    values = (float(value) for value in (*centre, *direction))
    return ColourError(apply, 80, dict(zip(names, values, strict=True)))


KINDS: dict[str, Draw] = {
    "daylight": _of_table("daylight", "warmer"),
    "off_daylight": _of_table("off_daylight", "greener"),
    "exposure": _of_table("exposure", "lighter"),
    "tint": tint,
    "hue_rotation": _of_table("hue_rotation", "counterclockwise"),
    "chroma_gain": _of_table("chroma_gain", "more_vivid"),
    "contrast": _of_table("contrast", "steeper"),
    "channel_gamma": channel_gamma,
    "uneven_light": uneven_light,
    "one_dye": one_dye,
}
"""What draws each kind of error, by its name."""


def _encoded(rgb: RgbImage) -> FloatImage:
    """Levels as gamma-encoded values, 0..1 float32."""
    return rgb / np.float32(255)


def _dye_share(lab: FloatImage, centre: FloatImage) -> FloatImage:
    apart = (lab - centre) * np.array([0.4, 1, 1], np.float32)
    share: FloatImage = np.exp(-0.5 * (apart**2).sum(axis=-1) / _DYE_WIDTH**2)
    return share


_SPACES: dict[Space, tuple[Callable[[RgbImage], FloatImage], Callable[[FloatImage], FloatImage]]] = {
    "encoded": (_encoded, lambda encoded: encoded),
    "linear": (bytes_to_linear, linear_to_srgb),
    "Lab": (srgb_to_lab, lab_to_srgb_float),
}


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
