"""``chromiq doctor``: everything that is wrong with a dataset or a config, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import raise_findings
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_findings, print_result


def doctor(
    what: Annotated[
        Path, typer.Argument(metavar="DATASET|CONFIG", help="A dataset folder or a config file.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Check the config for resuming an existing run.")
    ] = False,
    offline: flags.Offline = False,
    as_json: flags.Json = False,
) -> None:
    """Check a dataset or a config, and report what is wrong and how to fix it.

    Datasets made by hand and configs written for AI-Toolkit by others can be checked as well.
    """
    from chromiq.progress import progress_bar

    if what.is_dir():
        from chromiq.dataset_builder.doctor.dataset import check_dataset
        from chromiq.dataset_layout import DatasetLayout
        from chromiq.toolkit_configs.checks.data import trainer_findings

        with progress_bar("doctor") as update:
            findings = check_dataset(what, update)
        layout = DatasetLayout(what)
        findings += trainer_findings(layout.truths, [layout.controls, layout.references])
        raise_findings(findings, str(what))
        document, lines = {"findings": [finding.as_dict() for finding in findings]}, []
    else:
        from chromiq.toolkit_configs.checks.config import examine_config, raise_config_findings

        with progress_bar("doctor") as update:
            report = examine_config(what, resume=resume, offline=offline, on_progress=update)
        findings = list(report.findings)
        raise_config_findings(findings, str(what))
        document, lines = report.as_dict(), report.lines
    if not as_json:
        print_findings(findings)
    warnings = f", {counted(len(findings), 'warning')}" if findings else ""
    print_result(document, *lines, f"{what}: sound{warnings}", as_json=as_json)
