"""The network's colour on the photo's own threads.

A generated image has the colour that a network believes in, but the network's texture, a slightly moved
outline and another size. So only its colour change is taken: one affine map in Lab from the photo's garment
to the image's, fitted where the two are registered and robust to where they are not. It is blended with
the network-free map, lightness and chroma apart, by how far each can be trusted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.correction.fitting.colour_map import BlendedMap, ColourMap, fit_affine
from chromiq.correction.fitting.garment_look import lit_difference, look
from chromiq.correction.fitting.transfer import ColourFit, fit_colours
from chromiq.imaging.masks import inner_edge
from chromiq.imaging.registration import register, undo_shift
from chromiq.imaging.resize import coverage, resize, resize_fast, resize_mask
from chromiq.photos.colour_space import ColourSpace
from chromiq.records import BoolMask, FloatImage, RgbImage

# What a LoRA leaves in lightness and in chroma, in dE00; of chroma the still-life tells more.
_LEFT_LIGHTNESS, _LEFT_CHROMA = 3.0, 6.0
# Farther from the still-life than this, in L* or in a*, b*, a network's cloth cannot be that cloth.
_FARTHEST = 10.0
_LEAST_UNCERTAINTY = 0.5
_MIN_PIXELS = 200
_MAX_PIXELS = 40_000
_FITS = 3
_KEPT_SHARE = 0.8


def fit_hybrid(
    wanted_lab: FloatImage, seen_lab: FloatImage, on_model: RgbImage, mask: BoolMask, generated: RgbImage
) -> ColourFit:
    """The map from the garment's colours on the model to those it truly has, by what a network made of it.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
        on_model: ``(H, W, 3)`` uint8 sRGB, the on-model photo.
        mask: ``(H, W)`` bool, the garment on it.
        generated: ``(h, w, 3)`` uint8 sRGB, the on-model photo as a network gave it, whole, at its own scale.

    Returns:
        The fit. Where the network's colour is used, interval and remainder are not known, and the note says
        how much was taken; where it is not, the doubt says why.
    """
    fit = fit_colours(wanted_lab, seen_lab)
    network, doubt = network_map(on_model, mask, generated)
    if network is None:
        return replace(fit, doubt=doubt)
    assert fit.remaining is not None  # a fit without a network always says
    lightness, chroma = network_shares(wanted_lab, network.apply(seen_lab), fit.remaining)
    colour_map = BlendedMap(fit.colour_map, network, np.array([lightness, chroma, chroma]))
    moved = float(delta_e_lab(seen_lab, colour_map.apply(seen_lab)).mean())
    return ColourFit(
        colour_map,
        moved - fit.remaining * float(np.sqrt(1 - lightness)),
        note=f"{lightness:.0%} of the lightness and {chroma:.0%} of the chroma are the network's",
    )


def network_shares(
    wanted_lab: FloatImage, network_lab: FloatImage, uncertainty: float
) -> tuple[float, float]:
    """How much of the lightness and of the chroma to take from a network, each 0..1.

    Two estimates are weighed by the inverse squares of the errors they are expected to leave. Without a
    network chroma is known from the still-life, lightness is not: of a network the reverse is worth more.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        network_lab: ``(Q, 3)`` Lab pixels of the garment as the network has it.
        uncertainty: dE00 that the correction without a network is expected to leave.

    >>> cloth = np.random.default_rng(0).normal([50, 20, 0], [8, 2, 2], (999, 3))
    >>> lightness, chroma = network_shares(cloth, cloth + 1, uncertainty=3.0)
    >>> round(lightness, 2), round(chroma, 2)
    (0.5, 0.2)
    """
    flat, seen = look(wanted_lab), look(network_lab)
    off_chroma = float(np.hypot(*(seen.mean - flat.mean)[1:]))
    off_lightness = abs(float(lit_difference(flat, seen)))
    far = max(0.0, off_chroma - _FARTHEST, off_lightness - _FARTHEST)
    ours = max(uncertainty, _LEAST_UNCERTAINTY) ** 2
    lightness, chroma = (ours / (ours + left**2 + far**2) for left in (_LEFT_LIGHTNESS, _LEFT_CHROMA))
    return lightness, chroma


def network_map(on_model: RgbImage, mask: BoolMask, generated: RgbImage) -> tuple[ColourMap | None, str]:
    """The colour change that a network made to the garment, as an affine map in Lab.

    Args:
        on_model: ``(H, W, 3)`` uint8 sRGB, what the network was to correct.
        mask: ``(H, W)`` bool, the garment.
        generated: ``(h, w, 3)`` uint8 sRGB, what it made of it, at another scale and slightly moved.

    Returns:
        The map and an empty text, or None and why its image cannot be used.
    """
    small, aligned, inside, doubt = _aligned(on_model, generated)
    if doubt:
        return None, doubt
    size_wh = (generated.shape[1], generated.shape[0])
    garment = coverage(mask, size_wh) > 0.999
    rows, columns = np.nonzero(garment & inside)
    if rows.size < _MIN_PIXELS:
        return None, f"only {rows.size} pixels of the garment are on its image"
    chosen = slice(None, None, max(1, rows.size // _MAX_PIXELS))
    before, after = (
        srgb_to_lab(_smoothed(image)[rows[chosen], columns[chosen]]) for image in (small, aligned)
    )
    return _robust_affine(before, after), ""


def paste(
    on_model: NDArray[Any],
    mask: BoolMask,
    generated: RgbImage,
    strength: float,
    space: ColourSpace,
) -> tuple[NDArray[Any] | None, str]:
    """The network's own garment, enlarged to the photo's size, inside the mask; the rest bit-identical.

    Args:
        on_model: ``(H, W, 3)`` uint8 or uint16.
        mask: ``(H, W)`` bool, the garment.
        generated: ``(h, w, 3)`` uint8 sRGB, the whole on-model photo as a network gave it.
        strength: 0..1.
        space: what the photo's values mean.

    Returns:
        The photo and an empty text, or None and why its image cannot be used.
    """
    _, aligned, inside, doubt = _aligned(space.to_bytes(on_model), generated)
    size_wh = (on_model.shape[1], on_model.shape[0])
    covered = resize_mask(inside, size_wh)
    if not doubt and not covered[mask].any():
        doubt = "no pixel of the garment is on its image"
    if doubt:
        return None, doubt
    enlarged = resize(aligned, size_wh)
    there = mask & covered
    weight = (strength * inner_edge(there, max(size_wh))[there])[:, None]
    wanted: NDArray[Any] = enlarged[there].astype(np.float32)
    if not (space.is_srgb and on_model.dtype == np.uint8):
        wanted = space.from_lab(srgb_to_lab(enlarged[there]), on_model.dtype)[0]
    result = on_model.copy()
    result[there] = np.rint(on_model[there] + weight * (wanted - on_model[there]))
    return result, ""


def _aligned(on_model: RgbImage, generated: RgbImage) -> tuple[RgbImage, RgbImage, BoolMask, str]:
    """The photo at the image's size, the image moved onto it, where it has pixels, and why not to use it."""
    size_wh = (generated.shape[1], generated.shape[0])
    small = resize_fast(on_model, size_wh)
    shift = register(generated, small)
    aligned, inside = undo_shift(generated, shift, size_wh)
    doubt = (
        ""
        if shift.reliable
        else f"the network's image does not align with the photo (edges agree by {shift.confidence:.2f})"
    )
    return small, aligned, inside, doubt


def _smoothed(rgb: RgbImage) -> RgbImage:
    """Without the finest texture, which a network invents and which would flatten the fit."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2))


def _robust_affine(before: FloatImage, after: FloatImage) -> ColourMap:
    """`fit_affine`, refitted without the fifth that fits worst: a mask's leaks, seams, moved folds."""
    kept = np.ones(len(before), bool)
    for _ in range(_FITS):
        fitted = fit_affine(before[kept], after[kept])
        off = np.linalg.norm(fitted.apply(before) - after, axis=1)
        kept = off <= np.quantile(off, _KEPT_SHARE)
    return fitted
