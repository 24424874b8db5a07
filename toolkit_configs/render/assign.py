"""A setting -> its place in a job, checked: AI-Toolkit reads the key, and the value fits."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ValidationError

from chromiq.errors import UsageError
from chromiq.toolkit_configs.render.settings import Setting, unreadable_reason
from chromiq.toolkit_configs.schema.rendered_job import RenderedProcess
from chromiq.toolkit_configs.schema.trainer_source import fits_kind, section_keys, trainer_source

FREE = frozenset({"model_kwargs", "model_paths", "network_kwargs", "optimizer_params", "lr_scheduler_params",
                  "quantize_kwargs"})  # fmt: skip
"""Mappings whose keys are the user's own or the model's."""


_OTHER_SPELLINGS = {
    "linear": ("rank",),
    "control_path": ("control_path_1", "control_path_2", "control_path_3"),
}


def assign(process: RenderedProcess | dict[str, Any], setting: Setting) -> str:
    """Set a dotted key of a process.

    Args:
        process: is changed; a mapping if it comes from a config that others wrote.
        setting: ``dataset.`` or ``datasets.`` without a number is the first dataset.

    Returns:
        The full key, such as ``"datasets.0.resolution"``.

    Raises:
        UsageError: if the key is not known or the value does not fit; it names what was meant.
    """
    target, section, path = _place(process, setting)
    last = path[-1]
    if isinstance(target, BaseModel) and last in type(target).model_fields:
        _assign_typed(target, last, setting)
    else:
        known = section_keys(section).get(last)
        value = _value_of_kind(setting, known.kind if known else "any")
        if isinstance(target, BaseModel):
            setattr(target, last, value)
        else:
            target[last] = value
            # Old spellings beside it would count instead.
            for other in _OTHER_SPELLINGS.get(last, ()):
                target.pop(other, None)
    return ".".join(path)


def _place(process: RenderedProcess | dict[str, Any], setting: Setting) -> tuple[Any, str, list[str]]:
    """Who holds the key, the section whose keys are known there, and the full path."""
    parts = setting.key.split(".")
    if parts[0] == "dataset":
        parts[0] = "datasets"
    if parts[0] == "datasets" and len(parts) > 1 and not parts[1].isdecimal():
        parts.insert(1, "0")
    target: Any = process
    section = "process"
    for part, following in pairwise(parts):
        _check_known(target, section, part, setting)
        target = _step_into(target, part, following, setting)
        if not part.isdecimal():
            section = "free" if part in FREE else part
    _check_known(target, section, parts[-1], setting)
    return target, section, parts


def _step_into(target: Any, part: str, following: str, setting: Setting) -> Any:
    if isinstance(target, list):
        inner = target[int(part)]
    elif isinstance(target, dict):
        inner = target.setdefault(part, {})
    else:
        inner = getattr(target, part, None)
        if inner is None:
            inner = {}
            setattr(target, part, inner)
    if isinstance(inner, list):
        if not following.isdecimal() or int(following) >= len(inner):
            counted = f"a number below {len(inner)} must follow" if inner else "the list is empty"
            raise UsageError(f"{setting.source}: {part}.{following}: {counted}")
    elif not isinstance(inner, BaseModel | dict):
        raise UsageError(f"{setting.key}: {part} holds no keys, so AI-Toolkit does not read {following!r}")
    return inner


def _check_known(target: Any, section: str, name: str, setting: Setting) -> None:
    if isinstance(target, list):
        return
    known = {*section_keys(section)}
    if isinstance(target, BaseModel):
        known |= {*type(target).model_fields}
    elif section == "free" or section not in trainer_source().sections:
        return
    if name in known:
        return
    modelled = list(type(target).model_fields) if isinstance(target, BaseModel) else sorted(known)
    near = get_close_matches(name, modelled, n=1) or get_close_matches(name, sorted(known), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(modelled)}."
    raise UsageError(f"{setting.key}: AI-Toolkit reads no key {name!r}. {hint}")


def _assign_typed(target: BaseModel, name: str, setting: Setting) -> None:
    """Set a modelled key; where text is expected, it is used as written, such as ``yes`` or ``1e5``."""
    before = getattr(target, name)
    reason = unreadable_reason(setting.value)
    try:
        if reason is None and not (isinstance(setting.value, bool) and _is_number(before)):
            setattr(target, name, setting.value)
            return
        reason = reason or "expected a number, not true or false"
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    try:
        if setting.text is not None and not _is_number(before):
            setattr(target, name, setting.text)
            return
    except ValidationError:
        pass  # the reason of the first attempt says more
    raise _misfit(setting, reason)


def _value_of_kind(setting: Setting, kind: str) -> Any:
    if unreadable_reason(setting.value) is None and fits_kind(setting.value, kind):
        return setting.value
    if setting.text is not None and fits_kind(setting.text, kind):
        return setting.text
    raise _misfit(setting, unreadable_reason(setting.value) or f"expected {kind}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _misfit(setting: Setting, reason: str) -> UsageError:
    shown = setting.text if setting.text is not None else repr(setting.value)
    return UsageError(f"{setting.source}={shown}: the value does not fit: {reason}")
