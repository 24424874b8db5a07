"""What a sweep found: a point per checkpoint, the best of them, and how sure that is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chromiq.errors import ChromiqError
from chromiq.evaluate.score.summary import bootstrap_interval


@dataclass(frozen=True)
class Point:
    """One checkpoint as measured.

    Attributes:
        checkpoint: file name.
        step: of the training.
        mean: mean over images of the mean dE00; None if it could not be measured.
        interval: its 95 % bootstrap interval over images.
        images: mean dE00 by image.
        sha256: of the checkpoint; the same is not measured again.
        error: why it could not be measured, else None.
    """

    checkpoint: str
    step: int
    mean: float | None
    interval: tuple[float, float] | None
    images: dict[str, float]
    sha256: str
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A run's checkpoints, measured.

    Attributes:
        run: its name.
        made_of: digest of the test set and the options; points of another are not comparable.
        control: the uncorrected images, measured as a checkpoint of step 0.
        points: per checkpoint, by step.
        testset: folder of the test set.
    """

    run: str
    made_of: str
    control: Point
    points: tuple[Point, ...]
    testset: str = ""

    @property
    def measured(self) -> list[Point]:
        """The checkpoints that could be measured."""
        return [point for point in self.points if point.mean is not None]

    @property
    def skipped(self) -> list[Point]:
        """Those that could not."""
        return [point for point in self.points if point.mean is None]

    @property
    def best(self) -> Point:
        """The checkpoint of the lowest mean, the earliest of equals.

        Raises:
            ChromiqError: if none could be measured.
        """
        if not self.measured:
            reasons = "; ".join(f"{point.checkpoint}: {point.error}" for point in self.skipped)
            raise ChromiqError(
                f"{self.run}: none of {len(self.points)} checkpoints could be measured; {reasons}"
            )
        return min(self.measured, key=lambda point: (point.mean, point.step))

    @property
    def ties(self) -> list[Point]:
        """The checkpoints whose paired difference from the best has 0 in its 95 % interval."""
        best = self.best
        return [
            point
            for point in self.measured
            if point is not best
            and bootstrap_interval([point.images[name] - best.images[name] for name in best.images])[0] <= 0
        ]

    @property
    def change(self) -> tuple[float, tuple[float, float]]:
        """Mean over images of the best's dE00 minus that of no LoRA, and its 95 % interval."""
        best = self.best
        changes = [best.images[name] - self.control.images[name] for name in best.images]
        return sum(changes) / len(changes), bootstrap_interval(changes)

    def as_dict(self) -> dict[str, Any]:
        """The sweep as ``sweep.json`` holds it, unrounded."""
        best = self.best if self.measured else None
        return {
            "run": self.run,
            "made_of": self.made_of,
            "testset": self.testset,
            "best": {key: getattr(best, key) for key in ("checkpoint", "step", "mean", "interval")}
            if best
            else None,
            "tied_with_best": [point.checkpoint for point in self.ties] if best else [],
            "change_from_control": best and self.change[0],
            "change_interval": best and self.change[1],
            "control": asdict(self.control),
            "checkpoints": [asdict(point) for point in self.points],
            "skipped": {point.checkpoint: point.error for point in self.skipped},
        }


def summary(result: Sweep) -> str:
    """What the sweep found, in words."""
    best, ties = result.best, result.ties
    low, high = best.interval or (0.0, 0.0)
    said = (
        f"Best: {best.checkpoint} (step {best.step}), mean dE00 {best.mean:.2f} (95 % interval {low:.2f} to "
        f"{high:.2f}) over {len(best.images)} images; uncorrected {result.control.mean:.2f}."
    )
    change, (low, high) = result.change
    if high >= 0:
        said += (
            f" It is {'worse' if low > 0 else 'not measurably better'} than no LoRA: {change:+.2f} dE00 "
            f"against uncorrected (95 % interval {low:+.2f} to {high:+.2f}). Do not use it as it is."
        )
    if ties:
        steps = ", ".join(str(point.step) for point in ties)
        said += f" So few images do not tell it from step {steps}: choosing among these is chance."
    return said
