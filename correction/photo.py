"""One photo in, one corrected photo out: as arrays, or as files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from numpy.typing import NDArray

from chromiq.correction.export import export_paths, write_exports
from chromiq.correction.fitting.colour_map import Recoloured
from chromiq.correction.fitting.hybrid import paste
from chromiq.correction.fitting.transfer import ColourFit
from chromiq.correction.judging.plausibility import Answer, Doubt
from chromiq.correction.options import CorrectionOptions, ExportName
from chromiq.correction.plan import Colours, Plan, plan_correction, plan_paste
from chromiq.correction.subject import (
    FileSubject,
    Pixels,
    Subject,
    find_garment,
    read_subject,
    require_garment,
)
from chromiq.dataset_builder.inputs.photo_names import role_and_key_of
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.still_life import still_life_mask as find_still_life
from chromiq.errors import Finding, UsageError
from chromiq.files import refuse_inputs
from chromiq.photos.colour_space import SRGB, ColourSpace
from chromiq.photos.originals import WHOLE, Kept, Written, copy_untouched, write_changed
from chromiq.photos.soundness import damage_warning
from chromiq.records import BoolMask, GarmentMask, RgbImage


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
        notes: what else is other than it was, such as the compression, and which files beside it are older.
        warnings: what was assumed of the photos.
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
    warnings: tuple[Finding, ...] = ()
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
        return {**asdict(self), "warnings": [finding.as_dict() for finding in self.warnings]}


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
        out: where to write it; its suffix gives the format.
        segmenter: finds the garment if no mask is given.
        mask: a mask of the on-model photo's size, white on the garment.
        options: what to do; None for the defaults.
        generated: ``(h, w, 3)`` uint8 sRGB, the on-model photo as a network gave it; needed unless
            the method is ``"transfer"``.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
        UsageError: if `out` or an export is one of the inputs, or `out` of a format that cannot be written.
    """
    options = options or CorrectionOptions()
    refuse_inputs([out, *export_paths(out, options.exports).values()], [still_life, on_model, mask])
    subject = read_subject(still_life, on_model, segmenter, mask)
    require_garment(subject.found, mask)
    photos = (subject.still_life.file, subject.on_model.file)
    damage = dict.fromkeys(found for photo in photos if (found := damage_warning(photo)))
    done, _ = correct_subject(subject, out, options, generated=generated)
    older = tuple(
        f"{path} was there before and is not of this correction"
        for path in export_paths(out, get_args(ExportName)).values()
        if str(path) not in done.exports and path.is_file()
    )
    return replace(done, warnings=(*damage, *done.warnings), notes=(*done.notes, *older))


def correct_subject(
    subject: FileSubject,
    out: Path,
    options: CorrectionOptions,
    *,
    fit: ColourFit | None = None,
    generated: RgbImage | None,
) -> tuple[Correction, Recoloured | None]:
    """Correct a photo that was read, and write it with its exports.

    Args:
        fit: fitted to several photos of the garment together; None to fit this one.
        generated: as for `correct_file`.

    Returns:
        What became of it, and the part of the photo that was changed; None if it was left alone.

    Raises:
        UsageError: if `out` is of a format that cannot be written.
    """
    photo, found = subject.on_model, subject.found
    changed: Recoloured | None = None
    if options.method == "lora":
        assert generated is not None  # the callers see to it
        strength = min(options.strength, 1.0)
        pasted, doubt = paste(photo.values, subject.cloth, generated, strength, photo.space)
        plan = plan_paste(subject, pasted, doubt, options)
        if pasted is not None and plan.answer != "left_alone":
            changed = Recoloured(pasted, WHOLE)
    else:
        exchanged = _named_in_reverse(subject)
        plan = plan_correction(subject, options, fit=fit, generated=generated, exchanged=exchanged)
        if plan.colour_map is not None:
            changed = subject.recoloured(plan.colour_map)
    exports: tuple[str, ...] = ()
    if changed is None:
        written = copy_untouched(out, photo)
    else:
        written = write_changed(out, photo, changed.part, changed.box)
        exports = write_exports(out, photo, changed, found.mask, plan.colour_map, options.exports)
    correction = replace(
        record_of(plan, found, changed),
        method=options.method,
        exports=exports,
        **_written(subject, out, written),
    )
    return correction, changed


def left_as_it_was(subject: FileSubject, out: Path, reason: str, *, done: bool) -> Correction:
    """Write the photo as it came, because somebody decided so."""
    written = copy_untouched(out, subject.on_model)
    plan = Plan(None, "left_alone", (), reason, 0.0)
    return replace(record_of(plan, subject.found), done=done, **_written(subject, out, written))


def record_of(plan: Plan, found: GarmentMask, changed: Recoloured | None = None) -> Correction:
    """What a plan says about a photo and did to it, rounded; other fields keep their defaults."""
    low_high = plan.gain_interval
    return Correction(
        on_model="",
        out="",
        applied=changed is not None,
        reason=plan.reason,
        estimated_gain=round(plan.gain, 3),
        mask_confidence=round(found.confidence, 3),
        out_of_gamut=0.0 if changed is None else round(changed.out_of_gamut, 4),
        answer=plan.answer,
        done=plan.answer == "corrected",
        doubts=plan.doubts,
        gain_interval=None if low_high is None else (round(low_high[0], 3), round(low_high[1], 3)),
        expected_remaining=None if plan.remaining is None else round(plan.remaining, 3),
        colours=plan.colours,
    )


def _written(subject: FileSubject, out: Path, written: Written) -> dict[str, Any]:
    """The fields of a record that come from the files."""
    photos = (subject.still_life, subject.on_model)
    return {
        "on_model": str(subject.on_model.path),
        "still_life": str(subject.still_life.path),
        "out": str(out),
        "outside": written.outside.value,
        "metadata_kept": written.kept,
        "metadata_dropped": written.dropped,
        "notes": written.notes,
        "warnings": tuple(finding for photo in photos for finding in photo.findings),
    }


def _named_in_reverse(subject: FileSubject) -> bool:
    """Whether the names of the files say that each photo is the other one."""
    still_life, on_model = (
        role_and_key_of(path, path.parent) or role_and_key_of(path, path.parent.parent)
        for path in (subject.still_life.path, subject.on_model.path)
    )
    return (still_life and still_life[0], on_model and on_model[0]) == ("on_model", "still_life")
