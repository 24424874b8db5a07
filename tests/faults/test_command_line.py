"""Command lines and streams as scripts leave them: unset variables, typing errors, closed or full streams."""

import json
import subprocess
import sys

import pytest

VERB = [sys.executable, "-c", "from chromiq_cli.main import main; main()"]


def run(*arguments, redirected="", cwd=None):
    """A command line in a shell, as only that closes streams."""
    shell = ["bash", "-c", f'"$@" {redirected}', "bash", *VERB, *map(str, arguments)]
    return subprocess.run(shell, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


@pytest.mark.parametrize("empty", [["--out", ""], ["--out="], ["--out", "x", ""]])
def test_a_variable_that_is_not_set_is_not_the_working_directory(chromiq, tmp_path, monkeypatch, empty):
    monkeypatch.chdir(tmp_path)
    code, document, told = chromiq("build", "photos", *empty)
    assert (code, document["exit_code"]) == (2, 2)
    assert "got an empty text" in told
    assert ("--out" in told) == (empty[-1] != "" or empty[-2] == "--out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["build", "x", "--out", "y", "--workers", "0"], "--workers"), (["buidl"], "buidl"), (["-x"], "-x")],
)
def test_a_command_line_that_is_not_understood_is_told_as_json_too(chromiq, arguments, told):
    code, document, said = chromiq(*arguments)
    assert (code, document["exit_code"]) == (2, 2)
    assert told in document["error"]
    assert told in said


@pytest.mark.parametrize("verb", [["template", "list"], ["doctor", "nowhere", "--json"]])
def test_a_full_stdout_is_told_on_stderr(verb):
    ended = run(*verb, redirected="> /dev/full")
    assert ended.returncode in {1, 2}
    assert ended.stderr.splitlines()[-1].startswith("chromiq: ")
    assert "Traceback" not in ended.stderr


def test_a_closed_stream_loses_what_is_written_to_it_and_no_more(tmp_path):
    ended = run("template", "list", redirected=">&-")
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = run("template", "copy", "kontext", "--out", tmp_path / "copy", redirected="<&- >&- 2>&-")
    assert ended.returncode == 0
    assert (tmp_path / "copy").read_text().splitlines()[-1].strip()
    # Messages and progress do not turn up among the results instead.
    ended = run("doctor", tmp_path / "none", "--json", redirected="2>&-")
    assert json.loads(ended.stdout)["exit_code"] == 2


def test_a_reader_that_leaves_early_is_no_crash():
    ended = run("template", "copy", "kontext", redirected="| head -c 1")
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
