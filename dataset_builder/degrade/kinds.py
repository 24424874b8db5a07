"""Kinds of colour error that cameras and retouchers make, each a smooth map of a strength.

An error takes the levels of an sRGB photo and gives gamma-encoded values, 0..1 and unclipped: what lies
outside is out of gamut. Strength 0 changes nothing. Exposure and white balance act in linear light, as in a
camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chromiq.colour import (
    bytes_to_linear,
    lab_to_srgb_float,
    linear_to_srgb,
    srgb_to_lab,
)
from chromiq.imaging.colour_error_table import COLOUR_ERRORS, MOST_TINT_ALPHA, ColourErrorKind, Space
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


def _of_table(name: str, parameter: str) -> Callable[[np.random.Generator], ColourError]:
    """A kind of `COLOUR_ERRORS`, in a direction drawn."""

    def draw(rng: np.random.Generator) -> ColourError:
        return _in_direction(COLOUR_ERRORS[name], _sign(rng), parameter)

    return draw


def _in_direction(kind: ColourErrorKind, sign: float, parameter: str) -> ColourError:
    levels_to_space, to_encoded = _SPACES[kind.space]

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        return to_encoded(kind.change(levels_to_space(rgb), sign * strength))

    most = kind.most[0] if sign > 0 else kind.most[1]
    return ColourError(apply, most, {parameter: sign}, per_channel=kind.per_channel)


def tint(rng: np.random.Generator) -> ColourError:
    """A veil of one colour, as reflected light or a filter gives it."""
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    names = dict(zip(("red", "green", "blue"), (float(channel) for channel in colour), strict=True))

    def apply(rgb: RgbImage, _: FloatImage, strength: float) -> FloatImage:
        seen = _encoded(rgb)
        return seen + strength * (colour - seen)

    return ColourError(apply, MOST_TINT_ALPHA, names, per_channel=True)


def channel_gamma(rng: np.random.Generator) -> ColourError:
    """One channel's gamma is off, so that shadows and highlights stay and the middle takes a cast."""
    channel = int(rng.integers(3))
    kind = COLOUR_ERRORS[("red_gamma", "green_gamma", "blue_gamma")[channel]]
    error = _in_direction(kind, _sign(rng), "darker")
    return replace(error, parameters={"channel": float(channel), **error.parameters})


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
        name: partial(_of_any_cloth, draw)
        for name, draw in {
            "daylight": _of_table("daylight", "warmer"),
            "off_daylight": _of_table("off_daylight", "greener"),
            "exposure": _of_table("exposure", "lighter"),
            "tint": tint,
            "hue_rotation": _of_table("hue_rotation", "counterclockwise"),
            "chroma_gain": _of_table("chroma_gain", "more_vivid"),
            "contrast": _of_table("contrast", "steeper"),
            "channel_gamma": channel_gamma,
            "uneven_light": uneven_light,
        }.items()
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


_SPACES: dict[Space, tuple[Callable[[RgbImage], FloatImage], Callable[[FloatImage], FloatImage]]] = {
    "encoded": (_encoded, lambda encoded: encoded),
    "linear": (bytes_to_linear, linear_to_srgb),
    "Lab": (srgb_to_lab, lab_to_srgb_float),
}


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0
