"""``chromiq train``: a config to a LoRA."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli.output import JSON_OPTION, print_findings, print_json, print_line, say
from chromiq_cli.targets import JOB_OPTION, TargetChoice, render_for_target


class EngineChoice(StrEnum):
    """Who trains."""

    AI_TOOLKIT = "ai-toolkit"
    SMOKE = "smoke"


class Response(StrEnum):
    """What to do about a run that does not learn."""

    STOP = "stop"
    WARN = "warn"


def train(
    config: Annotated[Path, typer.Argument(help="As chromiq render wrote it.")],
    engine: Annotated[EngineChoice, typer.Option(help="Who trains.")] = EngineChoice.AI_TOOLKIT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and say what would run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train although the check finds errors.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the hub for access to the base model.")
    ] = False,
    on_nan: Annotated[Response, typer.Option(help="When the loss is no number.")] = Response.STOP,
    on_stall: Annotated[Response, typer.Option(help="When nothing is heard for long.")] = Response.WARN,
    stall_minutes: Annotated[float, typer.Option(min=0, help="How long that is; 0 for ever.")] = 30,
    target: Annotated[
        TargetChoice | None, typer.Option(help="Write the job that trains there, instead of training here.")
    ] = None,
    job: Annotated[list[str] | None, JOB_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check a config, then train its LoRA.

    The options on NaN and stalls concern AI-Toolkit; the smoke engine always stops on NaN.
    """
    if target:
        render_for_target(config, target, engine.value, job or (), as_json=as_json)
        return
    from chromiq.progress import notes
    from chromiq.toolkit_configs.launch import execute, plan
    from chromiq.toolkit_configs.runs.view import run_view
    from chromiq.toolkit_configs.trainer.output import Limits

    with notes("train") as note:
        planned = plan(config, engine.value, resume=resume, force=force, offline=offline, note=note)
    print_findings(planned.findings)
    if dry_run:
        if as_json:
            print_json(planned.as_dict())
        else:
            print_line(planned.summary)
        return
    if engine is EngineChoice.SMOKE:
        say("the smoke engine is for smoke runs on tiny checkpoints; it proves the plumbing, not the quality")
    limits = Limits(on_nan is Response.STOP, stall_minutes * 60, on_stall is Response.STOP)
    with run_view() as show:
        final = execute(planned, limits=limits, on_status=show)
    if as_json:
        print_json({"run": str(final.parent), "lora": str(final)})
    else:
        print_line(str(final))
