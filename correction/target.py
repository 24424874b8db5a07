"""A target colour in place of a still-life: from a text, from a swatch picture; D50 and D65."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromiq.colour import srgb_to_lab
from chromiq.correction.fitting.colour_map import ColourMap
from chromiq.correction.fitting.dyes import find_dyes
from chromiq.correction.fitting.garment_look import look
from chromiq.correction.fitting.hypotheses import even_places
from chromiq.errors import UsageError
from chromiq.photos.images import read_photo
from chromiq.records import FloatImage

_D50 = np.array([0.96422, 1.0, 0.82521])
_D65 = np.array([0.95047, 1.0, 1.08883])
# Bradford's adaptation from D65 to D50, as ICC profiles do it (ICC.1:2022, annex E).
_TO_D50 = np.array(
    [
        [1.0478112, 0.0228866, -0.0501270],
        [0.0295424, 0.9904844, -0.0170491],
        [-0.0092345, 0.0150436, 0.7521316],
    ]
)
_DELTA = 6 / 29
# Of a swatch the middle: its edge may be paper, its name or a neighbour.
_MIDDLE_SHARE = 0.5
# Mean chroma below which hue says little; how much the dyes of a print may be stretched from each other.
_LEAST_CHROMA, _MOST_FACTOR = 5.0, 2.0


def parse_lab(text: str) -> tuple[float, float, float]:
    """Three numbers separated by semicolons, spaces or commas.

    With semicolons or spaces a comma may be the decimal point.

    Raises:
        ValueError: if the text is anything else.

    >>> parse_lab("52.5, -10, 31") == parse_lab("52,5; -10; 31")
    True
    """
    spaced = [part for part in re.split(r"[;\s]+", text) if part]
    parts = spaced if len(spaced) == 3 else text.split(",")
    lightness, a, b = (float(part.strip().rstrip(",").replace(",", ".")) for part in parts)
    return lightness, a, b


def parse_target(text: str) -> tuple[float, float, float]:
    """A target from ``L,a,b`` or from a swatch picture, whose middle counts: CIE Lab, D50.

    Raises:
        UsageError: if it is neither.
        UnsoundError: if the picture cannot be read.

    >>> parse_target("52.5, -10, 31")
    (52.5, -10.0, 31.0)
    """
    with suppress(ValueError):
        return parse_lab(text)
    if not Path(text).is_file():
        raise UsageError(f"{text}: neither Lab values such as 52,-10,31 nor a picture of a swatch")
    rgb = read_photo(Path(text), min_side_px=1).rgb
    rows, columns = (_middle(size) for size in rgb.shape[:2])
    middle = srgb_to_lab(rgb[rows, columns]).reshape(-1, 3)
    lightness, a, b = to_d50(np.median(middle, axis=0)).tolist()
    return lightness, a, b


def _middle(size: int) -> slice:
    margin = int(size * (1 - _MIDDLE_SHARE) / 2)
    return slice(margin, size - margin)


def target_map(seen_lab: FloatImage, target_lab: tuple[float, float, float]) -> ColourMap:
    """The map that gives the garment's mean colour a target, folds and pattern kept.

    Lightness is shifted, and chroma goes with the light, ``L* + 16``, as on dyed cloth. What a*, b* vary
    beside that is turned and scaled with the mean, so that the white of a print stays white; on cloth of one
    dye it is noise, and is not amplified.

    Args:
        seen_lab: ``(P, 3)`` Lab pixels of the garment.
        target_lab: CIE Lab, D50.
    """
    mean = look(seen_lab).mean
    target = from_d50(np.array(target_lab))
    before, after = complex(mean[1], mean[2]), complex(target[1], target[2])
    # The ratio of the two, but 1 for grey, whose hue is noise.
    factor = (after * before.conjugate() + _LEAST_CHROMA**2) / (abs(before) ** 2 + _LEAST_CHROMA**2)
    is_print = find_dyes(seen_lab[even_places(seen_lab)]).any()
    factor *= min(1.0, (_MOST_FACTOR if is_print else 1.0) / max(abs(factor), 1e-9))
    matrix = np.eye(3)
    matrix[1:, 1:] = [[factor.real, -factor.imag], [factor.imag, factor.real]]
    matrix[1:, 0] = (target[1:] - matrix[1:, 1:] @ mean[1:]) / (mean[0] + 16)
    return ColourMap(matrix, mean, target)


def to_d50(lab: NDArray[np.floating]) -> FloatImage:
    """CIE Lab of D65, with which chromiq computes, as the Lab of D50 that ICC, Photoshop and prints mean.

    >>> bool(np.allclose(to_d50(np.array([50.0, 0.0, 0.0])), [50.0, 0.0, 0.0], atol=0.01))
    True
    """
    return _to_lab(_to_xyz(lab, _D65) @ _TO_D50.T, _D50)


def from_d50(lab: NDArray[np.floating]) -> FloatImage:
    """The reverse of `to_d50`.

    >>> colour = np.array([40.0, 30.0, -60.0])
    >>> bool(np.allclose(from_d50(to_d50(colour)), colour))
    True
    """
    return _to_lab(_to_xyz(lab, _D50) @ np.linalg.inv(_TO_D50).T, _D65)


def _to_xyz(lab: NDArray[np.floating], white: FloatImage) -> FloatImage:
    f_y = (lab[..., 0] + 16) / 116
    f = np.stack([f_y + lab[..., 1] / 500, f_y, f_y - lab[..., 2] / 200], axis=-1)
    return np.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29)) * white


def _to_lab(xyz: FloatImage, white: FloatImage) -> FloatImage:
    ratio = xyz / white
    f = np.where(ratio > _DELTA**3, np.cbrt(ratio), ratio / (3 * _DELTA**2) + 4 / 29)
    lightness = 116 * f[..., 1] - 16
    return np.stack([lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)
