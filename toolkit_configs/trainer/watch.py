"""What AI-Toolkit prints and logs -> events.

It has no log meant for machines: its progress bar and ``loss_log.db`` together tell what goes on.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil

from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.trainer.machine import find_gpus, gpu_of

LOSS_LOG = "loss_log.db"
_STEP = re.compile(r"\|\s*(\d+)/(\d+) \[")
_LOSS = re.compile(r"\bloss: ([-+]?(?:nan|inf)|[\d.e+-]+)")
_RATE = re.compile(r"lr: ([\d.e+-]+)")
_SAVED = re.compile(r"Saved checkpoint to (?P<path>.+\.safetensors)")


def read_progress(line: str) -> Event | None:
    """The step that a progress line tells, or None if the line is none.

    >>> read_progress("lab:  75%|##  | 3/4 [00:01<00:00,  2.40it/s, lr: 1.0e-04 loss: 1.457e+00]").values
    {'step': 3, 'loss': 1.457, 'learning_rate': 0.0001}
    """
    step, loss, rate = _STEP.search(line), _LOSS.search(line), _RATE.search(line)
    # Other progress bars, such as those of loading, show no loss.
    if not step or not loss:
        return None
    try:
        values = {
            "step": int(step[1]),
            "loss": float(loss[1]),
            "learning_rate": float(rate[1]) if rate else None,
        }
    except ValueError:
        return None
    return Event("step", values)


def read_checkpoint(line: str, name: str) -> Event | None:
    """The checkpoint that a line says was saved, or None; the final one carries no step."""
    found = _SAVED.search(line)
    if not found:
        return None
    path = Path(found["path"])
    return Event("checkpoint", {"step": checkpoint_step(path, name), "file": path.name})


class LossLog:
    """New steps in AI-Toolkit's ``loss_log.db``, read while it is written and never written to."""

    def __init__(self, run: Path) -> None:
        self._path = run / LOSS_LOG
        self._newest_s = 0.0
        # What an earlier session left is no news.
        for event in self.new():
            self._newest_s = max(self._newest_s, event.time_s)

    def new(self) -> Iterator[Event]:
        """A step for each row that was not given yet, in the order they were trained."""
        if not self._path.is_file():
            return
        query = (
            "SELECT steps.step, wall_time, loss.value_real, rate.value_real FROM steps "
            "JOIN metrics AS loss ON loss.step = steps.step AND loss.key = 'loss/loss' "
            "LEFT JOIN metrics AS rate ON rate.step = steps.step AND rate.key = 'learning_rate' "
            "WHERE wall_time > ? ORDER BY wall_time"
        )
        try:
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
                rows = connection.execute(query, (self._newest_s,)).fetchall()
        except sqlite3.OperationalError:
            # It is being made, or being written to: the next look comes in a second.
            return
        for step, wall_time_s, loss, rate in rows:
            self._newest_s = max(self._newest_s, wall_time_s)
            # Its rows count from 0; a number that is none is stored as NULL.
            values = {
                "step": int(step) + 1,
                "loss": float("nan") if loss is None else loss,
                "learning_rate": rate,
            }
            yield Event("step", values, wall_time_s)


class Samples:
    """Pictures that the trainer made since the last look."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "samples"
        self._seen = set(self._files())

    def new(self) -> Iterator[Event]:
        """An event for each picture that was not there before."""
        for path in self._files():
            if path not in self._seen:
                self._seen.add(path)
                yield Event("sample", {"file": f"samples/{path.name}"})

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.*")) if self._folder.is_dir() else []


def memory_event(process: int, device: str = "cuda") -> Event:
    """What a process and its children hold of main memory, and what is taken of its GPU, by whomever.

    Args:
        process: its id.
        device: that it trains on, as in a config.
    """
    host_bytes = 0
    with suppress(psutil.Error):  # It has just ended.
        parent = psutil.Process(process)
        for each in (parent, *parent.children(recursive=True)):
            host_bytes += each.memory_info().rss
    gpu = gpu_of(device, find_gpus())
    gpu_bytes = None if gpu is None else gpu.total_bytes - gpu.free_bytes
    return Event("memory", {"host_bytes": host_bytes, "gpu_bytes": gpu_bytes})
