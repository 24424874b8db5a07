"""Photo pairs -> training data: one pure function per pair, run over local processes or Ray, resumable.

What is finished lies in records on disk, not in memory, which stays flat however many pairs there are.

Nothing is written before every input is known to be sound. Each pair's random numbers come from the seed
and its key, so the bytes do not depend on order, on the number of workers or on interruptions.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import cv2

from chromiq.dataset_builder.example import PairResult, PairWork, build_pairs
from chromiq.dataset_builder.inputs.build_inputs import check_inputs, with_recalled
from chromiq.dataset_builder.inputs.labels import names_in, recall_given, write_own_garments
from chromiq.dataset_builder.inputs.mask_files import write_coco
from chromiq.dataset_builder.inputs.photo_names import is_photo_folder
from chromiq.dataset_builder.inputs.selection import with_selection
from chromiq.dataset_builder.options import BuildOptions, check_options
from chromiq.dataset_builder.pair_record import read_record, recorded_keys, remove_recorded
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.choose import (
    WITHOUT_MODEL_OPTIONS,
    ModelOptions,
    SegmenterName,
    make_segmenter,
    pairs_at_once,
    resolve_segmenter,
)
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.dataset_builder.sheets import write_sheets
from chromiq.dataset_layout import (
    BuildSource,
    DatasetLayout,
    read_build_record,
    write_build_record,
    write_build_source,
    write_manifest,
)
from chromiq.errors import Finding, UsageError, needing, raise_findings
from chromiq.files import ensure_output_folder, folder_lock, refuse_inputs
from chromiq.imaging.contact_sheet import sheet_step
from chromiq.photos.images import read_mask
from chromiq.photos.soundness import list_images
from chromiq.progress import Stage, Update, no_progress
from chromiq.records import Example, GarmentMask, PhotoPair
from chromiq.runtime.workers import map_workers
from chromiq.wording import counted

Engine = Callable[[Iterable[PairWork], int], Iterator[PairResult]]
"""Builds pairs, all with the same options, with so many workers; yields the results in any order."""


@dataclass(frozen=True)
class BuildSummary:
    """What a build made.

    Attributes:
        examples: how many lines its manifest has.
        resumed: how many pairs were already finished.
        segmenter: who found the garments; None if a mask of each was given.
        findings: warnings, and the faults of what was left out.
    """

    folder: Path
    examples: int
    resumed: int
    segmenter: str | None
    findings: tuple[Finding, ...]


def build(
    source: Path,
    folder: Path,
    options: BuildOptions,
    *,
    garments: Path | None = None,
    masks: Path | None = None,
    export_masks: Literal["coco"] | None = None,
    workers: int = 1,
    engine: Engine | None = None,
    skip_bad: bool = False,
    keep_doubtful: bool = False,
    stage: Stage = no_progress,
) -> BuildSummary:
    """Build a training dataset from a folder or CSV of photo pairs; the same call again resumes.

    Args:
        garments: the user's labels, in the published form.
        masks: folder of the user's own garment masks, ``on_modelN.png`` of the photo's size, 255 on it; or
            a COCO file.
        export_masks: ``"coco"`` writes all masks, doubtful ones included, to ``coco.json`` as well.
        workers: processes, or actors on Ray; they do not change a byte.
        engine: `build_here` or `build_on_ray`; the bytes are the same.
        skip_bad: skip pairs that are not sound instead of stopping; the summary lists them.
        keep_doubtful: also build pairs whose mask is doubtful; either way they are in ``review/`` and in
            the summary.

    Raises:
        UnsoundError: with all findings, before anything is written, if an input is not sound.
        UsageError: if the folder holds a dataset made with other options, or photos are read from it.
        LockedError: if another process uses the folder.
    """
    check_options(options)
    if is_photo_folder(folder, source):
        raise UsageError(
            f"{folder}: contains the photos; the next build would take the dataset's pictures for photos. "
            "Choose another folder for the dataset."
        )
    refuse_inputs([folder, *([DatasetLayout(folder).coco] if export_masks else [])], [masks])
    with stage("check the photos") as update:
        inputs = check_inputs(
            source, options, garments=garments, masks=masks, skip_bad=skip_bad, on_progress=update
        )
    segmenter = resolve_segmenter(options.segmenter, options.models)
    models = ModelOptions() if segmenter in WITHOUT_MODEL_OPTIONS else options.models
    options = replace(options, segmenter=segmenter, models=models)
    ensure_output_folder(folder)
    with folder_lock(folder, "chromiq build"):
        recalled = recall_given(folder)
        inputs = with_recalled(inputs, recalled, folder, options, skip_bad=skip_bad)
        inputs, splits = with_selection(inputs, folder)
        _check_settings(folder, options)
        recorded = BuildSource(
            str(source.resolve()),
            str(garments.resolve()) if garments else None,
            str(masks.resolve()) if masks else None,
            skip_bad,
            keep_doubtful,
        )
        write_build_source(folder, recorded)
        works = (
            PairWork(pair, folder, options, inputs.masks.get(pair.key), keep_doubtful, splits.get(pair.key))
            for pair in inputs.pairs
        )
        results = (engine or build_here)(works, min(workers, len(inputs.pairs)))
        with stage("build") as update:
            tally = _take(results, len(inputs.pairs), update)
        if not skip_bad or not tally.examples:
            doubts = [] if tally.examples else tally.doubts
            raise_findings([*inputs.findings, *tally.faults, *doubts], str(source))
        for key in recorded_keys(folder) - tally.finished:
            remove_recorded(folder, key)
        pairs = [pair for pair in inputs.pairs if pair.key in tally.finished]
        with stage("manifest") as update:
            names = names_in(inputs.listed, recalled, DatasetLayout(folder).garments)
            _finish(folder, options, pairs, names, tally.examples, recalled, update)
        if export_masks:
            with stage("export masks") as update:
                write_coco(DatasetLayout(folder).coco, source, _masks_found(folder, pairs, update))
    findings = [*inputs.findings, *tally.faults, *tally.doubts]
    if options.held_out and not list_images(DatasetLayout(folder).held_out.truths):
        message = f"none of {counted(len(pairs), 'pair')} was drawn to be held out"
        hint = "Choose some in the studio or selection.json, or build into a new folder with more `held_out`."
        findings.append(Finding("held_out.none", str(folder), message, hint, "warning"))
    finds = any(pair.key not in inputs.masks for pair in inputs.pairs)
    found_by = options.segmenter if finds else None
    return BuildSummary(folder, tally.examples, tally.resumed, found_by, tuple(findings))


@dataclass
class _Tally:
    """What came of the pairs so far: how many examples, how many pairs found finished, which are finished."""

    examples: int = 0
    resumed: int = 0
    finished: set[str] = field(default_factory=set)
    faults: list[Finding] = field(default_factory=list)
    doubts: list[Finding] = field(default_factory=list)


def _take(results: Iterable[PairResult], pairs: int, update: Update) -> _Tally:
    tally = _Tally()
    update(0, pairs)
    for number, result in enumerate(results, start=1):
        tally.examples += result.examples
        tally.resumed += result.resumed
        tally.faults += result.findings
        tally.doubts += [result.doubt] if result.doubt else []
        if not result.findings:
            tally.finished.add(result.key)
        update(number, pairs)
    return tally


def _check_settings(folder: Path, options: BuildOptions) -> None:
    settings = json.loads(json.dumps(asdict(options)))  # as they come back from the file
    before = read_build_record(folder)
    if before is not None:
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed:
            was_is = (f"{key} was {before.get(key)!r} and is {settings[key]!r}" for key in changed)
            raise UsageError(
                f"{folder}: contains a dataset built with other options ({', '.join(was_is)}). "
                "Choose another folder, or remove this one to build it again."
            )
    write_build_record(folder, settings)


def _finish(
    folder: Path,
    options: BuildOptions,
    pairs: Sequence[PhotoPair],
    names: Mapping[str, str],
    examples: int,
    recalled: Mapping[str, str],
    update: Update,
) -> None:
    """The dataset's own files, once every example is there; they are read from its records one by one."""
    labels: dict[str, str] = {}
    shown: list[Example] = []
    every = sheet_step(examples)

    def recorded() -> Iterator[Example]:
        number = 0
        for done, pair in enumerate(pairs, start=1):
            record = read_record(folder, pair.key)
            for example in record.examples if record else ():
                labels[names[pair.key]] = example.label.name
                if number % every == 0:
                    shown.append(example)
                number += 1
                yield example
            update(done, len(pairs))

    os.sync()  # what the manifest names is on the disk before it is
    write_manifest(folder, recorded())
    write_own_garments(folder, labels, recalled)
    write_sheets(folder, options.model, shown, examples)


def _masks_found(
    folder: Path, pairs: Sequence[PhotoPair], update: Update
) -> Iterator[tuple[PhotoPair, str, GarmentMask]]:
    """The masks of the finished pairs, those under review included, and what each garment is called."""
    layout = DatasetLayout(folder)
    for done, pair in enumerate(pairs, start=1):
        record = read_record(folder, pair.key)
        if record and record.examples:
            example = record.examples[0]
            mask = read_mask(layout.garment_mask(pair.key))
            yield pair, example.label.name, GarmentMask(mask, example.mask_confidence)
        elif record and record.doubt:
            mask = read_mask(layout.review_mask(pair.key))
            yield pair, pair.garment or "garment", GarmentMask(mask, record.doubt.confidence)
        update(done, len(pairs))


def build_here(works: Iterable[PairWork], workers: int) -> Iterator[PairResult]:
    """Build pairs in their order, in this process with one worker, else in processes of their own.

    Raises:
        ChromiqError: if a worker is killed from outside.
    """
    yield from chain.from_iterable(map_workers(build_batch, batched(works), workers))


def build_on_ray(
    works: Iterable[PairWork], workers: int, gpus_per_worker: float = 0.0
) -> Iterator[PairResult]:
    """Build pairs on Ray, in any order: for several machines, on which their paths must mean the same.

    With ``RAY_ADDRESS`` set it uses that cluster; otherwise it starts one here, bound to loopback, and stops
    it afterwards.

    Args:
        works: pairs, all with the same options.
        workers: actors, each with a segmenter of its own, loaded once.
        gpus_per_worker: the share of a GPU that each takes; 0 for segmenters that need none.

    Raises:
        UsageError: if Ray is not installed, or the cluster has too few CPUs or GPUs.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with needing("ray", "the ray engine"):
        import ray
        from ray.util import ActorPool
    started = not ray.is_initialized()
    if started:
        _connect(workers, gpus_per_worker)
    try:
        check_resources(ray.cluster_resources(), workers, gpus_per_worker)
        # An actor whose machine is lost starts elsewhere, and its batch again: the files are the same.
        resources = {"num_cpus": 1, "num_gpus": gpus_per_worker}
        actor = ray.remote(**resources, max_restarts=-1, max_task_retries=-1)(_Actor)
        pool = ActorPool([actor.remote() for _ in range(workers)])
        batches = batched(map(_with_absolute_paths, works))
        for results in pool.map_unordered(lambda each, batch: each.build.remote(batch), batches):
            yield from results
    finally:
        if started:
            ray.shutdown()


class _Actor:
    def build(self, works: Sequence[PairWork]) -> list[PairResult]:
        return build_batch(works)


def batched(works: Iterable[PairWork]) -> Iterator[list[PairWork]]:
    """Pairs whose garments are found together: the same whatever is finished already.

    Rounding in a model may depend on the batch, and bytes must not depend on workers or restarts.
    """
    rest = iter(works)
    while batch := list(islice(rest, 1)):
        batch += islice(rest, pairs_at_once(batch[0].options.segmenter) - 1)
        yield batch


def build_batch(works: Sequence[PairWork]) -> list[PairResult]:
    """Build a batch with this process' own segmenter, which is loaded when a pair needs it."""
    options = works[0].options
    return build_pairs(works, partial(_segmenter, options.segmenter, options.models, options.part))


def check_resources(resources: Mapping[str, float], workers: int, gpus_per_worker: float) -> None:
    """Refuse what a cluster does not have: Ray would wait for it for ever.

    >>> check_resources({"CPU": 3.0}, workers=2, gpus_per_worker=0)

    Raises:
        UsageError: naming what there is too little of.
    """
    for name, needed in (("CPU", float(workers)), ("GPU", workers * gpus_per_worker)):
        have = resources.get(name, 0.0)
        if have < needed:
            raise UsageError(
                f"workers: {workers} workers need {needed:g} {name}s, and the Ray cluster has {have:g}. "
                "Use fewer workers."
            )


@cache
def _segmenter(name: SegmenterName, models: ModelOptions, part: Kind | None) -> Segmenter:
    cv2.setNumThreads(1)  # its threads would compete with the other workers
    return make_segmenter(name, models, part)


def _with_absolute_paths(work: PairWork) -> PairWork:
    pair = work.pair
    pair = replace(pair, still_life=pair.still_life.resolve(), on_model=pair.on_model.resolve())
    mask = work.given_mask.resolve() if isinstance(work.given_mask, Path) else work.given_mask
    return replace(work, pair=pair, folder=work.folder.resolve(), given_mask=mask)


def _connect(workers: int, gpus_per_worker: float) -> None:
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**options)
        return
    if not gpus_per_worker:
        options["num_gpus"] = 0
    ray.init("local", num_cpus=workers, include_dashboard=False, _node_ip_address="127.0.0.1", **options)
