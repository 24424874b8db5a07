"""Scores over many images: averages, improvement on the control, and how far chance reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chromiq.evaluate.score.folders import ImageScore
from chromiq.evaluate.score.intervals import bootstrap_interval


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
