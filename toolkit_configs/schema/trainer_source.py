"""What the vendored trainer's source says about configs: keys, kinds, defaults, model architectures.

It is read from the syntax tree, without importing or running the trainer, and committed as ``trainer.json``,
so that configs can be checked without the trainer at hand. After the submodule moves::

    chromiq toolkit update COMMIT

rewrites the file, says what changed, and the difference shows in version control.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

_CONFIG_MODULES = "toolkit/config_modules.py"
_EXTENSION_FOLDERS = ("extensions", "extensions_built_in")
_TRAIN_JOB = "jobs/TrainJob.py"
_OPTIMIZER = "toolkit/optimizer.py"
# The classes that every diffusion training goes through: their defaults are every run's.
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
    "validation_config": "ValidationConfig",
    "guidance": "GuidanceConfig",
    "embedding": "EmbeddingConfig",
    "decorator": "DecoratorConfig",
}
# Read by whoever chooses the process, or written by the trainer's own interface for itself.
_OF_THE_JOB = ("type", "name", "device")
SOURCE_FILE = Path(__file__).with_name("trainer.json")
_KINDS = frozenset({"bool", "int", "float", "str", "list", "dict"})
_UNKNOWN_KIND = "any"


class Key(BaseModel):
    """One key that the trainer reads.

    Attributes:
        kind: ``"any"``, where the source does not tell, or one or more of ``bool``, ``int``, ``float``,
            ``str``, ``list``, ``dict`` and ``null``, such as ``"float or null"``.
        default: what the trainer takes where the key is missing; meaningless if `computed`.
        default_of: the key whose value is taken instead; ``sample.`` before it for the whole sample section.
        computed: the default is neither a constant nor another key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str = _UNKNOWN_KIND
    default: Any = None
    default_of: str | None = None
    computed: bool = False


class TrainerSource(BaseModel):
    """All that is read from the trainer's source.

    Attributes:
        commit: that chromiq is pinned to.
        sections: section name, such as ``"train"`` or ``"process"``, to its keys.
        archs: values of ``model.arch`` that have their own model class.
        legacy_archs: those that `StableDiffusion`, the trainer's first model class, trains.
        extension_processes: values of ``type`` in a job of kind ``extension``.
        train_processes: values of ``type`` in a job of kind ``train``.
        optimizers: words that ``train.optimizer`` may be, in lower case.
        optimizer_prefixes: what it may begin with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str = ""
    sections: dict[str, dict[str, Key]]
    archs: list[str] = Field(default_factory=list)
    legacy_archs: list[str] = Field(default_factory=list)
    extension_processes: list[str] = Field(default_factory=list)
    train_processes: list[str] = Field(default_factory=list)
    optimizers: list[str] = Field(default_factory=list)
    optimizer_prefixes: list[str] = Field(default_factory=list)

    def as_text(self) -> str:
        """The source as JSON, one key a line, so that differences are readable."""
        document = self.model_dump(exclude_defaults=True)
        lines = []
        for section, keys in sorted(document.pop("sections").items()):
            items = ",\n".join(f"   {json.dumps(key)}: {json.dumps(keys[key])}" for key in sorted(keys))
            lines.append(f"  {json.dumps(section)}: {{\n{items}\n  }}")
        rest = "".join(f",\n {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items())
        return '{\n "sections": {\n' + ",\n".join(lines) + f"\n }}{rest}\n}}\n"


@cache
def pinned_source() -> TrainerSource:
    """What the pinned commit's source says, as committed."""
    return TrainerSource.model_validate_json(SOURCE_FILE.read_text(encoding="utf-8"))


def section_keys(section: str) -> Mapping[str, Key]:
    """The keys that the trainer reads in a section; empty for a section that is not known."""
    return pinned_source().sections.get(section, {})


@cache
def known_archs() -> frozenset[str]:
    """Every value of ``model.arch``, without a label after a colon, that the trainer treats specially."""
    source = pinned_source()
    return frozenset([*source.archs, *source.legacy_archs])


def fits_kind(value: Any, kind: str) -> bool:
    """Whether a value is of a kind; whole numbers are also floats, and only a bool is a bool.

    >>> fits_kind(1, "float or null"), fits_kind(True, "int"), fits_kind("x", "any")
    (True, False, True)
    """
    if kind == _UNKNOWN_KIND:
        return True
    names = {"NoneType": "null"}
    own = names.get(type(value).__name__, type(value).__name__)
    return own in kind.split(" or ") or (own == "int" and "float" in kind.split(" or "))


def read_source(toolkit: Path) -> TrainerSource:
    """Read a checkout's source without running any of it."""
    modules = _parse(toolkit / _CONFIG_MODULES)
    classes = {node.name: node for node in modules.body if isinstance(node, ast.ClassDef)}
    sections = {section: _section(classes[name]) for section, name in _SECTIONS.items() if name in classes}
    process = {name: Key() for name in _OF_THE_JOB}
    for tree in _trees(toolkit, "jobs/process", *_EXTENSION_FOLDERS):
        process |= {name: Key() for name, _ in _process_keys(tree)}
    for name in _PROCESSES:
        for key, default in _process_keys(_parse(toolkit / name)):
            process[key] = _key(default, _UNKNOWN_KIND)
    sections["process"] = process
    return TrainerSource(
        sections=sections,
        archs=_class_words("arch", toolkit, "toolkit/models", *_EXTENSION_FOLDERS),
        legacy_archs=sorted(set(_legacy_archs(classes["ModelConfig"]))),
        extension_processes=_class_words("uid", toolkit, *_EXTENSION_FOLDERS),
        train_processes=sorted(_train_processes(toolkit)),
        optimizers=sorted(set(_optimizers(toolkit))),
        optimizer_prefixes=sorted(set(_optimizer_prefixes(toolkit))),
    )


def differences(before: TrainerSource, after: TrainerSource) -> list[str]:
    """What changed between two commits, a line each.

    >>> old = TrainerSource(sections={"train": {"lr": Key(default=1e-6)}}, archs=["a"])
    >>> new = TrainerSource(sections={"train": {"lr": Key(default=1e-4), "x": Key()}}, archs=["b"])
    >>> differences(old, new)
    ['train.lr: default 1e-06 -> 0.0001', 'train.x: new key', 'archs: new b', 'archs: removed a']
    """
    lines = []
    for section in sorted({*before.sections, *after.sections}):
        old, new = before.sections.get(section, {}), after.sections.get(section, {})
        for name in sorted({*old, *new}):
            place = f"{section}.{name}"
            if name not in old:
                lines.append(f"{place}: new key")
            elif name not in new:
                lines.append(f"{place}: no longer read")
            elif old[name] != new[name]:
                lines.append(f"{place}: {_change(old[name], new[name])}")
    for field in ("archs", "legacy_archs", "extension_processes", "train_processes", "optimizers"):
        had, has = set(getattr(before, field)), set(getattr(after, field))
        lines += [f"{field}: new {name}" for name in sorted(has - had)]
        lines += [f"{field}: removed {name}" for name in sorted(had - has)]
    return lines


def _change(old: Key, new: Key) -> str:
    if (old.default, old.default_of, old.computed) == (new.default, new.default_of, new.computed):
        return f"kind {old.kind} -> {new.kind}"
    return f"default {_default_text(old)} -> {_default_text(new)}"


def _default_text(key: Key) -> str:
    if key.computed:
        return "computed"
    return f"that of {key.default_of}" if key.default_of else repr(key.default)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _trees(toolkit: Path, *folders: str) -> Iterator[ast.Module]:
    for path in (path for folder in folders for path in sorted((toolkit / folder).rglob("*.py"))):
        try:
            yield _parse(path)
        except SyntaxError:
            continue  # the trainer holds a file of prompts that Python does not read either


def _section(tree: ast.ClassDef) -> dict[str, Key]:
    """Every key that a config class reads, with its kind and default where the source tells."""
    keys = {name: Key(computed=True) for name in _read_keys(tree)}
    seen: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not _is_get(node):
            continue
        name, *default = node.args
        key = str(ast.literal_eval(name))
        if key not in seen:
            seen.add(key)
            keys[key] = _key(default[0] if default else None, _UNKNOWN_KIND)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        call: ast.expr | None = node.value
        if _is_cast(call):
            call = call.args[0]
        if isinstance(call, ast.Call) and _is_get(call):
            key = str(ast.literal_eval(call.args[0]))
            annotation = node.annotation if isinstance(node, ast.AnnAssign) else None
            kind = _kind(annotation, call.args[1] if len(call.args) > 1 else None)
            keys[key] = keys[key].model_copy(update={"kind": kind})
    return keys


def _key(default: ast.expr | None, kind: str) -> Key:
    """A key by the expression of its default."""
    if default is None:
        return Key(kind=kind)
    try:
        value = ast.literal_eval(default)
        return Key(kind=kind, default=list(value) if isinstance(value, tuple) else value)
    except ValueError:
        pass
    if isinstance(default, ast.Attribute) and isinstance(default.value, ast.Name):
        owner = {"self": "", "sample_config": "sample."}.get(default.value.id)
        if owner is not None:
            return Key(kind=kind, default_of=owner + default.attr)
    return Key(kind=kind, computed=True)


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
            yield from (name for name in named if name not in {"self", "sample_config"})


def _process_keys(tree: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Keys read as ``self.get_conf("key", default)`` or ``self.config.get("key", default)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            of_config = (
                isinstance(owner, ast.Attribute) and owner.attr == "config" and node.func.attr == "get"
            )
            if node.func.attr == "get_conf" or of_config:
                for name in _constants(node.args[:1]):
                    yield name.split(".")[0], node.args[1] if len(node.args) > 1 else None


def _class_words(name: str, toolkit: Path, *folders: str) -> list[str]:
    """What classes call themselves in an attribute: models in ``arch``, extensions in ``uid``."""
    found: set[str] = set()
    for tree in _trees(toolkit, *folders):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found |= set(_class_constants(node, name))
    return sorted(found)


def _legacy_archs(model_config: ast.ClassDef) -> Iterator[str]:
    """Words that ``ModelConfig`` compares ``self.arch`` with, or sets it to."""
    for node in ast.walk(model_config):
        if isinstance(node, ast.Compare) and _is_self_arch(node.left):
            yield from _constants(node.comparators)
        elif isinstance(node, ast.Assign) and any(map(_is_self_arch, node.targets)):
            yield from _constants([node.value])


def _is_self_arch(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "arch"


def _train_processes(toolkit: Path) -> list[str]:
    for node in ast.walk(_parse(toolkit / _TRAIN_JOB)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return list(_constants([key for key in node.value.keys if key is not None]))
    return []


def _optimizers(toolkit: Path) -> Iterator[str]:
    """Words that the optimizer's name, in lower case, is compared with."""
    for node in ast.walk(_parse(toolkit / _OPTIMIZER)):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "lower_type":
            yield from _constants(node.comparators)


def _optimizer_prefixes(toolkit: Path) -> Iterator[str]:
    for node in ast.walk(_parse(toolkit / _OPTIMIZER)):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and isinstance(called, ast.Attribute) and called.attr == "startswith":
            yield from _constants(node.args)


def _class_constants(node: ast.ClassDef, name: str) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.Assign | ast.AnnAssign) and isinstance(item.value, ast.Constant):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield from [str(item.value.value)] if item.value.value else []


def _is_kwargs(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "kwargs"


def _is_get(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and _is_kwargs(node.func.value)
        and isinstance(node.args[0], ast.Constant)
    )


def _is_cast(node: ast.expr | None) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"float", "int"}
        and bool(node.args)
    )


def _kind(annotation: ast.expr | None, default: ast.expr | None) -> str:
    """A key's kind. A default of None alone tells nothing; beside an annotation a default adds its kind."""
    named = _annotated(annotation) if annotation is not None else set()
    given = _kind_of(default) if default is not None else "null"
    kinds = named | ({given} - {_UNKNOWN_KIND} - ({"float"} & {given} if "int" in named else set()))
    # Without an annotation False often stands for "not given", as with a negative prompt.
    kinds = kinds if named else {given} - {"null", "bool"}
    return " or ".join(sorted(kinds)) if kinds and _UNKNOWN_KIND not in kinds else _UNKNOWN_KIND


def _annotated(node: ast.expr) -> set[str]:
    """The kinds that an annotation names; ``{"any"}`` for a name of the trainer's own."""
    if isinstance(node, ast.Constant):
        return {"null"} if node.value is None else {_UNKNOWN_KIND}
    if isinstance(node, ast.Name):
        return {node.id.lower() if node.id.lower() in _KINDS else _UNKNOWN_KIND}
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        if node.value.id == "Literal":
            return {"str"}
        if node.value.id in {"Optional", "Union"}:
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            more = {"null"} if node.value.id == "Optional" else set()
            return more.union(*(_annotated(part) for part in parts))
        return _annotated(node.value)
    return {_UNKNOWN_KIND}


def _kind_of(node: ast.expr) -> str:
    """The kind of a default; a whole number may stand for a float, so it tells only that much."""
    try:
        name = type(ast.literal_eval(node)).__name__
    except ValueError:
        return _UNKNOWN_KIND
    return {"NoneType": "null", "int": "float", "tuple": "list"}.get(name, name)


def _constants(nodes: Sequence[ast.expr]) -> Iterator[str]:
    return (str(node.value) for node in nodes if isinstance(node, ast.Constant) and node.value is not None)
