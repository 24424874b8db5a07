"""Map functions over items in threads or processes, with a bounded number of tasks in memory.

Each worker process has its own `ProcessPoolExecutor`, because of the kill tests in ``tests/chromiq/runtime``:
an executor with several processes hangs for ever if one is killed while others are being started (seen within
150 kills). loky's processes outlive a killed parent, and it restarts processes that grow by 300 MB, as those
that load a model do.
"""

from __future__ import annotations

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
from chromiq.runtime.native import keep_freed_memory
from chromiq.runtime.signals import interrupts_deferred

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD_PER_WORKER = 4
_PER_CORE = 8  # more would only use memory


class WorkerEndedError(Exception):
    """A worker process was killed from outside."""


def thread_per_core() -> ThreadPoolExecutor:
    """A thread pool for image processing; more threads than cores would compete for the GIL."""
    keep_freed_memory()
    return ThreadPoolExecutor(os.cpu_count())


def map_bounded(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Like ``pool.map``, but with at most `ahead` items submitted at a time.

    ``Executor.map`` submits all items at once, so 100,000 items become 100,000 futures.

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
    """Map a function over items in worker processes, or in this process if there is one worker.

    Args:
        function: a picklable function of one item.
        items: consumed lazily.
        workers: number of processes; at most eight per core are started.

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
    """Limit OpenCV's threads in a worker process, as they would compete with the other workers."""
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
    """Map a function over items in processes, with at most `ahead` items submitted at a time.

    When the iterator fails or is closed, each process finishes its current item and starts no other.

    Args:
        function: a picklable function of one item; its exceptions are raised here.
        items: consumed lazily.
        processes: the number of processes.
        ahead: as in `map_bounded`.
        start: called once in each process before the first item.

    Raises:
        WorkerEndedError: if a process is killed from outside.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        for _ in range(processes):
            # Not forked: a fork of a process with threads, such as OpenCV's, may hang, and keeps the locks of
            # a killed parent.
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
    """End this worker when its parent is killed, so that it writes nothing afterwards."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)
