"""Settings under which one edit model trains on something unintended, or fails hours in.

Each was seen in AI-Toolkit at the pinned commit with tiny random weights of the real classes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from chromiq.dataset_builder.canvas.buckets import bucket_size_wh
from chromiq.errors import Finding, UnsoundError
from chromiq.models import EditModel, model_of_arch
from chromiq.photos.images import photo_size_wh
from chromiq.photos.soundness import list_images
from chromiq.toolkit_configs.schema.trainer_job import Job, Process

_REFERENCE_AREA_PX = 1024**2
_QWEN_STEP_PX = 32


def edit_model_findings(job: Job, where: str) -> list[Finding]:
    """What is wrong with a job for the edit model that it trains; nothing for a model without an entry."""
    model = model_of_arch(job.process.model.arch)
    if model is None:
        return []
    return [
        *_edit_findings(job, model, where),
        *_text_findings(job, model, where),
        *_quantisation_findings(job, model, where),
        *_batch_findings(job, model, where),
    ]


def trained_edit_model(process: Process) -> EditModel | None:
    """The edit model that a process trains to edit; None if it trains it to make images from text alone."""
    model = model_of_arch(process.model.arch)
    has_controls = any(dataset.control_paths for dataset in process.datasets)
    if model is None or has_controls or process.model.model_kwargs.get("edit"):
        return model
    return None if model.makes_from_text else model


def _edit_findings(job: Job, model: EditModel, where: str) -> Iterator[Finding]:
    """Controls that the model is not shown, as `edit` is off."""
    wanted = model.settings.get("model.model_kwargs", {}).get("edit", False)
    shown = any(dataset.control_paths for dataset in job.process.datasets)
    if wanted and shown and not job.process.model.model_kwargs.get("edit"):
        yield Finding(
            "config.edit",
            f"{where}: model.model_kwargs.edit",
            f"off, so {model.name} is not shown the controls",
            "Set model.model_kwargs.edit to true.",
            wanted="true",
            got="false",
        )


def _text_findings(job: Job, model: EditModel, where: str) -> Iterator[Finding]:
    if model.must_cache_text and not job.process.train.cache_text_embeddings:
        yield Finding(
            "config.text_cache",
            f"{where}: train.cache_text_embeddings",
            f"off, so {model.arch} trains on controls shrunk to 384x384 pixels, and fails with a batch of 2",
            "Set train.cache_text_embeddings to true.",
            wanted="true",
            got="false",
        )


def _quantisation_findings(job: Job, model: EditModel, where: str) -> Iterator[Finding]:
    settings = job.process.model
    if model.text_encoder_qtype == "qtype" and settings.quantize_te and settings.qtype_te != settings.qtype:
        yield Finding(
            "config.qtype_te",
            f"{where}: model.qtype_te",
            f"{settings.qtype_te} is not used: {model.arch} quantises its text encoder to model.qtype, "
            f"{settings.qtype}",
            "Set model.qtype_te to the same value, or change model.qtype.",
            "warning",
            wanted=settings.qtype,
            got=settings.qtype_te,
        )


def _batch_findings(job: Job, model: EditModel, where: str) -> Iterator[Finding]:
    """Batches that the trainer cannot take: of controls of several shapes, or any at all."""
    batch_size = job.process.train.batch_size
    if batch_size < 2 or model.batching == "any":
        return
    hint = f"Set train.batch_size to 1 and train.gradient_accumulation to {batch_size}."
    if model.batching == "none":
        message = f"{batch_size}, and the trainer's LoRA takes one example at a time with {model.arch}"
        yield Finding(
            "config.batch", f"{where}: train.batch_size", message, hint, wanted="1", got=str(batch_size)
        )
        return
    for index, dataset in enumerate(job.process.datasets):
        if dataset.targets is None:
            continue
        controls = [Path(folder) for folder in dataset.control_paths]
        for resolution in dataset.resolution:
            pair = _unlike_pair(dataset.targets, controls, resolution, model)
            if pair:
                yield Finding(
                    "config.batch",
                    f"{where}: train.batch_size",
                    f"{batch_size}, but {pair[0]} and {pair[1]} of datasets.{index} can share a batch at "
                    f"resolution {resolution} and their controls differ in shape, which stops the trainer",
                    hint,
                    wanted="1",
                    got=str(batch_size),
                )
                break


def _unlike_pair(
    targets: Path, controls: list[Path], resolution: int, model: EditModel
) -> tuple[str, str] | None:
    """Two targets that are trained at one size while their controls are shown at different ones."""
    by_stem = [_images_by_stem(folder) for folder in controls]
    seen: dict[tuple[int, int], dict[tuple[tuple[int, int], ...], str]] = defaultdict(dict)
    for stem, target in sorted(_images_by_stem(targets).items()):
        paths = [folder[stem] for folder in by_stem if stem in folder]
        try:
            bucket_wh = bucket_size_wh(photo_size_wh(target), resolution, model.divisible_by_px)
            shapes = tuple(_shown_wh(photo_size_wh(path), model.divisible_by_px) for path in paths)
        except UnsoundError:
            continue  # reported with the dataset's files
        others = seen[bucket_wh]
        others.setdefault(shapes, stem)
        if len(others) > 1:
            first, second, *_ = others.values()
            return first, second
    return None


def _shown_wh(size_wh: tuple[int, int], divisible_by_px: int) -> tuple[int, int]:
    """The size at which the trainer encodes a control: Qwen scales it to one area, FLUX.2 only down to it."""
    width_px, height_px = size_wh
    scale = math.sqrt(_REFERENCE_AREA_PX / (width_px * height_px))
    if divisible_by_px == _QWEN_STEP_PX:
        sides = [round(side_px * scale / divisible_by_px) for side_px in size_wh]
    else:
        sides = [int(side_px * min(1.0, scale)) // divisible_by_px for side_px in size_wh]
    return sides[0] * divisible_by_px, sides[1] * divisible_by_px


def _images_by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_images(folder)}
