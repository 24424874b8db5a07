"""``chromiq toolkit``: the vendored trainer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from chromiq.errors import EXIT_FAILED
from chromiq_cli.output import JSON_OPTION, print_json, print_line, say

app = typer.Typer(help="The vendored trainer: is it there, does it work.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The vendored trainer: is it there, does it work."""


@app.command()
def info(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Say which commit is there, and whether its environment works; exit 1 if it cannot train."""
    from toolkit_configs.toolkit import toolkit_info

    found = toolkit_info()
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
