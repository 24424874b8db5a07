"""``chromiq correct``: the on-model photo in the still-life's colour."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED, UsageError
from chromiq_cli.output import JSON_OPTION, print_json, print_line
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


class MethodChoice(StrEnum):
    """How the colour is found."""

    TRANSFER = "transfer"
    LORA = "lora"
    HYBRID = "hybrid"


def correct(
    still_life: Annotated[Path | None, typer.Argument(help="The photo whose colour is right.")] = None,
    on_model: Annotated[Path | None, typer.Argument(help="The photo to correct.")] = None,
    out: Annotated[Path | None, typer.Option(help="The corrected photo, or a folder with --batch.")] = None,
    batch: Annotated[Path | None, typer.Option(help="Folder or CSV of pairs, instead of two photos.")] = None,
    method: Annotated[MethodChoice, typer.Option(help="How the colour is found.")] = MethodChoice.TRANSFER,
    mask: Annotated[Path | None, typer.Option(help="Where the garment is: white on it, same size.")] = None,
    strength: Annotated[float, typer.Option(min=0, max=1, help="0 changes nothing.")] = 1.0,
    segmenter: Segmenter = SegmenterChoice.AUTO,
    vocabulary: Vocabulary = None,
    detector: Detector = None,
    masker: Masker = None,
    device: Device = "auto",
    dtype: Dtype = DtypeChoice.AUTO,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Give the garment on a model the colour of its still-life; nothing else changes."""
    if out is None:
        raise UsageError("wanted --out, got none; say where the result goes")
    if method is not MethodChoice.TRANSFER:
        raise UsageError(f"--method {method.value} is not built yet; use --method transfer")
    if (batch is None) == (still_life is None or on_model is None):
        raise UsageError("wanted either a still-life and an on-model photo or --batch, got neither or both")
    from chromiq.progress import progress_bar
    from dataset_builder.segmenters.choose import make_segmenter
    from evaluate.correct import correct_batch, correct_file

    finder = make_segmenter(segmenter.value, model_options(vocabulary, detector, masker, device, dtype))
    if batch is not None:
        if mask is not None:
            raise UsageError("--mask goes with one photo, not with --batch; leave it out")
        with progress_bar("correct") as update:
            done = correct_batch(batch, out, finder, strength=strength, on_progress=update)
    else:
        assert still_life is not None
        assert on_model is not None
        done = [correct_file(still_life, on_model, out, finder, mask=mask, strength=strength)]
    if as_json:
        print_json({"corrections": [item.as_dict() for item in done]})
    else:
        for item in done:
            print_line(f"{item.out}: {item.reason}")
    if not all(item.applied for item in done):
        raise typer.Exit(EXIT_SKIPPED)
