"""An existing config + a chromiq dataset -> the same config, trained on that dataset.

What the config's model needs to see the controls is set too. Everything else stays as it is, in YAML the
comments, the order and the quotes too.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.documents import load_json, load_yaml, read_text
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.models import MODELS, EditModel, model_of_arch, model_of_hub_id
from chromiq.toolkit_configs.render.compose import (
    dataset_paths,
    dataset_samples,
    layout_findings,
    target_size_wh,
    trained_size_wh,
)
from chromiq.toolkit_configs.render.job import substituted
from chromiq.toolkit_configs.render.settings import Setting, assign
from chromiq.toolkit_configs.render.yaml_text import edited_yaml
from chromiq.toolkit_configs.schema.config_file import ConfigLoader, dump_config, is_json_file
from chromiq.toolkit_configs.schema.trainer_job import Job, job_of, name_fault, read_job, rename_run
from chromiq.toolkit_configs.schema.written_keys import KEYS

_NUMBERED = ("control_path_1", "control_path_2", "control_path_3")


@dataclass(frozen=True)
class Adapted:
    """A config after a dataset was put into it, and the unified diff to it; empty if nothing changes."""

    text: str
    diff: str
    findings: tuple[Finding, ...]


def adapt_config(
    config: Path,
    dataset: Path,
    *,
    name: str | None = None,
    training_folder: Path | None = None,
    settings: Sequence[Setting] = (),
    as_json: bool | None = None,
) -> Adapted:
    """Put a dataset into a config: targets, controls, loss masks, captions, samples, what its model needs.

    The first dataset is replaced, with all others of the same folder (such as one for each resolution).

    Args:
        config: YAML or JSON that AI-Toolkit reads; it is not changed.
        name: of the run; kept if not given.
        training_folder: where runs go; kept if not given.
        settings: further values to set, the stronger one last.
        as_json: write JSON or YAML; in the form of the config itself if not given.

    Raises:
        UnsoundError: if AI-Toolkit could not read the config, the dataset is not laid out for its model, or a
            path holds what AI-Toolkit replaces.
        UsageError: if chromiq builds no data for the config's model, or a setting is not known.
    """
    job = read_job(config)
    if not job.trains:
        raise UsageError(
            f"{config}: a process {job.process.type!r} of a job {job.job!r} trains no edit model."
        )
    root = dataset.resolve()
    arch, meant = job.process.model.arch, model_of_hub_id(job.process.model.name_or_path)
    model = model_of_arch(arch)
    if model is None:
        known = ", ".join(dict.fromkeys(each.arch for each in MODELS.values()))
        hint = f"Set it to {meant.arch}." if meant else f"It builds for {known}."
        raise UsageError(
            f"{config}: model.arch {arch} is not an edit model that chromiq builds data for. {hint}"
        )
    raise_findings(layout_findings(root, model), str(dataset))
    if name is not None and (fault := name_fault(name)):
        raise UsageError(f"{name!r} cannot name a run: {fault}")
    placed = {**dataset_paths(root, model), "samples": dataset_samples(root, model)}
    raise_findings(substituted(placed), "paths that AI-Toolkit would change")

    raw = read_text(config, newline="")
    newline = next((end for end in ("\r\n", "\n", "\r") if end in raw), "\n")
    before = raw.replace("\r\n", "\n").replace("\r", "\n")
    from_json = is_json_file(config)
    document = _unshared(load_json(before) if from_json else load_yaml(before, ConfigLoader))
    process = document["config"]["process"][0]
    replaced = _same_datasets(process, job)
    for item in replaced:
        _put_dataset(item, placed)
    if process.get("trigger_word") not in (None, "", TRIGGER_WORD):
        process["trigger_word"] = None  # captions hold their own
    _put_samples(process, placed["samples"], target_size_wh(root), model)
    if name is not None:
        rename_run(document, name)
    if training_folder is not None:
        process["training_folder"] = str(training_folder.resolve())
    for key, value in model.needs.items():
        assign(process, Setting(key, value, None, model.name))
    changed = {key for setting in settings for key in assign(process, setting)}

    findings = [*_alpha_findings(changed, document, config.name)]
    for index, item in enumerate(process["datasets"]):
        stays = not any(item is each for each in replaced)
        if stays and not (kept := job.process.datasets[index]).is_reg:
            message = f"{kept.targets} stays, and is trained on as well"
            hint = "Remove it, unless that is meant."
            if kept.targets is None:
                message, hint = "stays, but names no folder", "Remove it, or set its folder_path."
            where = f"{config.name}: datasets.{index}"
            findings.append(Finding("config.kept", where, message, hint, "warning"))
    if from_json or as_json:
        as_json = from_json if as_json is None else as_json
        after = dump_config(document, as_json=as_json, like=before if from_json else "")
    else:
        edited = edited_yaml(before, document)
        if edited is None:
            message = "its anchors or tags keep it from being changed in place, so its comments are lost"
            findings.append(Finding("config.rewritten", str(config), message, "Check the result.", "warning"))
        after = dump_config(document) if edited is None else edited
    shown = [before, after]
    if from_json and "\n" not in after.strip():
        shown = [dump_config(each, as_json=True) for each in (load_json(before), document)]
    lines = difflib.unified_diff(
        shown[0].splitlines(), shown[1].splitlines(), str(config), f"{config} with {dataset}", lineterm=""
    )
    return Adapted(after.replace("\n", newline), "\n".join(lines), tuple(findings))


def _unshared(value: Any) -> Any:
    """Plain data in which what a YAML alias repeats can be changed on its own."""
    if isinstance(value, dict):
        return {key: _unshared(item) for key, item in value.items()}
    return [_unshared(item) for item in value] if isinstance(value, list) else value


def _alpha_findings(changed: Collection[str], document: Any, where: str) -> Iterator[Finding]:
    """Whether a setting changed the LoRA's rank and left its alpha, which the trainer does not use here."""
    if "network.linear" not in changed or "network.linear_alpha" in changed:
        return
    job, _ = job_of(document, where)
    network = job.process.network if job else None
    if network and network.linear_alpha != network.linear:
        message = f"stays {network.linear_alpha:g}; for this model AI-Toolkit takes the rank in its place"
        hint = f"Set it to {network.linear} as well."
        yield Finding("config.alpha", f"{where}: network.linear_alpha", message, hint, "warning")


def _same_datasets(process: Any, job: Job) -> list[Any]:
    """The datasets that are replaced; one is added if the job has none."""
    if not process.get("datasets"):
        process["datasets"] = [{}]
    read = job.process.datasets
    first = read[0].targets if read else None
    items = process["datasets"]
    return [item for index, item in enumerate(items) if index == 0 or read[index].targets == first]


def _put_dataset(item: Any, placed: Mapping[str, Any]) -> None:
    item.pop("dataset_path", None)  # it would count in place of folder_path
    item["folder_path"] = placed["folder_path"]
    controls = placed["control_path"]
    if any(key in item for key in _NUMBERED):
        # The web interface's form.
        item |= {key: None for key in (*_NUMBERED, "control_path") if key in item}
        item |= dict(zip(_NUMBERED, controls if isinstance(controls, list) else [controls], strict=False))
    else:
        item["control_path"] = deepcopy(controls)
    if placed["mask_path"] is not None:
        item["mask_path"] = placed["mask_path"]
        item.setdefault("mask_min_value", KEYS["datasets.mask_min_value"].published)
    elif item.get("mask_path"):
        item["mask_path"] = None
    item |= {key: False for key in ("invert_mask", "alpha_mask") if item.get(key)}
    if item.get("caption_type"):
        del item["caption_type"]
    if item.get("caption_ext", "txt") not in ("txt", ".txt"):
        item["caption_ext"] = "txt"


def _put_samples(
    process: Any,
    samples: Sequence[Mapping[str, Any]],
    size_wh: tuple[int, int] | None,
    model: EditModel,
) -> None:
    if not samples:
        return
    process["sample"] = sample = process.get("sample") or {}
    paths = [path for each in samples for key, path in each.items() if key != "prompt"]
    flags = not model.has_reference and "samples" not in sample and "prompts" in sample
    if flags and not any("--" in str(path) for path in paths):
        sample["prompts"] = [f"{each['prompt']} --ctrl_img {each['ctrl_img']}" for each in samples]
    else:
        sample.pop("prompts", None)
        sample["samples"] = [{key: each[key] for key in each if each[key] is not None} for each in samples]
    if size_wh:
        sample["width"], sample["height"] = trained_size_wh(size_wh, model)
