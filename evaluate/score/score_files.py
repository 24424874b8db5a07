"""``scores.json`` and ``scores.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from chromiq.evaluate.score.difference import Difference
from chromiq.evaluate.score.folders import ImageScore
from chromiq.evaluate.score.summary import average, average_interval, by_garment, compare
from chromiq.files import write_json, write_text


def scores_document(scores: Sequence[ImageScore]) -> dict[str, Any]:
    """The scores as ``scores.json`` holds them, unrounded."""
    columns = list(scores[0].differences) if scores else []
    return {
        "images": [
            {
                "name": score.name,
                "garment": score.garment,
                **{f"{column}_vs_truth": asdict(score.differences[column]) for column in columns},
            }
            for score in scores
        ],
        "average": _averages(scores, columns),
        "interval": {f"{column}_vs_truth": average_interval(scores, column) for column in columns},
        "comparison": {
            column: asdict(compare(scores, column))
            for column in columns
            if column != "control" and "control" in columns
        },
        "by_garment": {
            kind: {"images": len(members), "average": _averages(members, columns)}
            for kind, members in by_garment(scores).items()
        },
    }


def write_scores(folder: Path, scores: Sequence[ImageScore]) -> None:
    """Write ``scores.json`` and ``scores.csv``: a line per image and column, empty where unknown."""
    write_json(folder / "scores.json", scores_document(scores))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "garment", "column", *(field.name for field in fields(Difference))])
    for score in scores:
        for column, found in score.differences.items():
            cells = [_plain(text) for text in (score.name, score.garment or "", column)]
            writer.writerow([*cells, *asdict(found).values()])
    write_text(folder / "scores.csv", buffer.getvalue())


def _averages(scores: Sequence[ImageScore], columns: Sequence[str]) -> dict[str, float]:
    return {f"{column}_vs_truth": average(scores, column) for column in columns}


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
