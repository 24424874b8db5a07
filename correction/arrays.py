"""Correcting arrays instead of files: what `chromiq.correct` is."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction, record_of
from chromiq.correction.plan import plan_correction
from chromiq.correction.subject import Pixels, Subject, find_garment
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.still_life import still_life_mask as find_still_life
from chromiq.errors import UsageError
from chromiq.photos.colour_space import SRGB, ColourSpace
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
        >>> import numpy as np
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
    right, photo = Pixels(still_life, spaces[0]), Pixels(on_model, spaces[1])
    if still_life_mask is None:
        still_life_mask = find_still_life(right.rgb)
    if mask is None:
        found = find_garment(right.rgb, photo.rgb, segmenter or ClassicSegmenter())
    else:
        found = GarmentMask(mask, 1.0)
    for name, picture, given in (("still_life", right, still_life_mask), ("on_model", photo, found.mask)):
        if given.shape != picture.values.shape[:2]:
            raise UsageError(
                f"the mask of {name} is {given.shape}, the photo {picture.values.shape[:2]} (rows, columns)"
            )
    subject = Subject(right, still_life_mask, photo, found)
    plan = plan_correction(subject, options)
    changed = None if plan.colour_map is None else subject.recoloured(plan.colour_map)
    values = on_model.copy() if changed is None else changed.within(on_model)
    return values, record_of(plan, found, changed)
