"""``chromiq publish``: upload a run's LoRA, model card and config to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli import flags
from chromiq_cli.output import print_document, print_json, print_line, say


def publish(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    repo: Annotated[str, typer.Option(help="OWNER/NAME on the hub.")],
    checkpoint: Annotated[
        int | None, typer.Option(help="Step of the checkpoint; by default the final one.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Output folder of chromiq sweep or evaluate, for the figures in the card."),
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Hub name of the base model, if the run used a local folder.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Licence, if that of the base model is unknown.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; the default is private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be uploaded, and upload nothing.")
    ] = False,
    as_json: flags.Json = False,
) -> None:
    """Write a model card, and upload LoRA, card and config to the Hugging Face hub."""
    from chromiq.evaluate.publish import prepare, upload

    publication = prepare(run, repo, step=checkpoint, figures=scores, base_model=base_model, licence=licence)
    if scores is None:
        say("the card will say that nothing was measured; pass --scores FOLDER to include figures")
    if not publication.is_better:
        say(
            "warning: this LoRA is not better than no LoRA (the uncorrected images are as good); the card "
            "says so"
        )
    document = publication.as_dict()
    if not dry_run:
        document["address"] = upload(run, publication, private=not public, say=say)
    if as_json:
        print_json({**document, "card": publication.card})
        return
    for name, size in document["bytes"].items():
        print_line(f"{name}  {size:,} bytes")
    if dry_run:
        print_document(publication.card)
    else:
        print_line(document["address"])
