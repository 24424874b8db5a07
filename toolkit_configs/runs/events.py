"""Events of a run, written to ``events.jsonl`` and TensorBoard, and read back.

Kinds: ``start``, ``step`` (step, loss, learning_rate), ``checkpoint`` (step, file), ``sample`` (file),
``memory`` (host_bytes, gpu_bytes), ``warning`` (code, message), and as the last ``done``, ``interrupted`` or
``failed``.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from chromiq.errors import UsageError

EVENTS_FILE = "events.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
_SCALARS = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "host_bytes": "memory/host_bytes",
    "gpu_bytes": "memory/gpu_bytes",
}


@dataclass(frozen=True)
class Event:
    """One event, `time_s` seconds after the start of 1970."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)
    time_s: float = field(default_factory=time.time)

    def as_line(self) -> str:
        """One line of JSON; NaN and infinity become null."""
        when = datetime.fromtimestamp(self.time_s, UTC).isoformat(timespec="milliseconds")
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in self.values.items()
        }
        return json.dumps({"time": when, "event": self.kind, **plain}, ensure_ascii=False, allow_nan=False)

    @staticmethod
    def from_line(line: str) -> Event:
        """The event of a line that `as_line` wrote.

        >>> Event.from_line('{"time": "1970-01-01T00:00:02+00:00", "event": "step", "step": 3}')
        Event(kind='step', values={'step': 3}, time_s=2.0)
        """
        values = json.loads(line)
        when, kind = values.pop("time"), values.pop("event")
        return Event(kind, values, datetime.fromisoformat(when).timestamp())


class EventLog:
    """Writes a run's events, to TensorBoard as well where it is installed; a context manager."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._open = ExitStack()
        self._board: Any = None
        # Here and not at the first step: an interrupt during an import leaves a half-initialised module.
        self._with_board = _import_tensorboard()

    def __enter__(self) -> EventLog:
        path = self._run / EVENTS_FILE
        # A killed process may have left half a line, which must not corrupt the next.
        torn = path.is_file() and not _ends_with_newline(path)
        self._lines = self._open.enter_context(path.open("a", encoding="utf-8"))
        if torn:
            self._lines.write("\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def write(self, event: Event) -> None:
        """Add an event."""
        self._lines.write(event.as_line() + "\n")
        self._lines.flush()
        self._to_board(event)

    def _to_board(self, event: Event) -> None:
        scalars_by_tag = {tag: event.values.get(key) for key, tag in _SCALARS.items()}
        numbers = {tag: float(value) for tag, value in scalars_by_tag.items() if value is not None}
        if not numbers or not self._with_board:
            return
        from tensorboard.compat.proto.event_pb2 import Event as BoardEvent
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._board is None:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._board = EventFileWriter(str(self._run / TENSORBOARD_FOLDER), flush_secs=10)
            self._open.callback(self._board.close)
        scalars = [Summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        step = int(event.values.get("step", 0))
        self._board.add_event(BoardEvent(step=step, wall_time=event.time_s, summary=Summary(value=scalars)))


def _import_tensorboard() -> bool:
    """Import the parts of TensorBoard that the event log uses; return whether it is installed."""
    if not find_spec("tensorboard"):
        return False
    import tensorboard.compat.proto.event_pb2
    import tensorboard.compat.proto.summary_pb2
    import tensorboard.summary.writer.event_file_writer  # noqa: F401

    return True


def _ends_with_newline(path: Path) -> bool:
    """Whether a file's last byte is a newline, or it is empty."""
    with path.open("rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


class EventReader:
    """Reads a run's events as they are added, by this process or another."""

    def __init__(self, run: Path) -> None:
        self._path = run / EVENTS_FILE
        self._read_bytes = 0

    def new(self) -> Iterator[Event]:
        """Events not returned before; a line that is still being written is left for the next call.

        Raises:
            UsageError: if they cannot be read.
        """
        if not self._path.is_file():
            return
        try:
            stream = self._path.open("rb")
        except OSError as error:
            reason = str(error.strerror).lower()
            raise UsageError(f"{self._path}: cannot be read: {reason}. Make it readable.") from error
        with stream:
            stream.seek(self._read_bytes)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._read_bytes += len(line)
                try:
                    event = Event.from_line(line.decode("utf-8"))
                except (ValueError, KeyError, AttributeError):
                    # Half a line left by a killed process.
                    continue
                yield event
