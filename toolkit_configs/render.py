"""A dataset, a model and a preset -> the text of AI-Toolkit's config, parsed back and compared."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.templating import template_environment
from dataset_builder.captions import uses_reference
from toolkit_configs.jobs import Config, Dataset, Job, Process
from toolkit_configs.presets import MODELS, PRESETS, check_model

# AI-Toolkit replaces ${NAME} in the raw text and [name] in every value: neither can be written literally.
_SUBSTITUTED = re.compile(r"\$\{|\[name\]")
_SAMPLES = 2


class _OneLine(yaml.SafeDumper):
    """Writes text in double quotes. JSON would not do: YAML reads its 1e-05 and its emojis otherwise."""


_OneLine.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def render_job(
    model: str,
    dataset: Path,
    *,
    preset: str = "published",
    name: str = "chromiq_v1",
    training_folder: Path | None = None,
    overrides: Mapping[str, str] | None = None,
) -> str:
    """The text of a config file.

    Args:
        model: one of `toolkit_configs.presets.MODELS`.
        dataset: as `chromiq build` made it.
        preset: one of `toolkit_configs.presets.PRESETS`.
        name: of the run; its checkpoints are named after it.
        training_folder: where runs go; ``runs`` beside the dataset if not given.
        overrides: dotted key within the process, such as ``"train.lr"``, to a YAML value.

    Raises:
        UsageError: if the model, preset or an overridden key is not known, or a value does not fit.
        UnsoundError: if a value holds what AI-Toolkit would replace.
    """
    job = make_job(model, dataset, preset, name, training_folder or dataset.parent / "runs")
    for key, value in (overrides or {}).items():
        set_value(job.process, key, value)
    findings = _substituted(job.model_dump())
    if findings:
        raise UnsoundError(f"{len(findings)} values that AI-Toolkit would change", findings)
    return render_text(job, model)


def render_text(job: Job, model: str) -> str:
    """The text of a job, which when parsed equals it.

    Raises:
        AssertionError: if it does not; that is a fault of the template, not of the user.
    """
    document = job.model_dump()
    environment = template_environment(html=False)
    environment.filters.update(yaml_value=_yaml_value, yaml_key=_yaml_key)
    text = environment.get_template(f"{model}.yaml.j2").render(job=document)
    parsed = yaml.safe_load(text)
    if parsed != document:
        raise AssertionError(f"{model}.yaml.j2 does not render what it was given; please report this")
    return text


def make_job(model: str, dataset: Path, preset: str, name: str, training_folder: Path) -> Job:
    """The typed job of a dataset, a model and a preset.

    Raises:
        UsageError: if the model or preset is not known.
    """
    check_model(model)
    if preset not in PRESETS:
        raise UsageError(f"{preset}: wanted a preset, one of {', '.join(PRESETS)}; choose one of these")
    root = dataset.resolve()
    control: str | list[str] = str(root / "control")
    if uses_reference(model):
        control = [str(root / "control"), str(root / "reference")]
    process = Process(
        training_folder=str(training_folder.resolve()),
        sqlite_db_path=str(training_folder.resolve() / "aitk_db.db"),
        datasets=[Dataset(folder_path=str(root / "gt"), control_path=control, mask_path=str(root / "masks"))],
    )
    process.sample.samples = _samples(root, model)
    for key, value in {**MODELS[model], **PRESETS[preset]}.items():
        _assign(process, key, value)
    return Job(config=Config(name=name, process=[process]), meta={"name": name, "version": "1.0"})


def set_value(process: Process, key: str, text: str) -> None:
    """Set a dotted key of a process to a value written as YAML.

    Raises:
        UsageError: if the key is not known or the value does not fit; it names what was meant.
    """
    try:
        # 2e-4 is text in YAML 1.1 and a number to everybody who writes it.
        value = float(text) if re.fullmatch(r"[-+]?\d+(\.\d+)?[eE][-+]?\d+", text) else yaml.safe_load(text)
        _assign(process, key, value)
    except (yaml.YAMLError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"--set {key}={text}: wanted a value that fits, got {reason}; mend it") from error


def _assign(process: Process, key: str, value: Any) -> None:
    target: Any = process
    *parents, last = ["datasets", *key.split(".")[1:]] if key.startswith("dataset.") else key.split(".")
    for part in parents:
        _known(target, part, key)
        target = target.setdefault(part, {}) if isinstance(target, dict) else getattr(target, part)
        target = target[0] if isinstance(target, list) and target else target
    if isinstance(target, dict):
        target[last] = value
        return
    _known(target, last, key)
    setattr(target, last, value)


def _known(target: Any, name: str, key: str) -> None:
    fields = list(type(target).model_fields) if isinstance(target, BaseModel) else []
    if name in fields or isinstance(target, dict):
        return
    near = get_close_matches(name, fields, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(fields) or 'nothing'}"
    raise UsageError(f"{key}: wanted a key that AI-Toolkit reads, got {name!r}; {hint}")


def _samples(root: Path, model: str) -> list[dict[str, Any]]:
    """Prompts and control pictures to watch, held-out garments first."""
    manifest = root / "manifest.jsonl"
    if not manifest.is_file():
        return []
    examples = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    chosen = sorted(examples, key=lambda example: example["split"] != "held_out")[:_SAMPLES]
    return [_sample(root, example, model) for example in chosen]


def _sample(root: Path, example: Mapping[str, Any], model: str) -> dict[str, Any]:
    if not uses_reference(model):
        return {"prompt": example["caption"], "ctrl_img": str(root / example["control"])}
    return {
        "prompt": example["caption"],
        "ctrl_img_1": str(root / example["control"]),
        "ctrl_img_2": str(root / example["reference"]),
    }


def _substituted(value: Any, where: Sequence[str] = ()) -> list[Finding]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _substituted(item, [*where, str(key)])]
    if isinstance(value, list):
        return [
            found for index, item in enumerate(value) for found in _substituted(item, [*where, str(index)])
        ]
    if isinstance(value, str) and (_SUBSTITUTED.search(value) or "\0" in value):
        wanted = "text without ${, [name] or a null byte, which AI-Toolkit replaces or refuses"
        return [Finding("config.substituted", ".".join(where), wanted, repr(value)[:80], "word it otherwise")]
    return []


def _yaml_value(value: Any) -> str:
    text = yaml.dump(
        value, Dumper=_OneLine, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _yaml_key(key: str) -> str:
    """A plain word as it is; what YAML reads otherwise, such as ``yes``, in quotes."""
    return key if key.isidentifier() and yaml.safe_load(key) == key else _yaml_value(key)
