"""Batches and what became of their photos, read again only where files changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chromiq.correction.decisions import DECISIONS, Decisions, read_decisions
from chromiq.correction.garment_work import WORK
from chromiq.correction.results import BatchRun, Result, read_result, read_run

_CORRECTIONS = "corrections"
_Stamp = tuple[int, int]


@dataclass
class _Known:
    stamp: _Stamp
    run: BatchRun
    decisions_stamp: _Stamp = (0, 0)
    decisions: Decisions | None = None
    results: dict[str, tuple[Any, Result]] = field(default_factory=dict)


class Batches:
    """What was read of each folder of results, for as long as its files stay the same."""

    def __init__(self) -> None:
        self._known: dict[Path, _Known] = {}
        self._guard = threading.Lock()

    def run(self, folder: Path) -> BatchRun | None:
        """The last batch into a folder; None if there was none or its record is damaged."""
        with self._guard:
            known = self._look(folder)
        return None if known is None else known.run

    def results(self, run: BatchRun) -> list[Result]:
        """What became of every photo, most doubtful first.

        Raises:
            UnsoundError: if ``decisions.csv`` cannot be understood.
        """
        with self._guard:
            known = self._look(run.folder) or _Known((0, 0), run)
            stamp = _stamp(run.folder / DECISIONS)
            if known.decisions is None or known.decisions_stamp != stamp:
                known.decisions, known.decisions_stamp = read_decisions(run.folder, run.keys), stamp
            records = run.folder / WORK / _CORRECTIONS
            for key in run.keys:
                made_of = (
                    _stamp(records / f"{key}.json"), _stamp(run.outs[key]), known.decisions.of(key)
                )  # fmt: skip
                if key not in known.results or known.results[key][0] != made_of:
                    known.results[key] = made_of, read_result(run, key, known.decisions)
            found = [known.results[key][1] for key in run.keys]
        return sorted(found, key=lambda result: result.doubtfulness)

    def _look(self, folder: Path) -> _Known | None:
        stamp = _stamp(folder / WORK / "run.json")
        known = self._known.get(folder)
        if known is None or known.stamp != stamp:
            run = read_run(folder)
            if run is None:
                return None
            known = self._known[folder] = _Known(stamp, run)
        return known


def version_of(result: Result) -> str:
    """Another text once the delivered file is another; for addresses of its pictures."""
    return f"{_stamp(result.out)[0] // 1000:x}"


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
