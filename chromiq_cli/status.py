"""``chromiq status``: the status of runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromiq.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_SKIPPED, ChromiqError, UsageError
from chromiq_cli import flags
from chromiq_cli.output import print_json, print_line, print_table, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.runs.status import RunStatus


def status(
    run: Annotated[Path, typer.Argument(help="A run, the output of sweep-train, or a folder of runs.")],
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Follow it until it ends; exits with 0, 1 or 130, as the run does."),
    ] = False,
    as_json: flags.Json = False,
) -> None:
    """Show the progress of a run, from any terminal that can read its folder."""
    from rich.console import Console

    from chromiq.toolkit_configs.runs.record import RUN_FILE
    from chromiq.toolkit_configs.runs.status import follow, read_status
    from chromiq.toolkit_configs.runs.view import run_view, status_view
    from chromiq.toolkit_configs.sweeps.local import is_sweep

    runs = sorted(path.parent for path in run.glob(f"*/{RUN_FILE}"))
    if is_sweep(run):
        _sweep(run, watch=watch, as_json=as_json)
        return
    if runs and not (run / RUN_FILE).is_file():
        if watch:
            raise UsageError(f"{run} holds several runs. Name the run to watch.")
        _list(runs, as_json=as_json)
        return
    if not watch:
        found = read_status(run)
        if as_json:
            print_json(_document(found))
        else:
            Console(soft_wrap=True).print(status_view(found))
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


def _list(runs: list[Path], *, as_json: bool) -> None:
    from chromiq.toolkit_configs.runs.status import read_status

    found: list[RunStatus] = []
    documents: list[dict[str, object]] = []
    for run in runs:
        try:
            found.append(read_status(run))
            documents.append({"run": str(run), **_document(found[-1])})
        except ChromiqError as error:
            say(str(error))
            documents.append({"run": str(run), "error": str(error)})
    if as_json:
        print_json({"runs": documents})
    elif found:
        print_table(
            ["run", "state", "step", "loss", "newest checkpoint"],
            [
                [
                    each.record.name,
                    each.state,
                    f"{each.step}/{each.record.total_steps}",
                    "" if each.loss is None else f"{each.loss:.4f}",
                    each.checkpoint.name if each.checkpoint else "",
                ]
                for each in found
            ],
        )
    if len(found) < len(runs):
        raise typer.Exit(EXIT_SKIPPED if found else EXIT_FAILED)


def _sweep(folder: Path, *, watch: bool, as_json: bool) -> None:
    from rich.console import Console

    from chromiq.toolkit_configs.sweeps.local import cells_view, follow_sweep, sweep_exit_code, sweep_view

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
