"""Where pairs are built: in this process, in several, or on a Ray cluster. The bytes are the same.

Ray is for more machines than one, which share a file system. With ``RAY_ADDRESS`` set it uses that cluster;
otherwise it starts one here, bound to loopback, and stops it afterwards.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import cv2

from chromiq.dataset_builder.example import PairResult, PairWork, build_pairs
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.choose import (
    ModelOptions,
    SegmenterName,
    make_segmenter,
    pairs_at_once,
)
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.errors import UsageError
from chromiq.runtime.workers import map_workers


class Executor(Protocol):
    """Builds pairs, all of them with the same options, in any order."""

    def run(self, works: Iterable[PairWork]) -> Iterator[PairResult]:
        """The results as they are ready; a task is taken only when a worker is free for it."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Pairs in their order, in this process with one worker, else in processes of their own."""

    workers: int = 1

    def run(self, works: Iterable[PairWork]) -> Iterator[PairResult]:
        """The results, in the order of the works.

        Raises:
            ChromiqError: if a worker is killed from outside.
        """
        yield from chain.from_iterable(map_workers(build_batch, batched(works), self.workers))


@dataclass(frozen=True)
class RayExecutor:
    """Pairs on Ray, in any order; their paths must mean the same on every machine.

    Attributes:
        workers: actors, each with a segmenter of its own, loaded once.
        gpus_per_worker: the share of a GPU that each takes; 0 for segmenters that need none.
    """

    workers: int = 1
    gpus_per_worker: float = 0.0

    def run(self, works: Iterable[PairWork]) -> Iterator[PairResult]:
        """The results, as they are ready.

        Raises:
            UsageError: if Ray is not installed, or the cluster has too few CPUs or GPUs.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray.util import ActorPool
        except ImportError as error:
            raise UsageError("the ray engine needs Ray. Install it: pip install 'chromiq[ray]'.") from error
        started = not ray.is_initialized()
        if started:
            _connect(self.workers, self.gpus_per_worker)
        try:
            check_resources(ray.cluster_resources(), self.workers, self.gpus_per_worker)
            # An actor whose machine is lost starts elsewhere, and its batch again: the files are the same.
            actor = ray.remote(
                num_cpus=1, num_gpus=self.gpus_per_worker, max_restarts=-1, max_task_retries=-1
            )(_Actor)
            pool = ActorPool([actor.remote() for _ in range(self.workers)])
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
