"""The status of a run: its record and its events combined; and the session that writes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chromiq.errors import LockedError
from chromiq.files import sha256_file
from chromiq.toolkit_configs.runs.checkpoints import find_checkpoints
from chromiq.toolkit_configs.runs.events import Event, EventLog, EventReader
from chromiq.toolkit_configs.runs.record import (
    RunRecord,
    State,
    host,
    is_running,
    now,
    read_record,
    write_record,
)

_SHOWN_LOSSES = 60
_RATE_STEPS = 20
# Memory is reported every 10 s, so a run on another machine that is silent for longer has ended.
_SILENT_S = 120.0


@dataclass(frozen=True)
class RunStatus:
    """The status of a run.

    Attributes:
        alive: whether its process is running, as far as another machine can see.
        losses: of the last steps, oldest first.
        heard_s: time of the last event, in seconds since 1970.
        recent: step and time of the last steps of this session, oldest first.
    """

    record: RunRecord
    step: int = 0
    loss: float | None = None
    checkpoint: Path | None = None
    alive: bool = True
    learning_rate: float | None = None
    losses: tuple[float, ...] = ()
    sample: str | None = None
    host_bytes: int | None = None
    gpu_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    heard_s: float = 0.0
    recent: tuple[tuple[int, float], ...] = ()

    @property
    def state(self) -> str:
        """As recorded, or ``"killed"`` if it is recorded as running but its process is gone."""
        return "killed" if self.record.state == "running" and not self.alive else self.record.state

    @property
    def seconds_per_step(self) -> float | None:
        """Over the last steps, or None with fewer than two, or if all have the same time."""
        if len(self.recent) < 2:
            return None
        (first, begun_s), (last, ended_s) = self.recent[0], self.recent[-1]
        return (ended_s - begun_s) / (last - first) if last > first and ended_s > begun_s else None

    @property
    def remaining_s(self) -> float | None:
        """Until the last step, at the rate of the last ones."""
        rate = self.seconds_per_step
        return None if rate is None else rate * max(0, self.record.total_steps - self.step)


def after_event(status: RunStatus, event: Event, run: Path) -> RunStatus:
    """The status after one more event."""
    values = event.values
    new: dict[str, Any] = {}
    if event.kind == "start":
        new = {"recent": (), "warnings": ()}
    elif event.kind == "step":
        step, loss = int(values["step"]), values.get("loss")
        new = {"step": step, "loss": loss, "learning_rate": values.get("learning_rate")}
        new["recent"] = (*status.recent, (step, event.time_s))[-_RATE_STEPS:]
        if loss is not None:
            new["losses"] = (*status.losses, loss)[-_SHOWN_LOSSES:]
    elif event.kind == "checkpoint":
        new = {"checkpoint": run / str(values["file"])}
    elif event.kind == "sample":
        new = {"sample": str(values["file"])}
    elif event.kind == "memory":
        new = {key: values.get(key) for key in ("host_bytes", "gpu_bytes")}
    elif event.kind == "warning":
        new = {"warnings": (*status.warnings, str(values["message"]))}
    return replace(status, heard_s=max(status.heard_s, event.time_s), **new)


def read_status(run: Path) -> RunStatus:
    """The status of a run.

    Raises:
        UsageError: if the folder holds no run.
    """
    return next(follow(run))


class Follower:
    """Follows a run, reading each time only the events that are new."""

    def __init__(self, run: Path) -> None:
        """Read the run's record.

        Raises:
            UsageError: if the folder holds no run.
        """
        self._run = run
        self._reader = EventReader(run)
        self._status = RunStatus(read_record(run))

    def poll(self) -> RunStatus:
        """Its current status."""
        status = self._status
        for event in self._reader.new():
            status = after_event(status, event, self._run)
        record = read_record(self._run)
        alive = record.state == "running" and _is_alive(record, status.heard_s)
        if not alive:
            record = read_record(self._run)  # it may have ended in between
        newest = next(reversed(find_checkpoints(self._run, record.name)), None)
        self._status = replace(status, record=record, checkpoint=newest, alive=alive)
        return self._status


def follow(run: Path, every_s: float = 1.0) -> Iterator[RunStatus]:
    """Yield the status of a run until it ends; works from any process or machine.

    Raises:
        UsageError: if the folder holds no run.
    """
    follower = Follower(run)
    while True:
        yield (status := follower.poll())
        if status.state != "running":
            return
        time.sleep(every_s)


def _is_alive(record: RunRecord, heard_s: float) -> bool:
    """Whether the process of a run is running, as far as this machine can see."""
    if record.host in ("", host()):
        return is_running(record.process, record.started)
    return time.time() - heard_s < _SILENT_S


class Session:
    """One launch of a run: writes its record and events, and reports its status."""

    def __init__(
        self, run: Path, record: RunRecord, log: EventLog, on_status: Callable[[RunStatus], None]
    ) -> None:
        self._run, self._record, self._log, self._on_status = run, record, log, on_status
        self._status = RunStatus(record, step=record.steps_done)

    def begin(self, torn: Sequence[Path]) -> None:
        """Record the start and the checkpoints that were renamed because they are incomplete."""
        write_record(self._run, self._record)
        self.note(Event("start", {"engine": self._record.engine, "from_step": self._record.steps_done}))
        for path in torn:
            message = f"{path.name}: an incomplete checkpoint was renamed to this"
            self.note(Event("warning", {"code": "torn", "message": message}))

    def trainer_is(self, process: int) -> None:
        """Record the trainer's process."""
        self._record = replace(self._record, trainer_process=process)
        write_record(self._run, self._record)

    def note(self, event: Event) -> None:
        """Record an event and report the new status."""
        self._log.write(event)
        self._status = replace(after_event(self._status, event, self._run), record=self._record)
        self._on_status(self._status)

    def end(self, state: State, message: str | None, **values: str) -> None:
        """Record the end, with the digests of the checkpoints; `values` go into the last event."""
        saved = (path for path in find_checkpoints(self._run, self._record.name) if path.is_file())
        self._record = replace(
            self._record,
            state=state,
            ended=now(),
            message=message,
            checkpoints={path.name: sha256_file(path) for path in saved},
            steps_done=self._status.step,
            seconds_per_step=self._status.seconds_per_step,
        )
        # The record first, as followers read it after the last event.
        write_record(self._run, self._record)
        self.note(Event(state, {**values, **({"message": message} if message else {})}))


def refuse_orphan(run: Path, earlier: RunRecord) -> None:
    """Raise `LockedError` if the trainer of a killed launch is still running."""
    process, started = earlier.trainer_process, earlier.started
    here = earlier.state == "running" and earlier.host == host()
    if here and process and is_running(process, started):
        raise LockedError(
            f"{run}: the trainer of an earlier launch is still running as process {process}. Wait for it, or "
            f"stop it with 'kill -INT -- -{process}', then resume."
        )
