"""Correcting arrays instead of files: what `chromiq.correct` is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.correction.fitting.colour_map import apply_colour_map
from chromiq.correction.fitting.transfer import garment_sample
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction, find_garment
from chromiq.correction.plan import plan_correction
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.still_life import still_life_mask as find_still_life
from chromiq.errors import UsageError
from chromiq.photos.colour_space import SRGB, ColourSpace, eight_bits
from chromiq.records import BoolMask, GarmentMask


def correct(
    still_life: NDArray[Any],
    on_model: NDArray[Any],
    *,
    mask: BoolMask | None = None,
    still_life_mask: BoolMask | None = None,
    options: CorrectionOptions | None = None,
    segmenter: Segmenter | None = None,
    spaces: tuple[ColourSpace, ColourSpace] = (SRGB, SRGB),
) -> tuple[NDArray[Any], Correction]:
    """Give the garment on a model the colour of its still-life; nothing else changes.

    Args:
        still_life: ``(h, w, 3)`` uint8 or uint16, the photo whose colour is right.
        on_model: ``(H, W, 3)`` uint8 or uint16, the photo to correct; it is not changed.
        mask: ``(H, W)`` bool, the garment on the on-model photo; None to have it found.
        still_life_mask: ``(h, w)`` bool, the garment on the still-life; None to have it found.
        options: what to do; None for the defaults. Exports need files and are not written.
        segmenter: finds the garment; None for the one that needs no weights.
        spaces: what the numbers of the two photos mean; sRGB unless said otherwise.

    Returns:
        The corrected photo, of the shape and type of `on_model` and outside the mask bit-identical to it, and
        the record of what was done: `Correction.answer` is ``"corrected"``, ``"look"`` or ``"left_alone"``.

    Raises:
        UsageError: if a mask is not of its photo's size, or the method needs a network.

    Examples:
        >>> from chromiq.sample_catalogue.catalogue import draw_pair
        >>> pair = draw_pair(0, size_wh=(160, 200))
        >>> too_red = np.clip(pair.on_model * np.array([1.2, 1, 0.9]), 0, 255).astype(np.uint8)
        >>> corrected, record = correct(pair.still_life, too_red, mask=pair.on_model_mask)
        >>> record.applied, record.colours.delta_e_after < record.colours.delta_e_before
        (True, True)
    """
    options = options or CorrectionOptions()
    if options.method != "transfer":
        raise UsageError(f"method {options.method!r} needs a network, which arrays cannot be given")
    rgb = [
        eight_bits(space.to_srgb(values))
        for space, values in zip(spaces, (still_life, on_model), strict=True)
    ]
    flat_mask = find_still_life(rgb[0]) if still_life_mask is None else still_life_mask
    if mask is None:
        found = find_garment(rgb[0], rgb[1], segmenter or ClassicSegmenter())
    else:
        found = GarmentMask(mask, 1.0)
    for name, photo, given in (("still_life", rgb[0], flat_mask), ("on_model", rgb[1], found.mask)):
        if given.shape != photo.shape[:2]:
            raise UsageError(
                f"the mask of {name} is {given.shape}, the photo {photo.shape[:2]} (rows, columns)"
            )
    flat_lab = garment_sample(still_life, flat_mask, spaces[0])
    has_garment = bool(found.mask.any())
    seen_lab = (
        garment_sample(on_model, found.mask, spaces[1]) if has_garment else np.empty((0, 3), np.float32)
    )
    plan = plan_correction(rgb[0], flat_mask, rgb[1], found, flat_lab, seen_lab, options, space=spaces[1])
    values, out_of_gamut = on_model.copy(), 0.0
    if plan.colour_map is not None:
        changed = apply_colour_map(on_model, found.mask, plan.colour_map, space=spaces[1])
        values, out_of_gamut = changed.values, changed.out_of_gamut
    return values, Correction(
        on_model="",
        out="",
        applied=plan.colour_map is not None,
        reason=plan.reason,
        estimated_gain=round(plan.gain, 3),
        mask_confidence=round(found.confidence, 3),
        out_of_gamut=round(out_of_gamut, 4),
        answer=plan.answer,
        done=plan.answer == "corrected",
        doubts=plan.doubts,
        gain_interval=plan.gain_interval,
        expected_remaining=plan.remaining,
        colours=plan.colours,
    )
