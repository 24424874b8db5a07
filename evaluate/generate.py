"""Inference with a LoRA: every control picture of a folder to an image of its name and its size."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.errors import AccessError, ChromiqError, Finding, UnsoundError, UsageError, raise_findings
from chromiq.files import ensure_output_folder, folder_lock, sha256_file, sha256_text, write_json
from chromiq.images import read_photo, write_photo
from chromiq.progress import silence_model_libraries
from chromiq.records import RgbImage
from dataset_builder.pairs import natural_key
from evaluate.score import find_images

DEFAULT_CHECKPOINT = "black-forest-labs/FLUX.1-Kontext-dev"
_DIVISIBLE_BY = 16
_RECORDS = ".chromiq"


@dataclass(frozen=True)
class GenerateOptions:
    """What decides the images, apart from controls, captions and weights.

    Attributes:
        checkpoint: hub name or folder of the base model.
        steps: denoising steps.
        guidance: guidance scale; 2.5 as published.
        lora_scale: 0 gives the base model's images exactly.
        seed: every image starts from this one, so that an image does not depend on the others.
        device: torch's name; CUDA when there is one, else the CPU.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``; bfloat16 on CUDA unless given.
    """

    checkpoint: str = DEFAULT_CHECKPOINT
    steps: int = 28
    guidance: float = 2.5
    lora_scale: float = 1.0
    seed: int = 42
    device: str | None = None
    dtype: str | None = None


def generate(
    controls: Path,
    out: Path,
    captions: dict[str, str],
    options: GenerateOptions,
    *,
    lora: Path | None = None,
    only: set[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Generate an image for every control; the same call again makes only what is missing or changed.

    Args:
        controls: folder of control pictures, sides multiples of 16.
        out: folder for the images, PNG.
        captions: prompt by file stem.
        options: what decides the images.
        lora: safetensors with diffusers' keys.
        only: stems to generate; all of them without.
        on_progress: called with images done and images in all.

    Raises:
        UnsoundError: if a control has no caption or an unusable size, or the LoRA does not fit.
        AccessError: if the base model is not to be had; it names the page.
    """
    found = find_images(controls)
    names = sorted((name for name in found if only is None or name in only), key=natural_key)
    photos = {name: read_photo(found[name]).rgb for name in names}
    raise_findings(_findings(names, photos, captions, controls), str(controls))
    ensure_output_folder(out)
    pipeline = None
    paths = []
    with folder_lock(out, "chromiq generate"):
        for number, name in enumerate(names, start=1):
            path, record = out / f"{name}.png", out / _RECORDS / f"{name}.json"
            made_of = _fingerprint(found[name], captions[name], options, lora)
            if not _is_finished(path, record, made_of):
                pipeline = pipeline or load_pipeline(options, lora)
                write_photo(path, generate_image(pipeline, photos[name], captions[name], options))
                write_json(record, {"made_of": made_of, "image": sha256_file(path)})
            paths.append(path)
            if on_progress:
                on_progress(number, len(names))
    return paths


def load_pipeline(options: GenerateOptions, lora: Path | None = None) -> Any:
    """The FLUX.1-Kontext pipeline, with a LoRA if given.

    Raises:
        AccessError: if the base model is gated or missing.
        UnsoundError: if the LoRA is no safetensors file or none of its keys fit.
        UsageError: if the model libraries are not installed.
    """
    if lora:
        check_lora(lora)
    try:
        import torch
        from diffusers import FluxKontextPipeline
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise UsageError(
            f"generating needs the model libraries ({error}); pip install 'chromiq[models]'"
        ) from error
    silence_model_libraries()
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = options.dtype or ("bfloat16" if device.startswith("cuda") else "float32")
    try:
        pipeline = FluxKontextPipeline.from_pretrained(
            options.checkpoint, dtype=getattr(torch, dtype), use_safetensors=True
        )
    except (OSError, HfHubHTTPError) as error:
        raise AccessError(
            f"{options.checkpoint}: not on this machine and not to be fetched; accept its licence at "
            f"https://huggingface.co/{options.checkpoint} and set HF_TOKEN, or give --checkpoint FOLDER"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    if lora:
        pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="chromiq")
        if "chromiq" not in pipeline.get_list_adapters().get("transformer", []):
            finding = Finding(
                "lora.keys", str(lora), "keys of this model", "none that fit", "give its own LoRA"
            )
            raise UnsoundError(str(finding), [finding])
        pipeline.set_adapters(["chromiq"], [options.lora_scale])
    return pipeline.to(device)


def generate_image(pipeline: Any, control: RgbImage, caption: str, options: GenerateOptions) -> RgbImage:
    """One image of the control's size.

    Args:
        pipeline: as `load_pipeline` gives it.
        control: ``(H, W, 3)`` uint8 sRGB, sides multiples of 16.
        caption: the prompt.
        options: what decides the image.

    Raises:
        ChromiqError: if the pipeline returned another size; a resized image cannot be measured.
    """
    import torch
    from PIL import Image

    height_px, width_px = control.shape[:2]
    # Without max_area and _auto_resize the pipeline picks another size and says nothing.
    image = pipeline(
        image=Image.fromarray(control),
        prompt=caption,
        width=width_px,
        height=height_px,
        max_area=width_px * height_px,
        _auto_resize=False,
        guidance_scale=options.guidance,
        num_inference_steps=options.steps,
        generator=torch.Generator().manual_seed(options.seed),
    ).images[0]
    if image.size != (width_px, height_px):
        raise ChromiqError(
            f"wanted an image of {width_px}x{height_px}, the pipeline returned {image.width}x{image.height}"
        )
    return np.array(image.convert("RGB"))


def check_lora(path: Path) -> None:
    """Refuse a LoRA that is no safetensors file or holds no number.

    Raises:
        UnsoundError: with the reason.
    """
    from safetensors import SafetensorError, safe_open

    finding = None
    if path.suffix != ".safetensors":
        finding = Finding(
            "lora.format", str(path), "a .safetensors file", path.suffix or "no suffix", "convert it"
        )
    elif not path.is_file():
        finding = Finding("lora.missing", str(path), "a LoRA", "no such file", "check the path")
    else:
        try:
            with safe_open(path, framework="np") as tensors:
                keys = list(tensors.keys())
            if not any(".lora_" in key for key in keys):
                got = keys[0] if keys else "no tensors"
                finding = Finding("lora.keys", str(path), "LoRA weights", got, "give a LoRA")
        except SafetensorError as error:
            finding = Finding(
                "lora.broken", str(path), "a whole safetensors file", f"'{error}'", "copy it again"
            )
    if finding:
        raise UnsoundError(str(finding), [finding])


def read_captions(folder: Path) -> dict[str, str]:
    """Prompts by stem, from the ``NAME.txt`` files of a folder."""
    return {path.stem: path.read_text(encoding="utf-8").strip() for path in sorted(folder.glob("*.txt"))}


def _findings(
    names: list[str], photos: dict[str, RgbImage], captions: dict[str, str], controls: Path
) -> list[Finding]:
    findings = []
    if not names:
        findings.append(
            Finding("generate.empty", str(controls), "control pictures", "none", "check the folder")
        )
    for name in names:
        height_px, width_px = photos[name].shape[:2]
        if height_px % _DIVISIBLE_BY or width_px % _DIVISIBLE_BY:
            wanted, got = f"sides that are multiples of {_DIVISIBLE_BY}", f"{width_px}x{height_px}"
            cure = "build it with a Kontext size; resizing here would move every pixel"
            findings.append(Finding("generate.size", name, wanted, got, cure))
        if not captions.get(name):
            findings.append(
                Finding("generate.caption", name, "a prompt", "none", f"write {name}.txt or --prompt")
            )
    return findings


def _fingerprint(control: Path, caption: str, options: GenerateOptions, lora: Path | None) -> str:
    parts = [sha256_file(control), caption, asdict(options), sha256_file(lora) if lora else None]
    return sha256_text(json.dumps(parts, sort_keys=True))


def _is_finished(path: Path, record: Path, made_of: str) -> bool:
    if not (path.is_file() and record.is_file()):
        return False
    written = json.loads(record.read_text(encoding="utf-8"))
    return bool(written["made_of"] == made_of and written["image"] == sha256_file(path))
