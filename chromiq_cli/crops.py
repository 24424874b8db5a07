"""``chromiq crops``: fixed crops to measure colour in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_DONE, EXIT_SKIPPED, UsageError, raise_findings
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_result, say

app = typer.Typer(help="Suggest, check and draw fixed crops to measure colour in.", no_args_is_help=True)


@app.command()
def suggest(
    gt: Annotated[Path, typer.Option(help="Folder of the true images.")],
    masks: Annotated[Path, typer.Option(help="Folder of garment masks with the images' names and sizes.")],
    out: Annotated[Path, typer.Option(help="The crops.json to write.")],
    as_json: flags.Json = False,
) -> None:
    """Pick the largest square well inside each garment, free of seams, skin and strong shadow."""
    from chromiq.evaluate.score.crop_suggest import suggest_crops
    from chromiq.files import refuse_inputs, write_json
    from chromiq.progress import progress_bar

    refuse_inputs([out, out.parent], [gt, masks])
    with progress_bar("crops") as update:
        crops = suggest_crops(gt, masks, update)
    document = {name: crop.model_dump() for name, crop in crops.items() if crop}
    write_json(out, document)
    for name in (name for name, crop in crops.items() if not crop):
        say(f"{name}: skipped: no mask of the same name and size, or no plain square of 16 px in it")
    print_result(document, f"{counted(len(document), 'crop')} in {out}", as_json=as_json)
    raise typer.Exit(EXIT_DONE if len(document) == len(crops) else EXIT_SKIPPED)


@app.command()
def check(
    crops: Annotated[Path, typer.Argument(help="The crops.json to check.")],
    gt: Annotated[Path, typer.Option(help="Folder of the true images.")],
    out: Annotated[Path, typer.Option(help="Image file to draw them in, such as crops.jpg.")],
    masks: Annotated[
        Path | None, typer.Option(help="Folder of garment masks with the images' names and sizes.")
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Check crops against image and garment, and draw them: green if valid, red if not."""
    from chromiq.evaluate.score.crop_suggest import check_crops
    from chromiq.evaluate.score.crops import read_crops
    from chromiq.files import refuse_inputs
    from chromiq.photos.images import write_photo

    if out.suffix.lower() not in {".jpg", ".png"}:
        raise UsageError(f"{out}: the name must end in .jpg or .png")
    refuse_inputs([out, out.parent], [crops, gt, masks])
    known = read_crops(crops)
    findings, sheet = check_crops(known, gt, masks)
    if sheet is not None:
        write_photo(out, sheet)
    raise_findings(findings, str(crops))
    line = f"{counted(len(known), 'valid crop')}, drawn in {out}"
    print_result({"crops": len(known), "sheet": str(out)}, line, as_json=as_json)
