"""Which config keys the vendored trainer reads, taken from its source; all others it drops in silence.

The list is committed, so that configs can be checked without the trainer. After the submodule moves::

    python -m toolkit_configs.known_keys vendor/ai-toolkit

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


@cache
def known_keys() -> Mapping[str, frozenset[str]]:
    """Section name, such as ``"train"`` or ``"process"``, to the keys that the trainer reads in it."""
    text = files("toolkit_configs").joinpath(_FILE).read_text(encoding="utf-8")
    return {section: frozenset(keys) for section, keys in json.loads(text).items()}


def keys_in_source(toolkit: Path) -> dict[str, list[str]]:
    """The same, read from a checkout's source without running any of it.

    Args:
        toolkit: the checkout's folder.
    """
    modules = _parse(toolkit / _CONFIG_MODULES)
    classes = {node.name: node for node in modules.body if isinstance(node, ast.ClassDef)}
    sections = {section: sorted(set(_read_keys(classes[name]))) for section, name in _SECTIONS.items()}
    process = {key for path in _PROCESSES for key in _process_keys(_parse(toolkit / path))}
    return {"process": sorted(process | set(_OF_THE_JOB)), **sections}


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


def _constants(nodes: Sequence[ast.expr]) -> Iterator[str]:
    return (str(node.value) for node in nodes if isinstance(node, ast.Constant))


if __name__ == "__main__":
    write_json(Path(__file__).with_name(_FILE), keys_in_source(Path(sys.argv[1])))
