"""The colour errors with one parameter, shared by the dataset builder and the correction.

The builder applies errors drawn from this table, and the correction tries each of them as a hypothesis; it
knows no others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chromiq.colour import ENCODED_SRGB, EncodedRgb, daylight_gains, linear_to_srgb, srgb_to_linear
from chromiq.records import FloatImage

Space = Literal["encoded", "linear", "Lab"]
# Opacities of a uniform tint: the published run's range, and the builder's maximum.
PUBLISHED_TINT_ALPHA = (0.35, 0.65)
MOST_TINT_ALPHA = 0.4


@dataclass(frozen=True)
class ColourErrorKind:
    """A kind of colour error.

    Attributes:
        space: the values that `change` takes: gamma-encoded sRGB in 0..1, linear light in 0..1, or Lab.
        change: maps values ``(P, 3)`` and a signed strength to values in that space, unclipped; strength 0
            changes nothing and ``-strength`` undoes ``strength``.
        most: the maximum strength in the positive and in the negative direction.
        per_channel: whether each channel of the result depends on that channel alone.
    """

    space: Space
    change: Callable[[FloatImage, float], FloatImage]
    most: tuple[float, float]
    per_channel: bool = False

    def of_encoded(self, rgb: FloatImage, strength: float, encoding: EncodedRgb = ENCODED_SRGB) -> FloatImage:
        """Apply the error to gamma-encoded RGB ``(P, 3)`` in 0..1, unclipped."""
        match self.space:
            case "encoded":
                return self.change(rgb, strength)
            case "linear":
                return linear_to_srgb(self.change(srgb_to_linear(rgb), strength))
            case "Lab":
                return encoding.from_lab(self.change(encoding.to_lab(rgb), strength))


def _stops(red: float, green: float, blue: float) -> Callable[[FloatImage, float], FloatImage]:
    per_channel = np.array([red, green, blue])
    return lambda linear, strength: linear * np.exp2(strength * per_channel).astype(np.float32)


def _steeper(rgb: FloatImage, strength: float) -> FloatImage:
    pivot = np.float32(0.5)
    return pivot + (rgb - pivot) * np.float32(np.exp(strength))


def _gamma(channel: int) -> Callable[[FloatImage, float], FloatImage]:
    def change(rgb: FloatImage, strength: float) -> FloatImage:
        changed = rgb.copy()
        changed[:, channel] = np.clip(rgb[:, channel], 0, 1) ** np.exp(strength)
        return changed

    return change


def _turned(lab: FloatImage, angle: float) -> FloatImage:
    # Not a matrix product, whose last bit may differ between processors.
    cosine, sine = np.cos(angle), np.sin(angle)
    lightness, a, b = lab.T
    return np.stack([lightness, cosine * a - sine * b, sine * a + cosine * b], axis=1)


def _more_vivid(lab: FloatImage, strength: float) -> FloatImage:
    changed = lab.copy()
    changed[:, 1:] *= np.exp(strength)
    return changed


COLOUR_ERRORS: dict[str, ColourErrorKind] = {
    "exposure": ColourErrorKind("linear", _stops(1, 1, 1), (2, 2), per_channel=True),
    "off_daylight": ColourErrorKind("linear", _stops(-0.25, 0.6, -0.25), (2, 2), per_channel=True),
    "daylight": ColourErrorKind(
        "linear", lambda linear, mired: linear * daylight_gains(mired), (96, 113), per_channel=True
    ),
    "contrast": ColourErrorKind("encoded", _steeper, (0.7, 0.7), per_channel=True),
    "red_gamma": ColourErrorKind("encoded", _gamma(0), (0.9, 0.9), per_channel=True),
    "green_gamma": ColourErrorKind("encoded", _gamma(1), (0.9, 0.9), per_channel=True),
    "blue_gamma": ColourErrorKind("encoded", _gamma(2), (0.9, 0.9), per_channel=True),
    "hue_rotation": ColourErrorKind("Lab", _turned, (np.pi, np.pi)),
    "chroma_gain": ColourErrorKind("Lab", _more_vivid, (1.6, 1.6)),
}
"""Units: white balance in mired along the daylight locus and in stops across it; exposure in stops; hue
rotation in radians; chroma, contrast and the gamma of each channel as the natural logarithm of the factor."""
