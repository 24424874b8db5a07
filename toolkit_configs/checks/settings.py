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
from typing import Any

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
    found = list(_process_findings(job))
    for index, dataset in enumerate(process.datasets):
        found += _dataset_findings(dataset, f"datasets.{index}.")
    found += _train_findings(process, model_of_arch(process.model.arch))
    found += _model_findings(process)
    found += _sample_findings(process, trained_edit_model(process))
    return [each.within(where) for each in found]


def _warn(key: str, message: str, hint: str, severity: Severity = "warning") -> Finding:
    return Finding("config.setting", key, message, hint, severity)


def _process_findings(job: Job) -> Iterator[Finding]:
    if (count := len(job.document["config"]["process"])) > 1:
        message = (
            f"{count} processes, all saved under one name, of which only the first is checked and watched"
        )
        yield Finding("config.process", "config.process", message, "Write a config for each.", "warning")
    if job.process.save.push_to_hub:
        message = "the trainer uploads the result with its own model card, whose licence may be wrong"
        hint = "Set it to false, and publish the checkpoint you choose with 'chromiq publish'."
        yield _warn("save.push_to_hub", message, hint)


def _dataset_findings(dataset: Dataset, prefix: str) -> Iterator[Finding]:
    for key in ("mask_min_value", "caption_dropout_rate"):
        if not 0 <= getattr(dataset, key) <= 1:
            yield _warn(prefix + key, f"{getattr(dataset, key)} is outside 0..1", "Lower it.")
    size, times = Counter(dataset.resolution).most_common(1)[0]
    if times > 1:
        message = f"{size} is listed {times} times, so each image trains {times} times at that size"
        hint = "Write it once; a list holds several sizes, not width and height."
        yield _warn(f"{prefix}resolution", message, hint)
    for key, message in _ON_PAIRS.items() if dataset.control_paths else ():
        if getattr(dataset, key):
            yield _warn(prefix + key, message, _HINTS.get(key, "Remove it."))


def _train_findings(process: Process, model: EditModel | None) -> Iterator[Finding]:
    train, network = process.train, process.network
    extra = train.model_extra or {}
    start = extra.get("start_step") or 0
    if train.steps <= (start if isinstance(start, int) else 0):
        after = f" from start_step {start} on" if start else ""
        yield _warn("train.steps", f"{train.steps} steps{after} train nothing", "Raise it.")
    cached = bool(process.datasets) and all(each.cache_text_embeddings for each in process.datasets)
    if train.unload_text_encoder and not (train.cache_text_embeddings or cached):
        message = "the captions are ignored: every step trains with the trigger word or a blank prompt"
        yield _warn("train.unload_text_encoder", message, "Set cache_text_embeddings: true instead.")
    if not train.train_unet and not train.train_text_encoder:
        severity: Severity = "error" if model else "warning"
        yield _warn("train.train_unet", "nothing is trained", "Set it to true.", severity)
    if model:
        if (scheduler := train.noise_scheduler) != "flowmatch":
            message = f"{scheduler!r} is not how {model.name} was trained"
            yield _warn("train.noise_scheduler", message, "Set it to flowmatch; this model knows no other.")
        if _draws_samples(process) and (sampler := process.sample.sampler) != "flowmatch":
            message = f"{sampler!r} is not how {model.name} was trained"
            yield _warn("sample.sampler", message, "Set it to flowmatch, like train.noise_scheduler.")
        if network is None:
            message = "there is no LoRA, so the whole base model is trained"
            hint = "Add a network, as 'chromiq render' writes it, unless that is intended."
            yield Finding("config.network", "network", message, hint, "warning")
    if not train.optimizer.lower().startswith(_RATELESS):
        hint = "it, to 1e-4 for a start."
        if train.lr > _MOST_RATE:
            yield _warn("train.lr", f"{train.lr:g} is very high for {train.optimizer}", f"Lower {hint}")
        if network and train.lr < _LEAST_LORA_RATE:
            message = f"{train.lr:g} hardly changes a LoRA (AI-Toolkit takes 1e-06 where lr is missing)"
            yield _warn("train.lr", message, f"Raise {hint}")
    if model and extra.get("validation_config"):
        message = "the validation loss is computed without the controls"
        yield _warn("train.validation_config", message, "Remove it; 'chromiq sweep' compares checkpoints.")


def _model_findings(process: Process) -> Iterator[Finding]:
    model = process.model
    for key in model.model_kwargs:
        if key != "match_target_res" and (near := get_close_matches(key, ["match_target_res"], n=1)):
            message = "the model does not read this key"
            where = f"model.model_kwargs.{key}"
            yield Finding("config.key", where, message, f"Did you mean {near[0]}?", "warning")
    named = model_of_hub_id(model.name_or_path)
    if named and model.trainer_arch != named.arch.split(":")[0]:
        message = f"{model.name_or_path} is not a {model.arch} model, so it cannot be loaded"
        yield Finding("config.arch", "model.arch", message, f"Set it to {named.arch}, or name another model.")


def _sample_findings(process: Process, model: EditModel | None) -> Iterator[Finding]:
    """Samples whose controls are missing, or under a key that the model does not read."""
    for index, each in enumerate(process.sample.samples if _draws_samples(process) else ()):
        place, given = f"sample.samples.{index}", each.control_images
        for key, path in given.items():
            if not os.path.isfile(path):  # noqa: PTH113
                message = f"no file {path}" if path else "names no file"
                yield Finding("config.sample", f"{place}.{key}", message, "Fix the path.")
        if model is None:
            continue
        wanted = {"ctrl_img_1", "ctrl_img_2"} if model.has_reference else {"ctrl_img"}
        # The trainer takes ctrl_img for ctrl_img_1 where that is missing.
        missing = sorted(wanted - {*given, *({"ctrl_img_1"} if "ctrl_img" in given else ())})
        if missing:
            names = " and ".join(missing)
            message = f"{names} missing, so the sample does not show what the model is used for"
            yield Finding("config.sample", place, message, "Add the control images.", "warning")


def _draws_samples(process: Process) -> bool:
    sample = process.sample
    return bool(sample.sample_every and sample.samples) and not process.train.disable_sampling


def edit_model_findings(job: Job, where: str) -> list[Finding]:
    """What is wrong with a job for the edit model that it trains; nothing for a model without an entry."""
    model = model_of_arch(job.process.model.arch)
    if model is None:
        return []
    found = [*_unused_findings(job.process, model), *_batch_findings(job.process, model)]
    return [each.within(where) for each in found]


def trained_edit_model(process: Process) -> EditModel | None:
    """The edit model that a process trains to edit; None if it trains it to make images from text alone."""
    model = model_of_arch(process.model.arch)
    edits = _has_controls(process) or process.model.model_kwargs.get("edit")
    return None if model and model.makes_from_text and not edits else model


def _has_controls(process: Process) -> bool:
    return any(dataset.control_paths for dataset in process.datasets)


def _unused_findings(process: Process, model: EditModel) -> Iterator[Finding]:
    """What the model does not take as written: controls, the text encoder's precision, the LoRA's alpha."""
    settings, network = process.model, process.network
    off: dict[str, Any] = {"wanted": "true", "got": "false"}
    key = "model.model_kwargs.edit"
    if key in model.needs and _has_controls(process) and not settings.model_kwargs.get("edit"):
        message = f"off, so {model.name} is not shown the controls"
        yield Finding("config.edit", key, message, f"Set {key} to true.", **off)
    key = "train.cache_text_embeddings"
    if model.must_cache_text and not process.train.cache_text_embeddings:
        message = (
            f"off, so {model.arch} trains on controls shrunk to 384x384 pixels, and fails with a batch of 2"
        )
        yield Finding("config.text_cache", key, message, f"Set {key} to true.", **off)
    own, used = settings.qtype_te, settings.qtype
    if model.text_encoder_qtype == "qtype" and settings.quantize_te and own != used:
        message = f"{own} is not used: {model.arch} quantises its text encoder to model.qtype, {used}"
        hint = "Set model.qtype_te to the same value, or change model.qtype."
        yield Finding("config.qtype_te", "model.qtype_te", message, hint, "warning", wanted=used, got=own)
    if network and network.linear_alpha != network.linear:
        rank, alpha = str(network.linear), f"{network.linear_alpha:g}"
        message = f"{alpha} is not used: for {model.arch}, AI-Toolkit takes the rank in its place"
        hint = f"Set it to {rank}, or change network.linear."
        where = "network.linear_alpha"
        yield Finding("config.alpha", where, message, hint, "warning", wanted=rank, got=alpha)


def _batch_findings(process: Process, model: EditModel) -> Iterator[Finding]:
    """Batches that the trainer cannot take: of controls of several shapes, or any at all."""
    size = process.train.batch_size
    hint = f"Set train.batch_size to 1 and train.gradient_accumulation to {size}."

    def fault(message: str) -> Finding:
        return Finding("config.batch", "train.batch_size", message, hint, wanted="1", got=str(size))

    if size < 2 or model.batching == "any":
        return
    if model.batching == "none":
        yield fault(f"{size}, and the trainer's LoRA takes one example at a time with {model.arch}")
        return
    for index, dataset in enumerate(process.datasets):
        for resolution in dataset.resolution:
            if pair := _unlike_pair(dataset, resolution, model):
                yield fault(
                    f"{size}, but {pair[0]} and {pair[1]} of datasets.{index} can share a batch at "
                    f"resolution {resolution} and their controls differ in shape, which stops the trainer"
                )
                break


def _unlike_pair(dataset: Dataset, resolution: int, model: EditModel) -> tuple[str, str] | None:
    """Two targets that are trained at one size while their controls are shown at different ones."""
    if dataset.targets is None:
        return None
    targets, *controls = map(_images_by_stem, (dataset.targets, *map(Path, dataset.control_paths)))
    seen: dict[tuple[int, int], dict[tuple[tuple[int, int], ...], str]] = defaultdict(dict)
    for stem, target in sorted(targets.items()):
        paths = [images[stem] for images in controls if stem in images]
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
