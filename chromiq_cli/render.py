"""``chromiq render``: a dataset and a model to AI-Toolkit's config."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chromiq.errors import Finding, UsageError
from chromiq.models import MODELS
from chromiq.toolkit_configs.schema.config_file import is_json_file
from chromiq_cli import flags
from chromiq_cli.output import print_document, print_findings, print_json, print_line, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.render.compose import Composed, Difference


def render(
    dataset: Annotated[Path, typer.Option(help="Dataset folder, as chromiq build writes it.")],
    model: Annotated[
        str | None, typer.Argument(help=f"Edit model: {', '.join(MODELS)}. With --from, the config's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The config to write, .yaml or .json; by default it is printed.")
    ] = None,
    from_config: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CONFIG",
            help="Use the dataset in this config, set what its model needs, and keep everything else.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="PRESET", help="published, 24gb, 32gb, 48gb, 80gb, 96gb or smoke.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name.")] = None,
    training_folder: Annotated[
        Path | None, typer.Option(help="Folder for runs; by default runs beside the dataset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set a value, such as train.lr=2e-4. May be repeated."
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(help="Your own template; chromiq template copy gives you one to start from."),
    ] = None,
    project: Annotated[
        Path | None, typer.Option(help="Project settings; by default chromiq.yaml in the working directory.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show where each value comes from.")] = False,
    diff: Annotated[
        str | None, typer.Option(metavar="PRESET", help="Show what differs from a preset, and its effect.")
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Write the training config of a dataset.

    Values on the command line override CHROMIQ_ variables such as CHROMIQ_TRAIN__LR=2e-4, which override
    chromiq.yaml, the preset and the defaults, in this order.
    """
    from chromiq.dataset_layout import DatasetLayout, no_dataset_findings
    from chromiq.files import refuse_inputs
    from chromiq.toolkit_configs.render.settings import PROJECT_FILE

    if out:
        refuse_inputs([out], [template, project or Path(PROJECT_FILE), from_config])
        refuse_inputs([out, out.parent], DatasetLayout(dataset).parts)
    # A config can be written before its dataset is built.
    missing = [replace(finding, severity="warning") for finding in no_dataset_findings(dataset)]
    if from_config:
        given = {
            "MODEL": model,
            "--preset": preset,
            "--template": template,
            "--project": project,
            "--explain": explain,
            "--diff": diff,
        }
        if extra := [option for option, value in given.items() if value]:
            raise UsageError(f"--from keeps the config's own values; remove {', '.join(extra)}")
        _adapt(from_config, dataset, out, name, training_folder, settings or (), missing, as_json=as_json)
        return
    if model is None:
        raise UsageError("Name a model, or pass a config with --from.")
    if template and out and is_json_file(out):
        raise UsageError(f"--template lays out YAML, and {out} is JSON. Leave one of the two out.")
    from chromiq.toolkit_configs.render.compose import compose_job, differences_from
    from chromiq.toolkit_configs.render.job import render_composed
    from chromiq.toolkit_configs.render.settings import (
        Settings,
        assigned_settings,
        environment_settings,
        project_settings,
    )
    from chromiq.toolkit_configs.schema.config_file import dump_config
    from chromiq.toolkit_configs.trainer.devices import gpu_summary

    layers = [
        project_settings(project),
        environment_settings(os.environ),
        Settings("the command line", values=assigned_settings(settings or (), "--set")),
    ]
    composed = compose_job(
        model, dataset, preset=preset, name=name, training_folder=training_folder, layers=layers
    )
    found = differences_from(diff, composed, dataset) if diff else None
    text = render_composed(composed, template)
    if out and is_json_file(out):
        text = dump_config(composed.document, as_json=True)
    if out:
        _write(out, text)
    if composed.memory:
        say(f"GPU memory: {composed.memory.summary}, an estimate; {gpu_summary()}")
    if composed.warning:
        say(f"warning: {composed.warning}")
    if (source := composed.sources.get("train.steps", "")).startswith("the dataset's"):
        say(f"train.steps is {composed.job.process.train.steps}, scaled to {source}")
    if as_json:
        print_json(_document(composed, out, text, found, missing))
        return
    print_findings(missing)
    if out:
        print_line(str(out))
    if explain:
        for key, value, source in composed.explain():
            print_line(f"{key} = {_shown(value)}  <- {source}")
    for item in found or ():
        print_line(f"{item.key}: {_shown(item.there)} -> {_shown(item.here)}  {item.effect}")
    if found == []:
        print_line(f"nothing differs from {diff}")
    if not out and not explain and found is None:
        print_document(text)


def _adapt(
    config: Path,
    dataset: Path,
    out: Path | None,
    name: str | None,
    training_folder: Path | None,
    settings: Sequence[str],
    missing: Sequence[Finding],
    *,
    as_json: bool,
) -> None:
    from chromiq.toolkit_configs.render.adapt import adapt_config
    from chromiq.toolkit_configs.render.settings import assigned_settings

    adapted = adapt_config(
        config,
        dataset,
        name=name,
        training_folder=training_folder,
        settings=assigned_settings(settings, "--set"),
        as_json=is_json_file(out) if out else None,
    )
    findings = [*missing, *adapted.findings]
    if out:
        _write(out, adapted.text)
    if as_json:
        text = {} if out else {"text": adapted.text}
        dicts = [finding.as_dict() for finding in findings]
        print_json({"config": str(out) if out else None, "diff": adapted.diff, "findings": dicts, **text})
        return
    for line in adapted.diff.splitlines() or ["nothing differs"]:
        say(line)
    print_findings(findings)
    if out:
        print_line(str(out))
    else:
        print_document(adapted.text)


def _write(out: Path, text: str) -> None:
    """Write a config, and show the lines that are gone of the one before: the user may have edited it."""
    from chromiq.documents import read_text
    from chromiq.files import write_text

    try:
        before = read_text(out) if out.is_file() else text
    except (OSError, ValueError):  # what is written over is no config
        before = text
    write_text(out, text)
    changed = list(difflib.unified_diff(before.splitlines(), text.splitlines(), n=0))[2:]  # no header
    if gone := [line for line in changed if line.startswith("-")]:
        say(f"{out} is replaced; these lines of it are gone:")
        for line in gone:
            say(re.sub(r"\bhf_\w+", "hf_...", line))  # a token is not to reach a log


def _shown(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _document(
    composed: Composed,
    out: Path | None,
    text: str,
    found: list[Difference] | None,
    findings: Sequence[Finding],
) -> dict[str, Any]:
    return {
        "config": str(out) if out else None,
        "model": composed.model,
        "preset": composed.preset,
        "memory": composed.memory.as_dict() if composed.memory else None,
        "values": {key: {"value": value, "source": source} for key, value, source in composed.explain()},
        "findings": [finding.as_dict() for finding in findings],
        **({"differences": [asdict(item) for item in found]} if found is not None else {}),
        **({} if out else {"text": text}),
    }
