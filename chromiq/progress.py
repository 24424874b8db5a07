"""Progress on stderr: a bar for people, a line now and then for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_EVERY_S = 10.0

Advance = Callable[[int], None]


def console() -> Console:
    """The console for progress and messages: stderr; rich honours ``NO_COLOR`` itself."""
    return Console(stderr=True)


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Advance]:
    """Yield a function that advances a bar by so many of `total` steps.

    On a terminal it is a bar with remaining time; elsewhere a line at the start, every
    `LOG_EVERY_S` seconds and at the end.

    >>> with progress_bar("build", 2) as advance:
    ...     advance(1)
    ...     advance(1)
    """
    target = console()
    if target.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=target,
        ) as progress:
            task = progress.add_task(description, total=total)
            yield lambda steps: progress.advance(task, steps)
        return
    done, last = 0, time.monotonic()

    def advance(steps: int) -> None:
        nonlocal done, last
        done += steps
        if done == total or time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            print(f"{description}: {done}/{total}", file=sys.stderr, flush=True)

    yield advance
