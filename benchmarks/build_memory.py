"""Memory of a build against the number of pairs, on small drawn pairs with exact masks.

    python benchmarks/build_memory.py 100 20000

Eight pairs of 64x80 are drawn and linked under as many names as wanted, with their masks and labels. Each
build runs in a process of its own with two workers. Reports the largest resident sets: of that process until
the sheets are made and in all (they show up to 96 examples however many there are), and of any worker.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from linked_pairs import link_pairs

from chromiq.sample_catalogue.catalogue import write_catalogue

DRAWN = 8
WORKERS = 2
EVERY_PAIRS = 50


def build_and_tell(root: Path) -> None:
    """Build in this process, and print what it took."""
    from chromiq.dataset_builder.build import build
    from chromiq.dataset_builder.options import BuildOptions

    before_sheets_kb = worker_kb = 0

    def look(done: int, total: int) -> None:
        nonlocal worker_kb
        if done % EVERY_PAIRS == 0 or total - done < WORKERS:
            seen = [peak_kb(child.pid) for child in multiprocessing.active_children()]
            worker_kb = max([worker_kb, *seen])

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[int, int], None]]:
        nonlocal before_sheets_kb
        yield look
        if name == "build":
            before_sheets_kb = peak_kb(os.getpid())

    options = BuildOptions(segmenter="classic", size_wh=(128, 128))
    start = time.perf_counter()
    given = {"masks": root / "masks", "garments": root / "garments.json"}
    summary = build(root / "pairs", root / "dataset", options, workers=WORKERS, stage=stage, **given)
    peaks_kb = (before_sheets_kb, peak_kb(os.getpid()), worker_kb)
    print(json.dumps([summary.examples, time.perf_counter() - start, *peaks_kb]))


def peak_kb(pid: int | None) -> int:
    """The largest resident set of a process so far; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pairs", type=int, nargs="*", default=[100, 20_000])
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build_and_tell(options.build)
        return
    print(f"{'pairs':>8}{'examples':>10}{'s':>9}{'parent MB':>11}{'with sheets':>13}{'worker MB':>11}")
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn"
        write_catalogue(drawn, pairs=DRAWN, size_wh=(64, 80))
        for pairs in options.pairs:
            root = Path(folder) / str(pairs)
            link_pairs(drawn, root, pairs)
            command = [sys.executable, __file__, "--build", str(root)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            examples, wall_s, *peaks_kb = json.loads(done.stdout)
            parent, sheets, worker = (peak / 1024 for peak in peaks_kb)
            print(
                f"{pairs:>8}{examples:>10}{wall_s:>9.1f}{parent:>11.0f}{sheets:>13.0f}{worker:>11.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
