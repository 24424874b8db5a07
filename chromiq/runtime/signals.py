"""What ends a run from outside: each way the same, asked once, and never amid the writing of its record."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST_S = 2.0


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM and a terminal that goes away end the block as SIGINT does, by a `KeyboardInterrupt`."""
    heard_s = float("-inf")

    def interrupt(number: int, _: Any) -> None:
        nonlocal heard_s
        # A scheduler tells every process of a job and the job's script passes it on: that is one request.
        if time.monotonic() - heard_s < _ONE_REQUEST_S:
            return
        heard_s = time.monotonic()
        raise KeyboardInterrupt(number)

    # nohup has SIGHUP ignored, and means it.
    wanted = [number for number in _ENDING[1:] if signal.getsignal(number) != signal.SIG_IGN]
    with _handled(wanted, interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """What ended is recorded, also for those who press Ctrl-C twice and for schedulers that insist."""
    with _handled(_ENDING, signal.SIG_IGN):
        yield


@contextmanager
def _handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    before = {}
    for number in numbers:
        with suppress(ValueError):  # Not the main thread: signals go elsewhere.
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
