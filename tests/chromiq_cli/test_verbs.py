"""What all verbs have in common: their help, and paths that do not exist."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperArgument, TyperGroup

from chromiq_cli.verbs import app


def verbs(group, *names):
    """Every verb with the words that call it, such as ``("crops", "check")``."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from verbs(command, *names, name)
        else:
            yield (*names, name), command


VERBS = dict(verbs(typer.main.get_command(app)))


def inputs():
    """Every path that a verb reads, as the command line up to it."""
    for words, command in VERBS.items():
        arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
        for parameter in command.params:
            is_path = parameter.type_descriptor.annotation in {Path, list[Path]}
            if is_path and parameter.name not in {"out", "training_folder", "dataset"}:
                is_argument = parameter in arguments
                before = ["."] * arguments.index(parameter) if is_argument else [parameter.opts[0]]
                yield pytest.param([*words, *before], id=" ".join([*words, parameter.name]))


@pytest.mark.parametrize("command", list(inputs()))
def test_a_path_that_does_not_exist_is_a_usage_error(command, chromiq, tmp_path):
    result = chromiq(*command, tmp_path / "nowhere")
    assert result.code == 2
    assert f"{tmp_path}/nowhere: no such file or folder" in result.err


def test_a_name_that_no_file_system_takes_does_not_exist(chromiq):
    result = chromiq("doctor", "x" * 300)
    assert result.code == 2
    assert "xxx: no such file or folder" in result.err


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_line_of_the_help_is_broken_in_mid_sentence(words):
    assert all("\n" not in paragraph for paragraph in VERBS[words].help.split("\n\n"))


@pytest.mark.parametrize("words", [(), ("weights",), *VERBS], ids=" ".join)
def test_the_help_shows_no_value_for_a_flag_and_what_repeated_options_take(words, chromiq):
    assert not re.search(r"<bool>|--\S+ +<list\[", chromiq(*words, "--help").out)


def test_a_folder_in_place_of_a_model_s_file_is_a_usage_error(chromiq, tmp_path):
    for option in ("--wheel", "--multiclass"):
        result = chromiq("weights", "fetch", option, tmp_path)
        assert (result.code, "directory" in result.err) == (2, True)
