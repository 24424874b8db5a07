"""``chromiq studio``: the local page for reviewing results."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_INTERRUPTED, needing
from chromiq_cli.output import print_line, say


def studio(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Results of correct --batch, datasets, runs or photos, or folders that hold them."
        ),
    ],
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port to listen on; 8765, or a free one if that is taken."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, for use over ssh -L.")
    ] = False,
    masker: Annotated[
        str | None,
        typer.Option(help="SAM 2.1 for clicks in the mask editor: hub name, name@revision or folder."),
    ] = None,
) -> None:
    """Open a local web page for reviewing, correcting and deciding about results; Ctrl-C stops it.

    It works on the same files as the other commands, and listens on this machine alone. To review results on
    a remote machine, run it there with --no-browser, run ssh -L 8765:localhost:8765 HOST here, and open the
    address that it printed.
    """
    from chromiq.dataset_builder.segmenters.network.grounded_sam2 import SAM_2
    from chromiq.dataset_builder.segmenters.network.hub import HubModel

    with needing("studio", "the studio"):
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    from chromiq.studio.app import serve
    from chromiq.studio.workplace import open_workplace

    workplace = open_workplace(folders)
    given = {folder.resolve() for folder in folders}
    for source in [root for root in workplace.roots if root not in given]:
        say(f"also opened, because results were made from it: {source}")

    def started(address: str) -> None:
        print_line(address)
        say("The address works once. Press Ctrl-C to stop the studio.")
        if not no_browser:
            import webbrowser

            webbrowser.open(address)

    serve(workplace, port, started, HubModel.parse(masker) if masker else SAM_2)
    say("The studio has stopped. Run chromiq correct again for photos that are not corrected yet.")
    sys.stdout.flush()
    os._exit(EXIT_INTERRUPTED)  # threads may still read photos; files are written whole or not at all
