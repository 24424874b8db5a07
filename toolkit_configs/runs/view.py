"""The status of a run in a terminal, the same for the process that trains and for any other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chromiq.progress import LOG_EVERY_S, console, is_live
from chromiq.toolkit_configs.runs.status import RunStatus
from chromiq.wording import printable

Seen = TypeVar("Seen")

_BARS = "▁▂▃▄▅▆▇█"
STATE_COLOURS = {
    "running": "cyan",
    "done": "green",
    "interrupted": "yellow",
    "failed": "red",
    "killed": "red",
    "waiting": "dim",
}
_SHOWN_WARNINGS = 3


def status_view(status: RunStatus) -> RenderableType:
    """Progress, time left, loss curve, newest checkpoint and sample, and warnings."""
    record = status.record
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(record.name, style="bold"),
        Text(status.state, style=STATE_COLOURS[status.state]),
        ProgressBar(total=max(1, record.total_steps), completed=status.step, width=30),
        Text(f"{status.step}/{record.total_steps}"),
        Text(pace(status)),
    )
    lines: list[RenderableType] = [bar]
    if status.loss is not None:
        rate = f"   learning rate {status.learning_rate:.1e}" if status.learning_rate else ""
        lines.append(Text(f"loss {status.loss:.4f}  {sparkline(status.losses)}{rate}"))
    lines.append(Text(_made(status), style="dim", overflow="fold"))
    lines += [Text(f"warning: {text}", style="yellow") for text in status.warnings[-_SHOWN_WARNINGS:]]
    if record.message:
        lines.append(Text(record.message, style="red" if status.state == "failed" else "yellow"))
    return Group(*lines)


def one_line(status: RunStatus) -> str:
    """The same on one line, for logs."""
    loss = "" if status.loss is None else f", loss {status.loss:.4f}"
    return (
        f"{status.record.name}: {status.state}, step {status.step} of {status.record.total_steps}{loss}"
        f"{', ' if pace(status) else ''}{pace(status)}"
    )


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of eight heights, the least lowest.

    >>> sparkline([0.0, 3.5, 7.0])
    '▁▄█'
    """
    if not values:
        return ""
    low, span = min(values), max(values) - min(values)
    return "".join(_BARS[int((value - low) / span * 7)] if span else _BARS[0] for value in values)


def run_view(target: Console | None = None) -> AbstractContextManager[Callable[[RunStatus], None]]:
    """Yield a function that shows a status: live in a terminal, otherwise a line now and then."""
    return shown(target or console(), status_view, _run_lines)


@contextmanager
def shown(
    target: Console,
    drawn: Callable[[Seen], RenderableType],
    lines: Callable[[Callable[[str], None]], Callable[[Seen], None]],
) -> Iterator[Callable[[Seen], None]]:
    """Yield a function that shows whatever is being followed: live in a terminal, otherwise as lines.

    `lines` takes a function that prints a line and returns one that prints what is new.
    """
    if is_live(target):
        with Live(console=target, refresh_per_second=4) as live:
            yield lambda seen: live.update(drawn(seen))
        return
    out = target.file if target.file is not None else sys.stderr
    yield lines(lambda text: print(printable(text), file=out, flush=True))


def _run_lines(say: Callable[[str], None]) -> Callable[[RunStatus], None]:
    last_s, said, warned = 0.0, "", 0

    def show(status: RunStatus) -> None:
        nonlocal last_s, said, warned
        for text in status.warnings[warned:]:
            say(f"warning: {text}")
        warned = len(status.warnings)
        line = one_line(status)
        due = time.monotonic() - last_s >= LOG_EVERY_S or status.state != "running"
        if due and line != said:
            last_s, said = time.monotonic(), line
            say(line)

    return show


def pace(status: RunStatus) -> str:
    """Time per step and time left; "loading" before the first step, "" once the run has ended."""
    if status.state != "running":
        return ""
    rate, left_s = status.seconds_per_step, status.remaining_s
    if rate is None or left_s is None:
        return "" if status.step else "loading"
    per = f"{rate:.2f} s/step" if rate >= 0.1 else f"{1 / rate:.0f} steps/s"
    return f"{per}, {_duration(left_s)} left"


def _made(status: RunStatus) -> str:
    parts = [f"checkpoint {status.checkpoint.name if status.checkpoint else 'none yet'}"]
    if status.sample:
        parts.append(f"sample {status.sample}")
    if status.host_bytes:
        gpu = f", GPU {status.gpu_bytes / 1e9:.1f} GB" if status.gpu_bytes is not None else ""
        parts.append(f"memory {status.host_bytes / 1e9:.1f} GB{gpu}")
    return "   ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
