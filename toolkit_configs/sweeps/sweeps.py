"""How the runs of a sweep stand, wherever they are trained: told from what lies in their run folders."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from chromiq.dataset_builder.inputs.pairs import natural_key
from chromiq.errors import UsageError
from chromiq.toolkit_configs.runs.folder import RUN_FILE
from chromiq.toolkit_configs.runs.status import Follower
from chromiq.toolkit_configs.schema.jobs import read_job
from chromiq.toolkit_configs.sweeps.local import CONFIGS, CellStatus
from chromiq.toolkit_configs.sweeps.schedulers import TargetJob


def is_sweep(folder: Path) -> bool:
    """Whether a folder is one that ``chromiq sweep-train --out`` wrote, and no run itself."""
    return (folder / CONFIGS).is_dir() and not (folder / RUN_FILE).exists()


def follow_sweep(folder: Path, every_s: float = 1.0) -> Iterator[list[CellStatus]]:
    """How all runs of a sweep stand, again and again until none is at work or still to come.

    Args:
        folder: the sweep's.
        every_s: how often to look.

    Raises:
        UsageError: if the folder holds no configs.
        UnsoundError: if one of them cannot be read.
    """
    paths = sorted((folder / CONFIGS).glob("*.yaml"), key=lambda path: natural_key(path.stem))
    if not paths:
        raise UsageError(f"{folder / CONFIGS}: wanted the configs of a sweep, got none; check the path")
    jobs = [TargetJob(path, read_job(path)) for path in paths]
    followers: dict[Path, Follower] = {}
    while True:
        cells = [_cell(job, followers) for job in jobs]
        yield cells
        if all(cell.ended for cell in cells):
            return
        time.sleep(every_s)


def _cell(job: TargetJob, followers: dict[Path, Follower]) -> CellStatus:
    run = job.job.run_folder
    if run not in followers:
        if not (run / RUN_FILE).is_file():
            return CellStatus(job)
        followers[run] = Follower(run)
    found = followers[run].look()
    lora = str(job.final) if found.state == "done" else None
    return CellStatus(job, found.state, found.record.device, found, message=found.record.message, lora=lora)
