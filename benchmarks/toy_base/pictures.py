"""The pictures of the recipe: drawn pairs at the toy's size, and garments dyed in other colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.colour import lab_to_srgb, srgb_to_lab
from chromiq.imaging.resize import coverage, resize
from chromiq.records import FloatImage, RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair

PANEL_WH = (64, 80)
"""One photo; the canvas holds two side by side."""
SEED = 1000
"""Of the drawn pairs; the demo draws with seed 0, so none of its garments is among these."""
_DRAWN_WH = (192, 240)
_FIRST = 14  # before it, every seed of the catalogue shows the same listed looks
_SHIFTS_OF_MODEL, _SHIFTS_OF_STILL, _WORDS_PER_PAIR = 3, 2, 2

COLOUR_WORDS: dict[str, tuple[float, float, float]] = {
    "red": (48, 60, 38),
    "orange": (66, 38, 62),
    "yellow": (82, 4, 70),
    "green": (50, -42, 28),
    "teal": (52, -28, -8),
    "blue": (42, 8, -46),
    "navy": (20, 6, -22),
    "purple": (38, 38, -38),
    "pink": (72, 34, 0),
    "brown": (36, 16, 22),
    "black": (14, 0, 0),
    "grey": (55, 0, 0),
    "white": (92, 0, 2),
}
"""CIELAB (D65) of the colours that captions name."""


@dataclass(frozen=True, eq=False)
class Canvases:
    """Every canvas of one pair: the still-life on the left, the worn garment on the right.

    Attributes:
        images: ``(9, 80, 128, 3)`` uint8: the true pair; three with the worn garment off colour; two with the
            still-life off colour; two with the worn garment in a named colour; one with a swatch of the
            cloth in place of the still-life.
        words: the names of those two colours.
        garment: such as ``"shirt"``.
        weights: ``(80, 128)`` float32, 1 on the garment in both photos.
    """

    images: Any
    words: tuple[str, ...]
    garment: str
    weights: FloatImage


TRUE, MODEL_OFF, STILL_OFF, WORDS, SWATCH, OTHER = 0, (1, 2, 3), (4, 5), (6, 7), 8, 9
"""Where each kind of canvas lies in `Canvases.images` and, the last, in the pool."""


def draw_canvases(index: int, seed: int = SEED) -> Canvases:
    """Draw pair `index` and all its canvases; the same arguments give the same pixels."""
    pair = draw_pair(_FIRST + index, seed=seed, size_wh=_DRAWN_WH)
    rng = np.random.default_rng((seed, index, 7))
    still, model = resize(pair.still_life, PANEL_WH), resize(pair.on_model, PANEL_WH)
    flat, worn = coverage(pair.still_life_mask, PANEL_WH), coverage(pair.on_model_mask, PANEL_WH)
    words = tuple(str(word) for word in rng.choice(list(COLOUR_WORDS), _WORDS_PER_PAIR, replace=False))
    models = [off_colour(model, worn, rng) for _ in range(_SHIFTS_OF_MODEL)]
    stills = [off_colour(still, flat, rng) for _ in range(_SHIFTS_OF_STILL)]
    dyed = [dye(model, worn, np.array(COLOUR_WORDS[word])) for word in words]
    swatch = lay_swatch(still, flat, rng)
    canvases = [
        (still, model),
        *((still, other) for other in models),
        *((other, model) for other in stills),
        *((still, other) for other in dyed),
        (swatch, model),
    ]
    return Canvases(
        np.stack([np.hstack(pair) for pair in canvases]), words, pair.garment, np.hstack([flat, worn])
    )


def write_pool(path: Path, count: int, on_progress: Callable[[int, int], None]) -> None:
    """Draw `count` pairs into one ``.npz``; each pair's canvases are followed by that of `lay_other`."""
    pairs = []
    for index in range(count):
        pairs.append(draw_canvases(index))
        on_progress(index + 1, count)
    images = [
        np.concatenate([pair.images, lay_other(pair, pairs[number - 1])[None]])
        for number, pair in enumerate(pairs)
    ]
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        images=np.stack(images),
        weights=np.stack([pair.weights for pair in pairs]),
        words=np.array([pair.words for pair in pairs]),
        garments=np.array([pair.garment for pair in pairs]),
    )
    partial.replace(path)


def off_colour(rgb: RgbImage, weights: FloatImage, rng: np.random.Generator) -> RgbImage:
    """The garment with its mean colour moved by 5 to 25 units of CIELAB, mostly in hue and chroma."""
    direction = rng.normal(size=3) * (0.7, 1.0, 1.0)
    move = direction / np.linalg.norm(direction) * rng.uniform(5, 25)
    return dye(rgb, weights, _mean_lab(rgb, weights) + move)


def dye(rgb: RgbImage, weights: FloatImage, mean_lab: Any) -> RgbImage:
    """The garment moved in CIELAB so that its mean is `mean_lab`; its folds and pattern stay.

    Args:
        rgb: ``(H, W, 3)`` uint8 sRGB.
        weights: ``(H, W)``, 1 on the garment, fractions on its edge.
        mean_lab: CIELAB, D65.
    """
    lab = srgb_to_lab(rgb) + (np.asarray(mean_lab) - _mean_lab(rgb, weights))
    mixed = rgb + (lab_to_srgb(lab).astype(np.float32) - rgb) * weights[..., None]
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def lay_swatch(still: RgbImage, weights: FloatImage, rng: np.random.Generator) -> RgbImage:
    """A rectangle in the still-life garment's mean colour, laid on its backdrop."""
    width, height = PANEL_WH
    backdrop = np.median(still[:4].reshape(-1, 3), axis=0)
    image = np.empty_like(still)
    image[:] = np.rint(backdrop)
    tall, wide = int(rng.integers(height // 3, height)), int(rng.integers(width // 3, width))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    image[top : top + tall, left : left + wide] = lab_to_srgb(_mean_lab(still, weights))
    return image


def lay_other(pair: Canvases, other: Canvases) -> RgbImage:
    """The true canvas with another pair's still-life, dyed in this one's mean colour, in place of its own."""
    width = PANEL_WH[0]
    colour = _mean_lab(pair.images[TRUE, :, :width], pair.weights[:, :width])
    dyed = dye(other.images[TRUE, :, :width], other.weights[:, :width], colour)
    return np.hstack([dyed, pair.images[TRUE, :, width:]])


def _mean_lab(rgb: RgbImage, weights: FloatImage) -> Any:
    inside = weights > 0.5
    return srgb_to_lab(rgb)[inside if inside.any() else weights >= 0].mean(axis=0)
