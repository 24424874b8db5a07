"""A YAML text is changed only where its document differs from the one that is wanted."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chromiq.toolkit_configs.render.yaml_text import edited_yaml, yaml_value


def document(**changed):
    return {"list": [{"a": "old", "b": 1}, {"a": "kept"}], "size": 512, **changed}


WANTED = document(list=[{"a": "new", "b": 1, "c": [1, 2]}, {"a": "kept"}], size=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "list:\n- a: old # why\n  b: 1\n# second\n- a: kept\nsize: 512\n",
            'list:\n- a: "new" # why\n  b: 1\n  c: [1, 2]\n# second\n- a: kept\nsize: null\n',
            id="dashes under the key",
        ),
        pytest.param(
            "list:\n    - # one\n      a:    'old'\n\n      b: 1   # last\n\n    - a: kept\nsize: 512",
            'list:\n    - # one\n      a:    "new"\n\n      b: 1   # last\n      c: [1, 2]\n'
            "\n    - a: kept\nsize: null",
            id="dashes on lines of their own",
        ),
        pytest.param(
            "{list: [ {a: old, b: 1}, {'a': kept,} ],\n size: 512}  # all\n",
            "{list: [ {a: \"new\", b: 1, c: [1, 2]}, {'a': kept,} ],\n size: null}  # all\n",
            id="braces",
        ),
        pytest.param(
            '{\n "list": [{"a":"old", "b":1},\n  {"a":"kept"}],\n "size":512\n}',
            '{\n "list": [{"a": "new", "b":1, c: [1, 2]},\n  {"a":"kept"}],\n "size": null\n}',
            id="JSON",
        ),
    ],
)
def test_any_style_is_kept(text, expected):
    assert edited_yaml(text, WANTED) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        pytest.param("a: &x 1\nb: *x\n", {"a": 2, "b": 2}, "a: &x 2\nb: *x\n", id="both"),
        pytest.param("a: &x 1\nb: *x\n", {"a": 2, "b": 1}, "a: &x 2\nb: 1\n", id="the anchor"),
        pytest.param("a: &x 1\nb: *x\n", {"a": 1, "b": 2}, "a: &x 1\nb: 2\n", id="the alias"),
        pytest.param(
            "a: &x\n  p: 1\n  q: 1\nb:\n  <<: *x\n  r: 1\n",
            {"a": {"p": 2, "q": 2}, "b": {"p": 2, "q": 1, "r": 1}},
            "a: &x\n  p: 2\n  q: 2\nb:\n  <<: *x\n  r: 1\n  q: 1\n",
            id="a merge",
        ),
        pytest.param("a: &x [1]\nb: *x\n", {"a": None, "b": [1]}, "a: &x null\nb: [1]\n", id="a list"),
        pytest.param("a: 1\nb: &x\n  c: 1\nd: *x\n", {"a": 1, "d": {"c": 1}}, None, id="an anchor that goes"),
        pytest.param("a: &x {p: 1}\nb:\n  <<: *x\n  q: 1\n", {"a": {"p": 1}, "b": {"q": 1}}, None, id="lost"),
    ],
)
def test_anchors(text, wanted, expected):
    if expected is not None:
        assert yaml.safe_load(expected) == wanted
    assert edited_yaml(text, wanted) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        pytest.param("- a: 1  # x\n  b: 2\n", [{"b": 2}], "- b: 2\n", id="the first"),
        pytest.param(
            "a: 1\n# b's\nb:\n  - 2  # x\nc: 3\n", {"a": 1, "c": 3}, "a: 1\n# b's\nc: 3\n", id="lines"
        ),
        pytest.param("a: {b: 1, c: 2}  # x\n", {"a": {"c": 2}}, "a:\n  c: 2  # x\n", id="in braces"),
        pytest.param("a:\n  b: 1\nc: 2\n", {"a": {}, "c": 2}, "a: {}\nc: 2\n", id="the only one"),
        pytest.param(
            "a:\nb: 1\n", {"a": {"c": {"d": 1}}, "b": 1}, "a:\n  c:\n    d: 1\nb: 1\n", id="of nothing"
        ),
    ],
)
def test_keys_go_and_come(text, wanted, expected):
    assert edited_yaml(text, wanted) == expected


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "a: b", "#", "- x", "yes", "1e5", "\n x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcy"), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, VALUES, st.sampled_from([True, False, None]), st.integers(2, 5))
def test_whatever_changes_reads_back(before, wanted, flow, indent):
    text = yaml.safe_dump(before, default_flow_style=flow, indent=indent)
    after = edited_yaml(text, wanted)
    assert after is not None
    assert yaml.safe_load(after) == wanted
    assert edited_yaml(after, wanted) == after
    assert yaml.safe_load(yaml_value(wanted)) == wanted
