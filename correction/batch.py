"""Every photo of a folder corrected: resumed, decided upon, reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from chromiq.correction.decisions_csv import (
    DECISIONS,
    Decision,
    Decisions,
    named_keys,
    read_decisions,
    withdrawn,
    write_decisions,
)
from chromiq.correction.garment_work import (
    PhotoResult,
    PhotoWork,
    changed_since,
    correct_garment,
)
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction, correct_file
from chromiq.correction.report import REPORT, REPORT_TABLE, WORK, result_words, write_report
from chromiq.correction.results import BatchRun, garment_works, write_run
from chromiq.dataset_builder.inputs.mask_files import (
    MaskSource,
    find_masks,
    mask_fault,
    mask_folder,
    no_mask_finding,
)
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.inputs.photo_names import FOLDER_NAME, PairPattern
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.files import collision_key, ensure_output_folder, folder_lock
from chromiq.photos.originals import output_name
from chromiq.progress import Update
from chromiq.records import PhotoPair, RgbImage
from chromiq.runtime.workers import map_workers

_RESERVED = (REPORT, REPORT_TABLE, DECISIONS)


class Network(Protocol):
    """What generates for the methods that need it; `LoraNetwork` in `chromiq.evaluate.generate` is one."""

    def settings(self) -> dict[str, Any]:
        """All that decides what it generates; plain data."""
        ...

    def panels(
        self, pairs: Sequence[PhotoPair], folder: Path, segmenter: Segmenter
    ) -> Mapping[str, RgbImage]:
        """What the network makes of every pair's on-model photo, by key, at the scale it works at."""
        ...


@dataclass(frozen=True)
class BatchInputs:
    """Where a batch takes its photos from.

    Attributes:
        source: folder or CSV file of pairs.
        pattern: how the photos of the folder are named; None for the usual names.
        masks: folder of masks, ``on_modelKEY.png`` or named like the on-model photos; or a COCO file.
        skip_bad: leave out pairs that cannot be used, instead of stopping.
        keep: keys or file names of photos whose original is to be delivered, from now on.
        redo: keys or file names of photos to correct again, whatever was decided or changed by hand.
    """

    source: Path
    pattern: PairPattern | None = None
    masks: Path | None = None
    skip_bad: bool = False
    keep: tuple[str, ...] = ()
    redo: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Attributes:
        corrections: of each photo that could be used, in natural order of their keys.
        findings: warnings, and the faults of what was left out.
        report: the page that shows all.
    """

    corrections: tuple[Correction, ...]
    findings: tuple[Finding, ...]
    report: Path

    @property
    def done(self) -> bool:
        """Whether nothing is left to do or to look at."""
        is_faulty = any(finding.severity == "error" for finding in self.findings)
        return not is_faulty and all(correction.done for correction in self.corrections)


def correct_batch(
    inputs: BatchInputs,
    folder: Path,
    segmenter: Segmenter,
    options: CorrectionOptions | None = None,
    *,
    network: Network | None = None,
    workers: int = 1,
    on_progress: Update | None = None,
) -> BatchResult:
    """Correct the on-model photo of every pair; each keeps its file name and its subfolder.

    The same call again corrects only what is missing or made of something else. What somebody decided in
    ``decisions.csv`` or changed by hand stays; only an ``accept`` is withdrawn, with a warning, once a photo
    or the mask has changed.

    Args:
        inputs: the photos.
        folder: gets the photos, ``report.html``, ``report.csv``, ``decisions.csv``, ``garment_masks/``.
        segmenter: finds the garments for which there is no mask; with several workers it is pickled.
        options: what to do; None for the defaults.
        network: needed unless the method is ``"transfer"``.
        workers: processes; they change no byte.
        on_progress: called with photos done and photos in all.

    Raises:
        UnsoundError: with all findings, before anything is written.
        UsageError: if the folder holds one of the photos, or a key is unknown.
    """
    options = options or CorrectionOptions()
    pairs, given, findings = _checked(inputs, folder)
    outs = _outputs(inputs.source, pairs, folder)
    ensure_output_folder(folder)
    with folder_lock(folder, "chromiq correct"):
        keys = [pair.key for pair in pairs]
        photos = {pair.key: pair.on_model for pair in pairs}
        redo = set(named_keys(inputs.redo, photos))
        decisions = _with_wishes(read_decisions(folder, keys), named_keys(inputs.keep, photos), redo)
        masks = inputs.masks and mask_folder(inputs.masks, given, folder / WORK)
        run = BatchRun(
            folder,
            inputs.source,
            inputs.pattern,
            masks,
            options,
            segmenter.name,
            network.settings() if network else None,
            tuple(pairs),
            outs,
        )
        still_lifes = [pair.still_life for pair in pairs]
        works = [photo for work in garment_works(run, decisions, still_lifes) for photo in work.photos]
        decisions, outdated = _without_outdated(decisions, folder, works)
        findings += outdated
        panels = network.panels(pairs, folder / WORK, segmenter) if network else {}
        write_decisions(decisions, photos, {}, keys)  # before any photo is: a wish outlives a kill
        write_run(replace(run, findings=tuple(findings)))
        garments = garment_works(run, decisions, still_lifes, redo, panels)
        results: dict[str, PhotoResult] = {}
        correct = partial(correct_garment, segmenter=segmenter)
        for finished in map_workers(correct, garments, min(workers, len(garments))):
            results.update({result.key: result for result in finished})
            if on_progress:
                on_progress(len(results), len(pairs))
        corrections = tuple(done for key in keys if (done := results[key].correction) is not None)
        findings += [fault for key in keys for fault in results[key].findings]
        findings += _unknown_keys(decisions)
        write_report(folder, corrections, findings)
        said = {correction.key: result_words(correction) for correction in corrections}
        write_decisions(decisions, photos, said, keys)
    if not corrections:
        raise_findings(findings, str(inputs.source))
    return BatchResult(corrections, tuple(findings), folder / REPORT)


def correct_one(
    still_life: Path,
    on_model: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    mask: Path | None = None,
    options: CorrectionOptions | None = None,
    network: Network | None = None,
) -> Correction:
    """As `chromiq.correction.photo.correct_file`, generating first if the method needs it."""
    panel = None
    if network:
        with TemporaryDirectory(prefix="chromiq-") as folder:
            pair = PhotoPair("photo", still_life, on_model)
            panel = network.panels([pair], Path(folder), segmenter)["photo"]
    return correct_file(still_life, on_model, out, segmenter, mask=mask, options=options, generated=panel)


def _checked(
    inputs: BatchInputs, folder: Path
) -> tuple[list[PhotoPair], dict[str, MaskSource], list[Finding]]:
    """Sound pairs, their masks, and findings; raises if any is an error that may not be skipped."""
    listing = find_pairs(inputs.source, pattern=inputs.pattern, exclude=folder, decode=True)
    findings = list(listing.findings)
    given = find_masks(listing.pairs, inputs.masks).by_key
    if inputs.masks is not None and not given:
        raise_findings([no_mask_finding(inputs.masks)], str(inputs.masks))
    pairs, owners = [], {collision_key(name): name for name in _RESERVED}
    for pair in listing.pairs:
        fault = mask_fault(pair, given.get(pair.key))
        name = _relative_output(inputs.source, pair).as_posix()
        owner = owners.setdefault(collision_key(name), str(pair.on_model))
        if fault:
            findings.append(fault)
        elif owner != str(pair.on_model):
            message, hint = f"its result would have the name of {owner}", "Rename one of the two."
            findings.append(Finding("pair.name_taken", str(pair.on_model), message, hint))
        else:
            pairs.append(pair)
    if not inputs.skip_bad or not pairs:
        raise_findings(findings, str(inputs.source))
    files = (path for pair in pairs for path in (pair.still_life, pair.on_model))
    if folder.resolve() in {path.parent.resolve() for path in files}:
        raise UsageError(f"{folder}: holds photos that would be overwritten; choose another output folder")
    return pairs, given, findings


def _outputs(source: Path, pairs: Iterable[PhotoPair], folder: Path) -> dict[str, Path]:
    return {pair.key: folder / _relative_output(source, pair) for pair in pairs}


def _relative_output(source: Path, pair: PhotoPair) -> Path:
    """The photo's name, below its subfolder of the source, one named ``on-model`` left out."""
    if not source.is_dir():
        return Path(output_name(pair.on_model))
    parts = pair.on_model.relative_to(source).parts
    return Path(*(part for part in parts[:-1] if not FOLDER_NAME.fullmatch(part)), output_name(pair.on_model))


def _with_wishes(decisions: Decisions, keep: Sequence[str], redo: set[str]) -> Decisions:
    """The decisions with those of this command: keeps are added, results to redo are undecided again."""
    by_key = dict(decisions.by_key)
    for key in redo:
        if key in by_key and by_key[key].verdict in {"accept", "reject", "keep"}:
            by_key[key] = replace(by_key[key], verdict="")
    for key in keep:
        by_key[key] = replace(by_key.get(key, Decision()), verdict="keep")
    return replace(decisions, by_key=by_key)


def _without_outdated(
    decisions: Decisions, folder: Path, works: Sequence[PhotoWork]
) -> tuple[Decisions, list[Finding]]:
    """The decisions without an ``accept`` of what has changed since, and a warning for each."""
    by_key, findings = dict(decisions.by_key), []
    for work in works:
        key = work.pair.key
        changed = changed_since(folder, work) if work.decision.verdict == "accept" else ()
        if changed:
            message = f"{key}: accept is withdrawn, as the {' and the '.join(changed)} changed after it"
            hint = "Look at the new result, and accept it if it is right."
            findings.append(Finding("decisions.withdrawn", str(decisions.path), message, hint, "warning"))
            by_key[key] = withdrawn(work.decision, changed)
    return replace(decisions, by_key=by_key), findings


def _unknown_keys(decisions: Decisions) -> list[Finding]:
    if not decisions.unknown:
        return []
    shown = ", ".join(repr(key) for key in decisions.unknown[:5])
    message = f"decisions about photos that are not in this batch: {shown}"
    hint = "They stay in the file. Check the keys if they should apply."
    return [Finding("decisions.unknown", str(decisions.path), message, hint, severity="warning")]
