"""``chromiq deliver``: finished photos of a batch to a folder or a ZIP file."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_result


def deliver(
    results: Annotated[Path, typer.Argument(help="Results of correct --batch.")],
    out: Annotated[Path, typer.Option(help="A new folder, or a .zip file.")],
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE",
            help="Which photos: accepted, original kept, changed by hand (the default), or corrected, left "
            "alone, rejected, to look at. May be repeated.",
        ),
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Copy finished photos, byte for byte, with a delivery.csv and a printable proof sheet."""
    from chromiq.correction.results import read_results, read_run
    from chromiq.files import folder_lock
    from chromiq.studio import delivery

    run = read_run(results)
    if run is None:
        raise UsageError(f"{results}: holds no results that can be read. Run chromiq correct --batch first.")
    # Results that may only be read, such as those on a read-only disk, cannot be locked.
    with folder_lock(results, "chromiq deliver") if os.access(results, os.W_OK) else nullcontext():
        found = read_results(run)
        chosen = delivery.chosen(found, state or delivery.FINISHED)
        delivery.deliver(run, chosen, out)
    left = {result.pair.key: result.state for result in found if result not in chosen}
    others = ", ".join(f"{count} {name}" for name, count in Counter(left.values()).items())
    rest = f"; not delivered: {others} (see --state)" if left else ""
    document = {
        "out": str(out), "delivered": [str(result.out) for result in chosen], "not_delivered": left
    }  # fmt: skip
    print_result(document, f"{out}: {counted(len(chosen), 'photo')}{rest}", as_json=as_json)
