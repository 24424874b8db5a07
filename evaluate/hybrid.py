"""The network's colour on the photo's own threads.

A generated image has the colour that a network believes in, but the network's texture, a slightly moved
outline and another size. So only its colour change is taken: one affine map in Lab from the photo's garment
to the image's, fitted where the two are registered and robust to where they are not. It is blended with
the network-free map, each by the inverse square of the error it is expected to leave.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from chromiq.colour import srgb_to_lab
from chromiq.records import BoolMask, FloatImage, RgbImage
from evaluate.colour_map import ColourMap, apply_colour_map, blend_maps, fit_affine, inner_edge
from evaluate.garment_look import look
from evaluate.registration import register, undo_shift
from evaluate.transfer import MIN_GAIN, check_masks, fit_colours, garment_sample

# What a LoRA leaves over the whole garment when its chroma agrees with the still-life's.
_NETWORK_DELTA_E = 3.0
_MIN_PIXELS = 200
_MAX_PIXELS = 40_000
_FITS = 3
_KEPT_SHARE = 0.8


@dataclass(frozen=True, eq=False)
class HybridResult:
    """What became of a photo.

    Attributes:
        rgb: ``(H, W, 3)`` uint8 sRGB; outside the mask bit-identical to the photo that came in.
        applied: False if the photo was left alone.
        reason: what was done, or why nothing was.
        estimated_gain: mean dE00 between the garment before and after, less what is expected to be left.
        network_share: 0..1, how much of the colour is the network's.
        colour_map: the map blended.
    """

    rgb: RgbImage
    applied: bool
    reason: str
    estimated_gain: float
    network_share: float
    colour_map: ColourMap


def hybrid(
    still_life: RgbImage,
    still_life_mask: BoolMask,
    on_model: RgbImage,
    on_model_mask: BoolMask,
    generated: RgbImage,
    *,
    strength: float = 1.0,
) -> HybridResult:
    """Correct the garment at the photo's full size by what a network made of it.

    Args:
        still_life: ``(H, W, 3)`` uint8 sRGB, whose colour is right.
        still_life_mask: ``(H, W)`` bool, the garment on it.
        on_model: ``(H, W, 3)`` uint8 sRGB, any size.
        on_model_mask: ``(H, W)`` bool, the garment on it.
        generated: ``(h, w, 3)`` uint8 sRGB, the on-model photo as a network gave it, whole, at its own scale.
        strength: 0 leaves the photo as it is, 1 corrects all the way.

    Raises:
        UsageError: if a mask is empty or not of its photo's size, or the strength is out of range.
    """
    check_masks(still_life, still_life_mask, on_model, on_model_mask, strength)
    flat, seen = garment_sample(still_life, still_life_mask), garment_sample(on_model, on_model_mask)
    fit = fit_colours(flat, seen)
    own = fit.colour_map if fit.gain >= MIN_GAIN else ColourMap.identity()
    network, doubt = network_map(on_model, on_model_mask, generated)
    if network is None:
        share, colour_map, said = 0.0, own, f"without the network's colour: {doubt}"
    else:
        off_chroma = float(np.hypot(*(look(network.apply(seen)).mean - look(flat).mean)[1:]))
        ours = max(fit.uncertainty, 0.5) ** 2
        theirs = _NETWORK_DELTA_E**2 + off_chroma**2
        share = ours / (ours + theirs)
        colour_map, said = blend_maps(own, network, share), f"{share:.0%} of the colour is the network's"
    moved = float(np.linalg.norm(colour_map.apply(seen) - seen, axis=1).mean())
    gain = moved - fit.uncertainty
    if moved < MIN_GAIN:
        reason = f"left alone: the colour is right as far as can be told; {said}"
        return HybridResult(on_model.copy(), False, reason, gain, share, colour_map)
    rgb = apply_colour_map(on_model, on_model_mask, colour_map, strength)
    return HybridResult(rgb, True, f"corrected; {said}", gain, share, colour_map)


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
    garment = cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA) > 0.999
    rows, columns = np.nonzero(garment & inside)
    if rows.size < _MIN_PIXELS:
        return None, f"only {rows.size} pixels of the garment are on its image"
    chosen = slice(None, None, max(1, rows.size // _MAX_PIXELS))
    before, after = (
        srgb_to_lab(_smoothed(image)[rows[chosen], columns[chosen]]) for image in (small, aligned)
    )
    return _robust_affine(before, after), ""


def paste(
    on_model: RgbImage, mask: BoolMask, generated: RgbImage, strength: float = 1.0
) -> tuple[RgbImage | None, str]:
    """The network's own garment, enlarged to the photo's size, inside the mask; the rest bit-identical.

    Args:
        on_model: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool, the garment.
        generated: ``(h, w, 3)`` uint8 sRGB, the whole on-model photo as a network gave it.
        strength: 0..1.

    Returns:
        The photo and an empty text, or None and why its image cannot be used.
    """
    _, aligned, inside, doubt = _aligned(on_model, generated)
    size_wh = (on_model.shape[1], on_model.shape[0])
    covered = cv2.resize(inside.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    if not doubt and not covered[mask].any():
        doubt = "no pixel of the garment is on its image"
    if doubt:
        return None, doubt
    enlarged = np.array(Image.fromarray(aligned).resize(size_wh, Image.Resampling.LANCZOS))
    there = mask & covered
    weight = (strength * inner_edge(there, max(size_wh))[there])[:, None]
    result = on_model.copy()
    result[there] = np.rint(on_model[there] + weight * (enlarged[there].astype(np.float32) - on_model[there]))
    return result, ""


def _aligned(on_model: RgbImage, generated: RgbImage) -> tuple[RgbImage, RgbImage, BoolMask, str]:
    """The photo at the image's size, the image moved onto it, where it has pixels, and why not to use it."""
    size_wh = (generated.shape[1], generated.shape[0])
    small = np.array(Image.fromarray(on_model).resize(size_wh, Image.Resampling.BOX))
    shift = register(generated, small)
    aligned, inside = undo_shift(generated, shift, size_wh)
    doubt = (
        ""
        if shift.reliable
        else f"its image does not lie on the photo (edges agree by {shift.confidence:.2f})"
    )
    return small, aligned, inside, doubt


def _smoothed(rgb: RgbImage) -> RgbImage:
    """Without the finest texture, which a network makes anew and which would flatten the fit."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2))


def _robust_affine(before: FloatImage, after: FloatImage) -> ColourMap:
    """`fit_affine`, refitted without the fifth that fits worst: a mask's leaks, seams, moved folds."""
    kept = np.ones(len(before), bool)
    for _ in range(_FITS):
        fitted = fit_affine(before[kept], after[kept])
        off = np.linalg.norm(fitted.apply(before) - after, axis=1)
        kept = off <= np.quantile(off, _KEPT_SHARE)
    return fitted
