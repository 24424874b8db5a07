"""Show progress on stderr: a bar in a terminal, occasional lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from chromiq.wording import printable

# rich is imported lazily, because the workers of a build show nothing.
if TYPE_CHECKING:
    from rich.console import Console

LOG_EVERY_S = 10.0

Update = Callable[[int, int], None]
"""Called with the number of finished items and the total."""


def console() -> Console:
    """The console for progress and messages, on stderr; rich honours ``NO_COLOR``."""
    from rich.console import Console

    return Console(stderr=True)


def is_live(target: Console) -> bool:
    """Whether output can be overwritten: a terminal, and not ``TERM=dumb``."""
    return target.is_terminal and not target.is_dumb_terminal


def silent(done: int, total: int) -> None:
    """Progress that nobody sees."""


Stage = Callable[[str], AbstractContextManager[Update]]
"""Called with the name of a stage; yields the function that reports its progress."""


@contextmanager
def no_progress(_: str) -> Iterator[Update]:
    """A stage that shows nothing."""
    yield silent


@contextmanager
def progress_bar(description: str) -> Iterator[Update]:
    """Yield a function that reports progress.

    A terminal shows a bar with the remaining time; otherwise a line is printed every `LOG_EVERY_S` seconds
    and at the end.

    >>> with progress_bar("build") as update:
    ...     update(1, 2)
    ...     update(2, 2)
    """
    target = console()
    if is_live(target):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=target,
        ) as progress:
            task = progress.add_task(description, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    last = time.monotonic()
    shown: tuple[int, int] | None = None

    def update(done: int, total: int) -> None:
        nonlocal last, shown
        if (done, total) == shown:
            return
        if done == total or time.monotonic() - last >= LOG_EVERY_S:
            last, shown = time.monotonic(), (done, total)
            print(f"{description}: {done}/{total}", file=sys.stderr, flush=True)

    yield update


@contextmanager
def notes(description: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current step when the total is unknown.

    A terminal shows a spinner; otherwise a line is printed at once and then every `LOG_EVERY_S` seconds.

    >>> with notes("setup") as note:
    ...     note("looking")
    """
    target = console()
    if is_live(target):
        from rich.markup import escape

        with target.status(description) as status:
            yield lambda text: status.update(f"{escape(description)}: {escape(printable(text))}")
        return
    last: float | None = None

    def note(text: str) -> None:
        nonlocal last
        if last is None or time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            print(f"{description}: {printable(text)}", file=sys.stderr, flush=True)

    yield note


def silence_model_libraries() -> None:
    """Disable the progress bars of transformers and diffusers and their warnings about torchvision."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
