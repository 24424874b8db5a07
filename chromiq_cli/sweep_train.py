"""``chromiq sweep-train``: one training per combination of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli.output import JSON_OPTION
from chromiq_cli.targets import JOB_OPTION, TargetChoice, print_jobs
from chromiq_cli.train import EngineChoice


def sweep_train(
    grid: Annotated[Path, typer.Argument(help="YAML: config: FILE, grid: {KEY: [VALUES]}.")],
    target: Annotated[TargetChoice, typer.Option(help="Where the runs go.")],
    out: Annotated[Path, typer.Option(help="Folder for configs and jobs.")],
    engine: Annotated[EngineChoice, typer.Option(help="Who trains.")] = EngineChoice.AI_TOOLKIT,
    job: Annotated[list[str] | None, JOB_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Render the jobs that train every combination of seeds, ranks, learning rates or any other settings."""
    from toolkit_configs.grid import read_grid, write_jobs
    from toolkit_configs.targets.jobs import read_resources, submit_commands

    found = read_grid(grid)
    files = write_jobs(found, out, target.value, engine.value, read_resources(job or ()))
    runs = [{"name": each.name, "values": each.values} for each in found]
    print_jobs(files, submit_commands(files, target.value), runs, as_json=as_json)
