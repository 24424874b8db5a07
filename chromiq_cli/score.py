"""``chromiq score``: CIEDE2000 of same-named images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromiq.errors import EXIT_FAILED
from chromiq_cli.output import JSON_OPTION, print_json, print_line, print_scores, say


def score(
    gt: Annotated[Path, typer.Option(help="Folder of the true images.")],
    control: Annotated[Path, typer.Option(help="Folder of the uncorrected images.")],
    generated: Annotated[Path, typer.Option(help="Folder of the corrected images.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.json, scores.csv and report.html.")],
    crops: Annotated[Path | None, typer.Option(help="crops.json; whole images without it.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of masks: measure where they are white.")] = None,
    fail_above: Annotated[float | None, typer.Option(help="Exit 1 if the average dE00 is above it.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Measure how far colours are from the truth, and write a report."""
    from chromiq.files import ensure_output_folder
    from evaluate.crops import read_crops
    from evaluate.report import write_report
    from evaluate.score import average, score_folders, scores_document, write_scores

    columns = {"control": control, "generated": generated}
    known_crops = read_crops(crops) if crops else None
    scores = score_folders(gt, columns, crops=known_crops, masks=masks)
    ensure_output_folder(out)
    write_scores(out, scores)
    write_report(out / "report.html", scores, gt, columns, crops=known_crops, masks=masks)
    if as_json:
        print_json(scores_document(scores))
    else:
        print_scores(scores)
        print_line(str(out / "report.html"))
    mean = average(scores, "generated")
    if fail_above is not None and mean > fail_above:
        say(f"the average dE00 is {mean:.3f}, above the {fail_above:g} allowed")
        raise typer.Exit(EXIT_FAILED)
