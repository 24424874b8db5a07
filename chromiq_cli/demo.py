"""``chromiq demo``: the whole way on drawn photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED
from chromiq_cli.output import JSON_OPTION, print_json, print_line, print_scores, say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that is made.")] = Path("demo"),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Run the whole way on the drawn sample catalogue: dataset, config, LoRA, correction, report."""
    from chromiq.evaluate.demo import run_demo
    from chromiq.evaluate.score.summary import scores_document
    from chromiq.progress import progress_bar

    result = run_demo(out, progress_bar)
    if as_json:
        print_json({**scores_document(result.scores), "report": str(result.report)})
    else:
        print_scores(result.scores)
    if result.lora:
        say(
            "control: colour put off; transfer: corrected without a network; generated: a tiny random model "
            "trained for seconds, which proves the plumbing and says nothing about quality"
        )
    if not as_json:
        print_line(str(result.report))
    if result.missing:
        say(
            f"training and generating were left out: {', '.join(result.missing)} not installed; "
            "pip install 'chromiq[models]' brings them"
        )
        raise typer.Exit(EXIT_SKIPPED)
