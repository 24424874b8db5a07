"""``chromiq render``: a dataset and a model to AI-Toolkit's config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq_cli.output import print_line


def render(
    model: Annotated[str, typer.Argument(help="kontext, qwen-image-edit or qwen-image-edit-2509.")],
    dataset: Annotated[Path, typer.Option(help="As chromiq build made it.")],
    out: Annotated[Path, typer.Option(help="The config file to write.")],
    preset: Annotated[str, typer.Option(help="published, 24gb, 48gb, 80gb or smoke.")] = "published",
    name: Annotated[str, typer.Option(help="The run's name.")] = "chromiq_v1",
    training_folder: Annotated[Path | None, typer.Option(help="Where runs go.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as train.lr=2e-4.")
    ] = None,
) -> None:
    """Write the training config of a dataset."""
    from chromiq.files import write_text
    from toolkit_configs.render import render_job

    overrides = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(
                f"--set {setting}: wanted KEY=VALUE, got no '='; write for instance train.lr=2e-4"
            )
        overrides[key] = value
    text = render_job(
        model, dataset, preset=preset, name=name, training_folder=training_folder, overrides=overrides
    )
    write_text(out, text)
    print_line(str(out))
