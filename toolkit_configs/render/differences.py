"""What differs between a job and the published run, or another preset, and what the difference does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.toolkit_configs.render.compose import Composed, compose, flat_job
from chromiq.toolkit_configs.render.key_notes import NOTES
from chromiq.toolkit_configs.render.presets import find_preset
from chromiq.toolkit_configs.schema.rendered_job import (
    RenderedConfig,
    RenderedDataset,
    RenderedJob,
    RenderedProcess,
)


@dataclass(frozen=True)
class Difference:
    """One key that differs.

    Attributes:
        key: dotted, as `flat_job` writes it.
        there: its value in the other job, or None without one.
        here: its value, or None without one.
        effect: what the key does.
    """

    key: str
    there: Any
    here: Any
    effect: str

    def as_dict(self) -> dict[str, Any]:
        """The difference as plain data for JSON."""
        return asdict(self)


def differences_from(preset: str, composed: Composed, dataset: Path) -> list[Difference]:
    """Every key in which a job differs from a preset.

    Args:
        preset: ``published`` is the published run, whatever the model; another is of the job's own model.
        composed: the job.
        dataset: that it was composed for.

    Raises:
        UsageError: if the preset is not known.
    """
    job = composed.job
    if find_preset(preset) == "published":
        return differences(job, published_counterpart(job))
    folder = Path(job.process.training_folder)
    other = compose(composed.model, dataset, preset=preset, name=job.config.name, training_folder=folder)
    return differences(job, other.job)


def differences(job: RenderedJob, other: RenderedJob) -> list[Difference]:
    """Every key in which two jobs differ, in the order of the first."""
    here, there = dict(flat_job(job)), dict(flat_job(other))
    keys = dict.fromkeys([*here, *there])
    # An empty mapping that has entries in the other job is described by these.
    filled = {key.rpartition(".")[0] for key in keys}
    return [
        Difference(key, there.get(key), here.get(key), effect_of(key))
        for key in keys
        if ((key in here) != (key in there) or here[key] != there[key]) and key not in filled
    ]


def effect_of(key: str) -> str:
    """What a key does, in a line; empty for keys that chromiq does not know.

    >>> effect_of("datasets.0.mask_min_value")
    'Weight of black, 0 to 1; all weights are then scaled to a mean of 1.'
    """
    plain = ".".join(part for part in key.split(".") if not part.isdecimal())
    parts = plain.split(".")
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((NOTES[name] for name in known if name in NOTES), "")


def published_counterpart(job: RenderedJob) -> RenderedJob:
    """The published run on a job's dataset: its folders, samples and name, and nothing else of it."""
    process, dataset = job.process, job.process.datasets[0]
    published = RenderedProcess(
        training_folder=process.training_folder,
        sqlite_db_path=process.sqlite_db_path,
        datasets=[
            RenderedDataset(
                folder_path=dataset.folder_path,
                control_path=dataset.control_path,
                mask_path=dataset.mask_path,
            )
        ],
    )
    published.sample.samples = process.sample.samples
    return RenderedJob(config=RenderedConfig(name=job.config.name, process=[published]), meta=dict(job.meta))
