"""``chromiq doctor``: every fault of a dataset or a config, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import Finding, UsageError, raise_findings
from chromiq_cli.output import JSON_OPTION, print_findings, print_json, print_line


def doctor(
    what: Annotated[
        Path, typer.Argument(metavar="DATASET|CONFIG", help="A dataset folder or a config file.")
    ],
    resume: Annotated[bool, typer.Option("--resume", help="Going on with an existing run is meant.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Check a dataset or a config, and say every fault with its cure."""
    findings = _check(what, resume)
    raise_findings(findings, str(what))
    if as_json:
        print_json({"findings": [finding.as_dict() for finding in findings]})
        return
    print_findings(findings)
    print_line(f"{what}: sound" + (f", {len(findings)} warnings" if findings else ""))


def _check(what: Path, resume: bool) -> list[Finding]:
    from chromiq.progress import progress_bar

    if what.is_dir():
        from dataset_builder.doctor import check_dataset

        with progress_bar("doctor") as update:
            return check_dataset(what, update)
    if what.is_file():
        from toolkit_configs.check import check_config

        return check_config(what, resume=resume)
    raise UsageError(f"{what}: wanted a dataset folder or a config file, got neither; check the path")
