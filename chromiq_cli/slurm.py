"""Options and output of the verbs that write Slurm jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromiq_cli.output import print_result, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.sweeps.slurm import BatchJob

Job = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="A resource of the Slurm job, such as gpus=1, hours=12 or partition=a100. May be repeated.",
    ),
]


def write_jobs(
    name: str,
    jobs: Sequence[BatchJob],
    out: Path,
    assignments: Sequence[str],
    runs: Sequence[dict[str, object]],
    *,
    as_json: bool,
) -> None:
    """Write the Slurm script of some trainings, and print how to submit it."""
    from chromiq.toolkit_configs.sweeps.slurm import (
        read_resources,
        resource_warning,
        submit_command,
        write_script,
    )

    resources = read_resources(assignments)
    script = write_script(name, jobs, out, resources)
    if warning := resource_warning(resources):
        say(f"warning: {warning}")
    command = submit_command(script)
    print_result({"runs": runs, "jobs": [str(script)], "commands": [command]}, command, as_json=as_json)
