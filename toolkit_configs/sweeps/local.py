"""A sweep on this machine: a queue of runs, one at a time on each device, and how they stand.

AI-Toolkit itself uses several GPUs in the same way. Every run is a ``chromiq train`` in its own process
that sees only its device.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from chromiq.documents import load_record
from chromiq.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_SKIPPED,
    ChromiqError,
    Finding,
    InterruptedRunError,
    UnsoundError,
    UsageError,
)
from chromiq.files import is_locked, natural_key, safe_stem, sha256_file
from chromiq.progress import LOG_EVERY_S, console
from chromiq.runtime.signals import termination_as_interrupt
from chromiq.toolkit_configs.runs.checkpoints import final_of
from chromiq.toolkit_configs.runs.record import RUN_FILE, RunRecord, read_record
from chromiq.toolkit_configs.runs.status import Follower, RunStatus
from chromiq.toolkit_configs.runs.view import STATE_COLOURS, one_line, pace, shown
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.sweeps.slurm import BatchJob, chromiq_command
from chromiq.toolkit_configs.trainer.devices import device_environment
from chromiq.wording import counted

CONFIGS, LOGS = "configs", "logs"
GRID_FILE = "sweep-train.json"
"""File names of the configs of the grid that was last given, in its order."""
_POLL_EVERY_S = 0.5
_FOLLOW_EVERY_S = 1.0


@dataclass(frozen=True)
class CellStatus:
    """The status of one run of a sweep.

    Attributes:
        state: ``"waiting"`` for a device, ``"running"``, ``"done"``, ``"failed"``, ``"interrupted"`` or
            ``"killed"``.
        device: that it trains or trained on, or None.
    """

    job: BatchJob
    state: str = "waiting"
    device: str | None = None
    run: RunStatus | None = None
    exit_code: int | None = None
    message: str | None = None
    lora: str | None = None

    @property
    def step(self) -> int:
        """The last step reported."""
        return self.run.step if self.run else 0

    @property
    def ended(self) -> bool:
        """Whether it is neither waiting nor running."""
        return self.state not in {"waiting", "running"}

    def as_dict(self) -> dict[str, Any]:
        """Its state as plain data for JSON."""
        return {
            "state": self.state,
            "device": self.device,
            "exit_code": self.exit_code,
            "message": self.message,
            "run": str(self.job.job.run_folder),
            "lora": self.lora,
        }


def sweep_exit_code(cells: Sequence[CellStatus]) -> int:
    """The exit code of a sweep: 0 if all runs are done, 1 if none is, otherwise 3."""
    done = sum(cell.state == "done" for cell in cells)
    return EXIT_DONE if done == len(cells) else EXIT_SKIPPED if done else EXIT_FAILED


def train_jobs(
    jobs: Sequence[BatchJob],
    devices: Sequence[str],
    out: Path,
    on_status: Callable[[Sequence[CellStatus]], None] = lambda _: None,
) -> list[CellStatus]:
    """Train every job, one at a time on each device; a failure does not stop the others.

    A run that already exists is resumed if it was started from the same config, and skipped if it is done,
    so the same command resumes a stopped sweep.

    Args:
        jobs: in the order of the queue.
        devices: as `chromiq.toolkit_configs.trainer.devices.read_devices` gives them.
        out: gets ``logs/`` with the output of each ``chromiq train``; the caller holds its lock.

    Returns:
        Their final status, in the order of `jobs`.

    Raises:
        UsageError: if a device is not visible.
        ChromiqError: if the command ``chromiq`` is not on the PATH.
        InterruptedRunError: on SIGINT or SIGTERM, once every run has stopped.
    """
    logs = out / LOGS
    cells = [_initial_status(job) for job in jobs]
    for device in devices:
        device_environment(device, os.environ)
    if shutil.which(chromiq_command()) is None:
        raise ChromiqError(f"{chromiq_command()} is not on the PATH. Install chromiq with pip.")
    waiting = deque(index for index, cell in enumerate(cells) if cell.state == "waiting")
    for index in waiting:  # the result of an earlier sweep is not this one's
        _result_path(logs, jobs[index]).write_bytes(b"")
    free = deque(devices)
    running: dict[int, _Worker] = {}
    with termination_as_interrupt():
        try:
            on_status(cells)
            while waiting or running:
                while waiting and free:
                    index, device = waiting.popleft(), free.popleft()
                    running[index] = _Worker(jobs[index], device, logs)
                    cells[index] = replace(cells[index], state="running", device=device)
                for index, worker in list(running.items()):
                    cells[index] = worker.poll(cells[index])
                    if cells[index].ended:
                        del running[index]
                        free.append(worker.device)
                on_status(cells)
                if running:
                    time.sleep(_POLL_EVERY_S)
        except KeyboardInterrupt:
            for worker in running.values():
                worker.ask_to_end()
            for index, worker in running.items():
                cells[index] = worker.wait(cells[index])
            on_status(cells)
            done = sum(cell.state == "done" for cell in cells)
            raise InterruptedRunError(
                f"{out}: stopped with {done} of {len(cells)} runs done. Run the same command to resume."
            ) from None
        finally:
            for worker in running.values():
                worker.end()
    return cells


class _Worker:
    """One ``chromiq train`` process with its own device."""

    def __init__(self, job: BatchJob, device: str, logs: Path) -> None:
        self.device = device
        self._job = job
        self._follower: Follower | None = None
        self._document, self._log = _result_path(logs, job), _log_path(logs, job)
        resume = ["--resume"] if _resumes(job) else []
        seed = {} if job.seed is None else {"SEED": str(job.seed)}
        with self._document.open("wb") as out, self._log.open("ab") as said:
            self._process = subprocess.Popen(
                [chromiq_command(), "train", str(job.config), "--engine", job.engine, "--json", *resume],
                env={**os.environ, **device_environment(device, os.environ), **seed},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
                # Ctrl-C reaches only the sweep, which passes it on.
                start_new_session=True,
            )

    def poll(self, cell: CellStatus) -> CellStatus:
        """Its current status."""
        code = self._process.poll()
        run = self._run_status()
        cell = replace(cell, run=run or cell.run)
        return cell if code is None else self._ended(cell, code)

    def ask_to_end(self) -> None:
        """Ask it to stop."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, cell: CellStatus) -> CellStatus:
        """Its final status."""
        self._process.wait()
        return self.poll(cell)

    def end(self) -> None:
        """Stop it and wait."""
        self.ask_to_end()
        self._process.wait()

    def _run_status(self) -> RunStatus | None:
        run = self._job.job.run_folder
        try:
            if self._follower is None:
                # The record of an earlier launch is not this one's.
                if read_record(run).process != self._process.pid:
                    return None
                self._follower = Follower(run)
            return self._follower.poll()
        except UsageError:  # no record yet, or a damaged one: its process says how it ends
            return None

    def _ended(self, cell: CellStatus, code: int) -> CellStatus:
        document = _result(self._document)
        if code == EXIT_DONE:
            return replace(cell, state="done", exit_code=code, lora=document["lora"])
        state, message = _unfinished(code, document, self._log)
        return replace(cell, state=state, exit_code=code, message=message)


def _result_path(logs: Path, job: BatchJob) -> Path:
    return logs / f"{safe_stem(job.name)}.json"


def _log_path(logs: Path, job: BatchJob) -> Path:
    return logs / f"{safe_stem(job.name)}.log"


def _unfinished(code: int, document: dict[str, Any], log: Path) -> tuple[str, str]:
    """State and message of a run that ended with another exit code than 0."""
    state = "interrupted" if code == EXIT_INTERRUPTED else "failed"
    return state, f"{document.get('error') or f'exit code {code}'}; its log is {log}"


def _result(path: Path) -> dict[str, Any]:
    """What ``chromiq train --json`` printed; empty if it is at work, or was killed before it could."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _record(job: BatchJob) -> RunRecord | None:
    """The record of its run; None if it is missing or damaged."""
    try:
        return read_record(job.job.run_folder)
    except UsageError:
        return None


def _resumes(job: BatchJob) -> bool:
    """Whether to resume its run: one of this config, or with a damaged record, which ``train`` then names."""
    record = _record(job)
    if record is None:
        return (job.job.run_folder / RUN_FILE).is_file()
    return record.config_sha256 == sha256_file(job.config)


def _initial_status(job: BatchJob) -> CellStatus:
    """The status of a run before its launch: done by an earlier sweep, or waiting."""
    record = _record(job)
    final = final_of(job.job)
    if record is None or record.state != "done" or not _resumes(job) or not final.exists():
        return CellStatus(job)
    return CellStatus(job, "done", exit_code=EXIT_DONE, lora=str(final))


def is_sweep(folder: Path) -> bool:
    """Whether a folder is the output of ``chromiq sweep-train`` and not a run."""
    return (folder / CONFIGS).is_dir() and not (folder / RUN_FILE).exists()


def follow_sweep(folder: Path) -> Iterator[list[CellStatus]]:
    """Yield the status of all runs of a sweep until none is waiting or running.

    Raises:
        UsageError: if the folder holds no configs.
        UnsoundError: if one of them, or the list of them, cannot be read.
    """
    paths = _configs(folder)
    if not paths:
        raise UsageError(f"{folder / CONFIGS} has no configs of a sweep. Check the path.")
    jobs = [BatchJob(path, read_job(path)) for path in paths]
    followers: dict[Path, Follower] = {}
    while True:
        cells = [_cell(job, folder / LOGS, followers) for job in jobs]
        yield cells
        if all(cell.ended for cell in cells):
            return
        time.sleep(_FOLLOW_EVERY_S)


def _configs(folder: Path) -> list[Path]:
    """The configs of a sweep; all that there are if an earlier version wrote no list of them."""
    listed = folder / GRID_FILE
    if not listed.is_file():
        return sorted((folder / CONFIGS).glob("*.yaml"), key=lambda path: natural_key(path.stem))
    try:
        names = load_record(list[str], listed.read_bytes())
    except ValueError as error:
        hint = "Run the same chromiq sweep-train again, which writes it."
        finding = Finding("sweep.unreadable", str(listed), f"cannot be read: {error}", hint)
        raise UnsoundError.of(finding) from error
    return [folder / CONFIGS / name for name in names]


def _cell(job: BatchJob, logs: Path, followers: dict[Path, Follower]) -> CellStatus:
    run, result, cell = job.job.run_folder, _result_path(logs, job), CellStatus(job)
    if (run / RUN_FILE).is_file():
        try:
            if run not in followers:
                followers[run] = Follower(run)
            found = followers[run].poll()
            lora = str(final_of(job.job)) if found.state == "done" else None
            cell = CellStatus(
                job, found.state, found.record.device, found, message=found.record.message, lora=lora
            )
        except UsageError as error:  # the record is damaged
            cell = CellStatus(job, "failed", message=str(error))
    if not _is_newer(result, run / RUN_FILE):
        return cell
    document = _result(result)
    if "error" in document:  # such as of its checks, which leave the record of an earlier launch as it is
        code = document.get("exit_code", EXIT_FAILED)
        state, message = _unfinished(code, document, _log_path(logs, job))
        return replace(cell, state=state, exit_code=code, message=message, lora=None)
    if document:
        return cell
    if is_locked(logs):
        return CellStatus(job)
    if cell.state != "waiting":
        return cell
    return replace(cell, state="interrupted", message="its sweep ended before it began")


def _is_newer(result: Path, record: Path) -> bool:
    """Whether a result is of a later launch than the record, which may be missing."""
    if not result.exists():  # Slurm's jobs print no result here
        return False
    return not record.exists() or result.stat().st_mtime_ns > record.stat().st_mtime_ns


def sweep_view(
    target: Console | None = None,
) -> AbstractContextManager[Callable[[Sequence[CellStatus]], None]]:
    """Yield a function that shows the runs of a sweep: live in a terminal, otherwise a line now and then."""
    return shown(target or console(), cells_view, _sweep_lines)


def _sweep_lines(say: Callable[[str], None]) -> Callable[[Sequence[CellStatus]], None]:
    said: dict[str, str] = {}
    last_s = 0.0

    def show(cells: Sequence[CellStatus]) -> None:
        nonlocal last_s
        due = time.monotonic() - last_s >= LOG_EVERY_S
        last_s = time.monotonic() if due else last_s
        for cell in cells:
            name, before = cell.job.name, said.get(cell.job.name)
            if cell.state != before and cell.state != "waiting":
                said[name] = cell.state
                on = f" on {cell.device}" if cell.device else ""
                why = f", {cell.message}" if cell.message else ""
                say(f"{name}: {cell.state}{on}{why}")
            elif due and cell.state == "running" and cell.run:
                say(one_line(cell.run))

    return show


def cells_view(cells: Sequence[CellStatus], *, everything: bool = False) -> RenderableType:
    """The runs of a sweep: counts by state, and a line for each that is running or failed, or for all."""
    counts = Counter(cell.state for cell in cells)
    table = Table.grid(padding=(0, 1))
    for cell in cells:
        if cell.state in {"waiting", "done"} and not everything:
            continue
        run, total = cell.run, cell.job.job.process.train.steps
        table.add_row(
            Text(cell.job.name, style="bold", overflow="fold"),
            Text(cell.device or "", style="dim"),
            Text(cell.state, style=STATE_COLOURS[cell.state]),
            ProgressBar(total=max(1, total), completed=cell.step, width=20),
            Text(f"{cell.step}/{total}"),
            Text(_remark(cell), overflow="fold"),
            Text("" if run is None or run.loss is None else f"loss {run.loss:.4f}"),
        )
    summary = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return Group(Text(f"{counted(len(cells), 'run')}: {summary}"), table)


def _remark(cell: CellStatus) -> str:
    if cell.message:
        return cell.message
    if cell.run:
        return pace(cell.run)
    return "checking" if cell.state == "running" else ""
