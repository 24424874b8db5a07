"""What AI-Toolkit prints and logs: progress, checkpoints, samples, memory and symptoms of failure, as events.

It has no log meant for machines: its progress bar and ``loss_log.db`` together say how far it is.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from chromiq.errors import AccessError, ChromiqError, UnsoundError
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.schema.trainer_job import Job
from chromiq.toolkit_configs.trainer.devices import find_gpus, gpu_of

LOG_FILE = "log.txt"
POLL_EVERY_S = 1.0
_MEMORY_EVERY_S = 10.0
_KEPT_LINES = 200
_LONGEST_LINE = 2048
LOSS_LOG = "loss_log.db"
_STEP = re.compile(r"\|\s*(\d+)/(\d+) \[")
_LOSS = re.compile(r"\bloss: ([-+]?(?:nan|inf)|[\d.e+-]+)")
_RATE = re.compile(r"lr: ([\d.e+-]+)")
_TAKES_REQUESTS = "Using SQLite database at "
_SAVED = re.compile(r"Saved checkpoint to (?P<path>.+\.safetensors)")


@dataclass(frozen=True)
class Symptom:
    """A line that the trainer prints when something goes wrong.

    Attributes:
        hint: what it means and how to fix it, on one line.
        error: raised if the run ends after such a line.
        ends: whether the trainer stops because of it; otherwise it continues without another word.
    """

    code: str
    pattern: re.Pattern[str]
    hint: str
    error: type[ChromiqError] = ChromiqError
    ends: bool = True


SYMPTOMS = (
    Symptom(
        "memory",
        re.compile(r"CUDA out of memory|OutOfMemoryError|OOM during training step 3 times"),
        "out of GPU memory; render with a smaller preset, or with train.batch_size=1 and model.quantize=true",
    ),
    Symptom(
        "access",
        re.compile(r"GatedRepoError|\b40[13] Client Error|(Unauthorized|Forbidden) for url"),
        "no access to the base model; accept its licence on its page at huggingface.co and set HF_TOKEN "
        "to a token of the same account",
        AccessError,
    ),
    Symptom(
        "disk",
        re.compile(r"No space left on device|\[Errno 28\]|Disk quota exceeded"),
        "the disk is full; free some, or lower save.max_step_saves_to_keep, then resume",
    ),
    Symptom(
        "environment",
        re.compile(r"ModuleNotFoundError|ImportError|Could not load this library"),
        "its environment is broken; run 'chromiq toolkit setup'",
    ),
    Symptom(
        "host_memory",
        re.compile(r"DefaultCPUAllocator|MemoryError|Cannot allocate memory"),
        "out of main memory; close other programs, or render with a smaller preset",
    ),
    Symptom(
        "gpu",
        re.compile(r"No CUDA GPUs are available|Found no NVIDIA driver|no kernel image is avail"),
        "its torch cannot use the GPU; check nvidia-smi, the driver, and whether torch is built for it",
    ),
    Symptom(
        "locked",
        re.compile(r"database is locked"),
        "another program holds the run's loss_log.db; close it, then resume",
    ),
    Symptom(
        "nan",
        re.compile(r"(?:^|\])\s*loss is nan\s*$"),
        # Only quanto's qfloat8, of all types, makes NaN of a row of zeros in the weights.
        "the loss is NaN, and the trainer continues with zero in its place; lower train.lr and resume "
        "from an earlier checkpoint, or set model.qtype to float8 if it is NaN from the first step",
        UnsoundError,
        ends=False,
    ),
    Symptom(
        "skipped_step",
        re.compile(r"OOM during training step, skipping batch"),
        "out of GPU memory in this step, which trained nothing; render with a smaller preset",
        ends=False,
    ),
    Symptom(
        "skipped_image",
        re.compile(r"Error loading image, skipping and loading a different one"),
        "an image could not be read and another was trained in its place; 'chromiq doctor' names it",
        UnsoundError,
        ends=False,
    ),
    Symptom(
        "mask_ignored",
        re.compile(r"Could not apply mask multiplier to loss"),
        "the mask was not applied; this model trains every pixel",
        UnsoundError,
        ends=False,
    ),
    Symptom(
        "optimizer_lost",
        re.compile(r"Failed to load optimizer state|Could not save optimizer"),
        "the optimizer's state was lost; training continues with fresh moments",
        ends=False,
    ),
)
"""The first match counts."""


def find_symptom(line: str) -> Symptom | None:
    """The symptom that a line shows, or None.

    >>> find_symptom("loss is nan").code
    'nan'
    >>> find_symptom("a caption that says: the loss is nan") is None
    True
    """
    return next((symptom for symptom in SYMPTOMS if symptom.pattern.search(line)), None)


def read_progress(line: str) -> Event | None:
    """The step in a line of the progress bar, or None if the line is not one.

    >>> read_progress("lab:  75%|##  | 3/4 [00:01<00:00,  2.40it/s, lr: 1.0e-04 loss: 1.457e+00]").values
    {'step': 3, 'loss': 1.457, 'learning_rate': 0.0001}
    """
    step, loss, rate = _STEP.search(line), _LOSS.search(line), _RATE.search(line)
    # Other progress bars, such as those of loading, show no loss.
    if not step or not loss:
        return None
    try:
        learning_rate = float(rate[1]) if rate else None
        return Event("step", {"step": int(step[1]), "loss": float(loss[1]), "learning_rate": learning_rate})
    except ValueError:
        return None


def read_checkpoint(line: str, name: str) -> Event | None:
    """The checkpoint that a line says was saved, or None; the final one carries no step."""
    found = _SAVED.search(line)
    if not found:
        return None
    path = Path(found["path"])
    return Event("checkpoint", {"step": checkpoint_step(path, name), "file": path.name})


class LossLog:
    """New steps in AI-Toolkit's ``loss_log.db``, opened read-only while the trainer writes it."""

    def __init__(self, run: Path) -> None:
        self._path = run / LOSS_LOG
        self._newest_s = 0.0
        # Rows of an earlier session are not new.
        for event in self.new():
            self._newest_s = max(self._newest_s, event.time_s)

    def new(self) -> Iterator[Event]:
        """A step event for each row not returned before, in training order."""
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
            # It is being created or written; the next poll comes in a second.
            return
        for step, wall_time_s, loss, rate in rows:
            self._newest_s = max(self._newest_s, wall_time_s)
            # Its rows count from 0, and NaN is stored as NULL.
            values = {
                "step": int(step) + 1,
                "loss": math.nan if loss is None else loss,
                "learning_rate": rate,
            }
            yield Event("step", values, wall_time_s)


def memory_event(process: int, device: str = "cuda") -> Event:
    """Main memory held by a process and its children, and memory in use on its GPU by any process."""
    host_bytes = 0
    with suppress(psutil.Error):  # It has just ended.
        parent = psutil.Process(process)
        for each in (parent, *parent.children(recursive=True)):
            host_bytes += each.memory_info().rss
    gpu = gpu_of(device, find_gpus())
    gpu_bytes = None if gpu is None else gpu.total_bytes - gpu.free_bytes
    return Event("memory", {"host_bytes": host_bytes, "gpu_bytes": gpu_bytes})


@dataclass(frozen=True)
class Limits:
    """When to stop a run that no longer learns.

    Attributes:
        stop_on_nan: stop when the loss is NaN; otherwise only warn.
        stall_s: seconds without output before the run counts as stalled; 0 to wait forever.
        stop_on_stall: stop a stalled run; otherwise only warn.
    """

    stop_on_nan: bool = True
    stall_s: float = 1800
    stop_on_stall: bool = False


@dataclass(frozen=True)
class Launch:
    """One launch of the trainer, from the step of a checkpoint or, for a new run, from 0."""

    config: Path
    job: Job
    from_step: int = 0
    limits: Limits = Limits()


class Watcher:
    """Turns the trainer's output into events, and stops runs that must not continue."""

    def __init__(self, launch: Launch, on_event: Callable[[Event], None]) -> None:
        self.step = launch.from_step
        self.tail: deque[str] = deque(maxlen=_KEPT_LINES)
        self.may_stop = True
        self.takes_requests = False
        self.checkpoints = 0
        self.symptom: tuple[Symptom, str] | None = None
        self._launch, self._job = launch, launch.job
        self._on_event = on_event
        self._log = LossLog(launch.job.run_folder)
        self._samples = launch.job.run_folder / "samples"
        self._seen = set(self._samples.glob("*.*"))
        self._logs_steps = False
        self._warned: set[str] = set()
        self._polled_s = self._memory_read_s = 0.0
        self._last_output_s = time.monotonic()

    def read_line(self, line: str | None) -> None:
        """Handle a line of output; None if there was none for a second."""
        if line is None or not line.strip():
            return
        # A line may be megabytes long; what matters is at its end.
        line = line[-_LONGEST_LINE:]
        self._last_output_s = time.monotonic()
        self.tail.append(line)
        step = read_progress(line)
        # The bar shows a new loss beside the count of the step before; the log has both right.
        if step and not self._logs_steps:
            self._take(step)
        saved = read_checkpoint(line, self._job.config.name)
        if line.startswith(_TAKES_REQUESTS):
            self.takes_requests = True
        if saved:
            self.checkpoints += 1
            at = saved.values["step"] or self._job.process.train.steps
            self._on_event(Event("checkpoint", {**saved.values, "step": at}, saved.time_s))
        symptom = find_symptom(line)
        if symptom and symptom.ends:
            self.symptom = (symptom, line.strip())
        elif symptom:
            self.warn(symptom.code, symptom.hint)
            on_nan = self._launch.limits.stop_on_nan
            stops = symptom.code == "mask_ignored" or (symptom.code == "nan" and on_nan)
            if stops and self.may_stop:
                raise symptom.error(
                    f"AI-Toolkit was stopped after step {self.step}: {symptom.hint}; {self._on_log()}"
                )

    def poll(self, process: int, *, at_once: bool = False) -> None:
        """Look for new steps, samples, memory use and a stall, at most once a second."""
        now = time.monotonic()
        if now - self._polled_s < POLL_EVERY_S and not at_once:
            return
        self._polled_s = now
        for step in self._log.new():
            self._logs_steps = True
            self._last_output_s = now
            self._take(step)
        for sample in sorted({*self._samples.glob("*.*")} - self._seen):
            self._seen.add(sample)
            self._on_event(Event("sample", {"file": f"samples/{sample.name}", "step": self.step}))
        if now - self._memory_read_s >= _MEMORY_EVERY_S and not at_once:
            self._memory_read_s = now
            memory = memory_event(process, self._job.process.device)
            # A process that has just ended holds no memory.
            if memory.values["host_bytes"]:
                self._on_event(Event(memory.kind, {**memory.values, "step": self.step}, memory.time_s))
        stall_s = self._launch.limits.stall_s
        if stall_s and now - self._last_output_s > stall_s and not at_once:
            hint = f"no output for {stall_s:.0f} s; check its log, stop it and resume"
            self.warn("stall", hint)
            if self._launch.limits.stop_on_stall and self.may_stop:
                raise ChromiqError(f"AI-Toolkit was stopped after step {self.step}: {hint}; {self._on_log()}")

    def _take(self, event: Event) -> None:
        step, loss = event.values["step"], event.values["loss"]
        if step <= self.step:
            if step and step < self._launch.from_step and self.may_stop:
                files = self._job.run_folder / f"{self._job.config.name}*"
                raise ChromiqError(
                    f"AI-Toolkit was stopped: expected it to resume from {self._launch.from_step}, but "
                    f"it started at step {step}; it takes the newest of {files}: move other runs away"
                )
            return
        self.step = step
        self._on_event(event)
        if not math.isfinite(loss):
            self.read_line("loss is nan")

    def warn(self, code: str, message: str) -> None:
        """Report a warning, once for each code."""
        if code not in self._warned:
            self._warned.add(code)
            self._on_event(Event("warning", {"step": self.step, "code": code, "message": message}))

    def _on_log(self) -> str:
        return f"its output is in {self._job.run_folder / LOG_FILE}"
