"""Old idioms do not come back, by CONTRIBUTING.md's glossary; options that messages name are there."""

import ast
import re
import subprocess

import pytest
import typer
from places import ROOT

from chromiq_cli.verbs import app

# Underscores count as spaces, so that names of functions and of tests are covered too.
OLD_IDIOMS = re.compile(
    r"\b([Tt]old|[Mm]end(ed|s)?|[Aa]new|go(es)? on|put off|hears of|(that|there|this|which|name) is none)\b"
)


def idioms(text: str) -> list[str]:
    """The lines with an old idiom, without the rows of a table, such as the glossary's own.

    >>> idioms("It begins anew.\\n| again | not anew |\\ndef test_it_goes_on(): ...\\nIt is None.")
    ['It begins anew.', 'def test_it_goes_on(): ...']
    """
    return [
        line
        for line in text.splitlines()
        if OLD_IDIOMS.search(line.replace("_", " ")) and not line.startswith("|")
    ]


def test_no_old_idiom_in_sources_and_documents():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md"], capture_output=True, text=True, cwd=ROOT
    )
    if listed.returncode:
        pytest.skip("the source is no git checkout, so its own files are unknown")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name and name != "tests/test_wording.py"]
    found = {path.name: idioms(path.read_text(encoding="utf-8")) for path in paths if path.is_file()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def named_options(source: str) -> set[str]:
    """Options in backquotes in the strings of a module, docstrings and comments left out.

    >>> sorted(named_options("'''See `here`.'''\\nx = 'Set `this_one`.'\\ny = f'or `that` {x}'"))
    ['that', 'this_one']
    """
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]
    return {name for text in texts for name in re.findall(r"`([a-z_]+)`", text)}


def flags(command) -> set[str]:
    """The options of a command and of those below it."""
    below = (flags(each) for each in getattr(command, "commands", {}).values())
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*below)


def test_options_that_messages_name_are_flags():
    stages = (
        ROOT / stage for stage in ("chromiq", "correction", "dataset_builder", "evaluate", "toolkit_configs")
    )
    sources = [path.read_text(encoding="utf-8") for stage in stages for path in stage.rglob("*.py")]
    named = set().union(*map(named_options, sources))
    assert named
    assert {"--" + name.replace("_", "-") for name in named} - flags(typer.main.get_command(app)) == set()
