"""Photos corrected at their full size in the background, by a process of their own."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

from chromiq.correction.garment_work import PhotoResult, correct_garment
from chromiq.correction.results import BatchRun, read_run, works_of, write_summaries
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.errors import ChromiqError, LockedError
from chromiq.runtime.workers import WorkerEndedError, map_in_processes, prepare_worker
from chromiq.studio.workplace import Workplace

_LOOK_AGAIN_S = 1.0
_CLEARED_S = 0.5
# Beyond so many photos the report takes a minute to write; the next run of the command writes it,
# and the page says so.
_MOST_REPORTED = 100


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
            run: their batch.
            keys: of the photos.
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
                done, message = done + len(batch), _faults(results) or _note(run)
            except LockedError as error:
                with self._guard:
                    self._queues[name] = {**batch, **self._queues[name]}
                    self._status[name] = JobStatus(tuple(self._queues[name]), done, f"waiting: {error}")
                self._ending.wait(_LOOK_AGAIN_S)
            except (ChromiqError, WorkerEndedError, OSError) as error:
                message = str(error)

    def _corrected(self, run: BatchRun, batch: dict[str, bool]) -> list[PhotoResult]:
        with self._workplace.writing(run.folder):
            works = works_of(run, batch, [key for key, redo in batch.items() if redo])
        # Asked only where the batch found no garment; all other masks are on disk.
        name, _, recorded = run.segmenter.partition(":")
        part = next((kind for kind in get_args(Kind) if kind == recorded), None)
        segmenter = make_segmenter("mediapipe" if name == "mediapipe" else "classic", part=part)
        finished = map_in_processes(
            partial(correct_garment, segmenter=segmenter), works, 1, ahead=1, start=partial(prepare_worker, 2)
        )
        results = [result for garment in finished for result in garment]
        with self._workplace.writing(run.folder):
            write_summaries(run, results, report=len(run.pairs) <= _MOST_REPORTED)
        return results


def _note(run: BatchRun) -> str:
    if len(run.pairs) <= _MOST_REPORTED:
        return ""
    return "report.html still shows the state before; the command below writes it again."


def _faults(results: Iterable[PhotoResult]) -> str:
    return " ".join(str(finding) for result in results for finding in result.findings)
