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
_LOSSES = {"mse", "mae", "wavelet", "pixelspace", "mean_flow", "pseudo_huber", "stepped"}
_CHOICES: dict[str, tuple[frozenset[str], Severity]] = {
    "train.timestep_type": (frozenset(_WEIGHTINGS | _FEW_STEPS), "warning"),
    "train.content_or_style": (frozenset({"balanced", "content", "style"}), "warning"),
    "train.loss_type": (frozenset(_LOSSES), "warning"),
    "train.dtype": (_DTYPES, "error"),
    "save.dtype": (_DTYPES, "error"),
}
_PLACES = {
    **{section: section for section in ("train", "model", "network", "save", "sample")},
    "process": "the process",
    "datasets": "the dataset",
}
"""Where a key that is read elsewhere belongs."""
_OTHER_NAMES = {
    "train": {"learning_rate": "lr", "max_train_steps": "steps", "train_batch_size": "batch_size"},
    "network": {"network_dim": "linear", "network_alpha": "linear_alpha"},
    "sample": {"sample_prompts": "prompts"},
}
"""What other trainers call a key of a section."""
_OF_THE_RUN = frozenset({"name", "type"})
"""Elsewhere these mean something of their own, such as the name of a dataset in another program."""


def key_findings(document: Mapping[str, Any], where: str) -> list[Finding]:
    """What the trainer would ignore, or read as something else, in a config with a process."""
    config = document["config"]
    findings = [
        _unknown(prefix + str(key), str(key), known)
        for keys, known, prefix in ((document, _TOP_KEYS, ""), (config, _CONFIG_KEYS, "config."))
        for key in keys
        if key not in known
        and not str(key).startswith("x-")  # where anchors are defined, as in Compose files
    ]
    for section, prefix, keys in _sections("process", config["process"][0]):
        known = frozenset(section_keys(section))
        for key, value in keys.items():
            if key not in known:
                meant = _OTHER_NAMES.get(section, {}).get(str(key))
                findings.append(_unknown(prefix + str(key), str(key), known, meant))
            elif wrong := _kind_fault(section, key, value):
                findings.append(Finding("config.kind", prefix + key, wrong, "Fix the value.", "warning"))
    findings += _choice_findings(config["process"][0])
    return [each.within(where) for each in findings]


def _sections(
    section: str, keys: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """A section, its prefix for messages and what is set in it; then the same of those within it."""
    yield section, prefix, keys
    for key, value in keys.items():
        name, known = _FORM.get(key, key), section_keys(section).get(key)
        if known and name in pinned_source().sections and fits_kind(value, known.kind):
            listed = isinstance(value, list)
            for index, item in enumerate(value if listed else [value]):
                # A section of the wrong type is reported where the job is read.
                if isinstance(item, Mapping):
                    yield from _sections(name, item, f"{prefix}{key}." + (f"{index}." if listed else ""))


def _kind_fault(section: str, key: str, value: Any) -> str | None:
    """Why a value may not do what it looks like, or None. What is modelled is checked where it is read."""
    modelled = _MODELLED[section].model_fields.get(key) if section in _MODELLED else None
    if modelled and modelled.annotation is bool and not isinstance(value, bool | None):
        counts = "true" if value else "false"
        return f"{value!r} counts as {counts}; the trainer expects true or false"[:160]
    if modelled or key in FREE or section == "process" or value is None:
        return None
    kind = section_keys(section)[key].kind
    return None if fits_kind(value, kind) else f"expected {kind}, not {value!r}"[:160]


def _unknown(place: str, key: str, known: frozenset[str], meant: str | None = None) -> Finding:
    places = {} if meant or key in _OF_THE_RUN else _PLACES
    home = next((place for section, place in places.items() if key in section_keys(section)), None)
    near = [meant] if meant else get_close_matches(key, known, n=1)
    hint = f"Move it to {home}." if home else f"Did you mean {near[0]}?" if near else "Remove it."
    return Finding("config.key", place, "AI-Toolkit does not read this key", hint, "warning")


def _choice_findings(process: Mapping[str, Any]) -> Iterator[Finding]:
    for key, (choices, severity) in _CHOICES.items():
        value = _value(process, key)
        if isinstance(value, str) and (value if severity == "error" else value.lower()) not in choices:
            yield _unknown_word(key, value, choices, severity)
    optimizer, source = _value(process, "train.optimizer"), pinned_source()
    prefixes = tuple(source.optimizer_prefixes)
    if isinstance(optimizer, str) and not (
        optimizer.lower() in source.optimizers or optimizer.lower().startswith(prefixes)
    ):
        known = frozenset([*source.optimizers, *prefixes])
        yield _unknown_word("train.optimizer", optimizer, known, "error")
    arch = _value(process, "model.arch")
    if isinstance(arch, str) and arch.split(":")[0] not in known_archs():
        # The trainer takes the model for a Stable Diffusion, which a misspelt name never is.
        near = get_close_matches(arch, known_archs(), n=1)
        yield _unknown_word("model.arch", arch, known_archs(), "error" if near else "warning")


def _value(process: Mapping[str, Any], key: str) -> Any:
    section, name = key.split(".")
    return mapping_or_empty(process.get(section)).get(name)


def _unknown_word(key: str, value: str, choices: frozenset[str], severity: Severity) -> Finding:
    near = get_close_matches(value, choices, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"AI-Toolkit knows {', '.join(sorted(choices))}."
    return Finding("config.choice", key, f"AI-Toolkit does not know {value!r}"[:160], hint, severity)
