"""``chromiq sweep-train``: one training per combination of a grid."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli.output import JSON_OPTION, print_json, print_line
from chromiq_cli.train import EngineChoice


class TargetChoice(StrEnum):
    """Where it runs."""

    SLURM = "slurm"
    SKYPILOT = "skypilot"


JOB_OPTION = typer.Option("--job", metavar="KEY=VALUE", help="Such as gpus=1, hours=12, partition=a100.")


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

    combinations = read_grid(grid)
    files = write_jobs(combinations, out, target.value, engine.value, read_resources(job or ()))
    if as_json:
        runs = [{"name": each.name, "values": each.values} for each in combinations]
        print_json({"runs": runs, "jobs": [str(path) for path in files]})
        return
    for line in submit_commands(files, target.value):
        print_line(line)
