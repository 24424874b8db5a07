"""Settings that the trainer takes without a word and that do something else to pairs than is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from chromiq.errors import Finding
from chromiq.models import MODELS, EditModel, model_of_arch

_PROCESS_TYPES = frozenset({"diffusion_trainer", "sd_trainer", "ui_trainer"})
_TOP_KEYS = frozenset({"job", "config", "meta"})
_CONFIG_KEYS = frozenset({"name", "process", "device"})
# These optimizers set their rate themselves and take a factor of about 1 in its place.
_RATELESS = ("prodigy", "dadapt", "automagic")
_MOST_RATE = 0.01
_PROMPT_CONTROL = re.compile(r"--ctrl_img(?:_\d)?\s+(\S+)")


@dataclass(frozen=True)
class _Rule:
    key: str
    spoils: Callable[[Any], bool]
    wanted: str
    cure: str
    severity: Literal["error", "warning"] = "warning"


def _not_flowmatch(value: Any) -> bool:
    return value not in (None, "flowmatch")


_RULES: dict[str, tuple[_Rule, ...]] = {
    "datasets": (
        _Rule("invert_mask", bool, "masks as they are: white trains",
              "remove it: what is white would be left out, and what is black trained", "error"),
        _Rule("alpha_mask", bool, "the masks of mask_path",
              "remove it: the trainer takes the alpha of each target in their place", "error"),
        _Rule("num_repeats", lambda value: isinstance(value, int) and value < 1, "at least 1", "remove it",
              "error"),
        _Rule("random_crop", bool, "whole pictures", "remove it: each is trained at random parts of it"),
        _Rule("random_scale", bool, "whole pictures", "remove it: each is trained at random parts of it"),
        _Rule("shuffle_tokens", bool, "captions as they are written", "remove it: their parts change places"),
        _Rule("control_from_same_folder", bool, "the controls of control_path",
              "remove it: other targets would be shown in their place"),
        _Rule("flip_x", bool, "pictures that are not mirrored",
              "set it to false: left and right change places, and captions and stitched pictures with them"),
        _Rule("flip_y", bool, "pictures that stand upright", "set it to false"),
        _Rule("is_reg", bool, "examples to be learned",
              "set it to false: regularisation data is weighed otherwise, and waits for data to go with"),
    ),
    "train": (
        _Rule("train_unet", lambda value: value is False, "a transformer that learns",
              "set it to true: nothing of the LoRA would be trained", "error"),
        _Rule("validation_config", bool, "a validation that sees the controls",
              "remove it: its loss tells nothing of pairs; 'chromiq sweep' judges checkpoints"),
        _Rule("noise_scheduler", _not_flowmatch, "flowmatch", "write flowmatch: these models know no other"),
    ),
    "sample": (
        _Rule("sampler", _not_flowmatch, "flowmatch", "write flowmatch, as the noise_scheduler"),
    ),
    "save": (
        _Rule("push_to_hub", bool, "a LoRA that stays here until it is chosen",
              "set it to false and 'chromiq publish' later: the trainer's model card has a wrong licence"),
    ),
}  # fmt: skip


def setting_findings(document: Mapping[str, Any], where: str) -> list[Finding]:
    """What is wrong with a config's values as YAML gives them, that no type tells.

    Args:
        document: the whole config, in the shape of a job.
        where: the file's name, for messages.
    """
    config = document["config"]
    process = config["process"][0]
    return [
        *_job_findings(document, where),
        *_rule_findings(process, where),
        *_train_findings(process, where),
        *_network_findings(process, where),
        *_model_findings(process.get("model") or {}, where),
        *_control_key_findings(process, where),
        *_sample_findings(process, where),
    ]


def _job_findings(document: Mapping[str, Any], where: str) -> Iterator[Finding]:
    config = document["config"]
    for keys, known, prefix in ((document, _TOP_KEYS, ""), (config, _CONFIG_KEYS, "config.")):
        for key in keys:
            if key not in known:
                wanted, got = f"one of {', '.join(sorted(known))}", f"{key!r}, which it drops in silence"
                yield Finding.expected(
                    "config.key", f"{where}: {prefix}{key}", wanted, got, "mend or remove it"
                )
    if document.get("job") != "extension":
        got, cure = repr(document.get("job")), "write job: extension"
        yield Finding.expected("config.choice", f"{where}: job", "extension", got, cure)
    kind = config["process"][0].get("type")
    if kind not in _PROCESS_TYPES:
        wanted, cure = "diffusion_trainer", "write type: diffusion_trainer"
        yield Finding.expected("config.choice", f"{where}: process.0.type", wanted, repr(kind), cure)
    if (count := len(config["process"])) > 1:
        cure = "write a config for each: all would save under one name, and only the first is checked here"
        yield Finding.expected("config.process", f"{where}: config.process", "one process", str(count), cure)


def _rule_findings(process: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for section, rules in _RULES.items():
        found = process.get(section) or {}
        for prefix, values in (
            [(f"datasets.{index}", each) for index, each in enumerate(found)]
            if section == "datasets"
            else [(section, found)]
        ):
            for rule in rules:
                if rule.key in values and rule.spoils(values[rule.key]):
                    key, got = f"{where}: {prefix}.{rule.key}", repr(values[rule.key])
                    yield Finding.expected("config.setting", key, rule.wanted, got, rule.cure, rule.severity)


def _train_findings(process: Mapping[str, Any], where: str) -> Iterator[Finding]:
    train = process.get("train") or {}
    if train.get("unload_text_encoder") and not train.get("cache_text_embeddings"):
        key, cure = f"{where}: train.unload_text_encoder", "set cache_text_embeddings: true in its place"
        got = "true, under which it trains with a blank prompt and drops every caption"
        yield Finding.expected("config.captions", key, "captions that are trained", got, cure, "error")
    accumulations = (train.get(key) for key in ("gradient_accumulation", "gradient_accumulation_steps"))
    if all(isinstance(value, int) and value > 1 for value in accumulations):
        key, cure = f"{where}: train.gradient_accumulation_steps", "remove one of them"
        wanted = "one of gradient_accumulation and gradient_accumulation_steps"
        yield Finding.expected("config.setting", key, wanted, "both, which the trainer refuses", cure)
    rate, optimizer = train.get("lr"), str(train.get("optimizer", ""))
    rateless = optimizer.lower().startswith(_RATELESS)
    if isinstance(rate, int | float) and rate > _MOST_RATE and not rateless:
        wanted, cure = (
            f"at most {_MOST_RATE} with {optimizer or 'this optimizer'}",
            "lower it, to 1e-4 for a start",
        )
        yield Finding.expected("config.setting", f"{where}: train.lr", wanted, str(rate), cure, "warning")


def _network_findings(process: Mapping[str, Any], where: str) -> Iterator[Finding]:
    if not process.get("network"):
        cure = "render again, or copy network: from a rendered config"
        got = "none, without which it trains the whole base model"
        yield Finding.expected("config.network", f"{where}: network", "a LoRA", got, cure)


def _model_findings(model: Mapping[str, Any], where: str) -> Iterator[Finding]:
    name, arch = model.get("name_or_path"), str(model.get("arch", ""))
    for key in model.get("model_kwargs") or {}:
        if key != "match_target_res" and (near := get_close_matches(key, ["match_target_res"], n=1)):
            wanted, got = "a key that the model reads", f"{key!r}, which it drops in silence"
            name_of_key = f"{where}: model.model_kwargs.{key}"
            yield Finding.expected("config.key", name_of_key, wanted, got, f"did you mean {near[0]}?")
    archs = [spec.arch for spec in MODELS.values() if spec.hub_id == name]
    if archs and arch.split(":")[0] not in [each.split(":")[0] for each in archs]:
        cure = f"write {archs[0]}, or name the model that {arch} is"
        yield Finding.expected(
            "config.arch", f"{where}: model.arch", f"{archs[0]} for {name}", repr(arch), cure
        )


def _control_key_findings(process: Mapping[str, Any], where: str) -> Iterator[Finding]:
    for index, dataset in enumerate(process.get("datasets") or []):
        for key in ("control_path_1", "control_path_2", "control_path_3"):
            if dataset.get(key):
                wanted, cure = (
                    "control_path with a list",
                    f"write control_path: [...]; {key} is not checked here",
                )
                got = f"{key}: {dataset[key]}"
                yield Finding.expected(
                    "config.controls", f"{where}: datasets.{index}.{key}", wanted, got, cure
                )


def _sample_findings(process: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Samples whose controls are missing, or under a name that the model does not look at."""
    sample = process.get("sample") or {}
    spec = model_of_arch(str((process.get("model") or {}).get("arch", "")))
    if (process.get("train") or {}).get("disable_sampling") or spec is None:
        return
    for index, each in enumerate(sample.get("samples") or []):
        prompt = str(each.get("prompt", ""))
        given = {key for key in each if key.startswith("ctrl_img") and each[key]}
        missing = [] if "--ctrl_img" in prompt else sorted(_wanted_controls(spec) - given)
        if missing:
            key, got = f"{where}: sample.samples.{index}", ", ".join(sorted(given)) or "none"
            cure = "add it, or samples show something else than the model will be used for"
            yield Finding.expected("config.sample", key, " and ".join(missing), got, cure, "warning")
        yield from _prompt_findings(prompt, f"{where}: sample.samples.{index}.prompt")
    for index, prompt in enumerate(sample.get("prompts") or []):
        yield from _prompt_findings(str(prompt), f"{where}: sample.prompts.{index}")


def _prompt_findings(prompt: str, where: str) -> Iterator[Finding]:
    for path in _PROMPT_CONTROL.findall(prompt):
        if not Path(path).is_file():
            yield Finding.expected("config.sample", where, "a picture", f"no file {path}", "mend the path")


def _wanted_controls(spec: EditModel) -> set[str]:
    return {"ctrl_img_1", "ctrl_img_2"} if spec.has_reference else {"ctrl_img"}
