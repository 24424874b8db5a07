"""``chromiq train``: a config to a LoRA."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli.output import JSON_OPTION, print_findings, print_json, print_line, say


class EngineChoice(StrEnum):
    """Who trains."""

    AI_TOOLKIT = "ai-toolkit"
    LOCAL = "local"


def train(
    config: Annotated[Path, typer.Argument(help="As chromiq render wrote it.")],
    engine: Annotated[EngineChoice, typer.Option(help="Who trains.")] = EngineChoice.AI_TOOLKIT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and say what would run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train although the check finds errors.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check a config, then train its LoRA."""
    from chromiq.progress import progress_bar
    from toolkit_configs.launch import launch, plan

    if dry_run:
        planned = plan(config, engine.value, resume=resume, force=force)
        print_findings(planned.findings)
        if as_json:
            print_json(planned.as_dict())
        else:
            print_line(planned.summary)
        return
    if engine is EngineChoice.LOCAL:
        say("the local engine is for smoke runs on tiny checkpoints; it proves the plumbing, not the quality")
    with progress_bar("train") as update:
        final = launch(
            config, engine.value, resume=resume, force=force, on_progress=update, on_findings=print_findings
        )
    if as_json:
        print_json({"run": str(final.parent), "lora": str(final)})
    else:
        print_line(str(final))
