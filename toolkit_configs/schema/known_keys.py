"""Which config keys the vendored trainer reads, and what kind of value, taken from its source.

All other keys it drops in silence.

The list is committed, so that configs can be checked without the trainer. After the submodule moves::

    python -m chromiq.toolkit_configs.schema.known_keys vendor/ai-toolkit

writes it anew, and the difference shows in version control.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from chromiq.files import write_json

_CONFIG_MODULES = "toolkit/config_modules.py"
_PROCESSES = (
    "jobs/process/BaseProcess.py",
    "jobs/process/BaseTrainProcess.py",
    "jobs/process/BaseSDTrainProcess.py",
    "extensions_built_in/sd_trainer/SDTrainer.py",
    "extensions_built_in/sd_trainer/DiffusionTrainer.py",
)
_SECTIONS = {
    "network": "NetworkConfig",
    "save": "SaveConfig",
    "datasets": "DatasetConfig",
    "train": "TrainConfig",
    "model": "ModelConfig",
    "sample": "SampleConfig",
    "samples": "SampleItem",
    "logging": "LoggingConfig",
    "adapter": "AdapterConfig",
    "ema_config": "EMAConfig",
}
# Read by whoever chooses the process, or written by the trainer's own interface for itself.
_OF_THE_JOB = ("type", "name", "device")
_FILE = "known_keys.json"
_KINDS = frozenset({"bool", "int", "float", "str", "list", "dict"})


@cache
def known_kinds() -> Mapping[str, Mapping[str, str]]:
    """Section name, such as ``"train"`` or ``"process"``, to its keys and the kind of value of each.

    A kind is ``"any"``, where the source does not tell, or one or more of ``bool``, ``int``, ``float``,
    ``str``, ``list``, ``dict`` and ``null``, such as ``"float or null"``.
    """
    kinds: dict[str, dict[str, str]] = json.loads(
        files("chromiq.toolkit_configs.schema").joinpath(_FILE).read_text(encoding="utf-8")
    )
    return kinds


@cache
def known_keys() -> Mapping[str, frozenset[str]]:
    """Section name to the keys that the trainer reads in it."""
    return {section: frozenset(kinds) for section, kinds in known_kinds().items()}


def fits_kind(value: Any, kind: str) -> bool:
    """Whether a value is of a kind; whole numbers are also floats, and nothing but a bool is a bool.

    >>> fits_kind(1, "float or null"), fits_kind(True, "int"), fits_kind("x", "any")
    (True, False, True)
    """
    if kind == "any":
        return True
    names = {"NoneType": "null"}
    own = names.get(type(value).__name__, type(value).__name__)
    return own in kind.split(" or ") or (own == "int" and "float" in kind.split(" or "))


def keys_in_source(toolkit: Path) -> dict[str, dict[str, str]]:
    """The same as `known_kinds`, read from a checkout's source without running any of it.

    Args:
        toolkit: the checkout's folder.
    """
    modules = _parse(toolkit / _CONFIG_MODULES)
    classes = {node.name: node for node in modules.body if isinstance(node, ast.ClassDef)}
    sections = {section: _kinds_in(classes[name]) for section, name in _SECTIONS.items()}
    process = dict.fromkeys(_OF_THE_JOB, "any")
    for path in _PROCESSES:
        process |= dict.fromkeys(_process_keys(_parse(toolkit / path)), "any")
    return {section: dict(sorted(keys.items())) for section, keys in {"process": process, **sections}.items()}


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _read_keys(tree: ast.AST) -> Iterator[str]:
    """Keys read as ``kwargs.get("key")``, ``kwargs["key"]``, ``"key" in kwargs`` or named arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"get", "pop"} and _is_kwargs(node.func.value):
                yield from _constants(node.args[:1])
        elif isinstance(node, ast.Subscript) and _is_kwargs(node.value):
            yield from _constants([node.slice])
        elif isinstance(node, ast.Compare) and any(map(_is_kwargs, node.comparators)):
            yield from _constants([node.left])
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            named = (argument.arg for argument in (*node.args.args, *node.args.kwonlyargs))
            yield from (name for name in named if name != "self")


def _process_keys(tree: ast.AST) -> Iterator[str]:
    """Keys read as ``self.get_conf("key")`` or ``self.config.get("key")``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            of_config = (
                isinstance(owner, ast.Attribute) and owner.attr == "config" and node.func.attr == "get"
            )
            if node.func.attr == "get_conf" or of_config:
                yield from _constants(node.args[:1])


def _is_kwargs(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "kwargs"


def _kinds_in(tree: ast.AST) -> dict[str, str]:
    """Every key that a class reads, with its kind where an annotation or a plain default tells it."""
    kinds = dict.fromkeys(_read_keys(tree), "any")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not _is_get(node.value):
            continue
        assert isinstance(node.value, ast.Call)  # _is_get says so
        key, *default = node.value.args
        named = _annotated(node.annotation) if isinstance(node, ast.AnnAssign) else set()
        given = _kind_of(default[0]) if default else "null"
        # A default of None alone tells nothing; beside an annotation it says that null will do.
        told = named | ({"null"} & {given}) if named else {given} - {"null"}
        if told and "any" not in told:
            kinds[str(ast.literal_eval(key))] = " or ".join(sorted(told))
    return kinds


def _is_get(node: ast.AST | None) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and _is_kwargs(node.func.value)
        and isinstance(node.args[0], ast.Constant)
    )


def _annotated(node: ast.expr) -> set[str]:
    """The kinds that an annotation names; ``{"any"}`` for a name of the trainer's own."""
    if isinstance(node, ast.Constant):
        return {"null"} if node.value is None else {"any"}
    if isinstance(node, ast.Name):
        return {node.id.lower() if node.id.lower() in _KINDS else "any"}
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        if node.value.id == "Literal":
            return {"str"}
        if node.value.id in {"Optional", "Union"}:
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            more = {"null"} if node.value.id == "Optional" else set()
            return more.union(*(_annotated(part) for part in parts))
        return _annotated(node.value)
    return {"any"}


def _kind_of(node: ast.expr) -> str:
    """The kind of a default; a whole number may stand for a float, so it tells only that much."""
    try:
        name = type(ast.literal_eval(node)).__name__
    except ValueError:
        return "any"
    return {"NoneType": "null", "int": "float", "tuple": "list"}.get(name, name)


def _constants(nodes: Sequence[ast.expr]) -> Iterator[str]:
    return (str(node.value) for node in nodes if isinstance(node, ast.Constant))


if __name__ == "__main__":
    write_json(Path(__file__).with_name(_FILE), keys_in_source(Path(sys.argv[1])))
