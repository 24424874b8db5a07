"""Progress on stderr: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from chromiq.wording import printable

# rich is imported where something is shown: the workers of a build show nothing.
if TYPE_CHECKING:
    from rich.console import Console

LOG_EVERY_S = 10.0

Update = Callable[[int, int], None]
"""Called with how much is done and how much there is in all."""


def console() -> Console:
    """The console for progress and messages: stderr; rich honours ``NO_COLOR`` itself."""
    from rich.console import Console

    return Console(stderr=True)


def is_live(target: Console) -> bool:
    """Whether what was drawn can be drawn over: a terminal that does not say it is dumb (``TERM=dumb``)."""
    return target.is_terminal and not target.is_dumb_terminal


Stage = Callable[[str], AbstractContextManager[Update]]
"""Called with the name of a stage of the work; shows how far it is."""


@contextmanager
def no_progress(_: str) -> Iterator[Update]:
    """A stage that shows nothing."""
    yield lambda *_: None


@contextmanager
def progress_bar(description: str) -> Iterator[Update]:
    """Yield a function that shows how far the work is.

    On a terminal it is a bar with remaining time; elsewhere a line every `LOG_EVERY_S` seconds and at
    the end.

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

    def update(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            print(f"{description}: {done}/{total}", file=sys.stderr, flush=True)

    yield update


@contextmanager
def notes(description: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done when the total is unknown.

    On a terminal it is one line that moves; elsewhere a line every `LOG_EVERY_S` seconds, the first at once.

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
    """Keep transformers and diffusers from drawing bars of their own and from warning about torchvision."""
    import diffusers.utils.logging
    import transformers.utils.logging

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
