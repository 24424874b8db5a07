"""Settings that AI-Toolkit accepts silently although they rarely do what is intended.

What makes the trainer fail is found where the job is read; these are warnings, but for what the models that
chromiq knows cannot do. Rules about pairs hold only where there are controls.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from chromiq.errors import Finding, Severity
from chromiq.models import MODELS, EditModel, model_of_arch
from chromiq.toolkit_configs.checks.edit_models import trained_edit_model
from chromiq.toolkit_configs.schema.trainer_job import Dataset, Job, Process

# These optimizers set their rate themselves and take a factor of about 1 in its place.
_RATELESS = ("prodigy", "dadapt", "automagic")
_MOST_RATE = 0.01
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


def setting_findings(job: Job, where: str) -> list[Finding]:
    """What is questionable about a config's values.

    Args:
        job: as read.
        where: the file's name, for messages.
    """
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
    for key, message in _ON_PAIRS.items():
        if getattr(dataset, key):
            yield _warn(f"{where}.{key}", message, _HINTS.get(key, "Remove it."))


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
