"""``chromiq template``: the shipped config templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import UsageError
from chromiq.models import MODELS, find_model
from chromiq_cli import flags
from chromiq_cli.output import print_document, print_line, print_result

app = typer.Typer(
    help="List the shipped config templates, or copy one as a start for your own.", no_args_is_help=True
)


@app.command(name="list")
def list_templates(as_json: flags.Json = False) -> None:
    """List the models that can be rendered, with the base model of each."""
    models = {name: model.hub_id for name, model in MODELS.items()}
    lines = (f"{name}  {hub_id}" for name, hub_id in models.items())
    print_result({"models": models}, *lines, as_json=as_json)


@app.command()
def copy(
    model: Annotated[str, typer.Argument(help=f"Edit model: {', '.join(MODELS)}.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; by default the template is printed.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy a model's template; use the copy with chromiq render MODEL --template FILE."""
    from chromiq.files import write_text
    from chromiq.templating import template_text

    text = template_text(find_model(model).template_name)
    assert text is not None  # every model has one
    if out is None:
        print_document(text)
        return
    if out.exists() and not force:
        raise UsageError(f"{out}: the file exists. Name another, or give --force to overwrite it.")
    write_text(out, text)
    print_line(str(out))
