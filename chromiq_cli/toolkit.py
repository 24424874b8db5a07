"""``chromiq toolkit``: the vendored trainer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromiq.errors import EXIT_FAILED
from chromiq_cli.output import JSON_OPTION, print_json, print_line, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.trainer.checkout import ToolkitInfo

app = typer.Typer(help="The vendored trainer: is it there, does it work; make it so.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The vendored trainer: is it there, does it work; make it so."""


@app.command()
def info(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Say which commit is there, and whether its environment works; exit 1 if it cannot train."""
    from chromiq.toolkit_configs.trainer.checkout import toolkit_info

    _print_info(toolkit_info(), as_json=as_json)


@app.command()
def setup(
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test/--no-smoke-test", help="Train 2 steps on a tiny checkpoint.")
    ] = True,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Bring the trainer to its commit, make its environment, and prove it by a short training.

    The same command goes on after an interruption. CHROMIQ_AI_TOOLKIT names another checkout.
    """
    from chromiq.progress import notes
    from chromiq.toolkit_configs.smoke_test import smoke_test as run_smoke_test
    from chromiq.toolkit_configs.trainer.setup import set_up_toolkit

    with notes("toolkit setup") as note:
        info = set_up_toolkit(note)
        if smoke_test and info.python:
            run_smoke_test(Path(info.python), note)
    _print_info(info, as_json=as_json)


def _print_info(found: ToolkitInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
    else:
        print_line(f"folder: {found.folder}")
        print_line(f"commit: {found.commit or 'none'}{' (changed)' if found.dirty else ''}")
        print_line(f"pinned: {found.pinned}")
        print_line(f"python: {found.python or 'none'}")
        for name, version in found.versions.items():
            print_line(f"{name}: {version}")
        print_line(f"device: {found.device or 'unknown'}")
    if found.problem:
        say(found.problem)
        raise typer.Exit(EXIT_FAILED)
