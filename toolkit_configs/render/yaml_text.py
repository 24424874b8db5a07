"""A YAML text and the document it should hold -> the same text, changed only where the document differs.

PyYAML says where in the text each value stands. ruamel.yaml's round trip was tried: it moves dashes that
stand on lines of their own, and comments beside them, and changes what an alias repeats together with its
anchor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

from chromiq.documents import load_yaml
from chromiq.toolkit_configs.schema.config_file import ConfigLoader

Edit = tuple[int, int, str]
"""Where a piece of the text begins and ends, and what replaces it."""
_ALIAS = "alias"
_ANCHOR = re.compile(r"&[-\w]+\s*(?:#.*\s*)*")
_COLON = re.compile(r"\s*:")
_MOST_PASSES = 10


class _OneLine(yaml.SafeDumper):
    """Writes text in double quotes. JSON would not do: YAML reads its 1e-05 and its emojis otherwise."""


_OneLine.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


class _PlaceLoader(ConfigLoader):
    """Keeps an alias as a node of its own, with its own place in the text."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if not self.check_event(yaml.AliasEvent):
            return super().compose_node(parent, index)
        event: Any = self.get_event()  # type: ignore[no-untyped-call]
        return yaml.ScalarNode(_ALIAS, event.anchor, event.start_mark, event.end_mark)


def yaml_value(value: Any) -> str:
    """A value on one line."""
    text: str = yaml.dump(
        value, Dumper=_OneLine, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


@lru_cache(maxsize=1024)
def yaml_key(key: str) -> str:
    """A plain word as it is; what YAML reads otherwise, such as ``yes``, in quotes."""
    return key if key.isidentifier() and yaml.safe_load(key) == key else yaml_value(key)


def edited_yaml(text: str, wanted: Any) -> str | None:
    r"""The text after the smallest change that makes it hold a document.

    Args:
        text: a config's YAML, with newlines as line ends.
        wanted: plain data.

    Returns:
        The text, in which all else stays as it is, comments and quotes too, or None if that cannot be done in
        place, as with some tags, anchors and merge keys.

    >>> edited_yaml("a: 'x'  # why\nb: [ 1, 2 ]\nc: 3\n", {"a": "y", "b": [1, 2], "d": {"e": None}})
    'a: "y"  # why\nb: [ 1, 2 ]\nd:\n  e: null\n'
    """
    for _ in range(_MOST_PASSES):
        try:
            have = load_yaml(text, ConfigLoader)
        except ValueError:
            return None
        if _same(have, wanted):
            return text
        root: Any = yaml.compose(text, Loader=_PlaceLoader)
        # What an alias or a merge brings in may be right once its anchor is.
        edits = list(_edits(text, root, have, wanted, False)) or list(_edits(text, root, have, wanted, True))
        done, parts = 0, []
        for start, end, new in sorted(edits, key=lambda edit: edit[0]):
            if start >= done:  # what overlaps comes with the next pass
                parts += [text[done:start], new]
                done = end
        text = "".join([*parts, text[done:]])
    return None


def _same(have: Any, want: Any) -> bool:
    """Whether two values are alike to the type; the order of keys does not count."""
    if isinstance(have, dict) and isinstance(want, dict):
        return have.keys() == want.keys() and all(_same(have[key], want[key]) for key in have)
    if isinstance(have, list) and isinstance(want, list):
        return len(have) == len(want) and all(map(_same, have, want))
    return type(have) is type(want) and repr(have) == repr(want)


def _edits(
    text: str, node: yaml.Node, have: Any, want: Any, shared: bool, key: yaml.Node | None = None
) -> Iterator[Edit]:
    """The edits of a value.

    Args:
        shared: also where an alias or a merge brings it in.
        key: whose value it is, in a mapping with a line for each key.
    """
    if _same(have, want):
        return
    if isinstance(have, list) and isinstance(want, list) and len(have) == len(want) and node.tag != _ALIAS:
        for item, old, new in zip(node.value, have, want, strict=True):
            yield from _edits(text, item, old, new, shared)
    elif isinstance(node, yaml.MappingNode) and isinstance(want, dict) and _can_stay(node, have, want):
        yield from _mapping_edits(text, node, have, want, shared)
    elif node.tag != _ALIAS or shared:
        yield _replacement(text, key, node, want)


def _can_stay(node: yaml.MappingNode, have: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
    """Whether a mapping keeps a key; one in braces is rewritten as a whole where it loses any."""
    return have.keys() <= want.keys() if node.flow_style and have else not have.keys().isdisjoint(want)


def _mapping_edits(
    text: str, node: yaml.MappingNode, have: Mapping[str, Any], want: Mapping[str, Any], shared: bool
) -> Iterator[Edit]:
    pairs = {key.value: (key, value) for key, value in node.value}
    for name, (key, value) in pairs.items():
        if name in have and name in want:
            yield from _edits(text, value, have[name], want[name], shared, key if _is_block(node) else None)
        elif name in have:  # and not a merge
            yield _removal(text, node, key, value)
    added = {
        name: value
        for name, value in want.items()
        if name not in pairs and (name not in have or (shared and not _same(have[name], value)))
    }
    end = _end(text, node.value[-1][1])
    if added and _is_block(node):
        end = _line_end(text, end)
        yield end, end, _indented(_lines(added), node.value[0][0].start_mark.column)
    elif added:
        new = "".join(f", {yaml_key(name)}: {yaml_value(value)}" for name, value in added.items())
        yield end, end, new


def _replacement(text: str, key: yaml.Node | None, node: yaml.Node, want: Any) -> Edit:
    start, end, new = _content(text, node), _end(text, node), yaml_value(want)
    colon = _COLON.match(text, key.end_mark.index) if key else None
    if key and isinstance(node, yaml.SequenceNode) and _is_block(node) and isinstance(want, list) and want:
        new = _indented(_lines(want), start - text.rfind("\n", 0, start) - 1).lstrip()
    elif key and colon and _holds_mappings(want):
        start, new = colon.end(), _indented(_lines(want), key.start_mark.column + 2)
    elif colon and _is_block(node):
        start, new = colon.end(), f" {new}"
    elif text[start - 1] in ":-":
        new = f" {new}"
    return start, end, new


def _removal(text: str, node: yaml.MappingNode, key: yaml.Node, value: yaml.Node) -> Edit:
    """A key's lines, or what stands before the next key if it shares its line with a dash."""
    start = key.start_mark.index
    line = text.rfind("\n", 0, start) + 1
    following = min(
        (other.start_mark.index for other, _ in node.value if other.start_mark.index > start), default=0
    )
    if text[line:start].strip() and following:
        return start, following, ""
    return line, min(_line_end(text, _end(text, value)) + 1, len(text)), ""


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _content(text: str, node: yaml.Node) -> int:
    """Where a value begins, after its anchor."""
    anchor = _ANCHOR.match(text, node.start_mark.index)
    return min(anchor.end(), _end(text, node)) if anchor else node.start_mark.index


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends; PyYAML gives for one on lines of its own where the next token begins."""
    if _is_block(node):
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    return len(text[: node.end_mark.index].rstrip())


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _indented(lines: list[str], column: int) -> str:
    return "".join(f"\n{' ' * column}{line}" for line in lines)


def _holds_mappings(value: Any) -> bool:
    return bool(value) and isinstance(value[0] if isinstance(value, list) else value, dict)


def _lines(value: Mapping[str, Any] | list[Any]) -> list[str]:
    """The lines of a mapping or a list; what holds no mapping stands on one line."""
    lines = []
    keyed = isinstance(value, Mapping)
    for name, item in value.items() if isinstance(value, Mapping) else (("-", item) for item in value):
        start = f"{yaml_key(name)}:" if keyed else name
        if not _holds_mappings(item):
            lines.append(f"{start} {yaml_value(item)}")
        elif keyed:
            lines += [start, *(f"  {line}" for line in _lines(item))]
        else:
            lines += [f"{'  ' if index else '- '}{line}" for index, line in enumerate(_lines(item))]
    return lines
