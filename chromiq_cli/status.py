"""``chromiq status``: how a run stands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromiq.errors import EXIT_FAILED, EXIT_INTERRUPTED
from chromiq_cli.output import JSON_OPTION, print_json, print_line

if TYPE_CHECKING:
    from chromiq.toolkit_configs.runs.status import RunStatus


def status(
    run: Annotated[Path, typer.Argument(help="The run folder, or that of a sweep.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay until the run ends; exit 0, 1 or 130 as it does.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Say how far a run is, and what made it; from any terminal that sees its folder."""
    from rich.console import Console

    from chromiq.toolkit_configs.runs.status import follow, read_status
    from chromiq.toolkit_configs.runs.view import run_view, view
    from chromiq.toolkit_configs.sweeps.local import is_sweep

    if is_sweep(run):
        _sweep(run, watch=watch, as_json=as_json)
        return
    if not watch:
        found = read_status(run)
        if as_json:
            print_json(_document(found))
        else:
            Console(soft_wrap=True).print(view(found))
        return
    # With --json stdout belongs to the document.
    with run_view(None if as_json else Console()) as show:
        for found in follow(run):
            show(found)
    if as_json:
        print_json(_document(found))
    else:
        print_line(f"newest checkpoint: {found.checkpoint or 'none'}")
    code = {"done": 0, "interrupted": EXIT_INTERRUPTED}.get(found.state, EXIT_FAILED)
    if code:
        raise typer.Exit(code)


def _sweep(folder: Path, *, watch: bool, as_json: bool) -> None:
    from rich.console import Console

    from chromiq.toolkit_configs.sweeps.local import follow_sweep, sweep_exit_code
    from chromiq.toolkit_configs.sweeps.view import cells_view, sweep_view

    if watch:
        with sweep_view(None if as_json else Console()) as show:
            for cells in follow_sweep(folder):
                show(cells)
    else:
        cells = next(follow_sweep(folder))
    if as_json:
        print_json({"runs": [{"name": cell.job.name, "step": cell.step, **cell.as_dict()} for cell in cells]})
    elif not watch:
        Console(soft_wrap=True).print(cells_view(cells, everything=True))
    if watch and (code := sweep_exit_code(cells)):
        raise typer.Exit(code)


def _document(found: RunStatus) -> dict[str, object]:
    return {
        **asdict(found.record),
        "state": found.state,
        "step": found.step,
        "loss": found.loss,
        "learning_rate": found.learning_rate,
        "seconds_per_step_now": found.seconds_per_step,
        "remaining_s": found.remaining_s,
        "newest_checkpoint": str(found.checkpoint) if found.checkpoint else None,
        "newest_sample": found.sample,
        "host_bytes": found.host_bytes,
        "gpu_bytes": found.gpu_bytes,
        "warnings": list(found.warnings),
    }
