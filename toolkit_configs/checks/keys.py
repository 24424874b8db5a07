"""Keys that AI-Toolkit does not read, values of the wrong kind, words that it does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from chromiq.errors import Finding, Severity
from chromiq.toolkit_configs.render.settings import FREE
from chromiq.toolkit_configs.schema import trainer_job
from chromiq.toolkit_configs.schema.trainer_defaults import mapping_or_empty
from chromiq.toolkit_configs.schema.trainer_source import fits_kind, known_archs, pinned_source, section_keys

_NESTED = (
    "adapter",
    "logging",
    "model",
    "network",
    "sample",
    "first_sample",
    "save",
    "train",
    "guidance",
    "embedding",
    "decorator",
)
# `first_sample` has the form of `sample`.
_FORM = {"first_sample": "sample"}
_MODELLED: dict[str, type[BaseModel]] = {
    "network": trainer_job.Network,
    "save": trainer_job.Save,
    "datasets": trainer_job.Dataset,
    "train": trainer_job.Train,
    "model": trainer_job.Model,
    "sample": trainer_job.Sample,
    "samples": trainer_job.SampleItem,
}
_TOP_KEYS = frozenset({"job", "config", "meta"})
_CONFIG_KEYS = frozenset(
    {"name", "process", "device", "training_folder", "log_dir", "is_v2", "training_seed"}
)
# From the trainer's source. It fails at another dtype; at other words it silently does something else.
_FLOATS = {"float32", "fp32", "float", "single", "float16", "fp16", "half", "bf16", "bfloat16"}
_DTYPES = frozenset(_FLOATS | {"8bit", "e4m3fn", "float8"})
_WEIGHTINGS = {"linear", "weighted", "sigmoid", "shift", "flux_shift", "lumina2_shift", "lognorm_blend"}
_FEW_STEPS = {"one_step", "two_step", "four_step", "eight_step", "next_sample"}
_LOSSES = frozenset({"mse", "mae", "wavelet", "pixelspace", "mean_flow", "pseudo_huber", "stepped"})
_CHOICES: dict[str, frozenset[str]] = {
    "train.timestep_type": frozenset(_WEIGHTINGS | _FEW_STEPS),
    "train.content_or_style": frozenset({"balanced", "content", "style"}),
    "train.loss_type": _LOSSES,
}
_PLACES = {
    **{section: section for section in ("train", "model", "network", "save", "sample")},
    "process": "the process",
    "datasets": "the dataset",
}
"""Where a key that is read elsewhere belongs."""
_OF_THE_RUN = frozenset({"name", "type"})
"""Elsewhere these mean something of their own, such as the name of a dataset in another program."""


def key_findings(document: Mapping[str, Any], where: str) -> list[Finding]:
    """What the trainer would ignore, or read as something else, in a config with a process."""
    config = document["config"]
    process = config["process"][0]
    findings = [
        _unknown(f"{where}: {prefix}{key}", str(key), known)
        for keys, known, prefix in ((document, _TOP_KEYS, ""), (config, _CONFIG_KEYS, "config."))
        for key in keys
        if key not in known
    ]
    for section, prefix, keys in _sections(process):
        known = frozenset(section_keys(section))
        for key, value in keys.items():
            if key not in known:
                findings.append(_unknown(f"{where}: {prefix}{key}", str(key), known))
            elif wrong := _kind_fault(section, key, value):
                findings.append(
                    Finding("config.kind", f"{where}: {prefix}{key}", wrong, "Fix the value.", "warning")
                )
    return [*findings, *_choice_findings(process, where)]


def _sections(process: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Section, its prefix for messages, and what is set in it."""
    found: list[tuple[str, str, Any]] = [("process", "", process)]
    found += [(_FORM.get(section, section), f"{section}.", process.get(section)) for section in _NESTED]
    sample, train = mapping_or_empty(process.get("sample")), mapping_or_empty(process.get("train"))
    for name, prefix, items in (
        ("datasets", "datasets", process.get("datasets")),
        ("samples", "sample.samples", sample.get("samples")),
    ):
        found += [
            (name, f"{prefix}.{index}.", item)
            for index, item in enumerate(items if isinstance(items, list) else ())
        ]
    for section in ("ema_config", "validation_config"):
        found.append((section, f"train.{section}.", train.get(section)))
    # A section of the wrong type is reported where the job is read.
    yield from ((section, prefix, keys) for section, prefix, keys in found if isinstance(keys, Mapping))


def _kind_fault(section: str, key: str, value: Any) -> str | None:
    """Why a value may not do what it looks like, or None. What is modelled is checked where it is read."""
    kind = section_keys(section)[key].kind
    field = _MODELLED[section].model_fields.get(key) if section in _MODELLED else None
    if field is not None:
        counts = "true" if value else "false"
        return (
            f"{value!r} counts as {counts}; the trainer expects true or false"[:160]
            if field.annotation is bool and not isinstance(value, bool | None)
            else None
        )
    if key in FREE or section == "process" or value is None or fits_kind(value, kind):
        return None
    return f"expected {kind}, not {value!r}"[:160]


def _unknown(where: str, key: str, known: frozenset[str]) -> Finding:
    places = {} if key in _OF_THE_RUN else _PLACES
    home = next((place for section, place in places.items() if key in section_keys(section)), None)
    near = get_close_matches(key, known, n=1)
    hint = f"Move it to {home}." if home else f"Did you mean {near[0]}?" if near else "Remove it."
    return Finding("config.key", where, "AI-Toolkit does not read this key", hint, "warning")


def _choice_findings(process: Mapping[str, Any], where: str) -> list[Finding]:
    findings = []
    for key, choices in _CHOICES.items():
        value = _value(process, key)
        if isinstance(value, str) and value.lower() not in choices:
            findings.append(_unknown_word(f"{where}: {key}", value, choices, "warning"))
    for key in ("train.dtype", "save.dtype"):
        value = _value(process, key)
        if isinstance(value, str) and value not in _DTYPES:
            findings.append(_unknown_word(f"{where}: {key}", value, _DTYPES, "error"))
    optimizer, source = _value(process, "train.optimizer"), pinned_source()
    known = frozenset([*source.optimizers, *source.optimizer_prefixes])
    if isinstance(optimizer, str) and not (
        optimizer.lower() in source.optimizers
        or optimizer.lower().startswith(tuple(source.optimizer_prefixes))
    ):
        findings.append(_unknown_word(f"{where}: train.optimizer", optimizer, known, "error"))
    arch = _value(process, "model.arch")
    if isinstance(arch, str) and arch.split(":")[0] not in known_archs():
        # The trainer takes the model for a Stable Diffusion, which a misspelt name never is.
        near = get_close_matches(arch, known_archs(), n=1)
        findings.append(
            _unknown_word(f"{where}: model.arch", arch, known_archs(), "error" if near else "warning")
        )
    return findings


def _value(process: Mapping[str, Any], key: str) -> Any:
    section, name = key.split(".")
    return mapping_or_empty(process.get(section)).get(name)


def _unknown_word(where: str, value: str, choices: frozenset[str], severity: Severity) -> Finding:
    near = get_close_matches(value, choices, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"AI-Toolkit knows {', '.join(sorted(choices))}."
    return Finding("config.choice", where, f"AI-Toolkit does not know {value!r}"[:160], hint, severity)
