"""How a run stands, for people: the same picture in the terminal that trains and in any other."""

from __future__ import annotations

import sys
import time
from collections import Counter
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
from chromiq.toolkit_configs.sweeps.local import CellStatus

Seen = TypeVar("Seen")

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"running": "cyan", "done": "green", "interrupted": "yellow", "failed": "red", "killed": "red",
            "waiting": "dim"}  # fmt: skip
_SHOWN_WARNINGS = 3


def view(status: RunStatus) -> RenderableType:
    """A few lines: how far, how long yet, the loss and its course, what was saved, what is wrong."""
    record = status.record
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        Text(record.name, style="bold"),
        Text(status.state, style=_COLOURS[status.state]),
        ProgressBar(total=max(1, record.total_steps), completed=status.step, width=30),
        Text(f"{status.step}/{record.total_steps}"),
        Text(_pace(status)),
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
    """The same for a log."""
    loss = "" if status.loss is None else f", loss {status.loss:.4f}"
    return (
        f"{status.record.name}: {status.state}, step {status.step} of {status.record.total_steps}{loss}"
        f"{', ' if _pace(status) else ''}{_pace(status)}"
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
    """Yield a function that shows a status: live on a terminal, elsewhere a line now and then.

    Args:
        target: stderr if not given.
    """
    return _shown(target or console(), view, _run_lines)


def sweep_view(
    target: Console | None = None,
) -> AbstractContextManager[Callable[[Sequence[CellStatus]], None]]:
    """Yield a function that shows the runs of a sweep: live on a terminal, elsewhere a line now and then.

    Args:
        target: stderr if not given.
    """
    return _shown(target or console(), cells_view, _sweep_lines)


@contextmanager
def _shown(
    target: Console,
    drawn: Callable[[Seen], RenderableType],
    lines: Callable[[Callable[[str], None]], Callable[[Seen], None]],
) -> Iterator[Callable[[Seen], None]]:
    if is_live(target):
        with Live(console=target, refresh_per_second=4) as live:
            yield lambda seen: live.update(drawn(seen))
        return
    out = target.file if target.file is not None else sys.stderr
    yield lines(lambda text: print(text, file=out, flush=True))


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


def _sweep_lines(say: Callable[[str], None]) -> Callable[[Sequence[CellStatus]], None]:
    said: dict[str, str] = {}
    last_s = 0.0

    def show(cells: Sequence[CellStatus]) -> None:
        nonlocal last_s
        due = time.monotonic() - last_s >= LOG_EVERY_S
        last_s = time.monotonic() if due else last_s
        for cell in cells:
            name, before = cell.job.name, said.get(cell.job.name)
            if cell.state != before and cell.state != "waiting":
                said[name] = cell.state
                on = f" on {cell.device}" if cell.device else ""
                why = f", {cell.message}" if cell.message else ""
                say(f"{name}: {cell.state}{on}{why}")
            elif due and cell.state == "running" and cell.run:
                say(one_line(cell.run))

    return show


def cells_view(cells: Sequence[CellStatus], *, everything: bool = False) -> RenderableType:
    """The runs of a sweep: how many are through, and a line for each that is at work or went wrong.

    Args:
        cells: all of them.
        everything: a line for the others as well.
    """
    counts = Counter(cell.state for cell in cells)
    table = Table.grid(padding=(0, 1))
    for cell in cells:
        if cell.state in {"waiting", "done"} and not everything:
            continue
        run, total = cell.run, cell.job.job.process.train.steps
        table.add_row(
            Text(cell.job.name, style="bold", overflow="fold"),
            Text(cell.device or "", style="dim"),
            Text(cell.state, style=_COLOURS[cell.state]),
            ProgressBar(total=max(1, total), completed=cell.step, width=20),
            Text(f"{cell.step}/{total}"),
            Text(_remark(cell), overflow="fold"),
            Text("" if run is None or run.loss is None else f"loss {run.loss:.4f}"),
        )
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return Group(Text(f"{len(cells)} runs: {told}"), table)


def _remark(cell: CellStatus) -> str:
    if cell.message:
        return cell.message
    if cell.run:
        return _pace(cell.run)
    return "checking" if cell.state == "running" else ""


def _pace(status: RunStatus) -> str:
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
