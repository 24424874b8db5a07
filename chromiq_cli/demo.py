"""``chromiq demo``: the whole workflow on drawn photos."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED, install_command
from chromiq_cli import flags
from chromiq_cli.output import print_json, print_line, print_scores, say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    as_json: flags.Json = False,
) -> None:
    """Run the whole workflow on drawn garments: dataset, config, LoRA, sweep, correction, report."""
    from chromiq.evaluate.demo import run_demo
    from chromiq.evaluate.score.scores import scores_document
    from chromiq.progress import progress_bar

    result = run_demo(out, progress_bar)
    found = result.evaluation
    if as_json:
        print_json({**scores_document(found.scores), "report": str(found.report)})
    else:
        print_scores(found.scores, found.titles)
    if result.best_checkpoint and not as_json:
        print_line(result.best_checkpoint)
    if result.lora:
        say(
            "uncorrected: with a simulated colour error; network-free: corrected without a network; my LoRA: "
            "by the LoRA just trained; hybrid: its colour on the photo's texture. The base model is a toy "
            "trained on drawings: it shows that training works, and says nothing about full-size quality."
        )
    if not as_json:
        print_line(str(found.report))
        print_line(f"to look at it in a browser: {shlex.join(['chromiq', 'studio', str(out)])}")
    if result.missing:
        say(
            f"training and generating were skipped, because {', '.join(result.missing)} are not installed. "
            f"Run: {install_command('models')}"
        )
        raise typer.Exit(EXIT_SKIPPED)
