"""``chromiq studio``: the page to look at results, correct them and decide."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_INTERRUPTED, ChromiqError
from chromiq_cli.output import print_line, say


def studio(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Results of correct --batch, datasets, runs, photos, or folders of these."),
    ],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="To listen on; 8765, or a free one if that is taken.")
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, as over ssh -L.")
    ] = False,
) -> None:
    """Open the page on which people look at results, correct them and decide; Ctrl-C ends it.

    It works on the same files as the other commands, on this machine alone. On another machine: run it there
    with --no-browser, and here ssh -L 8765:localhost:8765 THERE; then open the address it printed.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise ChromiqError("the page needs two more packages: pip install 'chromiq[studio]'")
    from chromiq.studio.serve import serve
    from chromiq.studio.workplace import open_workplace

    workplace = open_workplace(folders)
    given = {folder.resolve() for folder in folders}
    for source in [root for root in workplace.roots if root not in given]:
        say(f"also opened, as results were made from it: {source}")

    def started(address: str) -> None:
        print_line(address)
        say("The address works once. Ctrl-C ends the page.")
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    serve(workplace, port, started)
    say("The page has ended. chromiq correct finishes what was not corrected yet.")
    sys.stdout.flush()
    os._exit(EXIT_INTERRUPTED)  # threads may still read photos; files are written whole or not at all
