"""Settings that AI-Toolkit accepts silently although they rarely do what is intended.

What makes the trainer fail is found where the job is read; these are warnings, but for what the models that
chromiq knows cannot do. Rules about pairs hold only where there are controls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chromiq.errors import Finding, Severity
from chromiq.models import MODELS, EditModel, model_of_arch
from chromiq.toolkit_configs.checks.edit_models import trained_edit_model
from chromiq.toolkit_configs.schema.trainer_job import Dataset, Job, Process

# These optimizers set their rate themselves and take a factor of about 1 in its place.
_RATELESS = ("prodigy", "dadapt", "automagic")
_MOST_RATE = 0.01
_LEAST_LORA_RATE = 1e-5


@dataclass(frozen=True)
class _Rule:
    key: str
    applies: Callable[[Any], bool]
    message: str
    hint: str


def _not_flowmatch(value: Any) -> bool:
    return bool(value != "flowmatch")


_PAIR_RULES = (
    _Rule("invert_mask", bool, "inverted masks leave out what is white and train what is black",
          "Remove it, unless your masks are black where to train."),
    _Rule("alpha_mask", bool, "the alpha channel of each target is used in place of mask_path", "Remove it."),
    _Rule("random_crop", bool, "each image is trained at random parts of it", "Remove it."),
    _Rule("random_scale", bool, "each image is trained at random parts of it", "Remove it."),
    _Rule("shuffle_tokens", bool, "the parts of captions change places", "Remove it."),
    _Rule("control_from_same_folder", bool, "other targets are shown in place of the controls", "Remove it."),
    _Rule("flip_x", bool, "mirroring swaps left and right, which captions and stitched images name",
          "Set it to false."),
    _Rule("flip_y", bool, "half of the images are trained upside down", "Set it to false."),
    _Rule("is_reg", bool, "regularisation data has its own loss weight and needs other data beside it",
          "Set it to false."),
)  # fmt: skip
_FLOW_RULES = {
    "train.noise_scheduler": "Set it to flowmatch; this model knows no other.",
    "sample.sampler": "Set it to flowmatch, like train.noise_scheduler.",
}


def setting_findings(job: Job, where: str) -> list[Finding]:
    """What is questionable about a config's values.

    Args:
        job: as read.
        where: the file's name, for messages.
    """
    process = job.process
    model = model_of_arch(process.model.arch)
    return [
        *_process_findings(job, where),
        *(found for index, dataset in enumerate(process.datasets)
          for found in _dataset_findings(dataset, f"{where}: datasets.{index}")),
        *_train_findings(process, where, model),
        *_model_findings(process, where),
        *_sample_findings(process, where, trained_edit_model(process)),
    ]  # fmt: skip


def _warn(key: str, message: str, hint: str, severity: Severity = "warning") -> Finding:
    return Finding("config.setting", key, message, hint, severity)


def _process_findings(job: Job, where: str) -> Iterator[Finding]:
    if (count := len(job.document["config"]["process"])) > 1:
        yield Finding(
            "config.process",
            f"{where}: config.process",
            f"{count} processes, all saved under one name, of which only the first is checked and watched",
            "Write a config for each.",
            "warning",
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
    if not dataset.control_paths:
        return
    for rule in _PAIR_RULES:
        if rule.applies(getattr(dataset, rule.key)):
            yield _warn(f"{where}.{rule.key}", rule.message, rule.hint)


def _train_findings(process: Process, where: str, model: EditModel | None) -> Iterator[Finding]:
    train, network = process.train, process.network
    if train.steps < 1:
        yield _warn(f"{where}: train.steps", f"{train.steps} steps train nothing", "Raise it.")
    if train.unload_text_encoder and not (train.cache_text_embeddings or _all_cached(process)):
        yield _warn(
            f"{where}: train.unload_text_encoder",
            "the captions are ignored: every step trains with the trigger word or a blank prompt",
            "Set cache_text_embeddings: true instead.",
        )
    if not train.train_unet and not train.train_text_encoder:
        yield _warn(
            f"{where}: train.train_unet", "nothing is trained", "Set it to true.",
            "error" if model else "warning",
        )  # fmt: skip
    if model:
        for key, hint in _FLOW_RULES.items():
            section, name = key.split(".")
            if section == "sample" and not _draws_samples(process):
                continue
            if _not_flowmatch(value := getattr(getattr(process, section), name)):
                yield _warn(f"{where}: {key}", f"{value!r} is not how {model.name} was trained", hint)
        if network is None:
            yield Finding(
                "config.network",
                f"{where}: network",
                "there is no LoRA, so the whole base model is trained",
                "Add a network, as 'chromiq render' writes it, unless that is intended.",
                "warning",
            )
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
    archs = [spec.arch for spec in MODELS.values() if spec.hub_id == model.name_or_path]
    if archs and model.trainer_arch not in [each.split(":")[0] for each in archs]:
        yield Finding(
            "config.arch",
            f"{where}: model.arch",
            f"{model.name_or_path} is not a {model.arch} model, so it cannot be loaded",
            f"Set it to {archs[0]}, or name another model.",
        )


def _sample_findings(process: Process, where: str, model: EditModel | None) -> Iterator[Finding]:
    """Samples whose controls are missing, or under a key that the model does not read."""
    if not _draws_samples(process):
        return
    for index, each in enumerate(process.sample.samples):
        given = each.control_images
        for key, path in given.items():
            if not Path(path).is_file():
                yield Finding(
                    "config.sample",
                    f"{where}: sample.samples.{index}.{key}",
                    f"no file {path}",
                    "Fix the path.",
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
    return bool(process.sample.sample_every) and not process.train.disable_sampling


def _wanted_controls(model: EditModel) -> set[str]:
    return {"ctrl_img_1", "ctrl_img_2"} if model.has_reference else {"ctrl_img"}
