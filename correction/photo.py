"""One photo in, one corrected file out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chromiq.correction.colour_map import apply_colour_map
from chromiq.correction.hybrid import hybrid, paste
from chromiq.correction.transfer import transfer
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.classic.quality import LEFT_OUT_BELOW
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.photos.images import read_mask, read_photo
from chromiq.photos.originals import Kept, Original, copy_untouched, read_original, write_changed
from chromiq.records import GarmentMask, RgbImage

Method = Literal["transfer", "lora", "hybrid"]


@dataclass(frozen=True)
class Correction:
    """What became of one file.

    Attributes:
        on_model: the photo that came in.
        out: the photo that went out.
        applied: False if it was left alone.
        reason: what was done, or why nothing was.
        estimated_gain: dE00 the correction is expected to take off; 0 where that is not known.
        mask_confidence: 0..1, how far to trust where the garment is.
        method: ``"transfer"``, ``"lora"`` or ``"hybrid"``.
        outside: what became of the pixels that were not changed, as `chromiq.photos.originals.Kept` says it.
    """

    on_model: str
    out: str
    applied: bool
    reason: str
    estimated_gain: float
    mask_confidence: float
    method: str = "transfer"
    outside: str = Kept.ALL.value

    def as_dict(self) -> dict[str, object]:
        """As plain data for JSON."""
        return asdict(self)


def correct_file(
    still_life: Path,
    on_model: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    mask: Path | None = None,
    method: Method = "transfer",
    generated: RgbImage | None = None,
    strength: float = 1.0,
) -> Correction:
    """Correct one photo at its full size.

    Args:
        still_life: the photo whose colour is right.
        on_model: the photo to correct.
        out: where to write it; its suffix gives the format.
        segmenter: finds the garment if no mask is given.
        mask: a mask of the on-model photo's size, white on the garment.
        method: how the colour is found.
        generated: ``(h, w, 3)`` uint8 sRGB, the on-model photo as a network gave it; needed unless
            the method is ``"transfer"``.
        strength: 0..1.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
        UsageError: if `out` is one of the inputs or of a format that cannot be written.
    """
    if out.resolve() in {still_life.resolve(), on_model.resolve()}:
        raise UsageError(f"{out}: wanted another file than the photos given; choose another name for --out")
    right = read_photo(still_life).rgb
    original = read_original(on_model)
    found = find_garment(right, original.srgb, segmenter, mask)
    corrected, gain = None, 0.0
    doubt = garment_doubt(found)
    if doubt:
        reason = f"left alone: {doubt}; draw it and give --mask"
    else:
        corrected, reason, gain = _correct(right, original, found, method, generated, strength)
    kept = copy_untouched(out, original) if corrected is None else write_changed(out, original, corrected)
    return Correction(
        on_model=str(on_model),
        out=str(out),
        applied=corrected is not None,
        reason=reason,
        estimated_gain=round(gain, 3),
        mask_confidence=round(found.confidence, 3),
        method=method,
        outside=kept.value,
    )


def find_garment(
    still_life: RgbImage, on_model: RgbImage, segmenter: Segmenter, mask: Path | None = None
) -> GarmentMask:
    """The garment on the on-model photo, as a mask file says or else as the segmenter finds it.

    Raises:
        UnsoundError: if the mask file cannot be read or has another size than the photo.
    """
    if mask is None:
        label = segmenter.label([(still_life, on_model)])[0].name
        return segmenter.segment([SegmentationTask(still_life, on_model, label)])[0]
    given = read_mask(mask)
    if given.shape != on_model.shape[:2]:
        want, have = (f"{shape[1]}x{shape[0]}" for shape in (on_model.shape, given.shape))
        finding = Finding.expected(
            "mask.size", str(mask), f"{want}, the photo's size", have, "draw it on the photo"
        )
        raise UnsoundError(str(finding), [finding])
    return GarmentMask(np.asarray(given), 1.0)


def garment_doubt(found: GarmentMask) -> str:
    """Why not to correct where the garment was found; empty if there is no doubt."""
    if found.mask.any() and found.confidence >= LEFT_OUT_BELOW:
        return ""
    doubts = ", ".join(found.reasons) or "nothing that looks like the garment"
    return f"the garment was not found with confidence ({doubts})"


def _correct(
    right: RgbImage,
    original: Original,
    found: GarmentMask,
    method: Method,
    generated: RgbImage | None,
    strength: float,
) -> tuple[NDArray[Any] | None, str, float]:
    """The photo corrected, as `Original.computable` has it, or None; what to say, and the gain expected."""
    photo = original.computable()
    if method == "lora":
        assert generated is not None  # correct_file's callers see to it
        pasted, doubt = paste(original.srgb, found.mask, generated, strength)
        if pasted is None:
            return None, f"left alone: {doubt}", 0.0
        if photo.dtype != np.uint8:
            changed = (pasted != original.srgb).any(axis=2, keepdims=True)
            pasted = np.where(changed, pasted.astype(photo.dtype) * 257, photo)
        return pasted, "the network's garment, at the photo's size", 0.0
    flat = still_life_mask(right)
    if method == "hybrid":
        assert generated is not None
        result = hybrid(right, flat, original.srgb, found.mask, generated, strength=strength)
    else:
        result = transfer(right, flat, original.srgb, found.mask, strength=strength)
    if not result.applied:
        return None, result.reason, result.estimated_gain
    if photo.dtype == np.uint8:
        return result.rgb, result.reason, result.estimated_gain
    deep = apply_colour_map(photo, found.mask, result.colour_map, strength)
    return deep, result.reason, result.estimated_gain
