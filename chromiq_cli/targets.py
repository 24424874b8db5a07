"""Options and output of the verbs that write batch jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from chromiq_cli.output import print_json, print_line, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.sweeps.schedulers import Target

JOB_OPTION = typer.Option(
    "--job",
    metavar="KEY=VALUE",
    help="A resource of the job, such as gpus=1, hours=12, partition=a100; may be repeated.",
)


def render_for_target(
    config: Path, target: Target, engine: str, assignments: Sequence[str], *, as_json: bool
) -> None:
    """Write the batch job of one training beside its config, and print how to submit it."""
    from chromiq.toolkit_configs.sweeps.schedulers import (
        read_resources,
        resource_warning,
        submit_commands,
        target_job,
        write_target,
    )

    job, resources = target_job(config, engine), read_resources(assignments)
    files = write_target(job.name, [job], config.parent, target, resources)
    if warning := resource_warning(resources):
        say(f"warning: {warning}")
    print_jobs(files, submit_commands(files, target), [{"name": job.name}], as_json=as_json)


def print_jobs(
    files: Sequence[Path], commands: Sequence[str], runs: Sequence[dict[str, object]], *, as_json: bool
) -> None:
    """Print what was written and how to submit it."""
    if as_json:
        print_json({"runs": runs, "jobs": [str(path) for path in files], "commands": commands})
        return
    for command in commands:
        print_line(command)
