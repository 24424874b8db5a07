"""``chromiq generate``: control images and a LoRA to generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq.models import DEFAULT_MODEL, find_model
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_result, say


def generate(
    control: Annotated[Path, typer.Option(help="Folder of control images.")],
    out: Annotated[Path, typer.Option(help="Folder for the generated images.")],
    model: flags.Model = DEFAULT_MODEL,
    lora: Annotated[Path | None, typer.Option(help="LoRA as .safetensors.")] = None,
    checkpoint: flags.Checkpoint = None,
    reference: Annotated[
        Path | None, typer.Option(help="Folder of same-named still-lifes, for models that take a reference.")
    ] = None,
    captions: Annotated[Path | None, typer.Option(help="Folder of prompts, NAME.txt for each image.")] = None,
    prompt: Annotated[str | None, typer.Option(help="One prompt for all images.")] = None,
    steps: flags.Steps = None,
    guidance: Annotated[
        float | None, typer.Option(help="Guidance scale; by default the model's own.")
    ] = None,
    lora_scale: Annotated[
        list[float] | None,
        typer.Option(
            metavar="<float>",
            help="Weight of the LoRA; 0 is the base model. May be repeated, for one folder of images each.",
        ),
    ] = None,
    seed: flags.ImageSeed = 42,
    seeds: Annotated[
        Path | None, typer.Option(help='JSON file of seeds for single images, such as {"pair1": 7}.')
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 1,
    device: flags.ImageDevice = "auto",
    dtype: flags.ImageDtype = "auto",
    offload: flags.Offload = "none",
    quantize: flags.Quantize = None,
    as_json: flags.Json = False,
) -> None:
    """Generate an image of the same name and size for every control; the same command again resumes."""
    if (captions is None) == (prompt is None):
        raise UsageError("Pass either --captions or --prompt.")
    from chromiq.evaluate.generate.images import GenerateOptions, read_captions, read_seeds
    from chromiq.evaluate.generate.images import generate as run
    from chromiq.evaluate.score.scores import find_images
    from chromiq.progress import progress_bar

    if reference and not find_model(model).has_reference:
        raise UsageError(f"--reference: {model} takes no reference. Remove the option.")
    if not reference and find_model(model).has_reference:
        say(f"warning: {model} takes the still-life as an image of its own, and no --reference was given")
    scales = lora_scale or [1.0]
    options = GenerateOptions(
        model=model,
        checkpoint=checkpoint,
        steps=steps,
        guidance=guidance,
        lora_scale=scales[0],
        seed=seed,
        seeds=read_seeds(seeds) if seeds else {},
        batch=batch,
        loading=flags.loading(device, dtype, offload, quantize),
    )
    texts = read_captions(captions) if captions else dict.fromkeys(find_images(control), prompt or "")
    with progress_bar("generate, in steps") as update:
        paths = run(
            control,
            out,
            texts,
            options,
            lora=lora,
            references=reference,
            scales=scales if len(scales) > 1 else (),
            on_progress=update,
        )
    line = f"{counted(len(paths), 'image')} in {out}"
    print_result({"images": [str(path) for path in paths]}, line, as_json=as_json)
