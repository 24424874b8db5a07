"""One launch of a run: its record and events on disk, its status for whoever looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from chromiq.errors import LockedError
from chromiq.toolkit_configs.runs.events import Event, EventLog
from chromiq.toolkit_configs.runs.folder import RunRecord, State, host, is_running, write_record
from chromiq.toolkit_configs.runs.status import RunStatus, after_event, ended


class Session:
    """One launch of a run: its record and events on disk, its status for whoever looks."""

    def __init__(
        self, run: Path, record: RunRecord, log: EventLog, on_status: Callable[[RunStatus], None]
    ) -> None:
        self._run, self._record, self._log, self._on_status = run, record, log, on_status
        self._status = RunStatus(record, step=record.steps_done)

    def begin(self, torn: Sequence[Path]) -> None:
        """Say that it starts, and which checkpoints were put aside."""
        write_record(self._run, self._record)
        self.note(Event("start", {"engine": self._record.engine, "from_step": self._record.steps_done}))
        for path in torn:
            message = f"{path.name}: a checkpoint that was cut off in writing was put aside under this name"
            self.note(Event("warning", {"code": "torn", "message": message}))

    def trainer_is(self, process: int) -> None:
        """Record the trainer's process."""
        self._record = replace(self._record, trainer_process=process)
        write_record(self._run, self._record)

    def note(self, event: Event) -> None:
        """Something happened."""
        self._log.write(event)
        self._status = replace(after_event(self._status, event, self._run), record=self._record)
        self._on_status(self._status)

    def end(self, state: State, message: str | None, **values: str) -> None:
        """It is over; `values` go into the last event."""
        self._record = ended(self._record, self._run, state, self._status, message)
        # The record first: who follows the events looks into it after the last one.
        write_record(self._run, self._record)
        self.note(Event(state, {**values, **({"message": message} if message else {})}))


def refuse_orphan(run: Path, earlier: RunRecord) -> None:
    """A launcher that was killed leaves its trainer at work: two of them would spoil each other's files."""
    process = earlier.trainer_process
    if (
        earlier.state == "running"
        and process
        and earlier.host == host()
        and is_running(process, earlier.started)
    ):
        raise LockedError(
            f"{run}: the trainer of an earlier launch is still at work as process {process}; wait for "
            f"it, or end it with 'kill -INT -- -{process}', then --resume"
        )
