"""The examples run, and every command that the documents show is one that chromiq takes."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from places import ROOT

from chromiq.photos.images import read_photo, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair
from chromiq_cli.verbs import app

SHOWN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *sorted((ROOT / "examples").glob("*.*"))]


def commands(path):
    """The lines that call chromiq: in a script, or in a block of code of a document."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = "\n".join(re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    text = text.replace("\\\n", " ")
    found = re.findall(r"^ *(?:exec )?(?:\.venv/bin/)?chromiq (.*)$", text, re.MULTILINE)
    lines = [re.sub(r'"?\$\{\w+\[@\]\}"?', "", line) for line in found]
    return [shlex.split(re.sub(r'"?\$\w+"?', "kontext", line), comments=True) for line in lines]


def parsed(words):
    """What the command line makes of a command, without running it."""
    command, rest = typer.main.get_command(app), list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    for parameter in command.params:
        parameter.callback = None  # the paths of the documents do not exist here
    return command.make_context("chromiq", rest).params


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_every_command_is_one_that_chromiq_takes(path):
    for words in commands(path):
        placeholders = {"N": "1", "NAME": "r", "...": "x"}
        assert parsed([placeholders.get(word, word) for word in words]), words


def test_the_documents_show_commands():
    assert sum(len(commands(path)) for path in SHOWN) > 30
    with pytest.raises(Exception, match="No such option"):
        parsed(["score", "--nonsense"])


@pytest.mark.parametrize("name", ["correct.py", "own_segmenter.py"])
def test_the_examples_in_python_correct_a_photo(name, tmp_path):
    pair = draw_pair(0, size_wh=(224, 280))
    off = np.clip(pair.on_model * np.array([1.25, 1, 0.8]), 0, 255).astype(np.uint8)
    paths = [tmp_path / each for each in ("flat.png", "off.png", "out.png")]
    for path, pixels in zip(paths, (pair.still_life, off), strict=False):
        write_photo(path, pixels)
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *map(str, paths)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("corrected"), done.stdout
    assert (read_photo(Path(paths[2])).rgb != off).any()


@pytest.mark.parametrize("path", [*(ROOT / "examples").glob("*.py"), *(ROOT / "examples").glob("*.sh")])
def test_an_example_without_arguments_says_how_it_is_used(path, tmp_path):
    command = [sys.executable if path.suffix == ".py" else "bash", path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Usage: " in done.stderr
    assert path.name in done.stderr
    assert "Traceback" not in done.stderr
