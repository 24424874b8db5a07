"""The runs of a sweep: a table in a terminal, otherwise a line now and then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chromiq.progress import LOG_EVERY_S, console
from chromiq.toolkit_configs.runs.view import STATE_COLOURS, one_line, pace, shown
from chromiq.toolkit_configs.sweeps.local import CellStatus


def sweep_view(
    target: Console | None = None,
) -> AbstractContextManager[Callable[[Sequence[CellStatus]], None]]:
    """Yield a function that shows the runs of a sweep: live in a terminal, otherwise a line now and then.

    Args:
        target: stderr if not given.
    """
    return shown(target or console(), cells_view, _sweep_lines)


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
    """The runs of a sweep: counts by state, and a line for each that is running or failed.

    Args:
        cells: all of them.
        everything: a line for waiting and finished runs as well.
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
            Text(cell.state, style=STATE_COLOURS[cell.state]),
            ProgressBar(total=max(1, total), completed=cell.step, width=20),
            Text(f"{cell.step}/{total}"),
            Text(_remark(cell), overflow="fold"),
            Text("" if run is None or run.loss is None else f"loss {run.loss:.4f}"),
        )
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return Group(Text(f"{len(cells)} runs: {summary}"), table)


def _remark(cell: CellStatus) -> str:
    if cell.message:
        return cell.message
    if cell.run:
        return pace(cell.run)
    return "checking" if cell.state == "running" else ""
