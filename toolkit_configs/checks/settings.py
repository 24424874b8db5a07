"""Settings that AI-Toolkit accepts silently although they rarely do what is intended.

What makes the trainer fail is found where the job is read; these are warnings, but for what the models that
chromiq knows cannot do. Rules about pairs hold only where there are controls. Those for one edit model were
each seen in AI-Toolkit at the pinned commit with tiny random weights of the real classes.
"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from chromiq.dataset_builder.canvas.buckets import bucket_size_wh
from chromiq.errors import Finding, Severity, UnsoundError
from chromiq.models import EditModel, model_of_arch, model_of_hub_id
from chromiq.photos.images import photo_size_wh
from chromiq.photos.soundness import list_images
from chromiq.toolkit_configs.schema.trainer_job import Dataset, Job, Process

# These optimizers set their rate themselves and take a factor of about 1 in its place.
_RATELESS = ("prodigy", "dadapt", "automagic")
_MOST_RATE = 1e-3
_LEAST_LORA_RATE = 1e-5


_ON_PAIRS = {
    "invert_mask": "inverted masks leave out what is white and train what is black",
    "alpha_mask": "the alpha channel of each target is used in place of mask_path",
    "random_crop": "each image is trained at random parts of it",
    "random_scale": "each image is trained at random parts of it",
    "shuffle_tokens": "the parts of captions change places",
    "control_from_same_folder": "other targets are shown in place of the controls",
    "flip_x": "mirroring swaps left and right, which captions and stitched images name",
    "flip_y": "half of the images are trained upside down",
    "is_reg": "regularisation data has its own loss weight and needs other data beside it",
}
"""Keys of a dataset with controls, and what is wrong with each if it is on."""
_HINTS = {
    "invert_mask": "Remove it, unless your masks are black where to train.",
    **dict.fromkeys(("flip_x", "flip_y", "is_reg"), "Set it to false."),
}
_REFERENCE_AREA_PX = 1024**2
_QWEN_STEP_PX = 32


def setting_findings(job: Job, where: str) -> list[Finding]:
    """What is questionable about a config's values."""
    process = job.process
    model = model_of_arch(process.model.arch)
    findings = list(_process_findings(job, where))
    for index, dataset in enumerate(process.datasets):
        findings += _dataset_findings(dataset, f"{where}: datasets.{index}")
    findings += _train_findings(process, where, model)
    findings += _model_findings(process, where)
    return [*findings, *_sample_findings(process, where, trained_edit_model(process))]


def _warn(key: str, message: str, hint: str, severity: Severity = "warning") -> Finding:
    return Finding("config.setting", key, message, hint, severity)


def _process_findings(job: Job, where: str) -> Iterator[Finding]:
    if (count := len(job.document["config"]["process"])) > 1:
        message = (
            f"{count} processes, all saved under one name, of which only the first is checked and watched"
        )
        yield Finding(
            "config.process", f"{where}: config.process", message, "Write a config for each.", "warning"
        )
    if job.process.save.push_to_hub:
        yield _warn(
            f"{where}: save.push_to_hub",
            "the trainer uploads the result with its own model card, whose licence may be wrong",
            "Set it to false, and publish the checkpoint you choose with 'chromiq publish'.",
        )


def _dataset_findings(dataset: Dataset, where: str) -> Iterator[Finding]:
    if not 0 <= dataset.mask_min_value <= 1:
        yield _warn(f"{where}.mask_min_value", f"{dataset.mask_min_value} is outside 0..1", "Lower it.")
    if not 0 <= dataset.caption_dropout_rate <= 1:
        message = f"{dataset.caption_dropout_rate} is outside 0..1"
        yield _warn(f"{where}.caption_dropout_rate", message, "Lower it.")
    size, times = Counter(dataset.resolution).most_common(1)[0]
    if times > 1:
        message = f"{size} is listed {times} times, so each image trains {times} times at that size"
        hint = "Write it once; a list holds several sizes, not width and height."
        yield _warn(f"{where}.resolution", message, hint)
    if not dataset.control_paths:
        return
    for key, message in _ON_PAIRS.items():
        if getattr(dataset, key):
            yield _warn(f"{where}.{key}", message, _HINTS.get(key, "Remove it."))


def _train_findings(process: Process, where: str, model: EditModel | None) -> Iterator[Finding]:
    train, network = process.train, process.network
    start = (train.model_extra or {}).get("start_step") or 0
    if train.steps <= (start if isinstance(start, int) else 0):
        after = f" from start_step {start} on" if start else ""
        yield _warn(f"{where}: train.steps", f"{train.steps} steps{after} train nothing", "Raise it.")
    if train.unload_text_encoder and not (train.cache_text_embeddings or _all_cached(process)):
        yield _warn(
            f"{where}: train.unload_text_encoder",
            "the captions are ignored: every step trains with the trigger word or a blank prompt",
            "Set cache_text_embeddings: true instead.",
        )
    if not train.train_unet and not train.train_text_encoder:
        severity: Severity = "error" if model else "warning"
        yield _warn(f"{where}: train.train_unet", "nothing is trained", "Set it to true.", severity)
    if model:
        if (scheduler := train.noise_scheduler) != "flowmatch":
            message = f"{scheduler!r} is not how {model.name} was trained"
            hint = "Set it to flowmatch; this model knows no other."
            yield _warn(f"{where}: train.noise_scheduler", message, hint)
        if _draws_samples(process) and (sampler := process.sample.sampler) != "flowmatch":
            message = f"{sampler!r} is not how {model.name} was trained"
            hint = "Set it to flowmatch, like train.noise_scheduler."
            yield _warn(f"{where}: sample.sampler", message, hint)
        if network is None:
            message = "there is no LoRA, so the whole base model is trained"
            hint = "Add a network, as 'chromiq render' writes it, unless that is intended."
            yield Finding("config.network", f"{where}: network", message, hint, "warning")
    if train.lr > _MOST_RATE and not train.optimizer.lower().startswith(_RATELESS):
        message = f"{train.lr:g} is very high for {train.optimizer}"
        yield _warn(f"{where}: train.lr", message, "Lower it, to 1e-4 for a start.")
    if network and train.lr < _LEAST_LORA_RATE and not train.optimizer.lower().startswith(_RATELESS):
        message = f"{train.lr:g} hardly changes a LoRA (AI-Toolkit takes 1e-06 where lr is missing)"
        yield _warn(f"{where}: train.lr", message, "Raise it, to 1e-4 for a start.")
    if model and (train.model_extra or {}).get("validation_config"):
        yield _warn(
            f"{where}: train.validation_config",
            "the validation loss is computed without the controls",
            "Remove it; 'chromiq sweep' compares checkpoints.",
        )


def _all_cached(process: Process) -> bool:
    return bool(process.datasets) and all(each.cache_text_embeddings for each in process.datasets)


def _model_findings(process: Process, where: str) -> Iterator[Finding]:
    model = process.model
    for key in model.model_kwargs:
        if key != "match_target_res" and (near := get_close_matches(key, ["match_target_res"], n=1)):
            yield Finding(
                "config.key",
                f"{where}: model.model_kwargs.{key}",
                "the model does not read this key",
                f"Did you mean {near[0]}?",
                "warning",
            )
    named = model_of_hub_id(model.name_or_path)
    if named and model.trainer_arch != named.arch.split(":")[0]:
        message = f"{model.name_or_path} is not a {model.arch} model, so it cannot be loaded"
        hint = f"Set it to {named.arch}, or name another model."
        yield Finding("config.arch", f"{where}: model.arch", message, hint)


def _sample_findings(process: Process, where: str, model: EditModel | None) -> Iterator[Finding]:
    """Samples whose controls are missing, or under a key that the model does not read."""
    if not _draws_samples(process):
        return
    for index, each in enumerate(process.sample.samples):
        given = each.control_images
        for key, path in given.items():
            if not os.path.isfile(path):  # noqa: PTH113
                message = f"no file {path}" if path else "names no file"
                yield Finding(
                    "config.sample", f"{where}: sample.samples.{index}.{key}", message, "Fix the path."
                )
        if model is None:
            continue
        # The trainer takes ctrl_img for ctrl_img_1 where that is missing.
        have = {*given, *({"ctrl_img_1"} if "ctrl_img" in given else ())}
        missing = sorted(_wanted_controls(model) - have)
        if missing:
            yield Finding(
                "config.sample",
                f"{where}: sample.samples.{index}",
                f"{' and '.join(missing)} missing, so the sample does not show what the model is used for",
                "Add the control images.",
                "warning",
            )


def _draws_samples(process: Process) -> bool:
    sample = process.sample
    return bool(sample.sample_every and sample.samples) and not process.train.disable_sampling


def _wanted_controls(model: EditModel) -> set[str]:
    return {"ctrl_img_1", "ctrl_img_2"} if model.has_reference else {"ctrl_img"}


def edit_model_findings(job: Job, where: str) -> list[Finding]:
    """What is wrong with a job for the edit model that it trains; nothing for a model without an entry."""
    model = model_of_arch(job.process.model.arch)
    if model is None:
        return []
    return [
        *_unused_findings(job, model, where),
        *_batch_findings(job, model, where),
    ]


def trained_edit_model(process: Process) -> EditModel | None:
    """The edit model that a process trains to edit; None if it trains it to make images from text alone."""
    model = model_of_arch(process.model.arch)
    has_controls = any(dataset.control_paths for dataset in process.datasets)
    if model is None or has_controls or process.model.model_kwargs.get("edit"):
        return model
    return None if model.makes_from_text else model


def _unused_findings(job: Job, model: EditModel, where: str) -> Iterator[Finding]:
    """What the model does not take as written: controls, the text encoder's precision, the LoRA's alpha."""
    settings = job.process.model
    wanted = "model.model_kwargs.edit" in model.needs
    shown = any(dataset.control_paths for dataset in job.process.datasets)
    if wanted and shown and not settings.model_kwargs.get("edit"):
        message = f"off, so {model.name} is not shown the controls"
        hint = "Set model.model_kwargs.edit to true."
        yield Finding(
            "config.edit", f"{where}: model.model_kwargs.edit", message, hint, wanted="true", got="false"
        )
    if model.must_cache_text and not job.process.train.cache_text_embeddings:
        yield Finding(
            "config.text_cache",
            f"{where}: train.cache_text_embeddings",
            f"off, so {model.arch} trains on controls shrunk to 384x384 pixels, and fails with a batch of 2",
            "Set train.cache_text_embeddings to true.",
            wanted="true",
            got="false",
        )
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
    network = job.process.network
    if network and network.linear_alpha != network.linear:
        yield Finding(
            "config.alpha",
            f"{where}: network.linear_alpha",
            f"{network.linear_alpha:g} is not used: for {model.arch}, AI-Toolkit takes the rank in its place",
            f"Set it to {network.linear}, or change network.linear.",
            "warning",
            wanted=str(network.linear),
            got=f"{network.linear_alpha:g}",
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
