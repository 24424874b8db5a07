"""``chromiq sweep-train``: train every combination of a grid of settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chromiq.errors import UsageError
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_result, say
from chromiq_cli.train import Engine, Job, write_jobs

if TYPE_CHECKING:
    from chromiq.toolkit_configs.sweeps.local import CellStatus


def sweep_train(
    grid: Annotated[Path, typer.Argument(help="YAML file with config: FILE and grid: {KEY: [VALUES]}.")],
    out: Annotated[Path, typer.Option(help="Folder for configs and for batch jobs or logs.")],
    target: Annotated[
        Literal["local", "slurm"],
        typer.Option(help="local trains here; slurm writes a batch job."),
    ] = "local",
    engine: Engine = "ai-toolkit",
    devices: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE,...",
            help="Devices to train on, such as cuda:0,cuda:1; by default all GPUs.",
        ),
    ] = None,
    job: Job = None,
    as_json: flags.Json = False,
) -> None:
    """Train every combination of seeds, ranks, learning rates or any other settings.

    Each GPU trains one run at a time. A run that fails does not stop the others, and the same command again
    resumes. Exits with 3 if some runs failed, with 1 if all did.
    """
    from chromiq.toolkit_configs.sweeps.grid import on_devices, read_grid, write_configs

    if target != "local":
        if devices:
            raise UsageError("--devices is only for --target local: a scheduler chooses the devices itself.")
        found = read_grid(grid)
        jobs = write_configs(found, out, engine)
        runs: list[dict[str, object]] = [{"name": each.name, "values": each.values} for each in found]
        write_jobs(out.resolve().name, jobs, out, job or (), runs, as_json=as_json)
        return
    if job:
        raise UsageError("--job is only for --target slurm.")
    from chromiq.files import folder_lock
    from chromiq.toolkit_configs.sweeps.local import LOGS, sweep_exit_code, sweep_view, train_jobs
    from chromiq.toolkit_configs.trainer.devices import read_devices

    chosen = read_devices(devices or None)
    found = on_devices(read_grid(grid), chosen)
    say(f"{counted(len(found), 'run')} on {', '.join(chosen)}")
    # Locked before configs are written, which a sweep at work reads as its runs begin.
    with folder_lock(out / LOGS, "chromiq sweep-train"), sweep_view() as show:
        jobs = write_configs(found, out, engine)
        cells = train_jobs(jobs, chosen, out, on_status=show)
    documents = [
        {"name": each.name, "values": each.values, **cell.as_dict()}
        for each, cell in zip(found, cells, strict=True)
    ]
    print_result({"devices": chosen, "runs": documents}, *map(_line, cells), as_json=as_json)
    if code := sweep_exit_code(cells):
        raise typer.Exit(code)


def _line(cell: CellStatus) -> str:
    return str(cell.lora) if cell.state == "done" else f"{cell.job.name}: {cell.state}: {cell.message}"
