"""``chromiq deliver``: finished photos of a batch to a folder or a ZIP file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq_cli.output import JSON_OPTION, print_json, print_line


def deliver(
    results: Annotated[Path, typer.Argument(help="Results of correct --batch.")],
    out: Annotated[Path, typer.Option(help="A new folder, or a .zip file.")],
    state: Annotated[
        list[str] | None,
        typer.Option(
            help="Which photos: accepted, original kept, changed by hand (these by default), corrected, ..."
        ),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Copy finished photos, byte for byte, with a delivery.csv and a printable proof sheet."""
    from chromiq.correction.results import read_results, read_run
    from chromiq.studio import delivery

    run = read_run(results)
    if run is None:
        raise UsageError(f"{results}: contains no results. Run chromiq correct --batch first.")
    chosen = delivery.chosen(read_results(run), state or delivery.FINISHED)
    delivery.deliver(run, chosen, out)
    if as_json:
        print_json({"out": str(out), "delivered": [str(result.out) for result in chosen]})
    else:
        print_line(f"{out}: {len(chosen)} photos")
