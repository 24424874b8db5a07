"""All photos of one garment corrected, or found corrected: what a batch does, garment by garment.

Each output is written to a staging folder, recorded with its digest, and then moved to its place. So whatever
lies there is known: as it was recorded, as it was before, or changed by somebody, which is never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chromiq.correction.decisions_csv import Decision
from chromiq.correction.fitting.transfer import ColourFit
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction, correct_subject, left_as_it_was
from chromiq.correction.plan import fit_together
from chromiq.correction.report import WORK, read_panel, write_panel
from chromiq.correction.subject import FileSubject, read_subject
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.errors import Finding, UnsoundError
from chromiq.files import sha256_file, sha256_text, write_json
from chromiq.photos.images import photo_size_wh, read_mask, write_mask
from chromiq.photos.soundness import verify_photo
from chromiq.records import FloatImage, GarmentMask, PhotoPair, RgbImage

# Counts changes of what a confidence means: masks found on an older scale are found again.
_CONFIDENCE_SCALE = 2
GARMENT_MASKS = "garment_masks"


@dataclass(frozen=True, eq=False)
class PhotoWork:
    """One photo of a garment.

    Attributes:
        pair: the photo and its still-life.
        out: where it is delivered.
        drawn: its mask file from the folder of masks, if there is one.
        decision: what somebody decided about it.
        redo: whether to correct it even though it was changed or decided upon.
        generated: ``(h, w, 3)`` uint8 sRGB, what a network made of it.
    """

    pair: PhotoPair
    out: Path
    drawn: Path | None
    decision: Decision
    redo: bool
    generated: RgbImage | None


@dataclass(frozen=True, eq=False)
class GarmentWork:
    """All photos of one garment.

    Attributes:
        folder: of the results.
        photos: of the same still-life.
        options: of the run.
        settings: the segmenter's name, and plain data of whatever else decides the result.
    """

    folder: Path
    photos: tuple[PhotoWork, ...]
    options: CorrectionOptions
    settings: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class _Sample:
    """What of a photo is needed to fit several together."""

    found: GarmentMask
    still_life_lab: FloatImage
    on_model_lab: FloatImage


@dataclass(frozen=True)
class PhotoResult:
    """What became of one photo: a correction, or the findings that prevented it."""

    key: str
    correction: Correction | None
    findings: tuple[Finding, ...] = ()


def by_garment(pairs: Iterable[PhotoPair]) -> dict[Path, list[PhotoPair]]:
    """Pairs by still-life, in the order of their first photos."""
    groups: dict[Path, list[PhotoPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.still_life, []).append(pair)
    return groups


def correct_garment(work: GarmentWork, segmenter: Segmenter) -> list[PhotoResult]:
    """Correct the photos of a garment that are not corrected yet; what is wrong with one stops no other.

    Args:
        work: what to do.
        segmenter: finds garments without a mask.
    """
    masks = {photo.pair.key: _mask_file(work.folder, photo) for photo in work.photos}
    made_of = _made_of(work, masks)
    results: dict[str, PhotoResult] = {}
    for photo in work.photos:
        standing = _standing(work.folder, photo, made_of[photo.pair.key])
        if standing is not None:
            results[photo.pair.key] = PhotoResult(photo.pair.key, standing)
    if len(results) == len(work.photos):
        return list(results.values())
    is_joint = work.options.alike and work.options.method == "transfer" and len(work.photos) > 1
    subjects: dict[str, FileSubject] = {}
    samples: dict[str, _Sample] = {}
    for photo in work.photos:
        key = photo.pair.key
        if key in results and not is_joint:
            continue
        try:
            subject = _read(work, photo, masks[key], segmenter)
        except UnsoundError as error:
            results.setdefault(key, PhotoResult(key, None, error.findings))
            continue
        if is_joint:  # a photo may take 200 MB: of several only this is kept
            samples[key] = _Sample(subject.found, subject.still_life_lab, subject.on_model_lab)
        else:
            subjects[key] = subject
    fits = _joint_fits(samples)
    for photo in work.photos:
        key = photo.pair.key
        if key in results:
            continue
        try:
            subject = subjects.get(key) or _read(work, photo, masks[key], segmenter, found=samples[key].found)
            done = _correct(work, photo, subject, fits.get(key), made_of[key])
            results[key] = PhotoResult(key, done)
        except UnsoundError as error:
            results[key] = PhotoResult(key, None, error.findings)
    return [results[photo.pair.key] for photo in work.photos]


def _joint_fits(samples: Mapping[str, _Sample]) -> dict[str, ColourFit | None]:
    if not samples:
        return {}
    still_life_lab = next(iter(samples.values())).still_life_lab
    found = fit_together(still_life_lab, [sample.on_model_lab for sample in samples.values()])
    return dict(zip(samples, found, strict=True))


def _correct(
    work: GarmentWork, photo: PhotoWork, subject: FileSubject, fit: ColourFit | None, made_of: str
) -> Correction:
    """Correct one photo, and write all that belongs to it; the output last."""
    key = photo.pair.key
    staged = _staged_path(work.folder, photo)
    before = read_record(work.folder, key)
    mask = before and before.get("mask")
    if _mask_file(work.folder, photo) is None and subject.found.mask.any():
        saved = found_mask_path(work.folder, key)
        write_mask(saved, subject.found.mask)
        mask = _mask_record(saved, subject.found, photo.pair, work.settings)
    options = photo.decision.options(work.options)
    verdict = photo.decision.verdict
    if verdict in {"keep", "reject"}:
        kept = verdict == "keep"
        reason = "the original is kept, as decided" if kept else "rejected; the original is delivered"
        done = left_as_it_was(subject, staged, reason, done=kept)
        changed = None
    else:
        done, changed = correct_subject(
            subject, staged, options, named=photo.out, fit=fit, generated=photo.generated
        )
    done = replace(done, out=str(photo.out), key=key, decision=verdict)
    after = subject.on_model.rgb
    if changed is not None:
        after = subject.on_model.space.to_bytes(changed.within(subject.on_model.values))
    write_panel(work.folder, key, subject, after)
    record = {
        "made_of": made_of,
        "inputs": _inputs(photo, _mask_file(work.folder, photo) or found_mask_path(work.folder, key)),
        "image": sha256_file(staged),
        "previous": sha256_file(photo.out) if photo.out.is_file() else None,
        "mask": mask,
        "correction": done.as_dict(),
    }
    write_json(record_path(work.folder, key), record)
    _deliver(staged, photo.out)
    return done


def _standing(folder: Path, photo: PhotoWork, made_of: str) -> Correction | None:
    """What stands of a photo: delivered before, or changed by somebody; None if it is to be corrected."""
    record = read_record(folder, photo.pair.key)
    staged = _staged_path(folder, photo)
    if photo.redo:
        return None
    if (
        record is not None
        and staged.is_file()
        and sha256_file(staged) == record["image"]
        and (not photo.out.is_file() or sha256_file(photo.out) == record["previous"])
    ):
        _deliver(staged, photo.out)  # the command was killed just before
    if not photo.out.is_file():
        return None
    digest = sha256_file(photo.out)
    if record is not None and digest == record["image"]:
        done = recorded(record, photo.pair, photo.out)
        stays = photo.decision.verdict == "accept" or record["made_of"] == made_of
        if done is None or not stays or read_panel(folder, photo.pair.key) is None:
            return None
        if photo.decision.verdict == "accept":
            return replace(done, done=True, answer="corrected", decision="accept", reason=_accepted(done))
        return done
    if record is not None and digest == record["previous"]:
        return None
    if verify_photo(photo.out) is not None:
        return None  # cut short or spoilt: nobody's work
    return _changed_by_hand(photo, None if record is None else recorded(record, photo.pair, photo.out))


def changed_since(folder: Path, photo: PhotoWork) -> tuple[str, ...]:
    """What a photo's result was made from and has changed since, in words: an accept refers to that result.

    The mask counts only if somebody gives one; without it, the one that was found then is used again.
    """
    record = read_record(folder, photo.pair.key)
    known = (record or {}).get("inputs")
    if not isinstance(known, dict):
        return ()
    now = _inputs(photo, _mask_file(folder, photo))
    return tuple(name for name, value in now.items() if value is not None and value != known.get(name, value))


def _inputs(photo: PhotoWork, mask: Path | None) -> dict[str, str | None]:
    """Digests of what a result is made from; None for a file that is not there."""
    files = {"still-life": photo.pair.still_life, "on-model photo": photo.pair.on_model, "mask": mask}
    decided = photo.decision
    settings = json.dumps([decided.strength, decided.min_gain, decided.target_lab])
    digests = {name: sha256_file(path) if path and path.is_file() else None for name, path in files.items()}
    return {**digests, "settings in its row": settings}


def _changed_by_hand(photo: PhotoWork, done: Correction | None) -> Correction:
    what = "changed by hand" if done else "not made by this command"
    reason = f"kept, because it was {what}; redo {photo.pair.key} to replace it"
    if done is None:
        done = Correction(
            str(photo.pair.on_model), str(photo.out), False, reason, 0.0, 0.0, key=photo.pair.key
        )
    return replace(
        done,
        key=photo.pair.key,
        reason=reason,
        answer="corrected",
        done=True,
        doubts=(),
        decision="changed by hand",
        still_life=str(photo.pair.still_life),
    )


def _accepted(done: Correction) -> str:
    return done.reason if done.reason.startswith("accepted") else f"accepted; {done.reason}"


def recorded(record: dict[str, Any], pair: PhotoPair, out: Path) -> Correction | None:
    """The correction in a photo's record, its files where they are now; None if it is damaged."""
    try:
        done = Correction.from_dict(record["correction"])
    except (KeyError, TypeError, ValueError):
        return None  # a damaged record counts as none
    # The folders may have been moved since.
    return replace(
        done,
        on_model=str(pair.on_model),
        out=str(out),
        still_life=str(pair.still_life),
        exports=tuple(str(out.parent / Path(path).name) for path in done.exports),
    )


def _read(
    work: GarmentWork,
    photo: PhotoWork,
    mask: Path | None,
    segmenter: Segmenter,
    found: GarmentMask | None = None,
) -> FileSubject:
    found = found or _found_before(work, photo, mask)
    return read_subject(photo.pair.still_life, photo.pair.on_model, segmenter, mask, found)


def _found_before(work: GarmentWork, photo: PhotoWork, mask: Path | None) -> GarmentMask | None:
    """A mask that this command found before, with its confidence of then, wherever it is given from."""
    record = read_record(work.folder, photo.pair.key)
    known = record and record.get("mask")
    file = mask or found_mask_path(work.folder, photo.pair.key)
    if not known or not file.is_file() or sha256_file(file) != known["digest"]:
        return None
    if mask is None and known["found_in"] != _found_in(photo.pair, work.settings):
        return None
    found = GarmentMask(read_mask(file), known["confidence"], tuple(known["reasons"]), known["source"])
    width_px, height_px = photo_size_wh(photo.pair.on_model)
    return found if found.mask.shape == (height_px, width_px) else None


def _made_of(work: GarmentWork, masks: dict[str, Path | None]) -> dict[str, str]:
    """By key, a digest of all that decides a photo's result: of every photo if they are corrected alike."""
    parts: dict[str, list[Any]] = {}
    for photo in work.photos:
        pair, mask = photo.pair, masks[photo.pair.key]
        files = [pair.still_life, pair.on_model, *([mask] if mask else [])]
        digests = [sha256_file(path) if path.is_file() else None for path in files]
        decided = asdict(photo.decision.options(work.options))
        # An accepted or forced photo is made in the same way.
        verdict = "" if photo.decision.verdict == "accept" else photo.decision.verdict
        parts[pair.key] = [digests, decided, verdict, pair.garment]
    is_joint = work.options.alike and work.options.method == "transfer" and len(work.photos) > 1
    together = [value[0] for value in parts.values()] if is_joint else []
    return {
        key: sha256_text(json.dumps([value, together, work.settings], sort_keys=True, default=str))
        for key, value in parts.items()
    }


def _mask_file(folder: Path, photo: PhotoWork) -> Path | None:
    """The mask that somebody gave: in the decisions, in the folder of masks, or by editing the saved one."""
    if photo.decision.mask is not None:
        return photo.decision.mask
    if photo.drawn is not None:
        return photo.drawn
    saved = found_mask_path(folder, photo.pair.key)
    if not saved.is_file():
        return None
    record = read_record(folder, photo.pair.key)
    known = record and record.get("mask")
    return saved if known and sha256_file(saved) != known["digest"] else None


def _mask_record(
    path: Path, found: GarmentMask, pair: PhotoPair, settings: tuple[Any, ...]
) -> dict[str, Any]:
    return {
        "digest": sha256_file(path),
        "confidence": found.confidence,
        "reasons": list(found.reasons),
        "source": found.source,
        "found_in": _found_in(pair, settings),
    }


def _found_in(pair: PhotoPair, settings: tuple[Any, ...]) -> str:
    digests = [sha256_file(path) for path in (pair.still_life, pair.on_model)]
    return sha256_text(json.dumps([digests, pair.garment, settings[0], _CONFIDENCE_SCALE], default=str))


def found_mask_path(folder: Path, key: str) -> Path:
    """Where the mask that was found on a photo is saved."""
    return folder / GARMENT_MASKS / f"on_model{key}.png"


def _staged_path(folder: Path, photo: PhotoWork) -> Path:
    return folder / WORK / "staged" / f"{photo.pair.key}{photo.out.suffix}"


def read_record(folder: Path, key: str) -> dict[str, Any] | None:
    """What was recorded of a photo; a damaged record counts as none."""
    path = record_path(folder, key)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        complete = {"made_of", "image", "previous", "correction"} <= record.keys()
    except (OSError, ValueError, AttributeError):
        return None
    return record if complete else None


def records_folder(folder: Path) -> Path:
    """Where the records of a batch lie, one for each photo that was corrected."""
    return folder / WORK / "corrections"


def record_path(folder: Path, key: str) -> Path:
    """The record of a photo."""
    return records_folder(folder) / f"{key}.json"


def _deliver(staged: Path, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(out)
