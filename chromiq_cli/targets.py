"""What verbs that hand work to a scheduler share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import typer

from chromiq_cli.output import print_json, print_line, say

JOB_OPTION = typer.Option("--job", metavar="KEY=VALUE", help="Such as gpus=1, hours=12, partition=a100.")


class TargetChoice(StrEnum):
    """Where it runs."""

    SLURM = "slurm"
    SKYPILOT = "skypilot"


def render_for_target(
    config: Path, target: TargetChoice, engine: str, assignments: Sequence[str], *, as_json: bool
) -> None:
    """Write the job of one training beside its config, and print how to hand it in."""
    from chromiq.toolkit_configs.sweeps.schedulers import (
        read_resources,
        resource_warning,
        submit_commands,
        target_job,
        write_target,
    )

    job, resources = target_job(config, engine), read_resources(assignments)
    files = write_target(job.name, [job], config.parent, target.value, resources)
    if warning := resource_warning(resources):
        say(f"warning: {warning}")
    print_jobs(files, submit_commands(files, target.value), [{"name": job.name}], as_json=as_json)


def print_jobs(
    files: Sequence[Path], commands: Sequence[str], runs: Sequence[dict[str, object]], *, as_json: bool
) -> None:
    """Print what was written and how to hand it in."""
    if as_json:
        print_json({"runs": runs, "jobs": [str(path) for path in files], "commands": commands})
        return
    for command in commands:
        print_line(command)
