"""``chromiq score``: CIEDE2000 of same-named images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_FAILED
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_json, print_line, print_scores, say


def score(
    gt: Annotated[Path, typer.Option(help="Folder of the true images.")],
    control: Annotated[Path, typer.Option(help="Folder of the uncorrected images.")],
    generated: Annotated[Path, typer.Option(help="Folder of the corrected images.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.json, scores.csv and report.html.")],
    crops: Annotated[
        Path | None, typer.Option(help="crops.json; by default whole images are measured.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of garment masks: measures inside them, and the change outside."),
    ] = None,
    garments: Annotated[
        Path | None, typer.Option(help="garments.json: adds averages by kind of garment.")
    ] = None,
    register: flags.Register = False,
    fail_above: Annotated[
        float | None, typer.Option(min=0, help="Exit with 1 if the average dE00 is above this.")
    ] = None,
    as_json: flags.Json = False,
) -> None:
    """Measure the colour difference from the truth, and write a report."""
    from chromiq.dataset_builder.inputs.labels import read_garments
    from chromiq.evaluate.report import write_report
    from chromiq.evaluate.score.crops import read_crops
    from chromiq.evaluate.score.scores import (
        ImageSet,
        average,
        find_images,
        score_folders,
        scores_document,
        write_scores,
    )
    from chromiq.files import by_composed_name, ensure_output_folder, refuse_inputs
    from chromiq.progress import progress_bar

    refuse_inputs([out], [gt, control, generated, masks])
    known_crops = read_crops(crops) if crops else None
    kinds: dict[str, str] = {}
    if garments:
        labels = read_garments(garments).items()
        kinds = by_composed_name(
            ((Path(name).stem, kind) for name, kind in labels), garments, "garments.twice"
        )
    images = ImageSet(gt, {"control": control, "generated": generated}, known_crops, masks, kinds)
    with progress_bar("score") as update:
        scores = score_folders(images, register=register, on_progress=update)
    if unmeasured := len(find_images(gt)) - len(scores):
        say(f"skipped {counted(unmeasured, 'image')} of {gt} without a crop")
    ensure_output_folder(out)
    write_scores(out, scores)
    with progress_bar("report") as update:
        write_report(out / "report.html", scores, images, on_progress=update)
    if as_json:
        print_json(scores_document(scores))
    else:
        print_scores(scores)
        print_line(str(out / "report.html"))
    mean = average(scores, "generated")
    if fail_above is not None and mean > fail_above:
        say(f"the average dE00 is {mean:.3f}, above the {fail_above:g} allowed")
        raise typer.Exit(EXIT_FAILED)
