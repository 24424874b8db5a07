"""Photo pairs -> training data: one pure function per pair, run over local processes, resumable.

Nothing is written before every input is known to be sound. Each pair's random numbers come from the seed
and its key, so the bytes do not depend on order, on the number of workers or on interruptions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chromiq import __version__
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.files import (
    ensure_output_folder,
    folder_lock,
    remove_leftovers,
    sha256_file,
    sha256_text,
    write_json,
    write_text,
)
from chromiq.records import PhotoPair
from dataset_builder.captions import uses_reference
from dataset_builder.contact_sheet import write_contact_sheet
from dataset_builder.example import BuildOptions, PairWork
from dataset_builder.export import Finished, read_record, recorded_keys, remove_recorded
from dataset_builder.inputs import check_inputs
from dataset_builder.labels import write_garments
from dataset_builder.pairs import natural_key
from dataset_builder.review import doubt_finding
from dataset_builder.segmenters.choose import resolve_segmenter
from dataset_builder.workers import build_pairs

MANIFEST = "manifest.jsonl"
_SETTINGS = ".chromiq/build.json"


@dataclass(frozen=True)
class BuildSummary:
    """What a build made.

    Attributes:
        folder: the dataset.
        examples: as in its manifest.
        resumed: how many pairs were already finished.
        segmenter: who found the garments.
        findings: warnings, and the faults of what was left out.
    """

    folder: Path
    examples: tuple[dict[str, Any], ...]
    resumed: int
    segmenter: str
    findings: tuple[Finding, ...]


def build(
    source: Path,
    folder: Path,
    options: BuildOptions,
    *,
    garments: Path | None = None,
    masks: Path | None = None,
    workers: int = 1,
    skip_bad: bool = False,
    keep_doubtful: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> BuildSummary:
    """Make training data of a folder or CSV of photo pairs; the same call again resumes.

    Args:
        source: folder or CSV file of pairs.
        folder: the dataset to write.
        options: what decides its bytes.
        garments: labels a person gave, in the published form.
        masks: folder of garment masks a person drew, ``on_modelN.png`` of the photo's size, 255 on it.
        workers: local processes; they do not change a byte.
        skip_bad: leave out pairs that are not sound instead of stopping; they are in the summary.
        keep_doubtful: make examples also of pairs whose mask is doubtful; either way these lie in
            ``review/`` and are in the summary.
        on_progress: called with pairs done and pairs in all.

    Raises:
        UnsoundError: with all findings, before anything is written, if an input is not sound.
        UsageError: if the folder holds a dataset made with other options.
        LockedError: if another process is at work in the folder.
    """
    uses_reference(options.model)
    if options.variants < 1 or not 0 <= options.held_out < 1:
        raise UsageError(
            "wanted at least one variant and a held-out share from 0 to below 1; mend the options"
        )
    inputs = check_inputs(source, options, garments=garments, masks=masks, skip_bad=skip_bad)
    options = replace(options, segmenter=resolve_segmenter(options.segmenter))
    ensure_output_folder(folder)
    with folder_lock(folder, "chromiq build"):
        _check_settings(folder, options)
        remove_leftovers(folder)
        works = [
            replace(_work(pair, folder, options, inputs.masks.get(pair.key)), keep_doubtful=keep_doubtful)
            for pair in inputs.pairs
        ]
        made, resumed, faults = _run(works, workers, on_progress or _no_progress)
        doubts = _doubts(works, made)
        examples = [example for key in sorted(made, key=natural_key) for example in made[key].examples]
        if not skip_bad or not examples:
            raise_findings([*inputs.findings, *faults, *(() if examples else doubts)], str(source))
        for key in recorded_keys(folder) - made.keys():
            remove_recorded(folder, key)
        _finish(folder, works, examples)
    findings = (*inputs.findings, *faults, *doubts)
    return BuildSummary(folder, tuple(examples), resumed, options.segmenter, findings)


def _work(pair: PhotoPair, folder: Path, options: BuildOptions, given_mask: Path | None) -> PairWork:
    """A pair's work with a fingerprint of all that decides its bytes."""
    photos = [pair.still_life, pair.on_model, *([given_mask] if given_mask else [])]
    digests = [sha256_file(path) for path in photos]
    parts = [__version__, asdict(options), pair.key, pair.garment, digests]
    return PairWork(pair, folder, options, given_mask, sha256_text(json.dumps(parts, sort_keys=True)))


def _run(
    works: Sequence[PairWork], workers: int, on_progress: Callable[[int, int], None]
) -> tuple[dict[str, Finished], int, list[Finding]]:
    """What became of each pair, how many were finished before, and what is wrong with the pairs left out."""
    made = {work.pair.key: finished for work in works if (finished := _finished_before(work))}
    resumed = len(made)
    findings: list[Finding] = []
    todo = [work for work in works if work.pair.key not in made]
    on_progress(resumed, len(works))
    for number, (work, result) in enumerate(zip(todo, build_pairs(todo, workers), strict=True), start=1):
        if isinstance(result, Finished):
            made[work.pair.key] = result
        else:
            findings += result.findings
        on_progress(resumed + number, len(works))
    return made, resumed, findings


def _finished_before(work: PairWork) -> Finished | None:
    finished = read_record(work.folder, work.pair.key, work.fingerprint)
    if finished and finished.doubt and bool(finished.examples) != work.keep_doubtful:
        return None  # whether doubtful pairs are kept has changed since
    return finished


def _doubts(works: Sequence[PairWork], made: Mapping[str, Finished]) -> list[Finding]:
    return [
        doubt_finding(work.pair, doubt.confidence, doubt.reasons, kept=work.keep_doubtful)
        for work in works
        if work.pair.key in made and (doubt := made[work.pair.key].doubt)
    ]


def _check_settings(folder: Path, options: BuildOptions) -> None:
    path = folder / _SETTINGS
    settings = asdict(options)
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = {}  # nobody knows how it was made
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed:
            told = ", ".join(f"{key} was {before.get(key)!r} and is {settings[key]!r}" for key in changed)
            raise UsageError(
                f"{folder}: holds a dataset made otherwise ({told}); "
                "choose another folder, or remove this one to make it anew"
            )
    write_json(path, settings)


def _finish(folder: Path, works: Sequence[PairWork], made: Sequence[dict[str, Any]]) -> None:
    """The dataset's own files, once every example is there."""
    names = {work.pair.key: work.pair.still_life.name for work in works}
    write_garments(
        folder / "garments.json", {names[example["key"]]: example["label"]["name"] for example in made}
    )
    write_contact_sheet(folder, {work.pair.key: work.pair for work in works}, made)
    lines = "".join(json.dumps(example, ensure_ascii=False, sort_keys=True) + "\n" for example in made)
    write_text(folder / MANIFEST, lines)


def _no_progress(done: int, total: int) -> None:
    del done, total
