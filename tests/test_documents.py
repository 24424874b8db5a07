"""What the documents point to is there, and no promise of reliability stands without its test."""

import re

import pytest
from places import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
OURS = "tests|docs|benchmarks|chromiq|dataset_builder|toolkit_configs|evaluate|templates"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_is_there(document):
    text = document.read_text(encoding="utf-8")
    linked = {document.parent / target for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)}
    named = {ROOT / path for path in re.findall(rf"`((?:{OURS})/[\w./-]+\.\w+)(?:::\w+)?`", text)}
    assert not [str(path) for path in linked | named if not path.exists()]


def test_the_project_has_one_address():
    url = re.search(r"^url = (\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)[1]
    places = [ROOT / "setup.cfg", ROOT / "mkdocs.yml", *(ROOT / ".github").rglob("*.*"), *DOCUMENTS]
    texts = [path.read_text(encoding="utf-8") for path in places if path.is_file()]
    owner = re.escape(url.rpartition("/")[0])
    found = {address for text in texts for address in re.findall(rf"{owner}/[\w./-]+", text)}
    assert found
    assert all(address == url or address.startswith(f"{url}/") for address in found)
    files = {address.removeprefix(f"{url}/blob/main/") for address in found if "/blob/main/" in address}
    assert not [file for file in files if not (ROOT / file).exists()]


def promises():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").rsplit(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] != "promise"]


def test_every_promise_names_its_test_and_every_fault_that_is_tested_is_promised():
    assert len(promises()) > 10
    for promise, tests in promises():
        assert re.fullmatch(r"`tests/[\w/]+\.py`(, `tests/[\w/]+\.py`)*", tests), promise
    promised = {path for _, tests in promises() for path in re.findall(r"`([^`]+)`", tests)}
    assert {f"tests/faults/{path.name}" for path in (ROOT / "tests" / "faults").glob("test_*.py")} <= promised
