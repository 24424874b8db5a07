"""Where a config's values come from: defaults, the model, a preset, ``chromiq.yaml``, the environment, the
command line. Later ones override earlier ones.

- Project file: ``chromiq.yaml`` in the working directory. ``preset``, ``name`` and ``training_folder``
  (relative to the file) at its top, and any key of the training process, nested or dotted.
- Environment: ``CHROMIQ_PRESET``, ``CHROMIQ_NAME``, ``CHROMIQ_TRAINING_FOLDER``, and ``CHROMIQ_`` followed
  by a key in capitals with two underscores for each dot, such as ``CHROMIQ_TRAIN__LR=2e-4``.
- Assignments such as ``train.lr=2e-4``, on the command line or in the studio.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chromiq.documents import load_yaml, read_text
from chromiq.errors import UsageError

PROJECT_FILE = "chromiq.yaml"
OPTIONS = ("preset", "name", "training_folder")
_PREFIX = "CHROMIQ_"
_OF_THE_PROCESS = ("device", "trigger_word", "performance_log_every", "sqlite_db_path")
_EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+")


@dataclass(frozen=True)
class Setting:
    """One value that the user set.

    Attributes:
        key: dotted, within the process, such as ``"train.lr"``.
        value: as YAML reads it.
        text: as it was written, or None where it was never text.
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
        source: the place, for messages.
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
        document = load_yaml(read_text(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as YAML: {error}") from error
    if document is None:
        return Settings(path.name)
    if not isinstance(document, dict):
        raise UsageError(f"{path}: contains no keys and values")
    options, rest = {}, {}
    for key, value in document.items():
        if str(key) not in OPTIONS:
            rest[str(key)] = value
        elif not isinstance(value, str):
            raise UsageError(f"{path}: {key}: {value!r} is not text. Put it in quotes.")
        else:
            options[str(key)] = value
    if "training_folder" in options:
        options["training_folder"] = str(path.resolve().parent / options["training_folder"])
    values = [Setting(key, value, None, path.name) for key, value in flat(rest, lists=False)]
    return Settings(path.name, options, tuple(values))


def text_setting(key: str, text: str, source: str) -> Setting:
    """A value that was written as text.

    Raises:
        UsageError: if the text is no YAML.
    """
    try:
        # 2e-4 is text in YAML 1.1 and a number to everybody who writes it.
        value = float(text) if looks_like_a_float(text) else load_yaml(text)
    except ValueError as error:
        # Text such as "a: b: c" is not YAML; where text is expected it is used as it is.
        return Setting(key, _Unreadable(str(error)), text, source)
    return Setting(key, value, text, source)


def looks_like_a_float(value: Any) -> bool:
    """Whether a value is text such as ``2e-4``, which YAML 1.1 leaves text and the trainer reads as a number.

    >>> looks_like_a_float("2e-4"), looks_like_a_float("fast"), looks_like_a_float(1.0)
    (True, False, False)
    """
    return isinstance(value, str) and _EXPONENT.fullmatch(value) is not None


class _Unreadable(str):
    """Text that YAML does not read; it holds YAML's reason."""

    __slots__ = ()


def unreadable_reason(value: Any) -> str | None:
    """YAML's reason for not reading a value, or None if it was read."""
    return str(value).replace("\n", " ") if isinstance(value, _Unreadable) else None


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
