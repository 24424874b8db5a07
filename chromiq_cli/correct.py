"""``chromiq correct``: the on-model photo in the still-life's colour."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_SKIPPED, UsageError
from chromiq.models import DEFAULT_MODEL
from chromiq_cli.build import Geometry
from chromiq_cli.output import IMAGE_SEED_OPTION, JSON_OPTION, MODEL_OPTION, print_json, print_line
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
    masks: Annotated[Path | None, typer.Option(help="With --batch: folder of on_modelN.png.")] = None,
    lora: Annotated[Path | None, typer.Option(help="For lora and hybrid: .safetensors.")] = None,
    model: Annotated[str, MODEL_OPTION] = DEFAULT_MODEL,
    checkpoint: Annotated[str | None, typer.Option(help="Base model: hub name or folder.")] = None,
    geometry: Geometry = "published",
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps; the model's own.")] = None,
    seed: Annotated[int, IMAGE_SEED_OPTION] = 42,
    offload: Annotated[str, typer.Option(help="none, model or sequential: less GPU memory.")] = "none",
    quantize: Annotated[str | None, typer.Option(help="int8 or nf4, by bitsandbytes.")] = None,
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
    if (batch is None) == (still_life is None or on_model is None):
        raise UsageError("wanted either a still-life and an on-model photo or --batch, got neither or both")
    if (method is MethodChoice.TRANSFER) != (lora is None):
        raise UsageError(
            f"--method {method.value}: wanted --lora with lora and hybrid, and only there; mend it"
        )
    if (mask if batch else masks) is not None:
        raise UsageError(
            "wanted --mask with one photo and --masks with --batch, got the other; exchange them"
        )
    from chromiq.correction.batch import correct_batch, correct_one
    from chromiq.dataset_builder.segmenters.choose import make_segmenter
    from chromiq.progress import progress_bar

    where = (device, dtype)
    if lora is not None and segmenter is SegmenterChoice.CLASSIC:
        where = ("auto", DtypeChoice.AUTO)  # they are the network's
    finder = make_segmenter(segmenter.value, model_options(vocabulary, detector, masker, *where))
    network = None
    if lora is not None:
        from chromiq.evaluate.generate.images import GenerateOptions
        from chromiq.evaluate.generate.panels import LoraNetwork
        from chromiq.evaluate.generate.pipelines import loading_of

        chosen = [None if word == "auto" else str(word) for word in (device, dtype.value)]
        options = GenerateOptions(
            model=model, checkpoint=checkpoint, steps=steps, seed=seed,
            loading=loading_of(chosen[0], chosen[1], offload, quantize),
        )  # fmt: skip
        network = LoraNetwork(lora, options, geometry)
    with progress_bar("correct") as update:
        if batch is not None:
            done = correct_batch(
                batch, out, finder, masks=masks, method=method.value, network=network, strength=strength,
                on_progress=update,
            )  # fmt: skip
        else:
            assert still_life is not None
            assert on_model is not None
            done = [
                correct_one(
                    still_life, on_model, out, finder, mask=mask, method=method.value, network=network,
                    strength=strength,
                )
            ]  # fmt: skip
            update(1, 1)
    if as_json:
        print_json({"corrections": [item.as_dict() for item in done]})
    else:
        for item in done:
            print_line(f"{item.out}: {item.reason}; outside the garment {item.outside}")
    if not all(item.applied for item in done):
        raise typer.Exit(EXIT_SKIPPED)
