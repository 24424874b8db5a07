"""What is launched, within which limits, and who watches it: lines in, events out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chromiq.errors import ChromiqError
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.trainer.symptoms import Symptom, find_symptom
from chromiq.toolkit_configs.trainer.watch import (
    LossLog,
    Samples,
    memory_event,
    read_checkpoint,
    read_progress,
)

LOG_FILE = "log.txt"
LOOK_EVERY_S = 1.0
_MEMORY_EVERY_S = 10.0
_KEPT_LINES = 200
_LONGEST_LINE = 2048


@dataclass(frozen=True)
class Limits:
    """What ends a run that goes on without learning.

    Attributes:
        stop_on_nan: end it when the loss is no number; else that is a warning.
        stall_s: how long nothing may be heard; 0 for ever.
        stop_on_stall: end it then; else that is a warning.
    """

    stop_on_nan: bool = True
    stall_s: float = 1800
    stop_on_stall: bool = False


@dataclass(frozen=True)
class Launch:
    """What is run.

    Attributes:
        config: as rendered.
        run_folder: where its checkpoints go; ``log.txt`` there keeps all it prints.
        name: of the run.
        total_steps: that the run should have.
        from_step: of the checkpoint that it must go on from, 0 if it begins.
        limits: what ends it early.
        device: that it trains on, as in the config.
    """

    config: Path
    run_folder: Path
    name: str
    total_steps: int
    from_step: int = 0
    limits: Limits = Limits()
    device: str = "cuda"

    @property
    def final(self) -> Path:
        """The checkpoint of the last step."""
        return self.run_folder / f"{self.name}.safetensors"


class Watcher:
    """Turns what the trainer prints and logs into events, and ends what must not go on."""

    def __init__(self, launch: Launch, on_event: Callable[[Event], None]) -> None:
        self.step = launch.from_step
        self.tail: deque[str] = deque(maxlen=_KEPT_LINES)
        self.may_stop = True
        self.complaint: tuple[Symptom, str] | None = None
        self._launch = launch
        self._on_event = on_event
        self._log = LossLog(launch.run_folder)
        self._samples = Samples(launch.run_folder)
        self._logs_steps = False
        self._warned: set[str] = set()
        self._looked_s = self._weighed_s = 0.0
        self._heard_s = time.monotonic()

    def hear(self, line: str | None) -> None:
        """Take in a line, or None for a silence."""
        if line is None or not line.strip():
            return
        # What matters stands at the end; a line may be megabytes long.
        line = line[-_LONGEST_LINE:]
        self._heard_s = time.monotonic()
        self.tail.append(line)
        step = read_progress(line)
        # The bar shows a new loss beside the count of the step before; the log has both right.
        if step and not self._logs_steps:
            self._take(step)
        saved = read_checkpoint(line, self._launch.name)
        if saved:
            at = saved.values["step"] or self._launch.total_steps
            self._on_event(Event("checkpoint", {**saved.values, "step": at}, saved.time_s))
        symptom = find_symptom(line)
        if symptom and symptom.ends:
            self.complaint = (symptom, line.strip())
        elif symptom:
            self._warn(symptom.code, symptom.cure)
            stops = symptom.code == "mask_ignored" or (
                symptom.code == "nan" and self._launch.limits.stop_on_nan
            )
            if stops and self.may_stop:
                raise symptom.error(
                    f"AI-Toolkit was stopped after step {self.step}: {symptom.cure}; {self._on_log()}"
                )

    def look(self, process: int, *, at_once: bool = False) -> None:
        """Look once a second for new steps, samples, memory, and for a stall."""
        now = time.monotonic()
        if now - self._looked_s < LOOK_EVERY_S and not at_once:
            return
        self._looked_s = now
        for step in self._log.new():
            self._logs_steps = True
            self._heard_s = now
            self._take(step)
        for sample in self._samples.new():
            self._on_event(Event(sample.kind, {**sample.values, "step": self.step}, sample.time_s))
        if now - self._weighed_s >= _MEMORY_EVERY_S and not at_once:
            self._weighed_s = now
            weighed = memory_event(process, self._launch.device)
            # One that has just ended holds nothing, which tells nothing.
            if weighed.values["host_bytes"]:
                self._on_event(Event(weighed.kind, {**weighed.values, "step": self.step}, weighed.time_s))
        stall_s = self._launch.limits.stall_s
        if stall_s and now - self._heard_s > stall_s and not at_once:
            cure = f"nothing was heard for {stall_s:.0f} s; look at its log, stop it and --resume"
            self._warn("stall", cure)
            if self._launch.limits.stop_on_stall and self.may_stop:
                raise ChromiqError(f"AI-Toolkit was stopped after step {self.step}: {cure}; {self._on_log()}")

    def _take(self, event: Event) -> None:
        step, loss = event.values["step"], event.values["loss"]
        if step <= self.step:
            if step and step < self._launch.from_step and self.may_stop:
                files = self._launch.run_folder / f"{self._launch.name}*"
                raise ChromiqError(
                    f"AI-Toolkit was stopped: wanted it to go on from step {self._launch.from_step}, got "
                    f"step {step}; it goes on from the newest file {files}: move away what does not belong"
                )
            return
        self.step = step
        self._on_event(event)
        if not math.isfinite(loss):
            self.hear("loss is nan")

    def _warn(self, code: str, message: str) -> None:
        if code not in self._warned:
            self._warned.add(code)
            self._on_event(Event("warning", {"step": self.step, "code": code, "message": message}))

    def _on_log(self) -> str:
        return f"all it printed is in {self._launch.run_folder / LOG_FILE}"
