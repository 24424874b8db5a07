"""``chromiq evaluate``: every method on a test set, scored side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.models import DEFAULT_MODEL
from chromiq_cli import flags
from chromiq_cli.output import (
    print_findings,
    print_json,
    print_line,
    print_scores,
    say,
)


def evaluate(
    context: typer.Context,
    testset: Annotated[Path, typer.Argument(help="Folder with gt/ and control/, or a dataset.")],
    out: Annotated[Path, typer.Option(help="Folder for images, scores and report.")],
    lora: Annotated[
        list[Path] | None,
        typer.Option(metavar="<path>", help="LoRA to generate with. May be repeated to compare several."),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER", help="Same-named images that another program made. May be repeated."
        ),
    ] = None,
    register: flags.Register = False,
    model: flags.Model = DEFAULT_MODEL,
    checkpoint: flags.Checkpoint = None,
    steps: flags.Steps = None,
    seed: flags.ImageSeed = 42,
    offload: flags.Offload = "none",
    quantize: flags.Quantize = None,
    segmenter: flags.Segmenter = "auto",
    vocabulary: flags.Vocabulary = None,
    detector: flags.Detector = None,
    masker: flags.Masker = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    as_json: flags.Json = False,
) -> None:
    """Correct a test set without a network and with LoRAs, score all of them, and write a report."""
    if not lora:
        flags.refuse_without_lora(context)
    from chromiq.dataset_builder.segmenters.choose import WITHOUT_MODEL_OPTIONS, make_segmenter
    from chromiq.evaluate.compare_methods import Methods, evaluate_testset, named_folders
    from chromiq.evaluate.generate.images import GenerateOptions
    from chromiq.evaluate.score.scores import scores_document
    from chromiq.progress import progress_bar

    generate = GenerateOptions(
        model=model,
        checkpoint=checkpoint,
        steps=steps,
        seed=seed,
        loading=flags.loading(device, dtype, offload, quantize),
    )
    methods = Methods(
        loras=lora or [],
        outputs=named_folders(outputs or []),
        register=register,
        options=generate,
    )
    if lora and segmenter in WITHOUT_MODEL_OPTIONS:
        device, dtype = "auto", "auto"  # they are the LoRA's
    chosen = make_segmenter(segmenter, flags.model_options(vocabulary, detector, masker, device, dtype))
    if segmenter == "auto":
        say(f"segmenter: {chosen.name}")
    with progress_bar("evaluate") as update:
        result = evaluate_testset(testset, out, chosen, methods, on_progress=update)
    print_findings(result.warnings)
    for column, reasons in result.left_alone.items():
        for name, reason in reasons.items():
            say(f"{column}: {name} was left alone: {reason}")
    if as_json:
        print_json({**scores_document(result.scores), "report": str(result.report)})
    else:
        print_scores(result.scores, result.titles)
        print_line(str(result.report))
