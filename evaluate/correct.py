"""Files in, corrected files out: one photo, or every pair of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.files import ensure_output_folder, folder_lock
from chromiq.images import read_mask, read_photo
from chromiq.originals import copy_untouched, read_original, write_changed
from chromiq.records import GarmentMask, RgbImage
from dataset_builder.pairs import find_pairs
from dataset_builder.segmenters import SegmentationTask, Segmenter
from dataset_builder.segmenters.still_life import still_life_mask
from evaluate.transfer import transfer

DOUBTFUL_BELOW = 0.3


@dataclass(frozen=True)
class Correction:
    """What became of one file.

    Attributes:
        on_model: the photo that came in.
        out: the photo that went out.
        applied: False if it was left alone.
        reason: what was done, or why nothing was.
        estimated_gain: dE00 the correction is expected to take off.
        mask_confidence: 0..1, how far to trust where the garment is.
    """

    on_model: str
    out: str
    applied: bool
    reason: str
    estimated_gain: float
    mask_confidence: float

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
    strength: float = 1.0,
) -> Correction:
    """Correct one photo at its full size.

    Args:
        still_life: the photo whose colour is right.
        on_model: the photo to correct.
        out: where to write it; its suffix gives the format.
        segmenter: finds the garment if no mask is given.
        mask: a mask of the on-model photo's size, white on the garment.
        strength: 0..1.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
        UsageError: if `out` is one of the inputs or of a format that cannot be written.
    """
    if out.resolve() in {still_life.resolve(), on_model.resolve()}:
        raise UsageError(f"{out}: wanted another file than the photos given; choose another name for --out")
    right = read_photo(still_life).rgb
    original = read_original(on_model)
    found = _garment(right, original.srgb, segmenter, mask)
    if not found.mask.any() or found.confidence < DOUBTFUL_BELOW:
        doubts = ", ".join(found.reasons) or "nothing that looks like the garment"
        copy_untouched(out, original)
        reason = f"left alone: the garment was not found with confidence ({doubts}); draw it and give --mask"
        return Correction(str(on_model), str(out), False, reason, 0.0, found.confidence)
    result = transfer(right, still_life_mask(right), original.srgb, found.mask, strength=strength)
    if result.applied:
        changed = found.mask & (result.rgb != original.srgb).any(axis=2)
        write_changed(out, original, result.rgb, changed)
    else:
        copy_untouched(out, original)
    return Correction(
        str(on_model),
        str(out),
        result.applied,
        result.reason,
        round(result.estimated_gain, 3),
        round(found.confidence, 3),
    )


def correct_batch(
    source: Path,
    folder: Path,
    segmenter: Segmenter,
    *,
    strength: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Correction]:
    """Correct the on-model photo of every pair of a folder or CSV; each keeps its file name.

    Raises:
        UnsoundError: with all findings, before anything is written.
    """
    listing = find_pairs(source, decode=True)
    raise_findings(listing.findings, str(source))
    ensure_output_folder(folder)
    corrections = []
    with folder_lock(folder, "chromiq correct"):
        for number, pair in enumerate(listing.pairs, start=1):
            out = folder / pair.on_model.name
            corrections.append(
                correct_file(pair.still_life, pair.on_model, out, segmenter, strength=strength)
            )
            if on_progress:
                on_progress(number, len(listing.pairs))
    return corrections


def _garment(
    still_life: RgbImage, on_model: RgbImage, segmenter: Segmenter, mask: Path | None
) -> GarmentMask:
    if mask is None:
        label = segmenter.label([(still_life, on_model)])[0].name
        return segmenter.segment([SegmentationTask(still_life, on_model, label)])[0]
    given = read_mask(mask)
    if given.shape != on_model.shape[:2]:
        want, have = (f"{shape[1]}x{shape[0]}" for shape in (on_model.shape, given.shape))
        finding = Finding("mask.size", str(mask), f"{want}, the photo's size", have, "draw it on the photo")
        raise UnsoundError(str(finding), [finding])
    return GarmentMask(np.asarray(given), 1.0)
