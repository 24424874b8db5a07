"""``chromiq status``: how a run stands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli.output import JSON_OPTION, print_json, print_line


def status(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Say how far a run is, and what made it."""
    from toolkit_configs.runs import read_status

    found = read_status(run)
    if as_json:
        print_json(
            {
                **asdict(found.record),
                "state": found.state,
                "step": found.step,
                "loss": found.loss,
                "newest_checkpoint": str(found.checkpoint) if found.checkpoint else None,
            }
        )
        return
    record = found.record
    print_line(f"{record.name}: {found.state}, step {found.step} of {record.total_steps}, {record.engine}")
    if found.loss is not None:
        print_line(f"loss {found.loss:.4f}")
    print_line(f"newest checkpoint: {found.checkpoint or 'none'}")
    if record.message:
        print_line(record.message)
