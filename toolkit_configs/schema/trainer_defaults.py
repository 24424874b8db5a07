"""A config's sections as the trainer's own config classes hold them once they are constructed.

Missing keys take the trainer's defaults (`trainer_source`), old spellings become new ones, and some values
change others. What the constructors refuse is reported. Only reading ``toolkit/config_modules.py``
and ``BaseSDTrainProcess.__init__`` tells these rules; `tests/toolkit_configs/schema/test_agreement.py` holds
them against the trainer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from chromiq.toolkit_configs.schema.trainer_source import section_keys

_FULL_RANK = 9_999_999_999
# Boolean keys of older configs and the `arch` that each stands for; the first that is set counts.
_ARCH_FLAGS = {
    **{"is_v2": "sd2", "is_v3": "sd3", "is_xl": "sdxl"},
    **{
        f"is_{arch}": arch
        for arch in ("pixart", "pixart_sigma", "auraflow", "flux", "lumina2", "vega", "ssd")
    },
}
_TEXT_SEES_CONTROLS = ("qwen_image_edit", "boogu_image_edit")
_CAST_TO_FLOAT = ("network_weight", "token_dropout_rate", "caption_dropout_rate")


Refuse = Callable[[str, str, str], None]
"""Takes a key within the process that the constructors refuse, the reason, and how to fix it."""


def effective_process(
    process: Mapping[str, Any], config: Mapping[str, Any], refuse: Refuse
) -> dict[str, Any]:
    """What the trainer holds of a process: its own keys, and each section with all of its keys.

    Args:
        process: one of ``config.process``, as read.
        config: the ``config`` section, whose ``name``, ``training_folder`` and so on a process falls back to.
        refuse: called with all that the constructors refuse; something usable then takes its place.
    """
    own = _process_keys(process, config)
    network = _network(process, refuse) if process.get("network") is not None else None
    train = _train(process, refuse)
    model = _model(process, train, refuse)
    save = _section("save", process, refuse)
    sample = _sample(process, refuse)
    logging = _section("logging", process, refuse)
    datasets = _datasets(process, own, train, refuse)
    _validate(process, own, train, model, save, datasets, refuse)
    return {
        **own,
        "training_folder": "output" if own["training_folder"] is None else own["training_folder"],
        "device": own["device"] or config.get("device") or "cuda",
        "type": own["type"] or "",
        "network": network,
        "train": train,
        "model": model,
        "save": save,
        "sample": sample,
        "datasets": datasets,
        "logging": logging,
    }


def filled(section: str, raw: Mapping[str, Any], sample: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Every key that the trainer reads in a section, with its value or the trainer's default.

    Args:
        sample: the sample section, which samples take defaults from.

    >>> filled("train", {"lr": 2e-4})["unet_lr"]
    0.0002
    """
    keys = section_keys(section)
    values = {
        name: raw[name] if name in raw else deepcopy(key.default)
        for name, key in keys.items()
        if name in raw or not (key.default_of or key.computed)
    }
    others = {f"sample.{name}": value for name, value in (sample or {}).items()}
    # A default may be another key's, whose own default may be another's.
    while ready := {
        name: {**values, **others}[key.default_of]
        for name, key in keys.items()
        if name not in values and key.default_of in {*values, *others}
    }:
        values |= ready
    return values


def mapping_or_empty(value: Any) -> Mapping[str, Any]:
    """A mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def _raw(section: str, owner: Mapping[str, Any], refuse: Refuse) -> Mapping[str, Any]:
    """A section as written; null counts as empty, and anything but a mapping is refused."""
    value = owner.get(section)
    if value is not None and not isinstance(value, Mapping):
        refuse(section, f"must hold keys and values, not {_name_of(value)}", "Fix the section.")
    return mapping_or_empty(value)


def _section(section: str, owner: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    return filled(section, _raw(section, owner, refuse))


def _name_of(value: Any) -> str:
    return {"list": "a list", "str": "text", "NoneType": "null"}.get(type(value).__name__, repr(value)[:40])


def _process_keys(process: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in process.items() if value is not None}
    of_either = {key: given.get(key, config.get(key)) for key in ("training_folder", "log_dir", "name")}
    return {**filled("process", given), **of_either}


def _network(process: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    values = _section("network", process, refuse)
    rank = values["linear"] if values["rank"] is None else values["rank"]
    values["rank"] = values["linear"] = 4 if rank is None else rank
    if values["type"] == "lorm":
        lorm = mapping_or_empty(process["network"]).get("lorm")
        if not isinstance(lorm, Mapping):
            refuse("network.lorm", "type lorm needs its settings here", "Add lorm: {...}.")
        values["linear"] = values["rank"] = 4
        if mapping_or_empty(lorm).get("do_conv"):
            values["conv"] = 4
    if values["lokr_full_rank"] and str(values["type"]).lower() == "lokr":
        values |= dict.fromkeys(("linear", "linear_alpha", "conv", "conv_alpha"), _FULL_RANK)
    return values


def _train(process: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    values = _section("train", process, refuse)
    if values["cfg_rescale"] is None:
        values["cfg_rescale"] = values["cfg_scale"]
    if values["match_adapter_assist"] and values["match_adapter_chance"] == 0.0:
        values["match_adapter_chance"] = 1.0
    accumulation = values["gradient_accumulation"]
    if isinstance(accumulation, int | float) and accumulation > 1 != values["gradient_accumulation_steps"]:
        message = "AI-Toolkit refuses gradient_accumulation together with gradient_accumulation_steps"
        refuse("train.gradient_accumulation_steps", message, "Remove one of them.")
    ema = values["ema_config"]
    if ema is not None and not isinstance(ema, Mapping):
        refuse("train.ema_config", f"must hold keys and values, not {_name_of(ema)}", "Remove it.")
    on = bool(mapping_or_empty(ema).get("use_ema"))
    values["ema_config"] = filled("ema_config", {**(ema if on else {}), "use_ema": on})
    return values


def _model(process: Mapping[str, Any], train: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    raw = {**_raw("model", process, refuse), "dtype": train["dtype"]}
    values = filled("model", raw)
    if values["name_or_path"] is None:
        hint = "Set it to a hub name (owner/model) or a diffusers folder."
        refuse("model.name_or_path", "no base model is named", hint)
        values["name_or_path"] = ""
    for key in ("attn_masking", "split_model_over_gpus"):
        if values[key] and not values["is_flux"]:
            refuse(f"model.{key}", "AI-Toolkit allows it only beside is_flux: true", "Remove it.")
    if values["is_pixart_sigma"]:
        values["is_pixart"] = True
    if values["is_ssd"] or values["is_vega"]:
        values["is_xl"] = True
    if values["layer_offloading"]:
        values |= {key: "float8" for key in ("qtype", "qtype_te") if values[key] == "qfloat8"}
    qtype = values["qtype"]
    if isinstance(qtype, str) and "|" in qtype:
        values["qtype"], values["accuracy_recovery_adapter"], *more = qtype.split("|")
        if more:
            refuse("model.qtype", "holds more than one |", "Write TYPE|OWNER/REPOSITORY/FILE.safetensors.")
    return _with_arch(values, raw)


def _with_arch(values: dict[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """With `trainer_arch`, what the trainer makes of `arch` as it is written."""
    arch = values["arch"]
    if isinstance(arch, str):
        arch = arch.split(":")[0]
        arch = "flux" if arch == "flex1" else arch
        values |= {flag: True for flag, name in _ARCH_FLAGS.items() if arch == name}
    elif arch is None:
        arch = next((name for flag, name in _ARCH_FLAGS.items() if raw.get(flag)), "sd1")
    return {**values, "trainer_arch": arch, "arch": arch if raw.get("arch") is None else raw["arch"]}


def _sample(process: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    raw = _raw("sample", process, refuse)
    values = filled("sample", raw)
    if isinstance(values["num_frames"], int | float) and values["num_frames"] > 1:
        values["format"] = "webp"
    prompts = _list("sample.prompts", raw.get("prompts", []), refuse)
    given = raw.get("samples", [{"prompt": each} for each in prompts])
    samples = []
    for _, item in _items("sample.samples", given, "Write prompt: before the text.", refuse):
        one = filled("samples", item, values)
        if isinstance(one["network_multiplier"], str):
            try:
                one["network_multiplier"] = float(one["network_multiplier"])
            except ValueError:
                one["network_multiplier"] = 1.0
        samples.append(one)
    return {**values, "samples": samples}


def _list(key: str, value: Any, refuse: Refuse) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    refuse(key, f"must be a list, not {_name_of(value)}", "Write a list, or remove the key.")
    return []


def _items(key: str, value: Any, hint: str, refuse: Refuse) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings of a list, each with its place."""
    for index, item in enumerate(_list(key, value, refuse)):
        if isinstance(item, Mapping):
            yield f"{key}.{index}", item
        else:
            refuse(f"{key}.{index}", "must hold keys and values", hint)


def _datasets(
    process: Mapping[str, Any], own: Mapping[str, Any], train: Mapping[str, Any], refuse: Refuse
) -> list[dict[str, Any]]:
    given = process.get("datasets")
    if given is None:
        if train["cache_text_embeddings"]:
            refuse("datasets", "there are none, although captions are to be cached", "Add one.")
        return []
    items = _items("datasets", given, "Fix the dataset.", refuse)
    return [_dataset(dict(raw), place, own, train, refuse) for place, raw in items]


def _dataset(
    raw: dict[str, Any], place: str, own: Mapping[str, Any], train: Mapping[str, Any], refuse: Refuse
) -> dict[str, Any]:
    if train["cache_text_embeddings"]:
        raw["cache_text_embeddings"] = True
    if train["diff_output_preservation"]:
        raw["diff_output_preservation"] = True
        raw["diff_output_preservation_class"] = train["diff_output_preservation_class"]
    values = filled("datasets", raw)
    for key in _CAST_TO_FLOAT:
        try:
            values[key] = float(values[key])
        except (TypeError, ValueError):
            refuse(f"{place}.{key}", f"must be a number, not {_name_of(values[key])}", "Fix the value.")
            values[key] = float(section_keys("datasets")[key].default)
    extension = values["caption_ext"]
    if isinstance(extension, str) and extension and not extension.startswith("."):
        extension = f".{extension}"
    values["caption_type"] = values["caption_ext"] = values["caption_type"] or extension
    if values["control_path"] == "":
        values["control_path"] = None
    numbered = [values[f"control_path_{number}"] for number in (1, 2, 3)]
    if any(numbered):
        values["control_path"] = [path for path in numbered if path]
    if values["poi"] is not None:
        refuse(f"{place}.poi", "AI-Toolkit no longer supports it", "Remove it.")
    for key in ("augments", "controls"):
        if values[key] is None:
            refuse(f"{place}.{key}", "must be a list, not null", "Remove it.")
            values[key] = []
    if isinstance(values["controls"], str):
        values["controls"] = [values["controls"]]
    values["controls"] = [each for each in values["controls"] if not isinstance(each, str) or each.strip()]
    if values["augments"] or values["augmentations"]:
        values["cache_latents"] = values["cache_latents_to_disk"] = False
    if values["trigger_word"] is None:
        values["trigger_word"] = own.get("trigger_word")
    resolution = values["resolution"]
    values["resolution"] = resolution if isinstance(resolution, list) else [resolution]
    return values


def _validate(
    process: Mapping[str, Any],
    own: Mapping[str, Any],
    train: dict[str, Any],
    model: Mapping[str, Any],
    save: dict[str, Any],
    datasets: Sequence[Mapping[str, Any]],
    refuse: Refuse,
) -> None:
    """What one section demands of another, and of words of its own."""
    if save["save_format"] not in ("safetensors", "diffusers"):
        message = f"AI-Toolkit refuses the format {save['save_format']!r}"
        refuse("save.save_format", message, "Set it to diffusers or safetensors.")
    if model["is_flux"]:
        save["save_format"] = "diffusers"
        if model["use_flux_cfg"]:
            train["bypass_guidance_embedding"] = True
    elif process.get("decorator") is not None:
        refuse("decorator", "AI-Toolkit allows it for FLUX.1 only", "Remove it.")
    together = "AI-Toolkit refuses it together with"
    if train["bypass_guidance_embedding"] and train["do_guidance_loss"]:
        message = f"{together} bypass_guidance_embedding"
        refuse("train.do_guidance_loss", message, "Set one of them to false.")
    if model["accuracy_recovery_adapter"] is not None and model["assistant_lora_path"] is not None:
        message = f"{together} an accuracy recovery adapter"
        refuse("model.assistant_lora_path", message, "Remove one of them.")
    # The trainer makes one dataset per resolution; without a resolution, none.
    used = [each for each in datasets if each["resolution"]]
    cached = [bool(each["cache_text_embeddings"]) for each in used]
    if any(cached) and not all(cached):
        message = "some cache text embeddings and others do not, which AI-Toolkit refuses"
        refuse("datasets", message, "Set train.cache_text_embeddings, which holds for all.")
    arch = model["trainer_arch"]
    if arch in _TEXT_SEES_CONTROLS and train["unload_text_encoder"]:
        message = f"AI-Toolkit refuses it for {arch}, which encodes controls with the text"
        refuse("train.unload_text_encoder", message, "Set train.cache_text_embeddings: true instead.")
    if train["diff_output_preservation"] and train["blank_prompt_preservation"]:
        message = f"{together} diff_output_preservation"
        refuse("train.blank_prompt_preservation", message, "Set one of them to false.")
    triggers = [own["trigger_word"], *(each["trigger_word"] for each in used)]
    if train["diff_output_preservation"] and all(trigger is None for trigger in triggers):
        message = "AI-Toolkit refuses it without a trigger_word"
        refuse("train.diff_output_preservation", message, "Set trigger_word, or set it to false.")
    if own["training_folder"] is None:
        refuse("training_folder", "is missing", "Set it to the folder that runs go to.")
