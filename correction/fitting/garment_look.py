"""What its pixels say of a garment's colour, and what of it a still-life and a worn photo share.

Lit cloth is as light on a body as on a table while its folds are darker and wider spread, chroma is the
same, and so is how chroma goes along with the shading and what it varies beside that. How far true pairs
keep to this is in `Tolerances`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chromiq.records import FloatImage

_KEPT_SHARES = (0.04, 0.97)
# The lighter half of the still-life without its lightest pixels. On a body fewer pixels are lit: their upper
# fifth agrees best with the still-life's upper quarter, and so in proportion.
_LIT_COUNT = 9
_LIT_PERCENTILES_FLAT = np.linspace(50, 95, _LIT_COUNT)
_LIT_PERCENTILES_WORN = 100 - 0.8 * (100 - _LIT_PERCENTILES_FLAT)
# Tails heavier than a Gaussian's, as a mask's leak or a lining may put one number far off.
_DEGREES_OF_FREEDOM = 20.0
# Quantisation and the choice of pixels alone make two photos of the same cloth differ by such a share of the
# variance of lightness, which would pass for folds of a fifth of the cloth's own width; and at most by such a
# width, as beside the stripes of a print real folds are a small share.
_CHANCE_SHARE, _MOST_BY_CHANCE = 0.05, 4.0


@dataclass(frozen=True)
class Tolerances:
    """How far the look of a garment on a body is from its look on a still-life; spreads are Gaussian.

    What stands here lies between what four sources of true pairs show: catalogue photos of three shops and
    drawn ones. The lightness of lit cloth differs by a median of 1.3 where the body adds few folds (width up
    to 5) and of 4.0 where it adds many (over 14); the most allowed is less than the first shop's spread (4.3)
    and more than that of the best kept source (2.3): on all sources less is left of exposures and tone curves
    so. Chroma is more than the first shop's (1.2) and less than smaller photos show (1.9): fewer true photos
    are changed, and errors are corrected about as well.

    Attributes:
        lit_even: of the lightness of lit cloth, where the body adds no folds.
        lit_of_folds: what that grows by with the width of lightness that the body's folds add.
        lit_most: the most of it.
        folds_width: width of lightness that folds on a body add to that of the dyes.
        contrast: of the log of the width of lightness, beside that.
        shading: of how a*, b* go along with lightness, in CIEDE2000's units.
        variation_worn: by how much the log spread of a*, b* grows.
        variation: of that growth.
        chroma: of mean a*, b*, in CIEDE2000's units.
    """

    lit_even: float = 1.5
    lit_of_folds: float = 0.2
    lit_most: float = 3.2
    folds_width: float = 12.5
    contrast: float = 0.49
    shading: float = 1.0
    variation_worn: float = 0.14
    variation: float = 0.28
    chroma: float = 1.4

    def lit(self, folds_width: FloatImage) -> FloatImage:
        """Of the lightness of lit cloth on which a body adds folds of that width."""
        of_folds: FloatImage = np.hypot(self.lit_even, self.lit_of_folds * folds_width)
        return np.minimum(of_folds, self.lit_most)


TOLERANCES = Tolerances()


@dataclass(frozen=True, eq=False)
class Look:
    """Garments' colours in a few numbers each, without their darkest and lightest pixels.

    Attributes:
        mean: ``(..., 3)`` Lab.
        lit_flat: ``(..., 9)`` lightness that a still-life's lit cloth has, from middling to lightest.
        lit_worn: ``(..., 9)`` lightness that lit cloth on a body has.
        contrast: ``(...)`` log of the width of lightness.
        shading: ``(..., 2)`` how far a*, b* move with one standard deviation of lightness.
        variation: ``(..., 2)`` log spread of a*, b* beside that, along their two axes.
    """

    mean: FloatImage
    lit_flat: FloatImage
    lit_worn: FloatImage
    contrast: FloatImage
    shading: FloatImage
    variation: FloatImage


def look(lab: FloatImage) -> Look:
    """The looks of Lab pixels ``(..., P, 3)``, at least one each."""
    last = lab.shape[-2] - 1
    by_lightness = np.argsort(lab[..., 0], axis=-1, kind="stable")
    low, high = int(np.ceil(_KEPT_SHARES[0] * last)), int(np.floor(_KEPT_SHARES[1] * last))
    kept_places = by_lightness[..., min(low, high) : high + 1]
    kept = np.take_along_axis(lab, kept_places[..., None], axis=-2).astype(np.float64)
    percentiles = np.concatenate([_LIT_PERCENTILES_FLAT, _LIT_PERCENTILES_WORN, [10, 90]])
    lightness = np.moveaxis(np.percentile(kept[..., 0], percentiles, axis=-1), 0, -1)
    lit_flat, lit_worn, ends = np.split(lightness, [_LIT_COUNT, 2 * _LIT_COUNT], axis=-1)
    mean = kept.mean(axis=-2)
    off = kept - mean[..., None, :]
    spread = np.sqrt(np.maximum(np.square(off[..., 0]).mean(axis=-1), 1.0))[..., None]
    slope = (off[..., :1] * off[..., 1:]).mean(axis=-2) / spread**2
    beside = off[..., 1:] - off[..., :1] * slope[..., None, :]
    # The floor is what compression and noise leave on plain cloth.
    covariance = np.swapaxes(beside, -1, -2) @ beside / beside.shape[-2] + 0.3 * np.eye(2)
    contrast = np.log(np.maximum(ends[..., 1] - ends[..., 0], 1.5))
    variation = 0.5 * np.log(np.linalg.eigvalsh(covariance))
    return Look(mean, lit_flat, lit_worn, contrast, slope * spread, variation)


def lit_difference(flat: Look, worn: Look) -> FloatImage:
    """By how much lit cloth is lighter on a body than on a still-life: ``(...)`` L*.

    The median from middling to lightest cloth: of a print the share of a light dye may differ, and a single
    percentile then compares two dyes.
    """
    return np.median(worn.lit_worn - flat.lit_flat, axis=-1)


def folds_width(flat: Look, worn: Look) -> FloatImage:
    """Width of lightness, 10th to 90th percentile, that folds and shade on a body add: ``(...)`` L*."""
    of_cloth = np.exp(2 * flat.contrast)
    by_chance = np.minimum(_CHANCE_SHARE * of_cloth, _MOST_BY_CHANCE**2)
    return np.sqrt(np.maximum(np.exp(2 * worn.contrast) - of_cloth - by_chance, 0))


def log_likelihood(flat: Look, worn: Look, tolerances: Tolerances) -> FloatImage:
    """How likely looks are of one garment, mean a*, b* aside: ``(...)``; 0 at best where folds are many.

    Args:
        flat: of one still-life.
        worn: of a worn garment, or as many as ``(...)`` says.
        tolerances: how far they may be apart.
    """
    off = differences(flat, worn, tolerances.folds_width)
    off[..., 4:] -= tolerances.variation_worn
    lit = tolerances.lit(folds_width(flat, worn))
    off[..., 0] /= lit
    off[..., 1:] /= (tolerances.contrast, *(tolerances.shading,) * 2, *(tolerances.variation,) * 2)
    tails = np.log1p(np.square(off) / _DEGREES_OF_FREEDOM)
    likelihood: FloatImage = -0.5 * (_DEGREES_OF_FREEDOM + 1) * tails.sum(axis=-1)
    return likelihood - np.log(lit / tolerances.lit_most)


def log_chroma(flat: Look, worn: Look, tolerances: Tolerances) -> FloatImage:
    """Log density, per unit of a* and of b*, of a worn garment's mean given its still-life: ``(...)``."""
    weights = _weights(flat)
    off = along_and_across(flat, (worn.mean - flat.mean)[..., 1:]) / tolerances.chroma
    normal = np.log(2 * np.pi * tolerances.chroma**2 * weights.prod())
    return -0.5 * np.square(off).sum(axis=-1) - normal


def differences(flat: Look, worn: Look, folds_width: float) -> FloatImage:
    """``(..., 6)``: lit lightness, contrast, shading along and across the hue, variation along two axes."""
    expected = 0.5 * np.log(np.exp(2 * flat.contrast) + folds_width**2)
    lightness = np.stack([lit_difference(flat, worn), worn.contrast - expected], axis=-1)
    shading = along_and_across(flat, worn.shading - flat.shading)
    return np.concatenate([lightness, shading, worn.variation - flat.variation], axis=-1)


def along_and_across(flat: Look, off: FloatImage) -> FloatImage:
    """Differences of a*, b* ``(..., 2)`` along the still-life's hue and across it, in CIEDE2000's units."""
    hue = np.arctan2(flat.mean[2], flat.mean[1])
    axes = np.array([[np.cos(hue), np.sin(hue)], [-np.sin(hue), np.cos(hue)]])
    return off @ axes.T / _weights(flat)


def _weights(flat: Look) -> FloatImage:
    """CIEDE2000's weights of chroma and hue, ``(2,)``: of vivid cloth the eye and true pairs allow more."""
    chroma = float(np.hypot(*flat.mean[1:]))
    return 1 + np.array([0.045, 0.015]) * chroma
