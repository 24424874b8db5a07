"""The help of every verb."""

import typer

from chromiq_cli.verbs import app


def test_no_line_of_the_help_is_broken_in_mid_sentence():
    for name, command in typer.main.get_command(app).commands.items():
        assert all("\n" not in paragraph for paragraph in command.help.split("\n\n")), name
