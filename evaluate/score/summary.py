"""Scores over many images: averages, intervals, improvement on the control; ``scores.json`` and ``.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.evaluate.score.difference import Difference
from chromiq.evaluate.score.folders import ImageScore
from chromiq.files import write_json, write_text

_RESAMPLES = 2000
_TITLES = {"control": "uncorrected", "transfer": "network-free"}


def column_title(column: str, titles: Mapping[str, str] | None = None) -> str:
    """A column's name in tables and reports; its key in ``scores.json`` stays.

    Args:
        column: its key.
        titles: others than the usual ones.

    >>> column_title("control"), column_title("lab"), column_title("lab", {"lab": "my LoRA"})
    ('uncorrected', 'lab', 'my LoRA')
    """
    return {**_TITLES, **(titles or {})}.get(column, column)


@dataclass(frozen=True)
class Comparison:
    """A column against the control over all images.

    Attributes:
        mean_change: mean over images of dE00 minus that of the control; below 0 is better.
        interval: its 95 % bootstrap interval over images.
        wins: images made better.
        losses: images made worse.
        worst: the image whose change is the least welcome.
        worst_change: its dE00 minus that of the control.
    """

    mean_change: float
    interval: tuple[float, float]
    wins: int
    losses: int
    worst: str
    worst_change: float


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean of `values`; Efron, 1979.

    Args:
        values: one per image, at least one.
        seed: of the resamples; the same seed gives the same interval.

    >>> bootstrap_interval([3.0, 3.0, 3.0])
    (3.0, 3.0)
    """
    sample = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.percentile(sample[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def average(scores: Sequence[ImageScore], column: str) -> float:
    """Mean over images of the mean dE00 of a column."""
    return float(np.mean([score.differences[column].mean for score in scores]))


def average_of(scores: Sequence[ImageScore], column: str, field: str) -> float | None:
    """Mean over images of any number of `Difference`; None if it is known of none."""
    values = [getattr(score.differences[column], field) for score in scores]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def average_interval(scores: Sequence[ImageScore], column: str) -> tuple[float, float]:
    """The 95 % bootstrap interval over images of `average`."""
    return bootstrap_interval([score.differences[column].mean for score in scores])


def compare(scores: Sequence[ImageScore], column: str, control: str = "control") -> Comparison:
    """A column against the control, image by image."""
    change = [score.differences[column].mean - score.differences[control].mean for score in scores]
    worst = int(np.argmax(change))
    return Comparison(
        mean_change=float(np.mean(change)),
        interval=bootstrap_interval(change),
        wins=sum(value < 0 for value in change),
        losses=sum(value > 0 for value in change),
        worst=scores[worst].name,
        worst_change=change[worst],
    )


def by_garment(scores: Sequence[ImageScore]) -> dict[str, list[ImageScore]]:
    """The scores of each kind of garment, kinds in alphabetical order; those of unknown kind are left out."""
    kinds = sorted({score.garment for score in scores if score.garment})
    return {kind: [score for score in scores if score.garment == kind] for kind in kinds}


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
        "average_of_means": _averages_of_means(scores, columns),
        "interval": {f"{column}_vs_truth": average_interval(scores, column) for column in columns},
        "comparison": {
            column: asdict(compare(scores, column))
            for column in columns
            if column != "control" and "control" in columns
        },
        "by_garment": {
            kind: {
                "images": len(members),
                "average": _averages(members, columns),
                "average_of_means": _averages_of_means(members, columns),
            }
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


def _averages_of_means(scores: Sequence[ImageScore], columns: Sequence[str]) -> dict[str, float | None]:
    """Mean over images of the dE00 between the two mean colours of the measured area."""
    return {f"{column}_vs_truth": average_of(scores, column, "of_means") for column in columns}


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
