"""A training run for the page: its losses, samples and checkpoints, and the sweeps that measured it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.evaluate.sweep import SWEEP_FILE
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.runs.events import EventReader
from chromiq.toolkit_configs.runs.status import RunStatus, read_status
from chromiq.toolkit_configs.runs.view import pace
from chromiq.toolkit_configs.schema.trainer_job import examine_job

_MOST_POINTS = 500
_SAMPLE_NAME = re.compile(r"_+(\d+)_(\d+)\.(?:jpe?g|png|webp)", re.IGNORECASE)
_DEPTHS = ("", "*/", "*/*/", "*/*/*/")
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class SampleRow:
    """What became of one sample prompt over the steps.

    Attributes:
        number: of the prompt in the config.
        control: the picture that it edits; None if it has none or it is missing.
        truth: what it should become; None if that is not known.
        by_step: the image of each step.
    """

    number: int
    control: Path | None
    truth: Path | None
    by_step: dict[int, Path]


@dataclass(frozen=True)
class SweepFacts:
    """A sweep of a run's checkpoints.

    Attributes:
        folder: with ``sweep.json``.
        document: its content.
        truths: the held-out truths by name; empty if the test set has moved.
        controls: the same of what is corrected.
    """

    folder: Path
    document: dict[str, Any]
    truths: dict[str, Path]
    controls: dict[str, Path]

    @property
    def names(self) -> list[str]:
        """Of the held-out images."""
        return sorted(self.document["control"]["images"])

    def image(self, checkpoint: str, name: str) -> Path | None:
        """What a checkpoint made of a held-out image."""
        known = {point["checkpoint"] for point in self.document["checkpoints"]}
        if checkpoint not in known or name not in self.names:
            return None
        return _by_stem(self.folder / "checkpoints" / Path(checkpoint).stem).get(Path(name).stem)


def status_facts(run: Path) -> dict[str, Any]:
    """All of a run that changes while it trains, as plain data.

    Raises:
        UsageError: if the folder holds no run.
    """
    status = read_status(run)
    record = status.record
    return {
        "name": record.name,
        "state": status.state,
        "step": status.step,
        "total_steps": record.total_steps,
        "loss": status.loss,
        "pace": pace(status),
        "losses": _thinned(_losses(run)),
        "checkpoints": [
            {"name": path.name, "step": checkpoint_step(path, record.name)}
            for path in find_checkpoints(run, record.name)
        ],
        "warnings": list(status.warnings[-5:]),
        "message": record.message or "",
        "samples": sorted({step for row in sample_rows(run, status) for step in row.by_step}),
    }


def _losses(run: Path) -> list[tuple[int, float]]:
    return [
        (int(event.values["step"]), float(event.values["loss"]))
        for event in EventReader(run).new()
        if event.kind == "step" and event.values.get("loss") is not None
    ]


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most so many points, each the mean of its neighbours."""
    parts = np.array_split(np.array(points, float), min(_MOST_POINTS, len(points))) if points else []
    return [(int(part[-1, 0]), float(part[:, 1].mean())) for part in parts]


def sample_rows(run: Path, status: RunStatus) -> list[SampleRow]:
    """The samples of a run by prompt: AI-Toolkit names them ``TIME__STEP_PROMPT``."""
    images: dict[int, dict[int, Path]] = {}
    folder = run / "samples"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _SAMPLE_NAME.search(path.name)
        if match:
            images.setdefault(int(match.group(2)), {})[int(match.group(1))] = path
    controls = _sample_controls(run, status) if images else []
    rows = []
    for number, by_step in sorted(images.items()):
        control = controls[number] if number < len(controls) else None
        truth = _by_stem(control.parent.parent / "gt").get(control.stem) if control else None
        rows.append(SampleRow(number, control, truth, by_step))
    return rows


def _sample_controls(run: Path, status: RunStatus) -> list[Path | None]:
    for path in (Path(status.record.config), run / "config.yaml"):
        if path.is_file():
            job, _ = examine_job(path)
            samples = job.process.sample.samples if job else []
            found = [next(iter(sample.control_images.values()), None) for sample in samples]
            return [Path(text) if text and Path(text).is_file() else None for text in found]
    return []


def find_sweeps(roots: Sequence[Path], name: str) -> list[SweepFacts]:
    """The sweeps below some folders that measured the run of a name."""
    found = []
    paths = {path for root in roots for depth in _DEPTHS for path in root.glob(f"{depth}{SWEEP_FILE}")}
    for path in sorted(paths):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            is_its = document["run"] == name and document["control"]["images"] is not None
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_its:
            testset = Path(document.get("testset") or path.parent / "missing")
            places = [testset, testset / "held_out"]
            root = next((place for place in reversed(places) if (place / "gt").is_dir()), testset)
            found.append(SweepFacts(path.parent, document, _by_stem(root / "gt"), _by_stem(root / "control")))
    return found


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _PICTURES}
