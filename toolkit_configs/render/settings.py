"""What the user sets: where each value comes from, and its place in a job.

Defaults, the model and a preset come first; these override them, later ones the earlier ones:

- Project file: ``chromiq.yaml`` in the working directory. ``preset``, ``name`` and ``training_folder``
  (relative to the file) at its top, and any key of the training process, nested or dotted.
- Environment: ``CHROMIQ_PRESET``, ``CHROMIQ_NAME``, ``CHROMIQ_TRAINING_FOLDER``, and ``CHROMIQ_`` followed
  by a key in capitals with two underscores for each dot, such as ``CHROMIQ_TRAIN__LR=2e-4``.
- Assignments such as ``train.lr=2e-4``, on the command line or in the studio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from chromiq.documents import load_yaml, read_text, reason_of
from chromiq.errors import UsageError
from chromiq.toolkit_configs.schema.config_file import FLOAT_TAG, ConfigLoader, repeated_keys
from chromiq.toolkit_configs.schema.trainer_job import OTHER_SPELLINGS
from chromiq.toolkit_configs.schema.trainer_source import fits_kind, pinned_source, section_keys
from chromiq.toolkit_configs.schema.written_keys import KEYS, names_in
from chromiq.wording import counted

PROJECT_FILE = "chromiq.yaml"
OPTIONS = ("preset", "name", "training_folder")
_PREFIX = "CHROMIQ_"
_NULL_TAG = "tag:yaml.org,2002:null"
_OF_THE_PROCESS = ("device", "trigger_word", "performance_log_every", "sqlite_db_path")
FREE = frozenset(
    {
        "model_kwargs",
        "model_paths",
        "network_kwargs",
        "optimizer_params",
        "lr_scheduler_params",
        "quantize_kwargs",
    }
)
"""Mappings whose keys are the user's own or the model's."""


@dataclass(frozen=True)
class Setting:
    """One value that the user set.

    Attributes:
        key: dotted, within the process, such as ``"train.lr"``.
        value: as YAML reads it.
        text: as it was written; None for a list or a mapping of a file.
        source: for messages and explanations, such as ``"chromiq.yaml"`` or ``"CHROMIQ_TRAIN__LR"``.
    """

    key: str
    value: Any
    text: str | None
    source: str


@dataclass(frozen=True)
class Settings:
    """All values from one place.

    Attributes:
        options: of `OPTIONS`, those that are given.
        values: in the order in which they are given.
    """

    source: str
    options: dict[str, str] = field(default_factory=dict)
    values: tuple[Setting, ...] = ()


def assigned_settings(assignments: Sequence[str], source: str) -> tuple[Setting, ...]:
    """The values of assignments ``KEY=VALUE``.

    Args:
        assignments: of keys within the process.
        source: what the user calls an assignment, for messages.

    >>> [(item.key, item.value) for item in assigned_settings(["train.lr=2e-4", "trigger_word=a=b"], "set")]
    [('train.lr', 0.0002), ('trigger_word', 'a=b')]

    Raises:
        UsageError: if one has no key or no ``=``.
    """
    settings = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"{source} {assignment}: the {'key' if equals else '='} is missing. Write KEY=VALUE, such as "
                "train.lr=2e-4."
            )
        settings.append(text_setting(key.strip(), text, f"{source} {key.strip()}"))
    return tuple(settings)


def environment_settings(environment: Mapping[str, str]) -> Settings:
    """The values of variables that begin with ``CHROMIQ_``; those of other parts of chromiq are ignored.

    Raises:
        UsageError: if one nearly spells an option.
    """
    options, values = {}, []
    for name in sorted(environment):
        if not name.startswith(_PREFIX):
            continue
        key = name.removeprefix(_PREFIX).lower().replace("__", ".")
        if key in OPTIONS:
            options[key] = environment[name]
        elif "." in key or key in _OF_THE_PROCESS:
            values.append(text_setting(key, environment[name], name))
        elif near := get_close_matches(key, (*OPTIONS, *_OF_THE_PROCESS), n=1, cutoff=0.8):
            meant = _PREFIX + near[0].upper()
            raise UsageError(f"{name}: chromiq reads no such variable. Did you mean {meant}?")
    return Settings("the environment", options, tuple(values))


def project_settings(path: Path | None = None) -> Settings:
    """The values of a project file, by default of `PROJECT_FILE` in the working directory if it exists.

    Raises:
        UsageError: if it cannot be read, or is not a mapping in YAML.
    """
    if path is None:
        path = Path(PROJECT_FILE)
        if not path.exists():
            return Settings(path.name)
    try:
        text = read_text(path)
        document, node = load_yaml(text, _NodeLoader) or (None, None)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as YAML: {error}") from error
    if document is None:
        return Settings(path.name)
    if not isinstance(document, dict):
        raise UsageError(f"{path}: contains no keys and values")
    if twice := repeated_keys(text, str(path)):
        raise UsageError(twice[0].text)
    written = _written(node)
    options, rest = {}, {}
    for key, value in document.items():
        if str(key) not in OPTIONS:
            rest[str(key)] = value
        elif isinstance(value, str):
            options[key] = value
        else:
            shown = written.get(key) or ("null" if value is None else value)
            raise UsageError(f"{path}: {key}: {shown} is not read as text. Put it in quotes.")
    if "training_folder" in options:
        options["training_folder"] = str(path.resolve().parent / options["training_folder"])
    values = [Setting(key, value, written.get(key), path.name) for key, value in flat(rest, lists=False)]
    return Settings(path.name, options, tuple(values))


class _SettingLoader(ConfigLoader):
    """Reads ``.5e3`` as a number too; whatever is rendered from it is a number to the trainer as well."""


_SettingLoader.add_implicit_resolver(
    FLOAT_TAG, re.compile(r"[-+]?\.[0-9][0-9_]*[eE][-+]?[0-9]+\Z"), list("-+.")
)


class _NodeLoader(_SettingLoader):
    """Gives beside the value the node that it was made of, which holds the scalars as they are written."""

    def construct_document(self, node: yaml.Node) -> list[Any]:
        return [super().construct_document(node), node]


def _written(node: yaml.Node | None, prefix: str = "") -> dict[str, str]:
    """The scalars of nested mappings as they are written, by dotted key."""
    found: dict[str, str] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        dotted = f"{prefix}{key.value}"
        if isinstance(value, yaml.ScalarNode) and value.tag != _NULL_TAG:
            found[dotted] = value.value
        found |= _written(value, f"{dotted}.")
    return found


def text_setting(key: str, text: str, source: str) -> Setting:
    """A value that was written as text; text that is no YAML is used as it is where text is expected."""
    try:
        return Setting(key, load_yaml(text, _SettingLoader), text, source)
    except ValueError:
        return Setting(key, text, text, source)


def flat(
    value: Mapping[str, Any] | list[Any], prefix: str = "", *, lists: bool = True
) -> list[tuple[str, Any]]:
    """Nested mappings, and with `lists` lists of mappings, as dotted keys; all else is a value.

    >>> flat({"a": {"b": 1, "c": []}, "d": [{"e": 2}, {"e": 3}]})
    [('a.b', 1), ('a.c', []), ('d.0.e', 2), ('d.1.e', 3)]
    """
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    found: list[tuple[str, Any]] = []
    for key, item in items:
        nested = isinstance(item, Mapping) or (
            lists and isinstance(item, list) and all(isinstance(one, Mapping) for one in item)
        )
        dotted = f"{prefix}{key}"
        found += flat(item, f"{dotted}.", lists=lists) if item and nested else [(dotted, item)]
    return found


def assign(process: dict[str, Any], setting: Setting) -> list[str]:
    """Set a dotted key of a process, or with a mapping each of its keys.

    Args:
        process: plain data, ours or that of a config that others wrote; it is changed.
        setting: ``dataset.`` or ``datasets.`` without a number is the first dataset.

    Returns:
        The full keys, such as ``"datasets.0.resolution"``.

    Raises:
        UsageError: if the key is not known or the value does not fit; it names what was meant. A process
            takes no name of its own.
    """
    if setting.key == "name":
        raise UsageError(
            f"{setting.source}={setting.text}: a process's own name would move the run's folder but not "
            "rename its files. Name the run with `name` instead."
        )
    path = _full_path(setting.key)
    target, section = _place(process, path, setting)
    plain, last = ".".join(part for part in path if not part.isdecimal()), path[-1]
    items = setting.value
    if isinstance(target, list):
        if not isinstance(target[int(last)], Mapping):
            raise misfit(setting, f"set the whole list, such as {setting.key.rpartition('.')[0]}=[{items}]")
        if not isinstance(items, Mapping):
            raise misfit(setting, "must hold keys and values")
    elif plain not in KEYS and last not in FREE and _is_section(plain, last):
        known = section_keys(section).get(last)
        if items is None and known is not None and known.default is None:
            target[last] = None
            return [".".join(path)]
        if not isinstance(items, Mapping) or not items:
            raise misfit(setting, "must hold keys and values")
    else:
        target[last] = deepcopy(_fitting_value(setting, plain, section))
        # Old spellings beside it would count instead.
        for other in OTHER_SPELLINGS.get(last, ()):
            target.pop(other, None)
        if plain != "datasets":
            return [".".join(path)]
        items = dict(enumerate(target[last]))
        target[last] = [{} for _ in items]
    parts = (replace(setting, key=f"{'.'.join(path)}.{name}", value=items[name], text=None) for name in items)
    return [key for part in parts for key in assign(process, part)]


def _full_path(key: str) -> list[str]:
    parts = key.split(".")
    if parts[0] == "dataset":
        parts[0] = "datasets"
    if parts[0] == "datasets" and len(parts) > 1 and not parts[1].isdecimal():
        parts.insert(1, "0")
    return parts


def _is_section(plain: str, last: str) -> bool:
    return last in pinned_source().sections or any(key.startswith(f"{plain}.") for key in KEYS)


def _place(process: dict[str, Any], path: list[str], setting: Setting) -> tuple[Any, str]:
    """Who holds the key, and the section whose keys are known there."""
    target: Any = process
    section = "process"
    for part, following in pairwise(path):
        _check_known(target, section, part, setting)
        target = _step_into(target, part, following, setting)
        if not part.isdecimal():
            section = "free" if part in FREE else part
    _check_known(target, section, path[-1], setting)
    return target, section


def _step_into(target: Any, part: str, following: str, setting: Setting) -> Any:
    inner = target[int(part)] if isinstance(target, list) else target.get(part)
    if inner is None:
        target[part] = inner = {}
    if isinstance(inner, list):
        if not following.isdecimal() or int(following) >= len(inner):
            has = f"{part} has {counted(len(inner), 'entry', 'entries')}, counted from 0"
            raise UsageError(f"{setting.source}: {part}.{following}: {has}")
    elif not isinstance(inner, dict):
        raise UsageError(f"{setting.key}: {part} holds no keys, so AI-Toolkit does not read {following!r}")
    return inner


def _check_known(target: Any, section: str, name: str, setting: Setting) -> None:
    known = section_keys(section)
    if isinstance(target, list) or section not in pinned_source().sections or name in known:
        return
    written = names_in(section) or sorted(known)
    near = get_close_matches(name, written, n=1) or get_close_matches(name, sorted(known), n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(written)}."
    raise UsageError(f"{setting.key}: AI-Toolkit reads no key {name!r}. {hint}")


def _fitting_value(setting: Setting, plain: str, section: str) -> Any:
    """The value in the type of its key; where text is expected, as it was written, such as ``yes``."""
    written = KEYS.get(plain)
    if written is None:
        known = section_keys(section).get(plain.rpartition(".")[2])
        kind = known.kind if known else "any"
        for value in (setting.value, *([] if setting.text is None else [setting.text])):
            if fits_kind(value, kind):
                return value
        raise misfit(setting, f"expected {kind}")
    if written.is_number and isinstance(setting.value, bool):
        raise misfit(setting, "must be a number, not true or false")
    try:
        return written.values.validate_python(setting.value)
    except ValidationError as error:
        with suppress(ValidationError):  # the reason of the first attempt says more
            if setting.text is not None and not written.is_number:
                return written.values.validate_python(setting.text)
        raise misfit(setting, reason_of(error.errors()[0])) from error


def misfit(setting: Setting, reason: str) -> UsageError:
    """The error for a value that does not fit its key."""
    shown = setting.text if setting.text is not None else repr(setting.value)
    where = setting.source if setting.key in setting.source else f"{setting.source}: {setting.key}"
    return UsageError(f"{where}={shown}: the value does not fit: {reason}")
