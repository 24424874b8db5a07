"""Context managers for SIGINT, SIGTERM and SIGHUP: raise, ignore, collect or defer them."""

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
    """Raise `KeyboardInterrupt` on SIGTERM and SIGHUP as well as on SIGINT."""
    last_s = float("-inf")

    def interrupt(number: int, _: Any) -> None:
        nonlocal last_s
        # A scheduler signals every process of a job, and its script forwards the signal: one request.
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
    """Ignore all three signals, so that a last record is written even if Ctrl-C is pressed again."""
    with _handled(_ENDING, signal.SIG_IGN):
        yield


@contextmanager
def signals_collected() -> Iterator[list[int]]:
    """Yield a list to which SIGINT and SIGTERM are appended, so that the current step can finish."""
    collected: list[int] = []
    with _handled(_ENDING[:2], lambda number, _: collected.append(number)):
        yield collected


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Defer SIGINT and SIGTERM while processes are started, which inherit a blocked SIGINT.

    So only this process handles Ctrl-C. A process that ignored SIGINT itself could be interrupted while it
    is still importing.
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
