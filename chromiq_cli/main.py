"""The command ``chromiq``: verbs, and errors turned into messages and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from chromiq import __version__
from chromiq.errors import EXIT_DONE, ChromiqError, InterruptedRunError
from chromiq.files import machine_error
from chromiq_cli import (
    build,
    correct,
    crops,
    demo,
    doctor,
    evaluate,
    generate,
    publish,
    render,
    score,
    status,
    sweep,
    sweep_train,
    template,
    toolkit,
    train,
)
from chromiq_cli.output import print_line, report_error


class _Verbs(TyperGroup):
    """Typer answers a Ctrl-C with an exit code and no word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedRunError(
                "stopped by the user; no file is half-written, and the same command may be given again"
            ) from None


app = typer.Typer(
    name="chromiq",
    cls=_Verbs,
    help="Make the on-model photo of a garment as true in colour as its still-life.",
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


app.command()(demo.demo)
app.command()(build.build)
app.command()(correct.correct)
app.command()(score.score)
app.command()(doctor.doctor)
app.command()(render.render)
app.add_typer(template.app, name="template")
app.command()(train.train)
app.command()(status.status)
app.add_typer(toolkit.app, name="toolkit")
app.add_typer(crops.app, name="crops")
app.command()(generate.generate)
app.command()(evaluate.evaluate)
app.command()(sweep.sweep)
app.command("sweep-train")(sweep_train.sweep_train)
app.command()(publish.publish)


def main() -> None:
    """Run the command line and exit with its code."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except ChromiqError as error:
        report_error(error, as_json=as_json)
        sys.exit(error.exit_code)
    except OSError as error:
        told = machine_error(error)
        if told is None:
            raise
        report_error(told, as_json=as_json)
        sys.exit(told.exit_code)
