"""Work in the background, in processes of its own: photos corrected at their full size, and commands."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chromiq.correction.garment_work import PhotoResult, correct_garment
from chromiq.correction.results import BatchRun, read_run, works_of, write_summaries
from chromiq.dataset_builder.segmenters.choose import make_segmenter, recorded_segmenter
from chromiq.errors import ChromiqError, LockedError
from chromiq.files import machine_error
from chromiq.runtime.workers import WorkerEndedError, map_in_processes, prepare_worker
from chromiq.studio.workplace import Workplace

_LOOK_AGAIN_S = 1.0
_CLEARED_S = 0.5
# Beyond so many photos the report takes a minute to write; the next run of the command writes it,
# and the page says so.
_MOST_REPORTED = 100
MAIN = "from chromiq_cli.main import main; main()"
_SHOWN_CHARACTERS = 4000
_END_S = 0.6


@dataclass(frozen=True)
class JobStatus:
    """How far the background work of a folder is.

    Attributes:
        waiting: keys of the photos still to correct, the one at work included.
        done: photos corrected since the work began.
        message: what it waits for, or what went wrong; empty if nothing did.
    """

    waiting: tuple[str, ...] = ()
    done: int = 0
    message: str = ""


class Jobs:
    """One queue of photos for each batch; each is emptied by a thread with a process of its own."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._guard = threading.Lock()
        self._queues: dict[str, dict[str, bool]] = {}
        self._status: dict[str, JobStatus] = {}
        self._busy: set[str] = set()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def request(self, run: BatchRun, keys: Iterable[str], *, redo: bool = False) -> None:
        """Correct photos as soon as possible.

        Args:
            redo: whatever was decided or changed by hand.
        """
        name = str(run.folder)
        with self._guard:
            queue = self._queues.setdefault(name, {})
            for key in keys:
                queue[key] = queue.get(key, False) or redo
            if name not in self._busy and not self._ending.is_set():
                self._busy.add(name)
                self._status[name] = JobStatus(tuple(queue))
                thread = threading.Thread(target=self._work, args=(run,), daemon=True)
                self._threads = [each for each in self._threads if each.is_alive()] + [thread]
                thread.start()

    def status(self, run: BatchRun) -> JobStatus:
        """How far the work of a batch is."""
        with self._guard:
            status = self._status.get(str(run.folder), JobStatus())
            queued = self._queues.get(str(run.folder), {})
        return replace(status, waiting=tuple(dict.fromkeys([*status.waiting, *queued])))

    def end(self) -> None:
        """Start nothing more; the process at work ends with this one, and leaves no file half-written."""
        self._ending.set()
        for process in multiprocessing.active_children():
            process.kill()
        for thread in self._threads:
            thread.join(_CLEARED_S)

    def _work(self, run: BatchRun) -> None:
        name, done, message = str(run.folder), 0, ""
        while not self._ending.is_set():
            with self._guard:
                batch, self._queues[name] = self._queues[name], {}
                if not batch:
                    self._busy.discard(name)
                    self._status[name] = JobStatus((), done, message)
                    return
                self._status[name] = JobStatus(tuple(batch), done, message)
            try:
                with self._workplace.keeping(run.folder):
                    results = self._corrected(read_run(run.folder) or run, batch)
                faults = " ".join(str(finding) for result in results for finding in result.findings)
                note = "report.html still shows the state before; the command below writes it again."
                done += len(batch)
                message = faults or (note if len(run.pairs) > _MOST_REPORTED else "")
            except LockedError as error:
                with self._guard:
                    self._queues[name] = {**batch, **self._queues[name]}
                    self._status[name] = JobStatus(tuple(self._queues[name]), done, f"waiting: {error}")
                self._ending.wait(_LOOK_AGAIN_S)
            except OSError as error:
                message = str(machine_error(error) or error)
            except (ChromiqError, WorkerEndedError) as error:
                message = str(error)

    def _corrected(self, run: BatchRun, batch: dict[str, bool]) -> list[PhotoResult]:
        with self._workplace.writing(run.folder):
            works = works_of(run, batch, [key for key, redo in batch.items() if redo])
        # Asked only where the batch found no garment; all other masks are on disk.
        name, part = recorded_segmenter(run.segmenter)
        segmenter = make_segmenter("mediapipe" if name == "mediapipe" else "classic", part=part)
        finished = map_in_processes(
            partial(correct_garment, segmenter=segmenter), works, 1, ahead=1, start=partial(prepare_worker, 2)
        )
        results = [result for garment in finished for result in garment]
        with self._workplace.writing(run.folder):
            write_summaries(run, results, report=len(run.pairs) <= _MOST_REPORTED)
        return results


@dataclass(frozen=True)
class CommandStatus:
    """A command that runs or ran.

    Attributes:
        said: the end of what it printed on stderr.
    """

    words: tuple[str, ...]
    exit_code: int | None = None
    said: str = ""


class Commands:
    """One command at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._status: CommandStatus | None = None

    def start(self, words: Sequence[str], then: Callable[[int], None]) -> bool:
        """Start a command; False if one is running.

        Args:
            words: without ``chromiq``.
            then: called with its exit code.
        """
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                return False
            self._process = subprocess.Popen(
                [sys.executable, "-c", MAIN, *words],
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self._status = CommandStatus(("chromiq", *words))
            threading.Thread(target=self._follow, args=(self._process, then), daemon=True).start()
        return True

    @property
    def status(self) -> CommandStatus | None:
        """The command at work, or the last one; None before the first."""
        with self._guard:
            return self._status

    def end(self) -> None:
        """Interrupt the command at work, and kill it if it does not end at once: it can be resumed."""
        with self._guard:
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()

    def _follow(self, process: subprocess.Popen[str], then: Callable[[int], None]) -> None:
        assert process.stderr is not None  # it was asked for
        for line in process.stderr:
            with self._guard:
                assert self._status is not None  # it was started
                self._status = replace(self._status, said=(self._status.said + line)[-_SHOWN_CHARACTERS:])
        code = process.wait()
        then(code)
        with self._guard:
            assert self._status is not None  # it was started
            self._status = replace(self._status, exit_code=code)
