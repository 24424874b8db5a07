"""``chromiq sweep``: score every checkpoint of a run on held-out pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED
from chromiq.wording import interval_text
from chromiq_cli import flags
from chromiq_cli.output import (
    print_json,
    print_line,
    print_table,
    say,
)


def sweep(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    testset: Annotated[Path, typer.Option(help="Folder with gt/ and control/, or a dataset.")],
    out: Annotated[Path, typer.Option(help="Folder for sweep.json, curve.png, report.html and the images.")],
    checkpoint: Annotated[str | None, typer.Option(help="Base model, if not the run's own.")] = None,
    steps: flags.Steps = None,
    seed: flags.ImageSeed = 42,
    device: flags.ImageDevice = "auto",
    dtype: flags.ImageDtype = "auto",
    offload: flags.Offload = "none",
    quantize: flags.Quantize = None,
    watch: Annotated[bool, typer.Option("--watch", help="Continue until the run ends.")] = False,
    every_s: Annotated[
        float, typer.Option(min=1, help="With --watch: seconds between looks for new checkpoints.")
    ] = 30,
    as_json: flags.Json = False,
) -> None:
    """Score every checkpoint of a run, plot dE00 against steps, and name the best."""
    if not watch:
        flags.refuse_given(context, ["every_s"], "needs --watch")
    from chromiq.evaluate.sweep import measure_checkpoints, run_options
    from chromiq.progress import progress_bar

    own = run_options(run)
    loading = flags.loading(device, dtype, offload, quantize)
    options = replace(own, checkpoint=checkpoint or own.checkpoint, steps=steps, seed=seed, loading=loading)
    with progress_bar("sweep") as update:
        result = measure_checkpoints(
            run,
            testset,
            out,
            options,
            watch_every_s=every_s if watch else None,
            on_progress=update,
            on_point=lambda point: say(f"{point.checkpoint}: {point.error or f'mean dE00 {point.mean:.3f}'}"),
        )
    if as_json:
        print_json(result.as_dict())
    else:
        rows = [
            [
                point.checkpoint,
                str(point.step),
                f"{point.mean:.3f}",
                interval_text(point.interval, len(point.images), ".3f"),
            ]
            for point in (result.control, *result.measured)
            if point.mean is not None
        ]
        print_table(["checkpoint", "step", "mean dE00", "95 % interval"], rows)
        print_line(result.summary)
        print_line(str(out / "report.html"))
    if result.skipped:
        raise typer.Exit(EXIT_SKIPPED)
