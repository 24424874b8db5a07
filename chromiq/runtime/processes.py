"""Work spread over processes, each with a pipe of its own, so that the end of one is seen at once.

`ProcessPoolExecutor` lets its processes share a queue, and starts them while a thread already watches them:
one that the system ends in that instant may leave the parent waiting for ever, as CPython's issues 90622 and
94777 tell. Here they share nothing, and each has a thread that waits for it alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from traceback import format_exc
from typing import Generic, TypeVar

from chromiq.runtime.parallel import map_bounded

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerEndedError(Exception):
    """A process was ended from outside while it was needed."""


def map_in_processes(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    processes: int,
    ahead: int,
    start: Callable[[], None],
) -> Iterator[Result]:
    """Results in the order of the items, of which at most `ahead` are waiting.

    Once the iterator fails or is closed, each process finishes what it is at and begins nothing more.

    Args:
        function: what makes one result; what it raises is raised here.
        items: taken as they are needed.
        processes: how many.
        ahead: as for `map_bounded`.
        start: called once in each process before anything else.

    Raises:
        WorkerEndedError: if a process is ended from outside.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker[Item, Result]] = SimpleQueue()
        for _ in range(processes):
            worker = _Worker(function, start)
            stack.callback(worker.end)
            idle.put(worker)

        def make(item: Item) -> Result:
            worker = idle.get()
            try:
                return worker.make(item)
            finally:
                idle.put(worker)

        threads = ThreadPoolExecutor(processes)
        stack.callback(threads.shutdown, cancel_futures=True)
        yield from map_bounded(threads, make, items, ahead)


class _Worker(Generic[Item, Result]):
    """A process, and the parent's end of the pipe to it."""

    def __init__(self, function: Callable[[Item], Result], start: Callable[[], None]) -> None:
        # Not forked: a copy of a process that runs threads, as OpenCV's and the progress bar's, may never
        # wake, and it would keep its parent's locks when that is killed.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, function, start), daemon=True)
        with _deaf_to_interrupts():
            self._process.start()
        theirs.close()  # else this end would never tell that the other is gone

    def make(self, item: Item) -> Result:
        try:
            self._pipe.send(item)
            result, error = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerEndedError(f"process {self._process.pid}") from error
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, function: Callable[[Item], Result], start: Callable[[], None]) -> None:
    """What a process does: items in, results or what was raised out, until the pipe is closed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        result, raised = None, None
        try:
            result = function(item)
        except Exception as error:
            error.add_note(format_exc())  # the traceback itself does not travel
            raised = error
        pipe.send((result, raised))


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started now never hears a Ctrl-C, which goes to all and is the parent's to handle.

    A process that ignored it once it runs would still end with a traceback while it imports. The parent hears
    it afterwards: a process that it left half-told what to do would complain, too.
    """
    resource_tracker.ensure_running()  # it would lift the block when it starts
    heard: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Blocked here, it goes to another thread, and Python still handles it in this one.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    deferred = [number for number, handler in handlers.items() if callable(handler) and _is_main_thread()]
    for number in deferred:
        signal.signal(number, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for number in deferred:
            signal.signal(number, handlers[number])
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for each in heard:
            signal.raise_signal(each)


def _is_main_thread() -> bool:
    """Only there Python lets handlers be set."""
    return threading.current_thread() is threading.main_thread()


def _end_with_parent() -> None:
    """Else what is being made would be finished, and written, after the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)
