"""Photo pairs -> training data: one pure function per pair, run over local processes, resumable.

Nothing is written before every input is known to be sound. Each pair's random numbers come from the seed
and its key, so the bytes do not depend on order, on the number of workers or on interruptions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from chromiq import __version__
from chromiq.errors import ChromiqError, Finding, UnsoundError, UsageError, raise_findings
from chromiq.files import (
    ensure_output_folder,
    folder_lock,
    remove_leftovers,
    sha256_file,
    sha256_text,
    write_json,
    write_text,
)
from chromiq.images import photo_size_wh
from chromiq.records import PhotoPair
from dataset_builder.captions import uses_reference
from dataset_builder.contact_sheet import write_contact_sheet
from dataset_builder.example import BuildOptions, PairWork, build_pair
from dataset_builder.export import (
    RECORDS,
    read_record,
)
from dataset_builder.labels import read_garments, write_garments
from dataset_builder.pairs import find_pairs, natural_key
from dataset_builder.segmenters import Segmenter
from dataset_builder.segmenters.choose import SegmenterName, make_segmenter, resolve_segmenter
from dataset_builder.stitch import published_geometry

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
    listing = find_pairs(source, decode=True)
    findings = [*listing.findings]
    given = read_garments(garments) if garments else {}
    chosen = {pair.key: _given_mask(pair, masks) for pair in listing.pairs} if masks else {}
    findings += [found for found in chosen.values() if isinstance(found, Finding)]
    findings += _geometry_findings(listing.pairs, options)
    if not skip_bad or not listing.pairs:
        raise_findings(findings, str(source))
    bad = {found.where for found in findings if found.severity == "error"}
    segmenter = resolve_segmenter(options.segmenter)
    resolved = BuildOptions(**{**asdict(options), "segmenter": segmenter})
    ensure_output_folder(folder)
    with folder_lock(folder, "chromiq build"):
        _check_settings(folder, resolved)
        remove_leftovers(folder)
        works = []
        for pair in listing.pairs:
            given_mask = chosen.get(pair.key)
            if isinstance(given_mask, Finding) or str(pair.on_model) in bad:
                continue
            label = pair.garment or given.get(pair.still_life.name)
            works.append(_work(pair, folder, resolved, label, given_mask))
        made, resumed = _run(works, workers, on_progress or _no_progress)
        _remove_strays(folder, {work.pair.key for work in works}, made)
        _finish(folder, works, made)
    return BuildSummary(folder, tuple(made), resumed, segmenter, tuple(findings))


def _geometry_findings(pairs: Sequence[PhotoPair], options: BuildOptions) -> list[Finding]:
    if uses_reference(options.model) or options.geometry != "published":
        return []
    findings = []
    for pair in pairs:
        try:
            published_geometry(photo_size_wh(pair.still_life), photo_size_wh(pair.on_model))
        except UnsoundError as error:
            found = error.findings[0]
            findings.append(Finding(found.code, str(pair.on_model), found.wanted, found.got, found.cure))
    return findings


def _given_mask(pair: PhotoPair, masks: Path) -> Path | Finding | None:
    path = masks / f"on_model{pair.key}.png"
    if not path.is_file():
        return None
    want, have = photo_size_wh(pair.on_model), photo_size_wh(path)
    if want == have:
        return path
    return Finding(
        "mask.size", str(path), f"{want[0]}x{want[1]}, the photo's size", f"{have[0]}x{have[1]}", "redraw it"
    )


def _work(
    pair: PhotoPair, folder: Path, options: BuildOptions, label: str | None, given_mask: Path | None
) -> PairWork:
    """A pair's work with a fingerprint of all that decides its bytes."""
    inputs = [pair.still_life, pair.on_model, *([given_mask] if given_mask else [])]
    parts = [__version__, asdict(options), pair.key, label, [sha256_file(path) for path in inputs]]
    return PairWork(pair, folder, options, label, given_mask, sha256_text(json.dumps(parts, sort_keys=True)))


def _run(
    works: Sequence[PairWork], workers: int, on_progress: Callable[[int, int], None]
) -> tuple[list[dict[str, Any]], int]:
    made: dict[str, list[dict[str, Any]]] = {}
    findings: list[Finding] = []
    resumed = 0
    todo = []
    for work in works:
        finished = read_record(work.folder, work.pair.key, work.fingerprint)
        if finished is None:
            todo.append(work)
        else:
            made[work.pair.key] = finished
            resumed += 1
    on_progress(resumed, len(works))
    for work, result in zip(todo, _map(todo, workers), strict=True):
        if isinstance(result, list):
            made[work.pair.key] = result
        else:
            findings.extend(result.findings)
        on_progress(len(made), len(works))
    raise_findings(findings, "the photos")
    ordered = sorted(made, key=natural_key)
    return [example for key in ordered for example in made[key]], resumed


def _map(works: Sequence[PairWork], workers: int) -> Iterator[list[dict[str, Any]] | UnsoundError]:
    if not works:
        return
    name = works[0].options.segmenter
    if workers <= 1 or len(works) == 1:
        _start_worker(name)
        yield from map(_build_or_error, works)
        return
    # Not forked: a copy of a process that runs threads, as OpenCV's and the progress bar's, may never wake.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(name,)
    )
    try:
        yield from pool.map(_build_or_error, works)
    except BrokenProcessPool as error:
        raise ChromiqError(
            "a worker was ended from outside, likely for want of memory; give fewer --workers, "
            "and the same command again goes on where it stopped"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_segmenter: Segmenter | None = None


def _start_worker(name: SegmenterName) -> None:
    # One model per process, loaded once; OpenCV's own threads would fight over the cores.
    global _segmenter
    import cv2

    cv2.setNumThreads(1)
    _segmenter = make_segmenter(name)


def _build_or_error(work: PairWork) -> list[dict[str, Any]] | UnsoundError:
    assert _segmenter is not None  # _start_worker ran
    try:
        return build_pair(work, _segmenter)
    except UnsoundError as error:
        return error


def _check_settings(folder: Path, options: BuildOptions) -> None:
    path = folder / _SETTINGS
    settings = asdict(options)
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed:
            told = ", ".join(f"{key} was {before.get(key)!r} and is {settings[key]!r}" for key in changed)
            raise UsageError(
                f"{folder}: holds a dataset made otherwise ({told}); "
                "choose another folder, or remove this one to make it anew"
            )
    write_json(path, settings)


def _remove_strays(folder: Path, keys: set[str], made: Sequence[dict[str, Any]]) -> None:
    """Remove what an earlier run made of pairs that are no longer given."""
    for record in (folder / RECORDS).glob("*.json"):
        if record.stem not in keys:
            for example in json.loads(record.read_text(encoding="utf-8"))["examples"]:
                for name in example["digests"]:
                    (folder / name).unlink(missing_ok=True)
            record.unlink()
    if not made:
        shutil.rmtree(folder / RECORDS, ignore_errors=True)


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
