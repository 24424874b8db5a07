"""All photos of one garment corrected, or found corrected: what a batch does, garment by garment.

Each output is written to a staging folder, recorded with its digest, and then moved to its place, exports
included. So whatever lies there is known: as it was recorded, as it was before, or changed by somebody, which
is never overwritten.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chromiq.correction.decisions_csv import Decision
from chromiq.correction.export import export_paths
from chromiq.correction.fitting.transfer import ColourFit
from chromiq.correction.options import CorrectionOptions, ExportName
from chromiq.correction.photo import Correction, correct_subject, left_as_it_was
from chromiq.correction.plan import fit_together
from chromiq.correction.report import WORK, read_panel, write_panel
from chromiq.correction.subject import FileSubject, read_subject, require_garment
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.documents import as_record
from chromiq.errors import Finding, UnsoundError
from chromiq.files import sha256_file, sha256_text, write_json
from chromiq.photos.images import photo_size_wh, read_mask, write_mask
from chromiq.photos.soundness import verify_photo
from chromiq.records import GarmentMask, PhotoPair, RgbImage

# Counts changes of what is kept of a found mask (its confidence, its rim): older ones are found again.
_FOUND_MASK_VERSION = 4
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
    generated: RgbImage | None = None


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
class _Photo:
    """One photo of a garment, and what is known about it before anything is done; each file is read once.

    Attributes:
        work: what to do.
        folder: of the results.
        record: what was recorded when it was last corrected; None if it never was, or the record is damaged.
        mask: the mask that somebody gave: in the decisions, in the folder of masks, or by editing the one
            that was found.
        digests: of the still-life, the on-model photo and that mask; None for a file that is not there.
    """

    work: PhotoWork
    folder: Path
    record: dict[str, Any] | None
    mask: Path | None
    digests: dict[str, str | None]

    @property
    def key(self) -> str:
        return self.work.pair.key

    @property
    def staged(self) -> Path:
        """Where the output is written, in a folder for it and its exports."""
        return self.folder / WORK / "staged" / f"on_model{self.key}" / self.work.out.name

    @property
    def found_mask(self) -> Path:
        return found_mask_path(self.folder, self.key)

    def inputs(self, mask_digest: str | None) -> dict[str, str | None]:
        """What a result is made from, as its record has it."""
        decided = self.work.decision
        settings = json.dumps([decided.strength, decided.min_gain, decided.target_lab])
        return {**self.digests, "mask": mask_digest, "settings in its row": settings}

    def found_in(self, segmenter: str) -> str:
        """A digest of all that decides which mask is found."""
        files = [self.digests["still-life"], self.digests["on-model photo"]]
        return sha256_text(json.dumps([files, self.work.pair.garment, segmenter, _FOUND_MASK_VERSION]))


def _photo(folder: Path, work: PhotoWork) -> _Photo:
    record = read_record(folder, work.pair.key)
    mask = work.decision.mask or work.drawn
    if mask is None and record and record.get("mask"):
        saved = found_mask_path(folder, work.pair.key)
        mask = saved if saved.is_file() and not is_found_mask(saved, record) else None
    files = {"still-life": work.pair.still_life, "on-model photo": work.pair.on_model, "mask": mask}
    digests = {name: sha256_file(path) if path and path.is_file() else None for name, path in files.items()}
    return _Photo(work, folder, record, mask, digests)


@dataclass(frozen=True)
class PhotoResult:
    """What became of one photo: a correction, or the findings that prevented it."""

    key: str
    correction: Correction | None
    findings: tuple[Finding, ...] = ()


def correct_garment(work: GarmentWork, segmenter: Segmenter) -> list[PhotoResult]:
    """Correct the photos of a garment that are not corrected yet; what is wrong with one stops no other.

    The segmenter finds the garments for which there is no mask.
    """
    photos = [_photo(work.folder, photo) for photo in work.photos]
    made_of = _made_of(work, photos)
    results = {
        photo.key: PhotoResult(photo.key, standing)
        for photo in photos
        if (standing := _standing(photo, made_of[photo.key], work.options.exports))
    }
    todo = [photo for photo in photos if photo.key not in results]
    found: dict[str, GarmentMask] = {}
    fits: dict[str, ColourFit | None] = {}
    if todo and _is_joint(work):
        still_life_lab, on_model_labs = None, {}
        for photo in photos:
            try:
                subject = _read(work, photo, segmenter)
            except UnsoundError:
                continue  # it is reported when it is corrected
            # A photo may take 200 MB: of several only this is kept.
            found[photo.key], on_model_labs[photo.key] = subject.found, subject.on_model_lab
            still_life_lab = subject.still_life_lab if still_life_lab is None else still_life_lab
        if still_life_lab is not None:
            joint = fit_together(still_life_lab, list(on_model_labs.values()))
            fits = dict(zip(on_model_labs, joint, strict=True))
    for photo in todo:
        try:
            subject = _read(work, photo, segmenter, found.get(photo.key))
            done = _correct(work, photo, subject, fits.get(photo.key), made_of[photo.key])
            results[photo.key] = PhotoResult(photo.key, done)
        except UnsoundError as error:
            results[photo.key] = PhotoResult(photo.key, None, error.findings)
    return [results[photo.key] for photo in photos]


def _is_joint(work: GarmentWork) -> bool:
    return work.options.alike and work.options.method == "transfer" and len(work.photos) > 1


def _correct(
    work: GarmentWork, photo: _Photo, subject: FileSubject, fit: ColourFit | None, made_of: str
) -> Correction:
    """Correct one photo, and write all that belongs to it; the output last."""
    mask = (photo.record or {}).get("mask")
    if photo.mask is None and subject.found.mask.any():
        if photo.record:  # after a kill before the new one, it must not take this mask for an edited one
            outdated = {**photo.record, "mask": None, "made_of": ""}
            write_json(record_path(work.folder, photo.key), outdated)
        write_mask(photo.found_mask, subject.found.mask)
        mask = {
            "digest": sha256_file(photo.found_mask),
            "confidence": subject.found.confidence,
            "reasons": list(subject.found.reasons),
            "source": subject.found.source,
            "found_in": photo.found_in(work.settings[0]),
        }
    out, verdict = photo.work.out, photo.work.decision.verdict
    changed = None
    shutil.rmtree(photo.staged.parent, ignore_errors=True)  # of a command that was killed
    if verdict in {"keep", "reject"}:
        kept = verdict == "keep"
        reason = "the original is kept, as decided" if kept else "rejected; the original is delivered"
        done = left_as_it_was(subject, photo.staged, reason, done=kept)
    else:
        require_garment(subject.found, photo.mask)
        options = photo.work.decision.options(work.options)
        done, changed = correct_subject(
            subject, photo.staged, options, fit=fit, generated=photo.work.generated
        )
    done = replace(done, out=str(out), key=photo.key, decision=verdict)
    after = subject.on_model.rgb
    if changed is not None:
        after = subject.on_model.space.to_bytes(changed.within(subject.on_model.values))
    write_panel(work.folder, photo.key, subject, after)
    image, previous = sha256_file(photo.staged), sha256_file(out) if out.is_file() else None
    exports: dict[str, str] = (photo.record or {}).get("exports", {})
    if image != previous:
        _remove_unedited(out.parent, exports)
    made = {}
    for staged in map(Path, done.exports):
        path = out.with_name(staged.name)
        if photo.work.redo or not path.is_file() or sha256_file(path) == exports.get(path.name):
            made[path] = sha256_file(staged)
        else:
            staged.unlink()
            how = "changed by hand" if path.name in exports else "not made of this photo"
            reason = f"{done.reason}; {path.name} is not replaced, because it was {how}"
            done = replace(done, reason=f"{reason}; the option redo {photo.key} replaces it")
    done = replace(done, exports=tuple(map(str, made)))
    record = {
        "made_of": made_of,
        "inputs": photo.inputs(photo.digests["mask"] if photo.mask else mask and mask["digest"]),
        "image": image,
        "previous": previous,
        "mask": mask,
        "exports": {**exports, **{path.name: digest for path, digest in made.items()}},
        "correction": done.as_dict(),
    }
    write_json(record_path(work.folder, photo.key), record)
    _deliver(photo.staged, out)
    return done


def _remove_unedited(folder: Path, exports: dict[str, str]) -> None:
    """Remove exports, given their digests by name, of a photo that is no longer delivered."""
    for name, digest in exports.items():
        path = folder / name
        if path.is_file() and sha256_file(path) == digest:
            path.unlink()


def _standing(photo: _Photo, made_of: str, exports: Sequence[ExportName]) -> Correction | None:
    """What stands of a photo: delivered before, or changed by somebody; None if it is to be corrected."""
    work, record, out = photo.work, photo.record, photo.work.out
    if work.redo or not out.is_file():
        return None
    digest, verdict = sha256_file(out), work.decision.verdict
    done = None if record is None else recorded(record, work.pair, out)
    if record is not None and digest == record["image"]:
        stays = verdict == "accept" or record["made_of"] == made_of
        if done is None or not stays or read_panel(photo.folder, photo.key) is None:
            return None
        if verdict != "accept":
            removed = done.applied and not all(map(Path.is_file, export_paths(out, exports).values()))
            return None if removed else done
        reason = done.reason if done.reason.startswith("accepted") else f"accepted; {done.reason}"
        return replace(done, done=True, answer="corrected", decision="accept", reason=reason)
    if record is not None and digest == record["previous"]:
        return None
    if (fault := verify_photo(out)) and fault.severity == "error":
        return None  # cut short or spoilt: nobody's work
    what = "changed by hand" if done else "not made by this command"
    reason = f"kept, because it was {what}; the option redo {photo.key} replaces it"
    return replace(
        done or Correction(str(work.pair.on_model), str(out), False, reason, 0.0, 0.0),
        key=photo.key,
        reason=reason,
        answer="corrected",
        done=True,
        doubts=(),
        decision="changed by hand",
        still_life=str(work.pair.still_life),
    )


def changed_since(folder: Path, work: PhotoWork) -> tuple[str, ...]:
    """What a photo's result was made from and has changed since, in words: an accept refers to that result.

    The mask counts only if somebody gives one; without it, the one that was found then is used again.
    """
    photo = _photo(folder, work)
    known = (photo.record or {}).get("inputs")
    if not isinstance(known, dict):
        return ()
    now = photo.inputs(photo.digests["mask"])
    return tuple(name for name, value in now.items() if value is not None and value != known.get(name, value))


def recorded(record: dict[str, Any], pair: PhotoPair, out: Path) -> Correction | None:
    """The correction in a photo's record, with the files that are there now; None if it is damaged."""
    try:
        done = as_record(Correction, record["correction"])
    except (KeyError, ValueError):
        return None
    # The folders may have been moved since.
    return replace(
        done,
        on_model=str(pair.on_model),
        out=str(out),
        still_life=str(pair.still_life),
        exports=tuple(
            str(path) for name in done.exports if (path := out.with_name(Path(name).name)).is_file()
        ),
    )


def _read(
    work: GarmentWork, photo: _Photo, segmenter: Segmenter, found: GarmentMask | None = None
) -> FileSubject:
    pair = photo.work.pair
    found = found or _found_before(photo, work.settings[0])
    subject = read_subject(pair.still_life, pair.on_model, segmenter, photo.mask, found)
    if found is None and photo.mask:
        source = source_of_mask(photo.mask, photo.folder, photo.key)
        return replace(subject, found=replace(subject.found, source=source))
    return subject


def _found_before(photo: _Photo, segmenter: str) -> GarmentMask | None:
    """A mask that this command found before, with its confidence of then, wherever it is given from."""
    file = photo.mask or photo.found_mask
    if not photo.record or not file.is_file() or not is_found_mask(file, photo.record):
        return None
    known = photo.record["mask"]
    if photo.mask is None and known["found_in"] != photo.found_in(segmenter):
        return None
    found = GarmentMask(read_mask(file), known["confidence"], tuple(known["reasons"]), known["source"])
    width_px, height_px = photo_size_wh(photo.work.pair.on_model)
    return found if found.mask.shape == (height_px, width_px) else None


def is_found_mask(file: Path, record: dict[str, Any] | None) -> bool:
    """Whether a mask file is the one that was found when a photo was last corrected, unchanged."""
    known = record.get("mask") if record else None
    return bool(known and sha256_file(file) == known["digest"])


def _made_of(work: GarmentWork, photos: Sequence[_Photo]) -> dict[str, str]:
    """By key, a digest of all that decides a photo's result: of every photo if they are corrected alike."""
    files = {
        photo.key: [digest for name, digest in photo.digests.items() if name != "mask" or photo.mask]
        for photo in photos
    }
    together = list(files.values()) if _is_joint(work) else []
    digests = {}
    for photo in photos:
        decision = photo.work.decision
        # An accepted or forced photo is made in the same way.
        verdict = "" if decision.verdict == "accept" else decision.verdict
        own = [files[photo.key], asdict(decision.options(work.options)), verdict, photo.work.pair.garment]
        text = json.dumps([own, together, work.settings], sort_keys=True, default=str)
        digests[photo.key] = sha256_text(text)
    return digests


def source_of_mask(file: Path, folder: Path, key: str) -> str:
    """``"edited"`` for a changed mask in the place of the found one, ``"given"`` for any other."""
    return "edited" if file.resolve() == found_mask_path(folder, key).resolve() else "given"


def found_mask_path(folder: Path, key: str) -> Path:
    """Where the mask that was found on a photo is saved."""
    return folder / GARMENT_MASKS / f"on_model{key}.png"


def read_record(folder: Path, key: str) -> dict[str, Any] | None:
    """What was recorded of a photo; a damaged record counts as none.

    Raises:
        PermissionError: if it may not be read: its photo would be taken for somebody's own.
    """
    path = record_path(folder, key)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        complete = {"made_of", "image", "previous", "correction"} <= record.keys()
    except PermissionError:
        raise
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
    for path in sorted(staged.parent.iterdir(), key=staged.__eq__):  # the photo last
        path.replace(out.with_name(path.name))
    shutil.rmtree(staged.parent, ignore_errors=True)
