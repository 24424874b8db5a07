"""One photo in, one corrected file out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.correction.export import write_exports
from chromiq.correction.fitting.colour_map import Recoloured, apply_colour_map
from chromiq.correction.fitting.hybrid import paste
from chromiq.correction.fitting.transfer import ColourFit, garment_sample
from chromiq.correction.judging.plausibility import Answer, Doubt
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.plan import (
    Colours,
    Plan,
    colours_from_dict,
    plan_correction,
    plan_paste,
)
from chromiq.dataset_builder.inputs.photo_names import role_and_key_of
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW, in_words, with_doubt_of_label
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.photos.images import Photo, read_mask, read_photo
from chromiq.photos.originals import WHOLE, Kept, Written, copy_untouched, write_changed
from chromiq.records import BoolMask, FloatImage, GarmentMask, RgbImage


@dataclass(frozen=True)
class Correction:
    """What became of one photo.

    Attributes:
        on_model: the photo that came in.
        out: the photo that was written; empty for arrays.
        applied: whether its colours were changed.
        reason: what was done, or why nothing was, in one line.
        estimated_gain: mean dE00 over the garment that is expected to be removed; 0 where that is not known.
        mask_confidence: 0..1, how far to trust where the garment is.
        method: ``"transfer"``, ``"lora"`` or ``"hybrid"``.
        outside: what became of the pixels that were not changed, as `chromiq.photos.originals.Kept` says it.
        out_of_gamut: share of the garment, 0..1, that lost chroma, as the file's space cannot hold it.
        metadata_kept: names of the blocks of metadata that are in the new file.
        metadata_dropped: names of those that are not: they describe the old pixels or do not fit the format.
        notes: what else is other than it was, such as the compression.
        warnings: findings, as plain data: what was assumed of the photos.
        answer: ``"corrected"``, ``"look"`` (corrected, look at it) or ``"left_alone"``.
        done: whether nothing is left to do: corrected without a doubt, or decided by somebody.
        doubts: what speaks against a plain *corrected*.
        gain_interval: dE00, the gain is expected between these in four of five photos; None where unknown.
        expected_remaining: mean dE00 that is expected to remain; None where unknown.
        colours: the garment's colour on both photos, before and after; None if there is no garment.
        exports: files written beside the photo.
        key: of the pair, in a batch.
        still_life: the photo whose colour is right.
        decision: what somebody decided about the photo, in a batch; empty if nothing.
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
    answer: Answer = "corrected"
    done: bool = True
    doubts: tuple[Doubt, ...] = ()
    gain_interval: tuple[float, float] | None = None
    expected_remaining: float | None = None
    colours: Colours | None = None
    exports: tuple[str, ...] = ()
    key: str = ""
    still_life: str = ""
    decision: str = ""

    def as_dict(self) -> dict[str, object]:
        """As plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Correction:
        """The reverse of `as_dict`.

        Raises:
            KeyError, TypeError: if it is not plain data of a correction.
        """
        lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
        values: dict[str, Any] = {**plain, **lists}
        values["doubts"] = tuple(Doubt(**doubt) for doubt in values["doubts"])
        if values["colours"] is not None:
            values["colours"] = colours_from_dict(values["colours"])
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Subject:
    """A pair of photos, read, with the garment on both.

    Attributes:
        still_life: the photo whose colour is right.
        still_life_mask: ``(h, w)`` bool, the garment on it.
        on_model: the photo to correct.
        found: the garment on it.
        flat_lab: ``(P, 3)`` Lab of garment pixels on the still-life.
        seen_lab: ``(Q, 3)`` Lab of garment pixels on the on-model photo; empty if no garment was found.
    """

    still_life: Photo
    still_life_mask: BoolMask
    on_model: Photo
    found: GarmentMask
    flat_lab: FloatImage
    seen_lab: FloatImage


def correct_file(
    still_life: Path,
    on_model: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    mask: Path | None = None,
    options: CorrectionOptions | None = None,
    generated: RgbImage | None = None,
) -> Correction:
    """Correct one photo at its full size.

    Args:
        still_life: the photo whose colour is right.
        on_model: the photo to correct.
        out: where to write it; its suffix gives the format.
        segmenter: finds the garment if no mask is given.
        mask: a mask of the on-model photo's size, white on the garment.
        options: what to do; None for the defaults.
        generated: ``(h, w, 3)`` uint8 sRGB, the on-model photo as a network gave it; needed unless
            the method is ``"transfer"``.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
        UsageError: if `out` is one of the inputs or of a format that cannot be written.
    """
    # Not `Path.resolve`, which raises RuntimeError at a loop of links.
    if os.path.realpath(out) in {os.path.realpath(still_life), os.path.realpath(on_model)}:
        raise UsageError(f"{out}: would overwrite one of the photos given; choose another output file")
    subject = read_subject(still_life, on_model, segmenter, mask)
    return correct_subject(subject, out, options or CorrectionOptions(), generated=generated)[0]


def read_subject(
    still_life: Path,
    on_model: Path,
    segmenter: Segmenter,
    mask: Path | None = None,
    found: GarmentMask | None = None,
) -> Subject:
    """Read a pair and find its garment on both photos.

    Args:
        still_life: the photo whose colour is right.
        on_model: the photo to correct.
        segmenter: finds the garment if neither `mask` nor `found` is given.
        mask: a mask file of the on-model photo's size.
        found: the garment, if it is known already.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
    """
    right, photo = read_photo(still_life), read_photo(on_model)
    found = found or find_garment(right.rgb, photo.rgb, segmenter, mask)
    flat_mask = still_life_mask(right.rgb)
    flat = garment_sample(right.values, flat_mask, right.space)
    seen = (
        garment_sample(photo.values, found.mask, photo.space)
        if found.mask.any()
        else np.empty((0, 3), np.float32)
    )
    return Subject(right, flat_mask, photo, found, flat, seen)


def correct_subject(
    subject: Subject,
    out: Path,
    options: CorrectionOptions,
    *,
    named: Path | None = None,
    fit: ColourFit | None = None,
    generated: RgbImage | None = None,
) -> tuple[Correction, Recoloured | None]:
    """Correct a photo that was read, and write it.

    Args:
        subject: the pair.
        out: where to write.
        options: what to do.
        named: what the output will be called, if it is written to `out` only for now.
        fit: fitted to several photos of the garment together; None to fit this one.
        generated: as for `correct_file`.

    Returns:
        What became of it, and the part of the photo that was changed; None if it was left alone.

    Raises:
        UsageError: if `out` is of a format that cannot be written.
    """
    named = named or out
    photo, found, rgb = subject.on_model, subject.found, subject.still_life.rgb
    changed: Recoloured | None = None
    if options.method == "lora":
        assert generated is not None  # the callers see to it
        pasted, doubt = None, ""
        if found.mask.any():
            pasted, doubt = paste(
                photo.values, found.mask, generated, min(options.strength, 1.0), photo.space
            )
        pasted_lab = None if pasted is None else garment_sample(pasted, found.mask, photo.space)
        plan = plan_paste(
            rgb, subject.still_life_mask, photo.rgb, found, pasted_lab, doubt,
            subject.flat_lab, subject.seen_lab, options,
        )  # fmt: skip
        if pasted is not None and plan.answer != "left_alone":
            changed = Recoloured(photo.values, pasted, WHOLE)
    else:
        plan = plan_correction(
            rgb, subject.still_life_mask, photo.rgb, found, subject.flat_lab, subject.seen_lab, options,
            fit=fit, generated=generated, exchanged=_named_in_reverse(subject), space=photo.space,
        )  # fmt: skip
        if plan.colour_map is not None:
            changed = apply_colour_map(photo.values, found.mask, plan.colour_map, space=photo.space)
    exports: tuple[str, ...] = ()
    if changed is None:
        written = copy_untouched(out, photo)
    else:
        written = write_changed(out, photo, changed.part, changed.box)
        exports = write_exports(named, photo, changed, found.mask, plan.colour_map, options.exports)
    correction = _record(subject, named, plan, options, written, changed is not None)
    out_of_gamut = 0.0 if changed is None else round(changed.out_of_gamut, 4)
    return replace(correction, out_of_gamut=out_of_gamut, exports=exports), changed


def find_garment(
    still_life: RgbImage, on_model: RgbImage, segmenter: Segmenter, mask: Path | None = None
) -> GarmentMask:
    """The garment on the on-model photo, as a mask file says or else as the segmenter finds it.

    Raises:
        UnsoundError: if the mask file cannot be read or has another size than the photo.
    """
    if mask is None:
        label = segmenter.label([(still_life, on_model)])[0]
        found = segmenter.segment([SegmentationTask(still_life, on_model, label.name)])[0]
        return with_doubt_of_label(found, label)
    given = read_mask(mask)
    if given.shape != on_model.shape[:2]:
        needs, has = (f"{shape[1]}x{shape[0]}" for shape in (on_model.shape, given.shape))
        message, hint = f"is {has} pixels, its photo {needs}", "Draw it at the photo's size."
        finding = Finding("mask.size", str(mask), message, hint, wanted=needs, got=has)
        raise UnsoundError.of(finding)
    return GarmentMask(np.asarray(given), 1.0)


def garment_doubt(found: GarmentMask) -> str:
    """Why not to correct where the garment was found; empty if there is no doubt."""
    if found.mask.any() and found.confidence >= LEFT_OUT_BELOW:
        return ""
    reasons = found.reasons if found.mask.any() else ("empty",)
    return f"the garment was not found with confidence: {in_words(reasons)}"


def left_as_it_was(subject: Subject, out: Path, reason: str, *, done: bool) -> Correction:
    """Write the photo as it came, because somebody decided so."""
    written = copy_untouched(out, subject.on_model)
    plan = Plan(None, "left_alone", (), reason, 0.0)
    return replace(_record(subject, out, plan, CorrectionOptions(), written, False), done=done)


def _record(
    subject: Subject, out: Path, plan: Plan, options: CorrectionOptions, written: Written, applied: bool
) -> Correction:
    low_high = plan.gain_interval
    photos = (subject.still_life, subject.on_model)
    return Correction(
        on_model=str(subject.on_model.path),
        out=str(out),
        applied=applied,
        reason=plan.reason,
        estimated_gain=round(plan.gain, 3),
        mask_confidence=round(subject.found.confidence, 3),
        method=options.method,
        outside=written.outside.value,
        metadata_kept=written.kept,
        metadata_dropped=written.dropped,
        notes=written.notes,
        warnings=tuple(finding.as_dict() for photo in photos for finding in photo.findings),
        answer=plan.answer,
        done=plan.answer == "corrected",
        doubts=plan.doubts,
        gain_interval=None if low_high is None else (round(low_high[0], 3), round(low_high[1], 3)),
        expected_remaining=None if plan.remaining is None else round(plan.remaining, 3),
        colours=plan.colours,
        still_life=str(subject.still_life.path),
    )


def _named_in_reverse(subject: Subject) -> bool:
    """Whether the names of the files say that each photo is the other one."""
    flat, worn = (
        role_and_key_of(path, path.parent) or role_and_key_of(path, path.parent.parent)
        for path in (subject.still_life.path, subject.on_model.path)
    )
    return flat is not None and worn is not None and (flat[0], worn[0]) == ("on_model", "still_life")
