"""Keys that the trainer does not read, values of another kind, words that it does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import yaml

from chromiq.errors import Finding
from chromiq.models import MODELS, model_of_arch
from chromiq.toolkit_configs.render.assign import FREE
from chromiq.toolkit_configs.render.settings import looks_like_a_float
from chromiq.toolkit_configs.schema.jobs import Process
from chromiq.toolkit_configs.schema.known_keys import fits_kind, known_keys, known_kinds
from chromiq.toolkit_configs.trainer.checkout import bounded_environment

_NESTED = ("adapter", "logging", "model", "network", "sample", "save", "train")
_DTYPES = frozenset({"float32", "fp32", "float", "single", "float16", "fp16", "half", "bf16", "bfloat16"})
# From the trainer's source; other words pass there in silence and something else is done.
_CHOICES: dict[str, frozenset[str]] = {
    "train.dtype": _DTYPES,
    "save.dtype": _DTYPES,
    "train.timestep_type": frozenset(
        {"linear", "weighted", "sigmoid", "shift", "flux_shift", "lumina2_shift", "lognorm_blend",
         "one_step", "two_step", "four_step", "eight_step", "next_sample"}
    ),
    "train.content_or_style": frozenset({"balanced", "content", "style"}),
    "train.loss_type": frozenset(
        {"mse", "mae", "wavelet", "pixelspace", "mean_flow", "pseudo_huber", "stepped"}
    ),
    "train.optimizer": frozenset(
        {"adam", "adam8", "adam8bit", "adamw", "adamw8", "adamw8bit", "ademamix8bit", "adagrad", "adafactor",
         "lion", "lion8bit", "automagic", "automagic2", "automagic3", "prodigy", "prodigy8bit", "prodigyopt",
         "dadaptation", "dadaptadam", "dadaptlion"}
    ),
    "save.save_format": frozenset({"diffusers", "safetensors"}),
}  # fmt: skip
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def key_findings(process: Mapping[str, Any], where: str) -> list[Finding]:
    """What the trainer would drop, or read as something else, in a process as YAML gives it.

    Args:
        process: the training process.
        where: the file's name, for messages.
    """
    findings = []
    for section, prefix, keys in _sections(process):
        if not isinstance(keys, Mapping):
            continue  # of the wrong type, which reading the job tells
        for key, value in keys.items():
            if key not in known_keys()[section]:
                findings.append(_unknown(f"{where}: {prefix}{key}", str(key), known_keys()[section]))
            elif not _kind_is_right(section, key, value):
                wanted = known_kinds()[section][key]
                findings.append(_wrong_kind(f"{where}: {prefix}{key}", wanted, value))
    return [*findings, *_choice_findings(process, where)]


def text_findings(text: str, where: str) -> list[Finding]:
    """What YAML itself hides: a key that stands twice, and variables that the trainer will not have."""
    findings = []
    for node, path in _mappings(yaml.compose(text, Loader=yaml.SafeLoader)):
        names = [str(key.value) for key, _ in node.value]
        for name in sorted({name for name in names if names.count(name) > 1}):
            got, cure = f"{names.count(name)} of them, of which the last counts", "remove all but one"
            full = ".".join([*path, name]).removeprefix("config.process.0.")
            findings.append(Finding.expected("config.twice", f"{where}: {full}", "each key once", got, cure))
    for name in sorted(set(_VARIABLE.findall(text)) - set(bounded_environment())):
        got, cure = "a variable that the trainer does not get", "write the value itself"
        findings.append(Finding.expected("config.variable", f"{where}: ${{{name}}}", "a value", got, cure))
    return findings


def _sections(process: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Section, its prefix for messages, and what is set in it."""
    yield "process", "", process
    for section in _NESTED:
        yield section, f"{section}.", process.get(section) or {}
    for index, dataset in enumerate(process.get("datasets") or []):
        yield "datasets", f"datasets.{index}.", dataset
    for index, sample in enumerate((process.get("sample") or {}).get("samples") or []):
        yield "samples", f"sample.samples.{index}.", sample
    yield "ema_config", "train.ema_config.", (process.get("train") or {}).get("ema_config") or {}


def _kind_is_right(section: str, key: str, value: Any) -> bool:
    modelled = Process.model_fields.get(section)
    kind = known_kinds()[section][key]
    if key in FREE or (modelled is None and section not in {"logging", "adapter", "ema_config"}):
        return True
    if modelled is not None and key in _modelled_keys(section):
        # Its type is checked where the job is read, which takes true for 1.
        return not (isinstance(value, bool) and kind in {"int", "float"})
    return fits_kind(float(value) if looks_like_a_float(value) else value, kind)


def _modelled_keys(section: str) -> frozenset[str]:
    from chromiq.toolkit_configs.schema import jobs

    names = {"datasets": "Dataset"}
    return frozenset(getattr(jobs, names.get(section, section.capitalize())).model_fields)


def _unknown(where: str, key: str, known: frozenset[str]) -> Finding:
    near = get_close_matches(key, known, n=1)
    cure = f"did you mean {near[0]}?" if near else "remove it"
    wanted, got = "a key that the trainer reads", f"{key!r}, which it drops in silence"
    return Finding.expected("config.key", where, wanted, got, cure)


def _wrong_kind(where: str, wanted: str, value: Any) -> Finding:
    return Finding.expected("config.kind", where, wanted, repr(value)[:80], "mend the value")


def _choice_findings(process: Mapping[str, Any], where: str) -> list[Finding]:
    findings = []
    for key, choices in _CHOICES.items():
        section, name = key.split(".")
        value = (process.get(section) or {}).get(name)
        if isinstance(value, str) and value.lower() not in choices:
            findings.append(_unknown_word(f"{where}: {key}", value, choices))
    arch = (process.get("model") or {}).get("arch")
    if isinstance(arch, str) and model_of_arch(arch) is None:
        known = {model.arch for model in MODELS.values()}
        findings.append(_unknown_word(f"{where}: model.arch", arch, frozenset(known)))
    return findings


def _unknown_word(where: str, value: str, choices: frozenset[str]) -> Finding:
    near = get_close_matches(value, choices, n=1)
    cure = f"did you mean {near[0]}?" if near else "mend it, unless the trainer knows it and chromiq does not"
    wanted = f"one of {', '.join(sorted(choices))}"
    return Finding.expected(
        "config.choice", where, wanted, repr(value)[:80], cure, "error" if near else "warning"
    )


def _mappings(
    node: yaml.Node | None, path: tuple[str, ...] = ()
) -> Iterator[tuple[yaml.MappingNode, tuple[str, ...]]]:
    if isinstance(node, yaml.MappingNode):
        yield node, path
        for key, value in node.value:
            yield from _mappings(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _mappings(value, (*path, str(index)))
