"""Batches and what became of their photos, read again only where files changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chromiq.correction.decisions_csv import DECISIONS, Decisions, read_decisions
from chromiq.correction.garment_work import records_folder
from chromiq.correction.report import WORK
from chromiq.correction.results import BatchRun, Result, read_result, read_run
from chromiq.studio.previews import Stamp, stamp

_NO_STAMP: Stamp = ("", 0, 0)


@dataclass
class _Known:
    stamp: Stamp
    run: BatchRun
    decisions_stamp: Stamp = _NO_STAMP
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

    def results(self, run: BatchRun, keys: Sequence[str] | None = None) -> list[Result]:
        """What became of the photos, most doubtful first.

        Args:
            keys: of the photos wanted; None for all.

        Raises:
            UnsoundError: if ``decisions.csv`` cannot be understood.
        """
        with self._guard:
            known = self._look(run.folder) or _Known(_NO_STAMP, run)
            now = stamp(run.folder / DECISIONS)
            if known.decisions is None or known.decisions_stamp != now:
                known.decisions, known.decisions_stamp = read_decisions(run.folder, run.photos), now
            wanted, records = run.keys if keys is None else keys, records_folder(run.folder)
            for key in wanted:
                files = (records / f"{key}.json", run.outs[key])
                made_of = (*map(stamp, files), known.decisions.of(key))
                if key not in known.results or known.results[key][0] != made_of:
                    known.results[key] = made_of, read_result(run, key, known.decisions)
            found = [known.results[key][1] for key in wanted]
        return sorted(found, key=lambda result: result.doubtfulness)

    def _look(self, folder: Path) -> _Known | None:
        now = stamp(folder / WORK / "run.json")
        known = self._known.get(folder)
        if known is None or known.stamp != now:
            run = read_run(folder)
            if run is None:
                return None
            known = self._known[folder] = _Known(now, run)
        return known


def version_of(result: Result) -> str:
    """Another text once the delivered file is another; for addresses of its pictures."""
    return f"{stamp(result.out)[1] // 1000:x}"
