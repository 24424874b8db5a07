"""A config file's text <-> its document, as AI-Toolkit reads it.

The trainer replaces ``${VARIABLE}`` in the raw text, reads JSON or YAML by the file's suffix, takes ``1e-4``
for a number where YAML 1.1 takes it for text, and then replaces ``[name]`` everywhere.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chromiq.documents import load_json, load_yaml, read_text
from chromiq.errors import Finding

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+\Z")
_INDENTATION = re.compile(r"\{\s*\n([ \t]+)\"")
FLOAT_TAG = "tag:yaml.org,2002:float"
_JSON_SUFFIXES = frozenset({".json", ".jsonc"})
_SUFFIXES = _JSON_SUFFIXES | {".yaml", ".yml"}
_FIRST_PROCESS = ("config", "process", "0")


class ConfigLoader(yaml.SafeLoader):
    """Reads plain data, and numbers with an exponent as the trainer does."""


class ConfigDumper(yaml.SafeDumper):
    """Writes plain data, with texts such as ``1e-4`` in quotes, so that the trainer reads them as text."""


for _handler in (ConfigLoader, ConfigDumper):
    _handler.add_implicit_resolver(FLOAT_TAG, _EXPONENT, list("-+0123456789"))


def read_config_file(path: Path, environment: Mapping[str, str] | None = None) -> tuple[Any, list[Finding]]:
    """Read a config file.

    Args:
        path: YAML or JSON, by its suffix.
        environment: replaces ``${VARIABLE}``; the process's own if not given.

    Returns:
        The value, with variables and ``[name]`` replaced, or None if the file cannot be read; and all that is
        wrong with its text.
    """
    where = path.name
    environment = os.environ if environment is None else environment
    try:
        if path.exists() and not path.is_file():  # a pipe without a writer would be waited for
            raise OSError("it is no file")
        text = read_text(path)
        replaced = _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), text)
        parsed = load_json(replaced) if is_json_file(path) else load_yaml(replaced, ConfigLoader)
    except (OSError, ValueError) as error:
        hint = "Check the path and its permissions." if isinstance(error, OSError) else "Fix the file."
        return None, [Finding("config.unreadable", str(path), f"cannot be read: {error}", hint)]
    findings = []
    for name in sorted({*_VARIABLE.findall(text)} - environment.keys()):
        message = "the environment variable is not set, so AI-Toolkit stops"
        hint = f"Set {name}, or write the value itself."
        findings.append(Finding("config.variable", f"{where}: ${{{name}}}", message, hint))
    if not is_json_file(path):
        findings += repeated_keys(text, where)
    if path.suffix.lower() not in _SUFFIXES:
        message = "AI-Toolkit itself opens only .yaml, .yml, .json and .jsonc files"
        hint = "Rename the file to end in .yaml."
        findings.append(Finding("config.suffix", str(path), message, hint, "warning"))
    document, failed = _with_name(parsed)
    if failed:
        findings.append(Finding("config.value", where, failed, "Put the value in quotes."))
    return document, findings


def variables_of(path: Path) -> set[str]:
    """The names of the variables in a config file; none if it cannot be read."""
    try:
        return set(_VARIABLE.findall(read_text(path))) if path.is_file() else set()
    except (OSError, ValueError):
        return set()


def dump_config(document: Any, *, as_json: bool = False, like: str = "") -> str:
    """The text of a config file that the trainer reads back as `document`.

    Args:
        like: a JSON text whose indentation is kept; without one, JSON is indented by two spaces.

    >>> dump_config({"name": "1e4", "lr": 1e-05})
    "name: '1e4'\\nlr: 1.0e-05\\n"
    """
    if as_json:
        indented = _INDENTATION.search(like)
        indent = indented[1] if indented else None if like.strip().startswith("{") else 2
        return json.dumps(document, indent=indent, ensure_ascii=False) + "\n"
    text: str = yaml.dump(document, Dumper=ConfigDumper, sort_keys=False, allow_unicode=True)
    return text


def is_json_file(path: Path) -> bool:
    """Whether a file's name says that it is JSON, which is how the trainer tells."""
    return path.suffix.lower() in _JSON_SUFFIXES


def _with_name(document: Any) -> tuple[Any, str | None]:
    """The document with ``[name]`` replaced in every text, and why the trainer would fail at that."""
    config = document.get("config") if isinstance(document, dict) else None
    name = config.get("name") if isinstance(config, dict) else None
    try:
        text = json.dumps(document)
    except (TypeError, ValueError) as error:
        plain = json.loads(json.dumps(document, default=str, skipkeys=True))
        return plain, f"holds a value that AI-Toolkit cannot store ({error})"
    if not isinstance(name, str):
        return json.loads(text), None
    try:
        return json.loads(text.replace("[name]", name)), None
    except ValueError:
        return json.loads(text), f"the name {name!r} breaks the texts that hold [name]"


def repeated_keys(text: str, where: str) -> list[Finding]:
    """Keys that stand twice in one mapping, of which YAML silently takes the last."""
    findings = []
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return []  # readable only after variables were replaced
    for node, path in _mappings(root):
        names = [str(key.value) for key, _ in node.value]
        for name in sorted({name for name in names if names.count(name) > 1}):
            full = ".".join(short_path((*path, name)))
            message = f"the key appears {names.count(name)} times, and only the last one counts"
            findings.append(Finding("config.twice", f"{where}: {full}", message, "Remove the others."))
    return findings


def short_path(path: tuple[str, ...]) -> tuple[str, ...]:
    """A key's path as messages show it: within the first process, without the way there."""
    return path[3:] if path[:3] == _FIRST_PROCESS and len(path) > 3 else path


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
