"""The local engine: batches of pairs built one after the other here, or side by side in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, islice

import cv2

from chromiq.dataset_builder.example import PairResult, PairWork, build_pairs
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.choose import (
    ModelOptions,
    SegmenterName,
    make_segmenter,
    pairs_at_once,
)
from chromiq.errors import ChromiqError
from chromiq.runtime.parallel import keep_freed_memory
from chromiq.runtime.processes import WorkerEndedError, map_in_processes

_AHEAD_PER_WORKER = 4
_PER_CORE = 8  # more would only wait for one another, and fill the memory


def build_locally(works: Iterable[PairWork], workers: int) -> Iterator[PairResult]:
    """Build pairs, in their order, with no more of them in memory than the workers can be busy with.

    Args:
        works: all with the same options.
        workers: how many processes, of which no more are started than `_PER_CORE` for each core; with 1 it is
            this one.

    Raises:
        ChromiqError: if a worker is ended from outside.
    """
    batches = batched(works)
    workers = min(workers, _PER_CORE * (os.cpu_count() or 1))
    if workers <= 1:
        yield from chain.from_iterable(map(build_batch, batches))
        return
    try:
        results = map_in_processes(
            build_batch, batches, workers, ahead=_AHEAD_PER_WORKER * workers, start=_start_worker
        )
        yield from chain.from_iterable(results)
    except WorkerEndedError as error:
        raise ChromiqError(
            "a worker was ended from outside, likely for want of memory; give fewer --workers, "
            "and the same command again goes on where it stopped"
        ) from error


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
    return build_pairs(works, partial(_segmenter, options.segmenter, options.models))


@cache
def _segmenter(name: SegmenterName, models: ModelOptions) -> Segmenter:
    _use_one_thread()
    return make_segmenter(name, models)


def _use_one_thread() -> None:
    cv2.setNumThreads(1)  # its threads would fight over the cores with the other workers


def _start_worker() -> None:
    _use_one_thread()
    keep_freed_memory()
