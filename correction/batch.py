"""Every photo of a folder corrected: resumed, decided upon, reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from os.path import abspath
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
from chromiq.correction.export import export_paths
from chromiq.correction.garment_work import (
    GarmentWork,
    PhotoResult,
    changed_since,
    correct_garment,
)
from chromiq.correction.options import CorrectionOptions, ExportName
from chromiq.correction.photo import Correction, correct_file
from chromiq.correction.report import REPORT, REPORT_TABLE, WORK, result_words, write_report
from chromiq.correction.results import BatchRun, converted, garment_works, write_run
from chromiq.dataset_builder.inputs.build_inputs import unused_findings
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
from chromiq.errors import ChromiqError, Finding, UnsoundError, errors_of, raise_findings
from chromiq.files import collision_key, ensure_output_folder, folder_lock, refuse_file, refuse_inputs
from chromiq.photos.originals import output_name
from chromiq.progress import Stage, Update, no_progress, silent
from chromiq.records import PhotoPair, RgbImage
from chromiq.runtime.workers import map_workers
from chromiq.wording import counted

_RESERVED = (REPORT, REPORT_TABLE, DECISIONS)


class Network(Protocol):
    """What generates for the methods that need it; `LoraNetwork` in `chromiq.evaluate.generate` is one."""

    def settings(self) -> dict[str, Any]:
        """All that decides what it generates; plain data."""
        ...

    def panels(
        self, pairs: Sequence[PhotoPair], folder: Path, segmenter: Segmenter, on_progress: Update
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
        segmenter: who finds the garments without a mask of the user's; None if there are none.
    """

    corrections: tuple[Correction, ...]
    findings: tuple[Finding, ...]
    report: Path
    segmenter: str | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do or to look at."""
        return not errors_of(self.findings) and all(correction.done for correction in self.corrections)


@dataclass(frozen=True)
class BatchCheck:
    """What a batch would work on.

    Attributes:
        pairs: that can be corrected, in natural order of their keys.
        masks: the user's, by key.
        findings: warnings, and what is wrong with the others.
        leftover: files of the folder that belong to no pair.
        must_stop: whether nothing can be corrected as it is.
    """

    pairs: tuple[PhotoPair, ...]
    masks: Mapping[str, MaskSource]
    findings: tuple[Finding, ...]
    leftover: tuple[Path, ...]
    must_stop: bool

    @property
    def photos(self) -> dict[str, Path]:
        """The on-model photo of each key."""
        return {pair.key: pair.on_model for pair in self.pairs}

    @property
    def has_faults(self) -> bool:
        """Whether anything is left out because something is wrong with it."""
        return bool(errors_of(self.findings))

    def error(self, source: Path) -> UnsoundError:
        """What a batch raises that must stop: all findings, and whether skipping them would help."""
        text = f"{source}: {counted(len(errors_of(self.findings)), 'fault')}"
        if self.pairs:
            text += f"; {counted(len(self.pairs), 'photo')} can be corrected with `skip_bad`"
        return UnsoundError(text, self.findings)


def check_batch(
    inputs: BatchInputs,
    folder: Path | None = None,
    on_progress: Update = silent,
    exports: Sequence[ExportName] = (),
) -> BatchCheck:
    """Find the pairs of a batch, decode every photo and read every mask; nothing is written.

    Args:
        folder: of the results, if that is known.
        exports: what else is to be written beside each corrected photo.
        on_progress: called with pairs read and pairs in all.

    Raises:
        UnsoundError: if no mask belongs to any pair, or ``decisions.csv`` cannot be understood.
        UsageError: if the folder holds one of the photos, or a key is unknown.
    """
    if folder is not None:
        refuse_file(folder)
    listing = find_pairs(
        inputs.source,
        pattern=inputs.pattern,
        out=folder,
        decode=True,
        on_progress=on_progress,
    )
    findings = list(listing.findings)
    given = find_masks(listing.pairs, inputs.masks)
    masks = given.by_key
    if inputs.masks is not None and not masks and listing.pairs:
        raise UnsoundError.of(no_mask_finding(inputs.masks))
    findings += unused_findings(inputs.masks, given.unused)
    pairs, owners = [], {collision_key(name): name for name in _RESERVED}
    for pair in listing.pairs:
        fault = mask_fault(pair, masks.get(pair.key))
        where, output = str(pair.on_model), _relative_output(inputs.source, pair)
        made = {collision_key(output.as_posix()): where}
        for path in export_paths(output, exports).values():
            made[collision_key(path.as_posix())] = f"an export of {where}"
        taken = next((name for name in made if name in owners), "")
        owner = owners.get(taken)
        if fault:
            findings.append(fault)
        elif owner == where:
            message, hint = "is the on-model photo of two pairs", "Keep one of them."
            findings.append(Finding("pair.name_taken", where, message, hint))
        elif owner:
            what = "result" if made[taken] == where else "export"
            message, hint = f"its {what} would have the name of {owner}", "Rename one of the two."
            findings.append(Finding("pair.name_taken", where, message, hint))
        else:
            owners |= made
            pairs.append(pair)
    must_stop = bool(errors_of(findings)) and not (inputs.skip_bad and pairs)
    found = BatchCheck(tuple(pairs), masks, tuple(findings), listing.leftover, must_stop)
    if must_stop:
        return found
    named_keys((*inputs.keep, *inputs.redo), found.photos)
    if folder is not None:
        files = [path for pair in pairs for path in pair.photos]
        outs = [folder / _relative_output(inputs.source, pair) for pair in pairs]
        refuse_inputs([folder, *outs], [*files, inputs.masks])
        read_decisions(folder, found.photos)
    return found


def correct_batch(
    inputs: BatchInputs,
    folder: Path,
    segmenter: Segmenter,
    options: CorrectionOptions | None = None,
    *,
    network: Network | None = None,
    workers: int = 1,
    stage: Stage = no_progress,
) -> BatchResult:
    """Correct the on-model photo of every pair; each keeps its file name and its subfolder.

    The same call again corrects only what is missing or made of something else. What somebody decided in
    ``decisions.csv`` or changed by hand stays; only an ``accept`` is withdrawn, with a warning, once a photo
    or the mask has changed.

    Args:
        folder: gets the photos, ``report.html``, ``report.csv``, ``decisions.csv``, ``garment_masks/``.
        segmenter: finds the garments for which there is no mask; with several workers it is pickled.
        options: what to do; None for the defaults.
        network: needed unless the method is ``"transfer"``.
        workers: processes; they change no byte.
        stage: shows how far the work is.

    Raises:
        UnsoundError: with all findings, before anything is written.
        UsageError: if the folder holds one of the photos, or a key is unknown.
    """
    options = options or CorrectionOptions()
    with stage("check the photos") as update:
        checked = check_batch(inputs, folder, update, options.exports)
    findings = list(checked.findings)
    if checked.must_stop:
        raise checked.error(inputs.source)
    pairs, photos, keys = checked.pairs, checked.photos, list(checked.photos)
    ensure_output_folder(folder)
    with folder_lock(folder, "chromiq correct"):
        panels: Mapping[str, RgbImage] = {}
        if network:
            with stage("generate, in steps") as update:
                panels = network.panels(pairs, folder / WORK, segmenter, update)
        redo = set(named_keys(inputs.redo, photos))
        decisions = _with_wishes(read_decisions(folder, photos), named_keys(inputs.keep, photos), redo)
        run = BatchRun(
            folder=folder,
            source=inputs.source,
            pattern=inputs.pattern,
            masks=inputs.masks and mask_folder(inputs.masks, checked.masks, folder / WORK),
            options=options,
            segmenter=segmenter.name,
            network=network.settings() if network else None,
            pairs=pairs,
            outs={pair.key: folder / _relative_output(inputs.source, pair) for pair in pairs},
        )
        garments = garment_works(run, decisions, (pair.still_life for pair in pairs), redo)
        decisions, outdated = _without_outdated(decisions, garments)
        findings += outdated
        write_decisions(decisions, photos, {})  # before any photo is: a wish outlives a kill
        write_run(replace(run, findings=tuple(findings)))
        garments = [_decided(garment, decisions, panels) for garment in garments]
        results: dict[str, PhotoResult] = {}
        correct = partial(correct_garment, segmenter=segmenter)
        with stage("correct") as update:
            for finished in map_workers(correct, garments, min(workers, len(garments))):
                results.update({result.key: result for result in finished})
                update(len(results), len(pairs))
        corrections = tuple(done for key in keys if (done := results[key].correction) is not None)
        findings += converted(corrections)
        findings += [fault for key in keys for fault in results[key].findings]
        said = {correction.key: result_words(correction) for correction in corrections}
        try:  # what somebody has decided in the meantime stays, for the next run
            decisions = read_decisions(folder, photos)
            write_decisions(decisions, photos, said)
        except UnsoundError as error:
            findings += error.findings
        except ChromiqError:  # Excel lets nobody write a file that it shows
            message = "cannot be written, so that it lacks the results of this run"
            hint = "Close it in other programs, check permissions and free space, and run the command again."
            findings.append(Finding("decisions.unwritten", str(decisions.path), message, hint))
        findings += _unknown_keys(decisions)
        with stage("report") as update:
            write_report(folder, corrections, findings, update)
    if not corrections:
        raise_findings(findings, str(inputs.source))
    finds = any(not (photo.decision.mask or photo.drawn) for garment in garments for photo in garment.photos)
    return BatchResult(corrections, tuple(findings), folder / REPORT, segmenter.name if finds else None)


def correct_one(
    still_life: Path,
    on_model: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    mask: Path | None = None,
    options: CorrectionOptions | None = None,
    network: Network | None = None,
    stage: Stage = no_progress,
) -> Correction:
    """As `chromiq.correction.photo.correct_file`, generating first if the method needs it."""
    panel = None
    if network:
        with TemporaryDirectory(prefix="chromiq-") as folder, stage("generate, in steps") as update:
            pair = PhotoPair("photo", still_life, on_model)
            panel = network.panels([pair], Path(folder), segmenter, update)["photo"]
    return correct_file(still_life, on_model, out, segmenter, mask=mask, options=options, generated=panel)


def _relative_output(source: Path, pair: PhotoPair) -> Path:
    """The photo's name, in its subfolder of the source or of the CSV file's folder.

    A subfolder named ``on-model`` is left out; a CSV file's photos from elsewhere get no subfolder.
    """
    # Unlike resolve(), abspath follows no links: a linked photo keeps the subfolder that it is listed in.
    root = abspath(source if source.is_dir() else source.parent)  # noqa: PTH100
    folder = Path(abspath(pair.on_model.parent))  # noqa: PTH100
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return Path(*(part for part in parts if not FOLDER_NAME.fullmatch(part)), output_name(pair.on_model))


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
    decisions: Decisions, garments: Sequence[GarmentWork]
) -> tuple[Decisions, list[Finding]]:
    """The decisions without an ``accept`` of what has changed since, and a warning for each."""
    by_key, findings = dict(decisions.by_key), []
    for garment in garments:
        for photo in garment.photos:
            key, decision = photo.pair.key, photo.decision
            changed = changed_since(garment.folder, photo) if decision.verdict == "accept" else ()
            if changed:
                message = f"{key}: accept is withdrawn, as the {' and the '.join(changed)} changed after it"
                hint = "Look at the new result, and accept it if it is right."
                findings.append(
                    Finding("decisions.withdrawn", str(decisions.path), message, hint, severity="warning")
                )
                by_key[key] = withdrawn(decision, changed)
    return replace(decisions, by_key=by_key), findings


def _decided(garment: GarmentWork, decisions: Decisions, panels: Mapping[str, RgbImage]) -> GarmentWork:
    """The work with what is decided about its photos, and what a network made of them."""
    photos = (
        replace(photo, decision=decisions.of(photo.pair.key), generated=panels.get(photo.pair.key))
        for photo in garment.photos
    )
    return replace(garment, photos=tuple(photos))


def _unknown_keys(decisions: Decisions) -> list[Finding]:
    if not decisions.unknown:
        return []
    shown = ", ".join(repr(key) for key in decisions.unknown[:5])
    message = f"decisions about photos that are not in this batch: {shown}"
    hint = "They stay in the file. Check the keys if they should apply."
    return [Finding("decisions.unknown", str(decisions.path), message, hint, severity="warning")]
