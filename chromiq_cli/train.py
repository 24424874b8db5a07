"""``chromiq train``: train the LoRA of a config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chromiq.errors import UsageError
from chromiq_cli import flags
from chromiq_cli.output import print_findings, print_result, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.sweeps.slurm import BatchJob

Engine = Annotated[
    Literal["ai-toolkit", "smoke"],
    typer.Option(help="smoke trains tiny checkpoints in this process, to test an installation."),
]
Job = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="A resource of the Slurm job, such as gpus=1, hours=12 or partition=a100. May be repeated.",
    ),
]
Response = Literal["stop", "warn"]


def train(
    config: Annotated[Path, typer.Argument(help="An AI-Toolkit config, from chromiq render or elsewhere.")],
    engine: Engine = "ai-toolkit",
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the newest checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run the checks, and print what would be trained.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train despite errors found by the checks.")] = False,
    offline: flags.Offline = False,
    on_nan: Annotated[Response, typer.Option(help="What to do when the loss is NaN.")] = "stop",
    on_stall: Annotated[Response, typer.Option(help="What to do when the trainer stalls.")] = "warn",
    stall_minutes: Annotated[
        float, typer.Option(min=0, help="Minutes without output that count as a stall; 0 to wait forever.")
    ] = 30,
    target: Annotated[
        Literal["slurm"] | None,
        typer.Option(help="Write a Slurm batch job instead of training here."),
    ] = None,
    job: Job = None,
    as_json: flags.Json = False,
) -> None:
    """Check a config, then train its LoRA.

    Ctrl-C saves a checkpoint first if the trainer can; a second Ctrl-C stops at once. The options for NaN and
    stalls apply to AI-Toolkit; the smoke engine always stops on NaN.
    """
    if job and not target:
        raise UsageError("--job is only for --target slurm.")
    if target:
        if dry_run:
            raise UsageError("--dry-run is not for --target slurm: the job does the checks.")
        from chromiq.toolkit_configs.sweeps.slurm import batch_job

        switches = {"--resume": resume, "--force": force, "--offline": offline}
        options = [switch for switch, given in switches.items() if given]
        options += ["--on-nan", on_nan, "--on-stall", on_stall, "--stall-minutes", f"{stall_minutes:g}"]
        found = replace(batch_job(config, engine), options=tuple(options))
        write_jobs(found.name, [found], config.parent, job or (), [{"name": found.name}], as_json=as_json)
        return
    from chromiq.progress import notes
    from chromiq.toolkit_configs.launch import execute, plan
    from chromiq.toolkit_configs.runs.view import run_view
    from chromiq.toolkit_configs.trainer.output import Limits

    with notes("train") as note:
        planned = plan(config, engine, resume=resume, force=force, offline=offline, note=note)
    print_findings(planned.findings)
    if dry_run:
        print_result(planned.as_dict(), *planned.summary, as_json=as_json)
        return
    if engine == "smoke":
        say("the smoke engine trains tiny checkpoints only; its results say nothing about quality")
    limits = Limits(on_nan == "stop", stall_minutes * 60, on_stall == "stop")
    with run_view() as show:
        final = execute(planned, limits=limits, on_status=show)
    print_result({"run": str(final.parent), "lora": str(final)}, str(final), as_json=as_json)


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
