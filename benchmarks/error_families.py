"""Families of colour error for `benchmarks/transfer.py`, each a random smooth map of colour of a size asked.

The first half is what the dataset builder draws from, and the corrector may know of it. The second half is
drawn here and nowhere else: nothing in `correction/` may use its formulas or its constants. What real errors
look like is nearer to the second half: maps selective by hue, curves, gains that depend on tone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import (
    delta_e_lab,
    lab_to_srgb_float,
    linear_to_srgb,
    rgb_to_lab,
    srgb_to_lab,
    srgb_to_linear,
)
from chromiq.dataset_builder.degrade import KINDS, degrade
from chromiq.records import FloatImage, RgbImage

SIZES = (1.5, 14.0)
_SOLVER_PIXELS = 1024
_MOST_CLIPPED = 0.03
_DRAWS = 12

Change = Callable[[FloatImage, FloatImage, float], FloatImage]
"""(encoded sRGB ``(P, 3)``, places ``(P, 2)`` in 0..1, strength 0..1) -> encoded sRGB, unclipped."""
Draw = Callable[[np.random.Generator, FloatImage], Change | None]
"""(random numbers, Lab of the garment ``(P, 3)``) -> a change; None if it cannot befall that garment."""


@dataclass(frozen=True)
class Family:
    """A family of colour errors.

    Attributes:
        name: for tables.
        known: whether the dataset builder draws from it, so that the corrector may know it.
        draw: draws a change.
    """

    name: str
    known: bool
    draw: Draw


def _in_lab(move: Callable[[FloatImage, float], FloatImage]) -> Change:
    return lambda rgb, _, strength: lab_to_srgb_float(move(rgb_to_lab(rgb), strength))


def _chroma_hue(lab: FloatImage) -> tuple[FloatImage, FloatImage]:
    return np.hypot(lab[:, 1], lab[:, 2]), np.arctan2(lab[:, 2], lab[:, 1])


def hue_selective(rng: np.random.Generator, garment: FloatImage) -> Change | None:
    """One to three of eight hue bands turned, greyed or made vivid, lightened, as an HSL panel does.

    The weight of a band is ``cos^2`` of the angle to its centre within 45 to 60 degrees, and fades on greys.
    """
    chroma, hue = _chroma_hue(garment)
    vivid = hue[chroma > 6]
    if len(vivid) < 0.05 * len(garment):
        return None
    count = int(rng.integers(1, 4))
    centres = rng.choice(vivid, 1)[0] + np.concatenate([[0.0], rng.uniform(-np.pi, np.pi, count - 1)])
    width = rng.uniform(np.radians(45), np.radians(60))
    turns, gains = rng.uniform(-0.9, 0.9, count), rng.uniform(-1.0, 0.6, count)
    lifts = rng.normal(0, 6, count) * (rng.random() < 0.5)

    def move(lab: FloatImage, strength: float) -> FloatImage:
        chroma, hue = _chroma_hue(lab)
        off = np.abs(np.angle(np.exp(1j * (hue[:, None] - centres)))) / width
        weight = np.where(off < 1, np.cos(0.5 * np.pi * off) ** 2, 0) * (chroma / (chroma + 5))[:, None]
        turned = chroma * np.exp(strength * weight @ gains + 1j * (hue + strength * weight @ turns))
        return np.stack([lab[:, 0] + strength * weight @ lifts, turned.real, turned.imag], axis=1)

    return _in_lab(move)


def several_dyes(rng: np.random.Generator, garment: FloatImage) -> Change | None:
    """Two or three dyes moved, each its own way, and the colours far from them true."""
    count = int(rng.integers(2, 4))
    centres = garment[rng.choice(len(garment), count)]
    moves = rng.normal(0, 12, (count, 3)) * [0.4, 1, 1]
    width = rng.uniform(8, 16)

    def move(lab: FloatImage, strength: float) -> FloatImage:
        apart = np.square((lab[:, None] - centres) * [0.5, 1, 1]).sum(axis=-1)
        return lab + strength * np.exp(-0.5 * apart / width**2) @ moves

    return _in_lab(move)


def tone_curve(rng: np.random.Generator, garment: FloatImage) -> Change:
    """One smooth curve for all channels: an S, its inverse, lifted shadows, rolled-off highlights."""
    del garment
    amounts = rng.normal(0, [0.16, 0.10, 0.05])

    def change(rgb: FloatImage, _: FloatImage, strength: float) -> FloatImage:
        waves = (np.sin(np.pi * (k + 1) * rgb) * amount for k, amount in enumerate(amounts))
        return rgb + strength * sum(waves)

    return change


def channel_curves(rng: np.random.Generator, garment: FloatImage) -> Change:
    """A smooth curve for each channel, so that gains of red and blue depend on tone."""
    del garment
    amounts = rng.normal(0, [[0.12], [0.07]], (2, 3))

    def change(rgb: FloatImage, _: FloatImage, strength: float) -> FloatImage:
        waves = (np.sin(np.pi * (k + 1) * rgb) * amount for k, amount in enumerate(amounts))
        return rgb + strength * sum(waves)

    return change


def split_toning(rng: np.random.Generator, garment: FloatImage) -> Change:
    """One colour cast in the shadows and another in the highlights."""
    del garment
    dark, light = rng.normal(0, 10, (2, 2))
    middle, width = rng.uniform(35, 65), rng.uniform(8, 20)

    def move(lab: FloatImage, strength: float) -> FloatImage:
        share = 1 / (1 + np.exp(-(lab[:, :1] - middle) / width))
        moved = lab.copy()
        moved[:, 1:] += strength * ((1 - share) * dark + share * light)
        return moved

    return _in_lab(move)


def smooth_table(rng: np.random.Generator, garment: FloatImage) -> Change:
    """A random smooth look-up table: a sum of 24 Gaussian bumps over Lab, 25 to 45 wide."""
    span = np.percentile(garment, [1, 99], axis=0)
    centres = rng.uniform(span[0] - 15, span[1] + 15, (24, 3))
    moves = rng.normal(0, 8, (24, 3)) * [0.5, 1, 1]
    width = rng.uniform(25, 45)

    def move(lab: FloatImage, strength: float) -> FloatImage:
        apart = np.square(lab[:, None] - centres).sum(axis=-1)
        return lab + strength * np.exp(-0.5 * apart / width**2) @ moves

    return _in_lab(move)


def camera_matrix(rng: np.random.Generator, garment: FloatImage) -> Change:
    """Linear light through a wrong 3x3 matrix whose rows add up to one, and wrong white balance with it."""
    del garment
    mix = rng.normal(0, 0.14, (3, 3))
    mix -= mix.mean(axis=1, keepdims=True)
    gains = rng.normal(0, 0.25, 3)
    gains -= gains.mean()

    def change(rgb: FloatImage, _: FloatImage, strength: float) -> FloatImage:
        matrix = np.diag(np.exp2(strength * gains)) @ (np.eye(3) + strength * mix)
        return linear_to_srgb(srgb_to_linear(rgb) @ matrix.T.astype(np.float32))

    return change


def affine_lab(rng: np.random.Generator, garment: FloatImage) -> Change:
    """A random affine map of Lab about the garment's mean."""
    mean = garment.mean(axis=0)
    matrix = rng.normal(0, 0.2, (3, 3)) * [[0.5, 0.2, 0.2], [0.5, 1, 1], [0.5, 1, 1]]
    shift = rng.normal(0, [4, 8, 8])
    return _in_lab(lambda lab, strength: lab + strength * ((lab - mean) @ matrix.T + shift))


def saturation_value(rng: np.random.Generator, garment: FloatImage) -> Change:
    """Saturation and value of HSV changed together, and hue by little."""
    del garment
    saturation, value, hue = rng.normal(0, [0.5, 0.2, 12])

    def change(rgb: FloatImage, _: FloatImage, strength: float) -> FloatImage:
        hsv = cv2.cvtColor(np.clip(rgb, 0, 1).astype(np.float32)[:, None], cv2.COLOR_RGB2HSV)[:, 0]
        hsv[:, 0] = (hsv[:, 0] + strength * hue) % 360
        hsv[:, 1:] = np.clip(hsv[:, 1:] * np.exp(strength * np.array([saturation, value])), 0, 1)
        return cv2.cvtColor(hsv[:, None].astype(np.float32), cv2.COLOR_HSV2RGB)[:, 0]

    return change


def _built(kind: str) -> Draw:
    """A family of the dataset builder's."""

    def draw(rng: np.random.Generator, garment: FloatImage) -> Change | None:
        rgb = np.rint(np.clip(lab_to_srgb_float(garment), 0, 1) * 255).astype(np.uint8)
        error = KINDS[kind](rng, rgb)
        if error is None:
            return None
        return lambda rgb, places, strength: error.apply(
            np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8),
            places.astype(np.float32),
            strength * error.max_strength,
        )

    return draw


FAMILIES: tuple[Family, ...] = (
    *(Family(name, True, _built(name)) for name in KINDS),
    *(
        Family(draw.__name__, False, draw)
        for draw in (
            hue_selective,
            several_dyes,
            tone_curve,
            channel_curves,
            split_toning,
            smooth_table,
            camera_matrix,
            affine_lab,
            saturation_value,
        )
    ),
)


def apply_family(
    family: Family, rgb: RgbImage, places: FloatImage, rng: np.random.Generator
) -> RgbImage | None:
    """Pixels with an error of the family, its mean dE00 drawn log-uniformly from `SIZES`.

    Args:
        family: of errors.
        rgb: ``(P, 3)`` uint8 sRGB of a garment.
        places: ``(P, 2)`` row and column in 0..1.
        rng: decides size and direction.

    Returns:
        ``(P, 3)`` uint8 sRGB, or None if no error of that size fits the garment within the gamut.
    """
    asked = float(np.exp(rng.uniform(*np.log(SIZES))))
    few = slice(None, None, max(1, len(rgb) // _SOLVER_PIXELS))
    encoded, there = rgb.astype(np.float32) / 255, srgb_to_lab(rgb[few])

    def size(change: Change, strength: float) -> tuple[float, float]:
        changed = change(encoded[few], places[few], strength)
        clipped = ((changed < -0.02) | (changed > 1.02)).any(axis=1).mean()
        return float(delta_e_lab(there, rgb_to_lab(np.clip(changed, 0, 1))).mean()), float(clipped)

    for _ in range(_DRAWS):
        change = family.draw(rng, there)
        if change is None:
            continue
        # Families of the second half may be drawn too weak for the size asked: up to three times as strong.
        low, high = 0.0, 1.0 if family.known else 3.0
        if size(change, high)[0] < asked:
            continue
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if size(change, middle)[0] < asked else (low, middle)
        reached, clipped = size(change, high)
        if abs(reached - asked) < 0.1 * asked and clipped <= _MOST_CLIPPED:
            return np.rint(np.clip(change(encoded, places, high), 0, 1) * 255).astype(np.uint8)
    return None


def degrade_as_published(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """Pixels ``(P, 3)`` with one of the published run's degradations: any hue, or a tint of 35 to 65 %."""
    return degrade(rgb[None], np.ones((1, len(rgb)), bool), "published", rng)[0][0]
