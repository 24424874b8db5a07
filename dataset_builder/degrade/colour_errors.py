"""Kinds of colour error that cameras and retouchers make, each a smooth map of a strength.

An error takes the levels of an sRGB photo and gives gamma-encoded values, 0..1 and unclipped: what lies
outside is out of gamut. Strength 0 changes nothing. Exposure and white balance act in linear light, as in a
camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from chromiq.colour import (
    bytes_to_linear,
    daylight_gains,
    lab_to_srgb_float,
    linear_to_srgb,
    srgb_to_lab,
)
from chromiq.records import FloatImage, RgbImage

_DYE_TRIES = 8
_DYE_SHARE = (0.05, 0.7)
_DYE_WIDTH = 12.0

Apply = Callable[[RgbImage, FloatImage, float], FloatImage]
"""(pixels ``(P, 3)`` uint8 sRGB, places ``(P, 2)`` as row and column in 0..1, strength) -> ``(P, 3)``."""


@dataclass(frozen=True)
class ColourError:
    """One error of a kind, its direction drawn and its strength still open.

    Attributes:
        apply: the map.
        max_strength: as far as it is believable.
        parameters: its direction, for the manifest.
        per_channel: whether each channel of the outcome depends on that channel alone, and not on the
            place, so that a table of 256 levels says it all.
    """

    apply: Apply
    max_strength: float
    parameters: dict[str, float]
    per_channel: bool = False


def _of_any_cloth(
    kind: Callable[[np.random.Generator], ColourError], rng: np.random.Generator, garment: RgbImage
) -> ColourError:
    del garment  # it befalls any
    return kind(rng)


def daylight(rng: np.random.Generator) -> ColourError:
    """White balance along the daylight curve, in mired: too warm or too cold."""
    sign = _sign(rng)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        return linear_to_srgb(bytes_to_linear(rgb) * daylight_gains(sign * strength))

    return ColourError(apply, 96 if sign > 0 else 113, {"warmer": sign}, per_channel=True)


def off_daylight(rng: np.random.Generator) -> ColourError:
    """White balance across the daylight curve, as under fluorescent light: too green or too magenta."""
    sign = _sign(rng)
    return _gains(np.array([-0.25, 0.6, -0.25]) * sign, {"greener": sign})


def exposure(rng: np.random.Generator) -> ColourError:
    """Too light or too dark, in stops."""
    sign = _sign(rng)
    return _gains(np.array([1.0, 1.0, 1.0]) * sign, {"lighter": sign})


def tint(rng: np.random.Generator) -> ColourError:
    """A veil of one colour, as reflected light or a filter gives it."""
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    names = dict(zip(("red", "green", "blue"), (float(channel) for channel in colour), strict=True))

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        seen = _encoded(rgb)
        return seen + strength * (colour - seen)

    return ColourError(apply, 0.4, names, per_channel=True)


def hue_rotation(rng: np.random.Generator) -> ColourError:
    """Every hue turned by one angle in Lab, chroma and lightness kept."""
    sign = _sign(rng)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        cosine, sine = np.cos(sign * strength), np.sin(sign * strength)
        lightness, a, b = srgb_to_lab(rgb).T
        return lab_to_srgb_float(np.stack([lightness, cosine * a - sine * b, sine * a + cosine * b], axis=1))

    return ColourError(apply, np.pi, {"counterclockwise": sign})


def chroma_gain(rng: np.random.Generator) -> ColourError:
    """Too vivid or too dull."""
    sign = _sign(rng)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        lab = srgb_to_lab(rgb)
        lab[:, 1:] *= np.exp(sign * strength)
        return lab_to_srgb_float(lab)

    return ColourError(apply, 1.6, {"more_vivid": sign})


def contrast(rng: np.random.Generator) -> ColourError:
    """A steeper or flatter tone curve about middle grey."""
    sign = _sign(rng)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        pivot = np.float32(0.5)
        return pivot + (_encoded(rgb) - pivot) * np.float32(np.exp(sign * strength))

    return ColourError(apply, 0.7, {"steeper": sign}, per_channel=True)


def channel_gamma(rng: np.random.Generator) -> ColourError:
    """One channel's gamma is off, so that shadows and highlights stay and the middle takes a cast."""
    channel, sign = int(rng.integers(3)), _sign(rng)

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        changed = _encoded(rgb)
        changed[:, channel] **= np.exp(sign * strength)
        return changed

    return ColourError(apply, 0.9, {"channel": float(channel), "darker": sign}, per_channel=True)


def uneven_light(rng: np.random.Generator) -> ColourError:
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


KINDS: dict[str, Callable[[np.random.Generator, RgbImage], ColourError | None]] = {
    **{
        kind.__name__: partial(_of_any_cloth, kind)
        for kind in (
            daylight,
            off_daylight,
            exposure,
            tint,
            hue_rotation,
            chroma_gain,
            contrast,
            channel_gamma,
            uneven_light,
        )
    },
    "one_dye": one_dye,
}
"""By name, what draws an error for a garment's pixels ``(P, 3)``; None if that kind cannot befall it."""


def _encoded(rgb: RgbImage) -> FloatImage:
    """Levels as gamma-encoded values, 0..1 float32."""
    return rgb / np.float32(255)


def _dye_share(lab: FloatImage, centre: FloatImage) -> FloatImage:
    apart = (lab - centre) * np.array([0.4, 1, 1], np.float32)
    share: FloatImage = np.exp(-0.5 * (apart**2).sum(axis=-1) / _DYE_WIDTH**2)
    return share


def _gains(stops: FloatImage, parameters: dict[str, float]) -> ColourError:
    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        return linear_to_srgb(bytes_to_linear(rgb) * np.exp2(strength * stops).astype(np.float32))

    return ColourError(apply, 2.0, parameters, per_channel=True)


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
