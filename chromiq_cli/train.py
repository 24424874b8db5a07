"""``chromiq train``: a config to a LoRA."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq_cli.output import JSON_OPTION, print_json, print_line, say


class EngineChoice(StrEnum):
    """Who trains."""

    AI_TOOLKIT = "ai-toolkit"
    LOCAL = "local"


def train(
    config: Annotated[Path, typer.Argument(help="As chromiq render wrote it.")],
    engine: Annotated[EngineChoice, typer.Option(help="Who trains.")] = EngineChoice.AI_TOOLKIT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and say what would run.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train the LoRA of a config."""
    from toolkit_configs.jobs import read_job

    job = read_job(config)
    if engine is EngineChoice.AI_TOOLKIT:
        raise UsageError(
            "--engine ai-toolkit is not built yet; bring the trainer with "
            "'git submodule update --init vendor/ai-toolkit' and run 'python run.py CONFIG' in its folder, "
            "or use --engine local for a tiny checkpoint"
        )
    from chromiq.progress import progress_bar
    from toolkit_configs.engines.local import find_examples
    from toolkit_configs.engines.local import train as run

    examples = find_examples(job)
    if dry_run:
        print_line(f"{len(examples)} examples, {job.process.train.steps} steps, into {job.run_folder}")
        return
    say("the local engine is for smoke runs on tiny checkpoints; it proves the plumbing, not the quality")
    with progress_bar("train") as update:
        result = run(job, resume=resume, on_progress=update)
    if as_json:
        print_json(
            {
                "run": str(result.run_folder),
                "lora": str(result.final_checkpoint),
                "steps": result.steps,
                "last_loss": result.losses[-1] if result.losses else None,
            }
        )
    else:
        print_line(str(result.final_checkpoint))
