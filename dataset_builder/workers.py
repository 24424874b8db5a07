"""Pairs built one after the other in this process, or side by side in several; the order is kept."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from chromiq.errors import ChromiqError, UnsoundError
from dataset_builder.example import PairWork, build_pair
from dataset_builder.export import Finished
from dataset_builder.segmenters import Segmenter
from dataset_builder.segmenters.choose import SegmenterName, make_segmenter

BuiltPair = Finished | UnsoundError
"""What became of a pair, or what is wrong with it."""


def build_pairs(works: Sequence[PairWork], workers: int) -> Iterator[BuiltPair]:
    """Build pairs, in their order.

    Args:
        works: all with the same options.
        workers: how many processes; with 1 it is this one.

    Raises:
        ChromiqError: if a worker is ended from outside.
    """
    if not works:
        return
    name = works[0].options.segmenter
    if workers <= 1 or len(works) == 1:
        _load_segmenter(name)
        yield from map(_build_or_error, works)
        return
    # Not forked: a copy of a process that runs threads, as OpenCV's and the progress bar's, may never wake,
    # and it would keep the dataset's lock when its parent is killed.
    pool = ProcessPoolExecutor(
        min(workers, len(works)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(name,),
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


def _load_segmenter(name: SegmenterName) -> None:
    # One model per process, loaded once; OpenCV's own threads would fight over the cores.
    global _segmenter
    import cv2

    cv2.setNumThreads(1)
    _segmenter = make_segmenter(name)


def _start_worker(name: SegmenterName) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _load_segmenter(name)


def _end_with_parent() -> None:
    """A worker waits for work for ever when its parent is killed; without this it would outlive it."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _build_or_error(work: PairWork) -> BuiltPair:
    assert _segmenter is not None  # loaded when the process began
    try:
        return build_pair(work, _segmenter)
    except UnsoundError as error:
        return error
