"""One photo in, one corrected file out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chromiq.correction.colour_map import ColourMap
from chromiq.correction.hybrid import hybrid, paste
from chromiq.correction.transfer import TransferResult, transfer
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.classic.quality import LEFT_OUT_BELOW
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.photos.images import Photo, read_mask, read_photo
from chromiq.photos.originals import Kept, copy_untouched, write_changed
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
        out_of_gamut: share of the garment, 0..1, that lost chroma, as the file's space cannot hold it.
        metadata_kept: names of the blocks of metadata that are in the new file.
        metadata_dropped: names of those that are not: they describe the old pixels or do not fit the format.
        notes: what else is other than it was, such as the compression.
        warnings: findings, as plain data: what was assumed of the photos.
    """

    on_model: str
    out: str
    applied: bool
    reason: str
    estimated_gain: float
    mask_confidence: float
    method: str = "transfer"
    outside: str = Kept.ALL.value
    out_of_gamut: float = 0.0
    metadata_kept: tuple[str, ...] = ()
    metadata_dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[dict[str, str], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """As plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Correction:
        """The inverse of `as_dict`, after JSON has made lists of its tuples.

        Raises:
            TypeError: if the document has other fields.
        """
        lists = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
        return cls(**{**document, **lists})


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
    right, photo = read_photo(still_life), read_photo(on_model)
    found = find_garment(right.rgb, photo.rgb, segmenter, mask)
    result = TransferResult(photo.values, False, "", 0.0, ColourMap.identity())
    doubt = garment_doubt(found)
    if doubt:
        result = replace(result, reason=f"left alone: {doubt}; draw it and give a mask")
    else:
        result = _correct(right, photo, found, method, generated, strength)
    written = write_changed(out, photo, result.rgb) if result.applied else copy_untouched(out, photo)
    return Correction(
        on_model=str(on_model),
        out=str(out),
        applied=result.applied,
        reason=result.reason,
        estimated_gain=round(result.estimated_gain, 3),
        mask_confidence=round(found.confidence, 3),
        method=method,
        outside=written.outside.value,
        out_of_gamut=round(result.out_of_gamut, 4),
        metadata_kept=written.kept,
        metadata_dropped=written.dropped,
        notes=written.notes,
        warnings=tuple(finding.as_dict() for each in (right, photo) for finding in each.findings),
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
    right: Photo,
    photo: Photo,
    found: GarmentMask,
    method: Method,
    generated: RgbImage | None,
    strength: float,
) -> TransferResult:
    """The photo corrected, in its own space and depth."""
    spaces = (right.space, photo.space)
    if method == "transfer":
        flat = still_life_mask(right.rgb)
        return transfer(right.values, flat, photo.values, found.mask, strength=strength, spaces=spaces)
    assert generated is not None  # correct_file's callers see to it
    if method == "hybrid":
        flat = still_life_mask(right.rgb)
        return hybrid(
            right.values, flat, photo.values, found.mask, generated, strength=strength, spaces=spaces
        )
    pasted, doubt = paste(photo.values, found.mask, generated, strength, photo.space)
    reason = f"left alone: {doubt}" if pasted is None else "the network's garment, at the photo's size"
    values = photo.values if pasted is None else pasted
    return TransferResult(values, pasted is not None, reason, 0.0, ColourMap.identity())
