"""How far one image is from the truth: its colour, the change outside the garment, the texture it kept."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab, delta_e_map, delta_e_of_parts, delta_e_parts, srgb_to_lab
from chromiq.imaging.masks import bounding_box
from chromiq.records import BoolMask, FloatImage, RgbImage

_CHUNK = 65_536
# Below this C* a hue is noise.
_MIN_CHROMA = 2.0
# structural_similarity's Gaussian window of sigma 1.5 is so wide.
_WINDOW_PX = 11


@dataclass(frozen=True)
class Measure:
    """A number of `Difference` as it is shown, times `unit`. Shifts have no average: they cancel."""

    name: str
    label: str
    form: str
    meaning: str
    unit: float = 1.0
    averaged: bool = True


def _shown(label: str, form: str, meaning: str, default: Any = MISSING, **more: Any) -> Any:
    return field(default=default, metadata={"label": label, "form": form, "meaning": meaning, **more})


@dataclass(frozen=True)
class Difference:
    """How far one image is from the truth, over the measured pixels; None where it could not be known.

    Lightness, chroma and hue are the mean sizes of CIEDE2000's terms; squared, the three and their
    interaction make up dE00 squared. The hue of a grey is None. Leak is known with a control and the
    garment's mask, texture with a control that is not flat. The similarity is that of L* brought to one mean
    and contrast first, so that a change of colour does not count; Wang et al. 2004, Gaussian window.

    Attributes:
        resized_from: its size before it was brought to the truth's, such as ``"1312x784"``.
    """

    mean: float = _shown("mean", "%.2f", "mean dE00 over the measured pixels")
    median: float = _shown("median", "%.2f", "median dE00")
    p95: float = _shown("95 % below", "%.2f", "95th percentile of dE00")
    lightness: float = _shown("lightness", "%.2f", "lightness's part of dE00")
    chroma: float = _shown("chroma", "%.2f", "chroma's part")
    hue: float = _shown("hue", "%.2f", "hue's part")
    of_means: float = _shown("of means", "%.2f", "dE00 of the two mean colours")
    lightness_shift: float = _shown(
        "L*", "%+.1f", "difference of mean lightness, image minus truth", averaged=False
    )
    chroma_shift: float = _shown(
        "C*", "%+.1f", "difference of mean chroma, image minus truth", averaged=False
    )
    hue_shift_deg: float | None = _shown(
        "h", "%+.0f°", "difference of mean hue, image minus truth, in degrees", None, averaged=False
    )
    leak_mean: float | None = _shown(
        "leak", "%.2f", "mean dE00 from the uncorrected photo outside the garment, where none should be", None
    )
    leak_over_1: float | None = _shown(
        "over 1", "%.1f%%", "share of the pixels there that changed by over dE00 1", None, unit=100
    )
    leak_over_2: float | None = _shown(
        "over 2", "%.1f%%", "share of the pixels there that changed by over dE00 2", None, unit=100
    )
    gradient_correlation: float | None = _shown(
        "threads", "%.2f", "correlation of the gradients with the uncorrected photo's", None
    )
    ssim: float | None = _shown(
        "SSIM", "%.2f", "structural similarity of lightness with the uncorrected photo", None
    )
    dx_px: float | None = _shown(
        "right by",
        "%+.2f",
        "pixels by which it lay too far to the right before it was registered",
        None,
        averaged=False,
    )
    dy_px: float | None = _shown(
        "low by", "%+.2f", "pixels by which it lay too low before it was registered", None, averaged=False
    )
    resized_from: str | None = None


MEASURES = tuple(Measure(each.name, **each.metadata) for each in fields(Difference) if each.metadata)


def measure_difference(
    truth: RgbImage,
    image: RgbImage,
    measured: BoolMask | None = None,
    *,
    control: RgbImage | None = None,
    outside: BoolMask | None = None,
) -> Difference:
    """How far an image is from the truth.

    Args:
        truth: ``(H, W, 3)`` uint8 sRGB.
        image: the same size.
        measured: ``(H, W)`` bool, where to measure; everywhere without.
        control: the same size: what the image was made of. Leak and texture are measured against it.
        outside: ``(H, W)`` bool, where nothing should have changed.

    Raises:
        ValueError: if `measured` holds no pixel.

    >>> truth = np.full((8, 8, 3), 100, np.uint8)
    >>> found = measure_difference(truth, truth + np.uint8(20))
    >>> found.mean == found.median, found.lightness > 7, found.hue < 0.01, found.lightness_shift > 7
    (True, True, True, True)
    """
    if measured is None:
        measured = np.ones(truth.shape[:2], bool)
    if not measured.any():
        raise ValueError("no pixel to measure")
    box = bounding_box(measured)
    inside = measured[box]
    values, sizes, mean_truth, mean_image = _values_and_means(truth[box][inside], image[box][inside])
    chroma_truth, chroma_image = (float(np.hypot(*mean[1:])) for mean in (mean_truth, mean_image))
    of_control: dict[str, Any] = {}
    if control is not None:
        of_control = _texture(control[box], image[box], inside)
        if outside is not None and outside.any():
            changed = delta_e_map(control, image)[outside]
            of_control["leak_mean"] = float(changed.mean(dtype=np.float64))
            of_control["leak_over_1"] = float((changed > 1).mean())
            of_control["leak_over_2"] = float((changed > 2).mean())
    return Difference(
        mean=float(values.mean()),
        median=float(np.median(values)),
        p95=float(np.percentile(values, 95)),
        lightness=sizes[0],
        chroma=sizes[1],
        hue=sizes[2],
        of_means=float(delta_e_lab(mean_truth, mean_image)),
        lightness_shift=float(mean_image[0] - mean_truth[0]),
        chroma_shift=chroma_image - chroma_truth,
        hue_shift_deg=_hue_turn_deg(mean_truth, mean_image)
        if min(chroma_truth, chroma_image) >= _MIN_CHROMA
        else None,
        **of_control,
    )


def _values_and_means(
    truth: RgbImage, image: RgbImage
) -> tuple[NDArray[np.float64], list[float], NDArray[np.float64], NDArray[np.float64]]:
    """dE00 of ``(P, 3)`` pixels, the mean sizes of its parts, and both mean Lab colours, chunk by chunk."""
    values, sizes, sums = np.empty(len(truth)), np.zeros(3), np.zeros((2, 3))
    for start in range(0, len(truth), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        labs = [srgb_to_lab(pixels[chunk]) for pixels in (truth, image)]
        parts = delta_e_parts(*labs)
        values[chunk] = delta_e_of_parts(parts)
        sums += [lab.sum(axis=0, dtype=np.float64) for lab in labs]
        sizes += [np.abs(part).sum(dtype=np.float64) for part in parts[:3]]
    means = sums / len(truth)
    return values, [float(size) for size in sizes / len(truth)], means[0], means[1]


def _hue_turn_deg(truth: NDArray[np.float64], image: NDArray[np.float64]) -> float:
    turn = np.degrees(np.arctan2(image[2], image[1]) - np.arctan2(truth[2], truth[1]))
    return float((turn + 180) % 360 - 180)


def _texture(control: RgbImage, image: RgbImage, inside: BoolMask) -> dict[str, float]:
    """``gradient_correlation`` and ``ssim`` over the pixels `inside`, where they can be known."""
    here, there = (np.ascontiguousarray(srgb_to_lab(picture)[..., 0]) for picture in (image, control))
    gradients = [
        np.concatenate([cv2.Sobel(plane, cv2.CV_32F, *order)[inside] for order in ((1, 0), (0, 1))])
        for plane in (here, there)
    ]
    if min(float(gradient.std()) for gradient in gradients) == 0:
        return {}
    texture = {"gradient_correlation": float(np.corrcoef(gradients[0], gradients[1])[0, 1])}
    if min(inside.shape) < _WINDOW_PX:
        return texture
    # Not with the module: what it brings along takes half a second.
    from skimage.metrics import structural_similarity

    matched = _matched(here, there, inside)
    _, similarity = structural_similarity(
        there,
        matched,
        data_range=100,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return {**texture, "ssim": float(similarity[inside].mean(dtype=np.float64))}


def _matched(plane: FloatImage, other: FloatImage, inside: BoolMask) -> FloatImage:
    """A plane brought to the other's mean and spread over the pixels `inside`."""
    values, target = plane[inside], other[inside]
    spread = float(values.std())
    gain = float(target.std()) / spread if spread else 1.0
    return ((plane - values.mean()) * gain + target.mean()).astype(np.float32)
