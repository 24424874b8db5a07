"""Old idioms do not come back: CONTRIBUTING.md's glossary says which word to use instead."""

import re
import subprocess

import pytest
from places import ROOT

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
