"""``chromiq generate``: control pictures and a LoRA to images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq_cli.output import JSON_OPTION, print_json, print_line


def generate(
    control: Annotated[Path, typer.Option(help="Folder of control pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")],
    model: Annotated[str, typer.Option(help="kontext.")] = "kontext",
    lora: Annotated[Path | None, typer.Option(help="LoRA as .safetensors.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Base model: hub name or folder.")] = None,
    captions: Annotated[Path | None, typer.Option(help="Folder of NAME.txt prompts.")] = None,
    prompt: Annotated[str | None, typer.Option(help="One prompt for all pictures.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 28,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 2.5,
    lora_scale: Annotated[float, typer.Option(help="0 is the base model.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of every image.")] = 42,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Generate an image for every control picture, of its name and its size."""
    if model != "kontext":
        raise UsageError(f"--model {model}: wanted kontext, the only model that generates so far; choose it")
    if (captions is None) == (prompt is None):
        raise UsageError("wanted either --captions or --prompt, got neither or both; give one")
    from chromiq.progress import progress_bar
    from evaluate.generate import GenerateOptions, read_captions
    from evaluate.generate import generate as run
    from evaluate.score import find_images

    options = GenerateOptions(steps=steps, guidance=guidance, lora_scale=lora_scale, seed=seed)
    if checkpoint:
        options = GenerateOptions(
            checkpoint=checkpoint, steps=steps, guidance=guidance, lora_scale=lora_scale, seed=seed
        )
    texts = read_captions(captions) if captions else dict.fromkeys(find_images(control), prompt or "")
    with progress_bar("generate") as update:
        paths = run(control, out, texts, options, lora=lora, on_progress=update)
    if as_json:
        print_json({"images": [str(path) for path in paths]})
    else:
        print_line(f"{len(paths)} images in {out}")
