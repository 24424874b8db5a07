"""The verbs of ``chromiq``."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chromiq import __version__
from chromiq.errors import EXIT_DONE, EXIT_USAGE, Finding, UsageError
from chromiq.wording import path_text, printable
from chromiq_cli import (
    build,
    correct,
    crops,
    deliver,
    demo,
    doctor,
    evaluate,
    explain_mask,
    generate,
    publish,
    render,
    score,
    status,
    studio,
    sweep,
    sweep_train,
    template,
    toolkit,
    train,
    weights,
)
from chromiq_cli.output import print_json, print_line

_CommandLineError: Any = typer.BadParameter.__mro__[1]
"""What Typer raises for an invalid command line; it exports only subclasses."""
_NEED_NOT_EXIST = {"out", "training_folder", "dataset"}
"""What verbs write, and the dataset of a config, which may lie on another machine."""


class Interrupted(BaseException):
    """A Ctrl-C, passed around Typer, which would exit without a message."""


class _Verbs(TyperGroup):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        _refine(self)

    def make_context(self, *given: Any, **named: Any) -> Any:
        with _errors_reported():
            return super().make_context(*given, **named)

    def invoke(self, ctx: Any) -> Any:
        with _errors_reported():
            return super().invoke(ctx)


def _refine(command: Any) -> None:
    """Give a verb, or a group with all its verbs, what they have in common."""
    command.help = _unwrapped(command.help or "")
    for parameter in command.get_params(typer.Context(command)):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""  # Typer would show <bool>, as if the flag took a value
        elif parameter.name not in _NEED_NOT_EXIST:
            parameter.callback = _existing
    for each in getattr(command, "commands", {}).values():
        _refine(each)


def _existing(_context: Any, _parameter: Any, value: Any) -> Any:
    """Refuse a path that does not exist."""
    for path in value if isinstance(value, list) else [value]:
        if isinstance(path, Path) and not _exists(path):
            missing = Finding("path.missing", path_text(path), "no such file or folder", "Check the path.")
            raise UsageError.of(missing)
    return value


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def _unwrapped(text: str) -> str:
    """A docstring with its paragraphs on one line each, as Rich breaks them at the terminal's width."""
    return "\n\n".join(" ".join(part.split("\n")) for part in cleandoc(text).split("\n\n"))


@contextmanager
def _errors_reported() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None
    except _CommandLineError as error:
        error.message = printable(error.message)
        if "--json" in sys.argv[1:]:
            print_json({"error": error.format_message(), "exit_code": EXIT_USAGE, "findings": []})
        raise


app = typer.Typer(
    name="chromiq",
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"chromiq {__version__}")
        raise typer.Exit(EXIT_DONE)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make the on-model photo of a garment as true in colour as its still-life."""


_CORRECT, _DATA, _TRAIN, _MEASURE = "Correct photos", "Make training data", "Train", "Measure"

app.command()(demo.demo)
app.command(rich_help_panel=_CORRECT)(correct.correct)
app.command(rich_help_panel=_CORRECT)(studio.studio)
app.command(rich_help_panel=_CORRECT)(deliver.deliver)
app.command(rich_help_panel=_DATA)(build.build)
app.command(rich_help_panel=_DATA)(doctor.doctor)
app.command("explain-mask", rich_help_panel=_DATA)(explain_mask.explain_mask)
app.add_typer(weights.app, name="weights", rich_help_panel=_DATA)
app.command(rich_help_panel=_TRAIN)(render.render)
app.add_typer(template.app, name="template", rich_help_panel=_TRAIN)
app.add_typer(toolkit.app, name="toolkit", rich_help_panel=_TRAIN)
app.command(rich_help_panel=_TRAIN)(train.train)
app.command(rich_help_panel=_TRAIN)(status.status)
app.command("sweep-train", rich_help_panel=_TRAIN)(sweep_train.sweep_train)
app.command(rich_help_panel=_TRAIN)(publish.publish)
app.command(rich_help_panel=_MEASURE)(generate.generate)
app.command(rich_help_panel=_MEASURE)(score.score)
app.add_typer(crops.app, name="crops", rich_help_panel=_MEASURE)
app.command(rich_help_panel=_MEASURE)(evaluate.evaluate)
app.command(rich_help_panel=_MEASURE)(sweep.sweep)
