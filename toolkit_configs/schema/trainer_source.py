"""What the vendored trainer's source says about configs: keys, kinds, defaults, model architectures.

It is read from the syntax tree, without importing or running the trainer, and committed as ``trainer.json``,
so that configs can be checked without the trainer at hand. After the submodule moves::

    chromiq toolkit update COMMIT

rewrites the file, says what changed, and the difference shows in version control.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

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
    archs: list[str] = []
    legacy_archs: list[str] = []
    extension_processes: list[str] = []
    train_processes: list[str] = []
    optimizers: list[str] = []
    optimizer_prefixes: list[str] = []

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
    kinds = kind.split(" or ")
    own = "null" if value is None else type(value).__name__
    return kind == _UNKNOWN_KIND or own in kinds or (own == "int" and "float" in kinds)


def read_source(toolkit: Path) -> TrainerSource:
    """Read a checkout's source without running any of it."""
    modules = _parse(toolkit / _CONFIG_MODULES).body
    classes = {node.name: node for node in modules if isinstance(node, ast.ClassDef)}
    sections = {section: _section(classes[name]) for section, name in _SECTIONS.items() if name in classes}
    process = {name: Key() for name in _OF_THE_JOB}
    for tree in _trees(toolkit, "jobs/process", *_EXTENSION_FOLDERS):
        process |= {name: Key() for name, _ in _process_keys(tree)}
    for path in _PROCESSES:
        process |= {name: _key(default) for name, default in _process_keys(_parse(toolkit / path))}
    return TrainerSource(
        sections={**sections, "process": process},
        archs=_words("arch", *_trees(toolkit, "toolkit/models", *_EXTENSION_FOLDERS)),
        legacy_archs=_words("self.arch", classes["ModelConfig"]),
        extension_processes=_words("uid", *_trees(toolkit, *_EXTENSION_FOLDERS)),
        train_processes=_words("process_dict", _parse(toolkit / _TRAIN_JOB)),
        optimizers=_words("lower_type", _parse(toolkit / _OPTIMIZER)),
        optimizer_prefixes=_words("startswith", _parse(toolkit / _OPTIMIZER)),
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
    defaults: dict[str, ast.expr | None] = {}
    kinds: dict[str, str] = {}
    for node in ast.walk(tree):
        for name, default in _got(node):
            defaults.setdefault(name, default)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            for name, default in _got(node.value, cast=True):
                kinds[name] = _kind(getattr(node, "annotation", None), default)
    got = {name: _key(default, kinds.get(name, _UNKNOWN_KIND)) for name, default in defaults.items()}
    return {**{name: Key(computed=True) for name in _read_keys(tree)}, **got}


def _got(node: ast.AST | None, *, cast: bool = False) -> Iterator[tuple[str, ast.expr | None]]:
    """The key and the default of ``kwargs.get("key", default)``, with `cast` also within ``float()``."""
    match node:
        case ast.Call(ast.Attribute(ast.Name("kwargs"), "get"), [ast.Constant(str(name)), *rest]):
            yield name, rest[0] if rest else None
        case ast.Call(ast.Name("float" | "int"), [inner, *_]) if cast:
            yield from _got(inner)


def _key(default: ast.expr | None, kind: str = _UNKNOWN_KIND) -> Key:
    """A key by the expression of its default."""
    match default:
        case None:
            return Key(kind=kind)
        case ast.Attribute(ast.Name("self"), name):
            return Key(kind=kind, default_of=name)
        case ast.Attribute(ast.Name("sample_config"), name):
            return Key(kind=kind, default_of=f"sample.{name}")
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return Key(kind=kind, computed=True)
    return Key(kind=kind, default=list(value) if isinstance(value, tuple) else value)


def _read_keys(tree: ast.AST) -> Iterator[str]:
    """Keys read as ``kwargs.get("key")``, ``kwargs["key"]``, ``"key" in kwargs`` or named arguments."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("kwargs"), "get" | "pop"), [ast.Constant(str(name)), *_]):
                yield name
            case ast.Subscript(ast.Name("kwargs"), ast.Constant(str(name))):
                yield name
            case ast.Compare(ast.Constant(str(name)), comparators=[ast.Name("kwargs")]):
                yield name
            case ast.FunctionDef("__init__", ast.arguments(args=args, kwonlyargs=more)):
                yield from {argument.arg for argument in (*args, *more)} - {"self", "sample_config"}


def _process_keys(tree: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Keys read as ``self.get_conf("key", default)`` or ``self.config.get("key", default)``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                ast.Attribute(attr="get_conf") | ast.Attribute(ast.Attribute(attr="config"), "get"),
                [ast.Constant(str(name)), *rest],
            ):
                yield name.split(".")[0], rest[0] if rest else None


def _words(kind: str, *trees: ast.AST) -> list[str]:
    """The words of one kind, as `_named_words` finds them, sorted and each once."""
    found = (pair for tree in trees for node in ast.walk(tree) for pair in _named_words(node))
    return sorted({word for name, word in found if name == kind and word})


def _named_words(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What a class calls itself, what a name is compared with or set to, the keys of a dictionary."""
    match node:
        case ast.ClassDef(body=body):
            for item in body:
                match item:
                    case ast.Assign([ast.Name(name)], ast.Constant(str(word))):
                        yield name, word
                    case ast.AnnAssign(ast.Name(name), value=ast.Constant(str(word))):
                        yield name, word
        case ast.Compare(ast.Name(name), comparators=[ast.Constant(str(word))]):
            yield name, word
        case ast.Compare(ast.Attribute(ast.Name("self"), name), comparators=[ast.Constant(str(word))]):
            yield f"self.{name}", word
        case ast.Assign([ast.Attribute(ast.Name("self"), name)], ast.Constant(str(word))):
            yield f"self.{name}", word
        case ast.Call(ast.Attribute(attr="startswith"), [ast.Constant(str(word))]):
            yield "startswith", word
        case ast.Assign([ast.Name(name)], ast.Dict(keys)):
            yield from ((name, str(key.value)) for key in keys if isinstance(key, ast.Constant))


def _kind(annotation: ast.expr | None, default: ast.expr | None) -> str:
    """A key's kind. A default of None alone tells nothing; beside an annotation a default adds its kind."""
    given = "null" if default is None else _kind_of(default)
    if annotation is None:
        # False often stands for "not given", as with a negative prompt.
        return _UNKNOWN_KIND if given in {"null", "bool"} else given
    kinds = _annotated(annotation)
    if given != _UNKNOWN_KIND and not (given == "float" and "int" in kinds):
        kinds |= {given}
    return _UNKNOWN_KIND if _UNKNOWN_KIND in kinds else " or ".join(sorted(kinds))


def _annotated(node: ast.expr) -> set[str]:
    """The kinds that an annotation names; ``{"any"}`` for a name of the trainer's own."""
    match node:
        case ast.Constant(None):
            return {"null"}
        case ast.Name(name) if name.lower() in _KINDS:
            return {name.lower()}
        case ast.Subscript(ast.Name("Literal")):
            return {"str"}
        case ast.Subscript(ast.Name("Optional" | "Union" as name), inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return set({"null"} if name == "Optional" else ()).union(*map(_annotated, parts))
        case ast.Subscript(ast.Name() as outer):
            return _annotated(outer)
    return {_UNKNOWN_KIND}


def _kind_of(node: ast.expr) -> str:
    """The kind of a default; a whole number may stand for a float, so it tells only that much."""
    try:
        name = type(ast.literal_eval(node)).__name__
    except ValueError:
        return _UNKNOWN_KIND
    return {"NoneType": "null", "int": "float", "tuple": "list"}.get(name, name)
