"""SIGINT, SIGTERM and SIGHUP while a block runs: as an interrupt, ignored, collected, or deferred."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST_S = 2.0


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that closes, raise `KeyboardInterrupt` as SIGINT does."""
    last_s = float("-inf")

    def interrupt(number: int, _: Any) -> None:
        nonlocal last_s
        # A scheduler signals every process of a job, and the job's script passes it on: that is one request.
        if time.monotonic() - last_s < _ONE_REQUEST_S:
            return
        last_s = time.monotonic()
        raise KeyboardInterrupt(number)

    # nohup ignores SIGHUP on purpose.
    numbers = [number for number in _ENDING[1:] if signal.getsignal(number) != signal.SIG_IGN]
    with _handled(numbers, interrupt):
        yield


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Nothing interrupts the writing of a last record, not even a second Ctrl-C."""
    with _handled(_ENDING, signal.SIG_IGN):
        yield


@contextmanager
def signals_collected() -> Iterator[list[int]]:
    """A list that a SIGINT or SIGTERM is appended to, so that the step in progress can finish."""
    collected: list[int] = []
    with _handled(_ENDING[:2], lambda number, _: collected.append(number)):
        yield collected


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Block SIGINT while processes are started, so that only this one handles Ctrl-C, after the block.

    They inherit the block: one that ignored SIGINT only once it runs would be interrupted in its imports.
    """
    resource_tracker.ensure_running()  # started later, it would lift the block
    pending: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # Another thread may receive the signal then, and Python still runs the handler in the main one.
    numbers = [number for number in _ENDING[:2] if callable(signal.getsignal(number))]
    try:
        with _handled(numbers, lambda number, _: pending.append(number)):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number in pending:
            signal.raise_signal(number)


@contextmanager
def _handled(numbers: Sequence[int], handler: Callable[[int, Any], Any] | signal.Handlers) -> Iterator[None]:
    before = {}
    for number in numbers:
        with suppress(ValueError):  # Python sets handlers in the main thread only
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
