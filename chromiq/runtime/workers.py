"""Work spread over threads or processes, with no more tasks in memory than they can work on.

Each process is a `ProcessPoolExecutor` of its own. The kill tests of ``tests/chromiq/runtime`` decided that:
one executor for all of them starts processes while its manager thread already watches; it hangs for ever
when one is killed in that moment (seen within 150 kills). loky's processes outlive a parent that is killed,
and it restarts a process that has grown by 300 MB, as one that loads a model does.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from queue import SimpleQueue
from typing import TypeVar

from chromiq.errors import ChromiqError
from chromiq.runtime.signals import interrupts_deferred

Item = TypeVar("Item")
Result = TypeVar("Result")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as malloc.h names them
_KEPT_BLOCK_BYTES = 32 * 1024 * 1024
_AHEAD_PER_WORKER = 4
_PER_CORE = 8  # more would only wait for one another, and fill the memory


class WorkerEndedError(Exception):
    """A process was killed from outside while it was needed."""


def thread_per_core() -> ThreadPoolExecutor:
    """A pool for pictures, which keep a core busy: more threads compete for the interpreter's lock."""
    keep_freed_memory()
    return ThreadPoolExecutor(os.cpu_count())


def keep_freed_memory() -> None:
    """Reuse the memory of pictures in this process: fresh pages from the kernel cost a tenth of the time.

    glibc gives large blocks back as soon as they are freed unless it is configured; other systems have no
    such call, and lose only that tenth.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK_BYTES):
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BLOCK_BYTES)


def map_bounded(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in the order of the items, like ``pool.map``, with at most `ahead` items submitted at a time.

    ``Executor.map`` submits everything at once: a list of 100,000 items becomes 100,000 futures.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(map_bounded(pool, abs, iter([-1, 2, -3]), ahead=2))
    [1, 2, 3]
    """
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def map_workers(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Results in the order of the items: in this process with one worker, else in processes of their own.

    Args:
        function: makes one result from pictures.
        items: taken as they are needed.
        workers: processes; at most eight for each core are started.

    Raises:
        ChromiqError: if a worker is killed from outside.
    """
    workers = min(workers, _PER_CORE * (os.cpu_count() or 1))
    if workers <= 1:
        yield from map(function, items)
        return
    try:
        yield from map_in_processes(function, items, workers, _AHEAD_PER_WORKER * workers, prepare_worker)
    except WorkerEndedError as error:
        raise ChromiqError(
            "a worker process was killed, probably because memory ran out. "
            "Use fewer workers; the same command resumes."
        ) from error


def prepare_worker(threads: int = 1) -> None:
    """Prepare a process for pictures: OpenCV's threads would compete with the other workers for the cores."""
    import cv2

    cv2.setNumThreads(threads)
    keep_freed_memory()


def map_in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    processes: int,
    ahead: int,
    start: Callable[[], None],
) -> Iterator[Result]:
    """Results in the order of the items, with at most `ahead` items submitted at a time.

    Once the iterator fails or is closed, each process finishes its current item and starts no other.

    Args:
        function: makes one result; an exception in a process is raised here.
        items: taken as they are needed.
        processes: how many.
        ahead: as for `map_bounded`.
        start: called once in each process before anything else.

    Raises:
        WorkerEndedError: if a process is killed from outside.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(processes):
            # Not forked: a copy of a process with threads, such as OpenCV's, may hang, and would keep its
            # parent's locks after that is killed.
            spawn = multiprocessing.get_context("spawn")
            worker = ProcessPoolExecutor(1, spawn, initializer=_start_worker, initargs=(start,))
            stack.callback(worker.shutdown)
            with interrupts_deferred():
                worker.submit(int)  # starts the process
            idle.put(worker)

        def make(item: Item) -> Result:
            worker = idle.get()
            try:
                return worker.submit(function, item).result()
            except BrokenProcessPool as error:
                raise WorkerEndedError(str(error)) from error
            finally:
                idle.put(worker)

        threads = ThreadPoolExecutor(processes)
        stack.callback(threads.shutdown, cancel_futures=True)
        yield from map_bounded(threads, make, items, ahead)


def _start_worker(start: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start()


def _end_with_parent() -> None:
    """Otherwise the current item would be finished, and written, after the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)
