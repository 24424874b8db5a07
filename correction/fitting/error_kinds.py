"""Kinds of colour error, taken back.

Of some the mean tells how far they went, their kind what they did to everything else: a veil flattens the
folds, a turn of hue takes the shading's colour along, wrong gains scale with the light. These are undone so
that the garment's mean colour becomes a wanted one. Others go one way only, as exposure does: they are
undone by every strength, and where the colour then lies tells whether it was them. Priors say what is
believable of each kind, from what it is and not from any photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import EncodedRgb, linear_to_srgb, srgb_to_linear
from chromiq.imaging.colour_error_table import COLOUR_ERRORS
from chromiq.records import FloatImage

Undo = Callable[[FloatImage, FloatImage, FloatImage, EncodedRgb], FloatImage]
"""(pixels ``(P, 3)``, their mean ``(3,)``, the wanted mean ``(3,)``, their encoding) -> pixels."""
LogPrior = Callable[[FloatImage, FloatImage, EncodedRgb], float]
"""(mean as seen, wanted mean, encoding) -> log density of an error that leads from one to the other."""
Change = Callable[[FloatImage, float, EncodedRgb], FloatImage]
"""(encoded pixels ``(P, 3)``, strength, which may be negative, their encoding) -> pixels."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
# Opacities of veils, and contrast that a tone curve steeper than the truth added.
_VEILS = (0.2, 0.35, 0.45, 0.52, 0.6, 0.65)
_CURVES = (0.6, 0.8)
# How far the colours of veils lie from the cloth's, in a*, b* and in L*.
_VEIL_CHROMA_SPREAD, _VEIL_LIGHTNESS_SPREAD = 40.0, 25.0
# An error takes a*, b* this far; a turn of HSV's hue takes them further, by this share of the cloth's chroma.
ERROR_CHROMA_SPREAD = 15.0
_HUE_CHROMA_SHARE = 0.6
# A shift in Lab goes as far in each direction.
_SHIFT_SPREAD = 8.0


@dataclass(frozen=True)
class ErrorKind:
    """A kind of error.

    Attributes:
        undo: takes it back.
        log_prior: how believable it is at the size that this takes, a*, b* aside.
        chroma_spread: of the change of a*, b*.
        of_chroma: what that grows by with the chroma of the cloth.
    """

    undo: Undo
    log_prior: LogPrior
    chroma_spread: float = ERROR_CHROMA_SPREAD
    of_chroma: float = 0.0

    def log_chroma_prior(self, off: FloatImage, wanted: FloatImage) -> float:
        """Log density, per unit of a* and of b*, of taking a*, b* ``(2,)`` that far from those wanted."""
        return log_chroma_density(off, np.hypot(self.chroma_spread, self.of_chroma * np.hypot(*wanted)))


@dataclass(frozen=True)
class OneWayKind:
    """A kind of error that only its strength tells apart; what a strength does, its negative takes back.

    Attributes:
        change: does it.
        most: the largest strength either way.
        share: of how many such kinds it counts as one.
    """

    change: Change
    most: float
    share: float = 1.0


def log_chroma_density(off: FloatImage, spread: float) -> float:
    """Log density of a change of a*, b* ``(2,)`` under a Gaussian of that spread in each."""
    return float(-0.5 * off @ off / spread**2 - np.log(2 * np.pi * spread**2))


def _undo_gains(rgb: FloatImage, seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> FloatImage:
    gains = srgb_to_linear(wanted) / np.maximum(srgb_to_linear(seen), 1e-4)
    return linear_to_srgb(srgb_to_linear(rgb) * np.clip(gains, 0.05, 20))


def _gains_prior(seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> float:
    """White balance keeps luminance, exposure keeps the balance."""
    stops = np.log2(np.maximum(srgb_to_linear(wanted), 1e-4) / np.maximum(srgb_to_linear(seen), 1e-4))
    off_balance = float(np.square(stops - stops.mean()).sum())
    balance = _bell(float(stops @ _LUMINANCE), 0.2, spread_lightness=2)
    exposure = _bell(float(stops.mean()), 0.8, spread_lightness=8) - off_balance / (2 * 0.25**2)
    return float(np.logaddexp(balance, exposure))


def _undo_gamma(rgb: FloatImage, seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> FloatImage:
    exponents = np.log(np.clip(wanted, 0.01, 0.99)) / np.log(np.clip(seen, 0.01, 0.99))
    return np.asarray(np.clip(rgb, 1e-4, 1) ** np.clip(exponents, 0.3, 3))


def _undo_shift(rgb: FloatImage, seen: FloatImage, wanted: FloatImage, encoding: EncodedRgb) -> FloatImage:
    to_lab = encoding.to_lab
    return encoding.from_lab(to_lab(rgb) + to_lab(wanted) - to_lab(seen))


def _undo_turn(rgb: FloatImage, seen: FloatImage, wanted: FloatImage, encoding: EncodedRgb) -> FloatImage:
    """Hue and chroma as one complex factor on a* + ib*."""
    lab, from_lab, to_lab = encoding.to_lab(rgb), encoding.to_lab(seen), encoding.to_lab(wanted)
    before, after = complex(from_lab[1], from_lab[2]), complex(to_lab[1], to_lab[2])
    factor = after / before if abs(before) > 1e-3 else 1.0
    factor *= min(1.0, 5 / max(abs(factor), 1e-9))
    turned = (lab[:, 1] + 1j * lab[:, 2]) * factor
    lightness = lab[:, 0] + to_lab[0] - from_lab[0]
    return encoding.from_lab(np.stack([lightness, turned.real, turned.imag], axis=1))


def _undo_hsv(rgb: FloatImage, seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> FloatImage:
    # OpenCV's float HSV, hue in degrees; scikit-image's takes four tenths of a second to import.
    pixels, from_hsv, to_hsv = (
        cv2.cvtColor(np.clip(part, 0, 1).astype(np.float32).reshape(-1, 1, 3), cv2.COLOR_RGB2HSV)[:, 0]
        for part in (rgb, seen, wanted)
    )
    gains = to_hsv[0, 1:] / np.maximum(from_hsv[0, 1:], 0.02)
    hue = (pixels[:, 0] + to_hsv[0, 0] - from_hsv[0, 0]) % 360
    rest = np.clip(pixels[:, 1:] * np.clip(gains, 0.2, 5), 0, 1)
    hsv = np.concatenate([hue[:, None], rest], axis=1)
    return np.asarray(cv2.cvtColor(hsv[:, None].astype(np.float32), cv2.COLOR_HSV2RGB)[:, 0])


def _hsv_prior(seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> float:
    """The brightest channel moves little, as retouchers leave V alone."""
    return _bell(float(np.log(max(wanted.max(), 0.01) / max(seen.max(), 0.01))), 0.06, spread_lightness=2)


def _veil(opacity: float) -> ErrorKind:
    """A veil of one colour: it takes the cloth's colour that share of the way to its own."""
    clear, of_lightness = 1 - opacity, _lightness_within(_VEIL_LIGHTNESS_SPREAD * opacity)

    def prior(seen: FloatImage, wanted: FloatImage, encoding: EncodedRgb) -> float:
        """Its colour exists, and is as light as may be."""
        off = np.maximum(np.abs(seen - clear * wanted - opacity / 2) - opacity / 2, 0).max()
        # All veils together are as likely as one kind of another sort.
        exists = float(-0.5 * (off / 0.03) ** 2 - np.log(len(_VEILS)))
        return exists + of_lightness(seen, wanted, encoding)

    return ErrorKind(
        lambda rgb, seen, wanted, _: wanted + (rgb - seen) / clear, prior, _VEIL_CHROMA_SPREAD * opacity
    )


def _curve(gain: float) -> ErrorKind:
    """A steep tone curve about middle grey."""

    def prior(seen: FloatImage, wanted: FloatImage, _: EncodedRgb) -> float:
        off = np.abs(wanted - 0.5 - gain * (seen - 0.5)).max()
        return float(-0.5 * (off / gain / 0.03) ** 2 - np.log(10 * len(_CURVES)))

    return ErrorKind(lambda rgb, seen, wanted, _: wanted + (rgb - seen) * gain, prior)


def _lightness_within(spread: float) -> LogPrior:
    def prior(seen: FloatImage, wanted: FloatImage, encoding: EncodedRgb) -> float:
        lighter = float(encoding.to_lab(wanted)[0] - encoding.to_lab(seen)[0])
        return _bell(lighter, spread, spread_lightness=spread)

    return prior


def _bell(value: float, spread: float, *, spread_lightness: float) -> float:
    """Log of a Gaussian over `value`, its density per unit of the lightness that the spread amounts to."""
    return float(-0.5 * (value / spread) ** 2 - np.log(spread_lightness))


ERROR_KINDS: tuple[ErrorKind, ...] = (
    ErrorKind(_undo_gains, _gains_prior),
    ErrorKind(_undo_gamma, _lightness_within(8)),
    ErrorKind(_undo_shift, _lightness_within(_SHIFT_SPREAD), _SHIFT_SPREAD),
    ErrorKind(_undo_turn, _lightness_within(1)),
    ErrorKind(_undo_hsv, _hsv_prior, of_chroma=_HUE_CHROMA_SHARE),
    *(_veil(opacity) for opacity in _VEILS),
    *(_curve(gain) for gain in _CURVES),
)


ONE_WAY_KINDS: tuple[OneWayKind, ...] = tuple(
    OneWayKind(
        kind.of_encoded,
        min(kind.most),
        1 / 3 if name.endswith("_gamma") else 1.0,
    )
    for name, kind in COLOUR_ERRORS.items()
)
"""Every kind of `COLOUR_ERRORS`; the three gammas count as one."""
