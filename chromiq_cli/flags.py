"""Flags that several verbs have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chromiq import models
from chromiq.errors import UsageError
from chromiq.models import MODELS

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.choose import ModelOptions
    from chromiq.evaluate.generate.pipelines import Loading

_MEMORY = "GPU memory of the edit model"
_DEVICE_HELP = "Such as cuda or cpu; auto uses a GPU if there is one."
_DTYPE_HELP = "Precision; auto is half precision on a GPU."

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the hub for access to the base model.")]

Model = Annotated[str, typer.Option(help=f"Edit model: {', '.join(MODELS)}.")]
Checkpoint = Annotated[str | None, typer.Option(help="Base model: hub name or folder.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Denoising steps; by default the model's own.")]
ImageSeed = Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Random seed for each generated image.")]
ImageDevice = Annotated[str, typer.Option(help=_DEVICE_HELP)]
ImageDtype = Annotated[Literal["auto", models.Dtype], typer.Option(help=_DTYPE_HELP)]
Register = Annotated[
    bool, typer.Option("--register", help="Align shifted or resized images with the truth first.")
]

Offload = Annotated[
    models.Offload,
    typer.Option(
        help="model: one part on the GPU at a time; sequential: one layer, slower.", rich_help_panel=_MEMORY
    ),
]
Quantize = Annotated[
    models.Quantization | None,
    typer.Option(help="Load the weights in 8 or 4 bit, by bitsandbytes.", rich_help_panel=_MEMORY),
]

WORKERS_HELP = "Worker processes; the result does not depend on their number."
_MODELS = "Models of the segmenters grounded-sam2 and sam3"

Segmenter = Annotated[
    Literal["auto", "grounded-sam2", "sam3", "mediapipe", "classic"],
    typer.Option(
        help="How the garment is found; auto takes the best method whose weights are on this machine."
    ),
]
Part = Annotated[
    Literal["upper", "lower", "full"] | None,
    typer.Option(
        help="Where the garments are worn, regardless of their names; for still-lifes that show a set."
    ),
]
Vocabulary = Annotated[
    str | None,
    typer.Option(help="Garment names to choose from, separated by commas.", rich_help_panel=_MODELS),
]
Detector = Annotated[
    str | None,
    typer.Option(help="Grounding DINO: hub name, name@revision or folder.", rich_help_panel=_MODELS),
]
Masker = Annotated[
    str | None,
    typer.Option(help="SAM 2.1 or SAM 3: hub name, name@revision or folder.", rich_help_panel=_MODELS),
]
Device = Annotated[str, typer.Option(help=_DEVICE_HELP, rich_help_panel=_MODELS)]
Dtype = Annotated[Literal["auto", models.Dtype], typer.Option(help=_DTYPE_HELP, rich_help_panel=_MODELS)]


def model_options(
    vocabulary: str | None, detector: str | None, masker: str | None, device: str, dtype: str
) -> ModelOptions:
    """The options of models as the segmenters take them.

    Raises:
        UsageError: if the vocabulary is not a list of words.
    """
    from chromiq.dataset_builder.inputs.labels import PUBLISHED_VOCABULARY, parse_vocabulary
    from chromiq.dataset_builder.segmenters.choose import ModelOptions

    words = PUBLISHED_VOCABULARY if vocabulary is None else parse_vocabulary(vocabulary)
    return ModelOptions(words, detector, masker, device, dtype)


def loading(
    device: str,
    dtype: Literal["auto", models.Dtype],
    offload: models.Offload,
    quantize: models.Quantization | None,
) -> Loading:
    """The options of an edit model as `load_pipeline` takes them."""
    from chromiq.evaluate.generate.pipelines import Loading

    where = None if device == "auto" else device
    return Loading(where, None if dtype == "auto" else dtype, offload, quantize)


def refuse_without_lora(context: typer.Context) -> None:
    """Refuse options of an edit model on the command line where nothing is generated.

    Raises:
        UsageError: naming the first that was given.
    """
    names = ("model", "checkpoint", "geometry", "caption", "steps", "seed", "offload", "quantize")
    refuse_given(context, names, "has no effect without --lora. Pass a LoRA, or leave the option out.")


def refuse_given(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Refuse options on the command line that would do nothing there.

    Raises:
        UsageError: naming the first that was given.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} {why}")
