"""``chromiq build``: photo pairs to training data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED
from chromiq.models import DEFAULT_MODEL
from chromiq_cli.output import JSON_OPTION, MODEL_OPTION, print_findings, print_json, print_line, say
from chromiq_cli.segmenters import (
    Detector,
    Device,
    Dtype,
    DtypeChoice,
    Masker,
    Segmenter,
    SegmenterChoice,
    Vocabulary,
    model_options,
)


class DegradationChoice(StrEnum):
    """How colours are put off."""

    PUBLISHED = "published"
    PERCEPTUAL = "perceptual"


class GeometryChoice(StrEnum):
    """How photos are laid out."""

    PUBLISHED = "published"
    EXACT = "exact"


class LossMaskChoice(StrEnum):
    """Which pixels train."""

    AUTO = "auto"
    HALF = "half"
    PANEL = "panel"
    GARMENT = "garment"


class EngineChoice(StrEnum):
    """Where the pairs are built."""

    LOCAL = "local"
    RAY = "ray"


def build(
    pairs: Annotated[Path, typer.Argument(help="Folder of still-lifeN and on_modelN photos, or a CSV.")],
    out: Annotated[Path, typer.Option(help="The dataset to write; the same command again resumes.")],
    model: Annotated[str, MODEL_OPTION] = DEFAULT_MODEL,
    segmenter: Segmenter = SegmenterChoice.AUTO,
    garments: Annotated[Path | None, typer.Option(help="Labels you give, as garments.json.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Masks you drew, on_modelN.png; they win.")] = None,
    degradation: Annotated[
        DegradationChoice, typer.Option(help="How colours are put off.")
    ] = DegradationChoice.PERCEPTUAL,
    geometry: Annotated[GeometryChoice, typer.Option(help="How photos are laid out.")] = GeometryChoice.EXACT,
    loss_mask: Annotated[LossMaskChoice, typer.Option(help="Which pixels train.")] = LossMaskChoice.AUTO,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Canvas of the exact geometry, e.g. 1328x800.")
    ] = None,
    variants: Annotated[int, typer.Option(min=1, help="Different colour errors for each pair.")] = 1,
    identity_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of examples whose colours are left true.")
    ] = 0.0,
    held_out: Annotated[float, typer.Option(min=0, max=0.9, help="Share of garments not trained on.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; they do not change a byte.")] = 2,
    engine: Annotated[EngineChoice, typer.Option(help="Where the pairs are built.")] = EngineChoice.LOCAL,
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="With ray: the part of a GPU that each worker takes.")
    ] = 0.0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unsound pairs out; exit 3.")] = False,
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Keep pairs too whose mask is likely wrong, see review/.")
    ] = False,
    vocabulary: Vocabulary = None,
    detector: Detector = None,
    masker: Masker = None,
    device: Device = "auto",
    dtype: Dtype = DtypeChoice.AUTO,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Make training data of photo pairs: labels, masks, colour errors, stitched pictures, captions."""
    from chromiq.dataset_builder.build import build as run
    from chromiq.dataset_builder.canvas.buckets import parse_size
    from chromiq.dataset_builder.options import BuildOptions
    from chromiq.progress import progress_bar

    options = BuildOptions(
        model=model,
        segmenter=segmenter.value,
        degradation=degradation.value,
        geometry=geometry.value,
        loss_mask=loss_mask.value,
        size_wh=parse_size(size) if size else None,
        variants=variants,
        identity_share=identity_share,
        held_out=held_out,
        seed=seed,
        models=model_options(vocabulary, detector, masker, device, dtype),
    )
    summary = run(
        pairs, out, options, garments=garments, masks=masks, workers=workers, skip_bad=skip_bad,
        keep_doubtful=keep_doubtful, stage=progress_bar, engine=engine.value, gpus_per_worker=gpus_per_worker,
    )  # fmt: skip
    if segmenter is SegmenterChoice.AUTO:
        say(f"segmenter: {summary.segmenter}")
    print_findings(summary.findings)
    if as_json:
        print_json(
            {
                "dataset": str(summary.folder),
                "examples": summary.examples,
                "resumed_pairs": summary.resumed,
                "segmenter": summary.segmenter,
                "findings": [finding.as_dict() for finding in summary.findings],
            }
        )
    else:
        print_line(f"{summary.examples} examples in {summary.folder}")
    if any(finding.severity == "error" for finding in summary.findings):
        raise typer.Exit(EXIT_SKIPPED)
