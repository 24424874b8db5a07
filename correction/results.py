"""A folder of results opened again: what became of each photo, decisions, single photos corrected again.

It is what a batch does, photo by photo, with the same files and the same outcome: the next run of the command
finds everything done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from chromiq.correction.decisions_csv import Decision, Decisions, read_decisions, write_decisions
from chromiq.correction.garment_work import (
    GarmentWork,
    PhotoResult,
    PhotoWork,
    found_mask_path,
    read_record,
    record_path,
    recorded,
)
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import Correction
from chromiq.correction.report import WORK, State, doubtfulness, result_words, state_of, write_report
from chromiq.dataset_builder.inputs.mask_files import mask_paths
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.documents import as_record
from chromiq.errors import Finding, UnsoundError
from chromiq.files import sha256_file, write_json
from chromiq.records import PhotoPair

_RUN = "run.json"


@dataclass(frozen=True)
class BatchRun:
    """What the last batch into a folder was.

    Attributes:
        folder: of the results.
        source: folder or CSV file of the photos.
        pattern: how they are named; None for the usual names.
        masks: folder of masks, if one was given.
        network: settings of the network, if the method needs one.
        pairs: the photos, in natural order of their keys.
        outs: where each is delivered, by key.
        findings: what was wrong with photos that were left out, and warnings.
    """

    folder: Path
    source: Path
    pattern: PairPattern | None
    masks: Path | None
    options: CorrectionOptions
    segmenter: str
    network: dict[str, Any] | None
    pairs: tuple[PhotoPair, ...]
    outs: Mapping[str, Path]
    findings: tuple[Finding, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, PhotoPair]:
        """The pairs by their keys."""
        return {pair.key: pair for pair in self.pairs}

    @property
    def keys(self) -> list[str]:
        """Of all pairs, in their order."""
        return list(self.by_key)

    @cached_property
    def photos(self) -> dict[str, Path]:
        """The on-model photo of each key."""
        return {pair.key: pair.on_model for pair in self.pairs}


def write_run(run: BatchRun) -> None:
    """Record a batch in its folder; `read_run` reads it."""
    pairs = [
        {
            **asdict(pair),
            "still_life": pair.still_life.absolute(),
            "on_model": pair.on_model.absolute(),
            "out": run.outs[pair.key].relative_to(run.folder).as_posix(),
        }
        for pair in run.pairs
    ]
    document = {
        "source": run.source.absolute(),
        "pattern": run.pattern and astuple(run.pattern),
        "masks": run.masks and run.masks.absolute(),
        "options": asdict(run.options),
        "segmenter": run.segmenter,
        "network": run.network,
        "pairs": pairs,
        "findings": [finding.as_dict() for finding in run.findings],
    }
    write_json(run.folder / WORK / _RUN, json.loads(json.dumps(document, default=str)))


def read_run(folder: Path) -> BatchRun | None:
    """The last batch into a folder; None if there was none or its record is damaged."""
    try:
        document: dict[str, Any] = json.loads((folder / WORK / _RUN).read_text(encoding="utf-8"))
        pairs, outs = [], {}
        for pair in document["pairs"]:
            out = Path(pair.pop("out"))
            if out.is_absolute() or ".." in out.parts:
                return None
            pairs.append(as_record(PhotoPair, pair))
            outs[pair["key"]] = folder / out
        return BatchRun(
            folder=folder,
            source=Path(document["source"]),
            pattern=PairPattern(*document["pattern"]) if document["pattern"] else None,
            masks=Path(document["masks"]) if document["masks"] else None,
            options=as_record(CorrectionOptions, document["options"]),
            segmenter=str(document["segmenter"]),
            network=document["network"],
            pairs=tuple(pairs),
            outs=outs,
            findings=tuple(as_record(Finding, finding) for finding in document["findings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Result:
    """What became of one photo, and what is decided about it.

    Attributes:
        out: where it is delivered.
        name: the same below the folder of results, as users know it: shoots may call many photos front.jpg.
        correction: None if it was not corrected yet, or its record is damaged.
        changed_by_hand: whether the delivered file is somebody's work.
    """

    pair: PhotoPair
    out: Path
    name: str
    correction: Correction | None
    decision: Decision
    changed_by_hand: bool

    @property
    def state(self) -> State:
        """In a word or two; a photo that was not corrected yet is to be looked at."""
        return state_of(self.correction.answer if self.correction else "look", self._decided)

    @property
    def decided(self) -> Correction | None:
        """The correction with what is decided about it now."""
        return self.correction and replace(self.correction, decision=self._decided)

    @property
    def _decided(self) -> str:
        return "changed by hand" if self.changed_by_hand else self.decision.verdict

    @cached_property
    def doubtfulness(self) -> tuple[int, float]:
        """Sorts what should be looked at first to the front."""
        decided = self.decided
        return (0, 0.0) if decided is None else doubtfulness(decided)


def read_results(run: BatchRun) -> list[Result]:
    """What became of every photo of a batch, most doubtful first.

    Raises:
        UnsoundError: if ``decisions.csv`` cannot be understood.
    """
    decisions = read_decisions(run.folder, run.photos)
    results = [read_result(run, pair.key, decisions) for pair in run.pairs]
    return sorted(results, key=lambda result: result.doubtfulness)


def read_result(run: BatchRun, key: str, decisions: Decisions) -> Result:
    """What became of one photo."""
    pair, out = run.by_key[key], run.outs[key]
    record = read_record(run.folder, key)
    correction = None if record is None else recorded(record, pair, out)
    by_hand = record is not None and _is_changed(run.folder, key, out, record["image"])
    name = out.relative_to(run.folder).as_posix()
    return Result(pair, out, name, correction, decisions.of(key), by_hand)


def _is_changed(folder: Path, key: str, out: Path, digest: str) -> bool:
    """Whether a delivered file is not the recorded one; its bytes are read only if it is newer."""
    try:
        recorded_ns = record_path(folder, key).stat().st_mtime_ns
        return out.stat().st_mtime_ns > recorded_ns and sha256_file(out) != digest
    except OSError:
        return False


def decide(run: BatchRun, decided: Mapping[str, Decision]) -> Decisions:
    """Write decisions about some photos into ``decisions.csv``; the caller holds the folder's lock.

    Raises:
        UnsoundError: if the file cannot be understood; nothing is written then.
    """
    decisions = read_decisions(run.folder, run.photos)
    decisions = replace(decisions, by_key={**decisions.by_key, **decided})
    write_decisions(decisions, run.photos, {})
    return decisions


def works_of(run: BatchRun, keys: Iterable[str], redo: Iterable[str]) -> list[GarmentWork]:
    """What `correct_garment` is to do for some photos, and for those of the same garments.

    Raises:
        UnsoundError: if ``decisions.csv`` cannot be understood, or the method needs a network.
    """
    if run.options.method != "transfer":
        message = f"was made by the method {run.options.method}, which needs its network"
        finding = Finding("studio.network", str(run.folder), message, "Run the same command again instead.")
        raise UnsoundError.of(finding)
    decisions = read_decisions(run.folder, run.photos)
    return garment_works(run, decisions, (run.by_key[key].still_life for key in keys), redo)


def garment_works(
    run: BatchRun,
    decisions: Decisions,
    still_lifes: Iterable[Path],
    redo: Iterable[str],
) -> list[GarmentWork]:
    """What `correct_garment` is to do for some garments of a batch.

    Args:
        still_lifes: of the garments, in order; each is done once.
        redo: keys of photos to correct again in any case.
    """
    again = set(redo)
    by_still_life: dict[Path, list[PhotoPair]] = {}
    for pair in run.pairs:
        by_still_life.setdefault(pair.still_life, []).append(pair)
    garments = [by_still_life[still_life] for still_life in dict.fromkeys(still_lifes)]
    drawn = mask_paths((pair for garment in garments for pair in garment), run.masks)

    def work(pair: PhotoPair) -> PhotoWork:
        key = pair.key
        return PhotoWork(pair, run.outs[key], drawn.get(key), decisions.of(key), key in again)

    settings = (run.segmenter, run.network)
    return [GarmentWork(run.folder, tuple(map(work, garment)), run.options, settings) for garment in garments]


def write_summaries(run: BatchRun, results: Sequence[PhotoResult], *, report: bool) -> None:
    """Write the report and the column ``result`` of the decisions as they are now; the lock is held.

    Args:
        results: of photos that were just corrected; all others are read from their records.
        report: whether to write the report, which takes long for many photos.
    """
    decisions = read_decisions(run.folder, run.photos)
    found = (read_result(run, key, decisions).decided for key in run.keys)
    corrections = [each for each in found if each is not None]
    if report:
        faults = [fault for result in results for fault in result.findings]
        write_report(run.folder, corrections, [*run.findings, *converted(corrections), *faults])
    words = {correction.key: result_words(correction) for correction in corrections}
    write_decisions(decisions, run.photos, words)


def converted(corrections: Iterable[Correction]) -> list[Finding]:
    """The warnings that only a whole reading gives; photos without a profile are one finding of the check."""
    warnings = (each for done in corrections for each in done.warnings)
    return list(dict.fromkeys(each for each in warnings if each.code == "photo.converted"))


def mask_path(run: BatchRun, key: str) -> Path:
    """Where a mask that somebody draws for a photo belongs, so that the next correction uses it."""
    decided = read_decisions(run.folder, run.photos).of(key).mask
    pair = run.by_key[key]
    return decided or mask_paths([pair], run.masks).get(key) or found_mask_path(run.folder, key)
