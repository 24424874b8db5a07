"""The Ray engine: the same function on Ray Data, for more machines than one; they share a file system.

With ``RAY_ADDRESS`` set it runs on that cluster; otherwise on one that it starts here, bound to loopback, and
stops again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.example import PairResult, PairWork
from chromiq.dataset_builder.workers import batched, build_batch
from chromiq.errors import Finding, UsageError
from chromiq.records import PhotoPair


def build_on_ray(
    works: Iterable[PairWork], workers: int, gpus_per_worker: float = 0.0
) -> Iterator[PairResult]:
    """Build pairs on Ray, in any order.

    Args:
        works: all with the same options; their paths must mean the same on every machine.
        workers: how many actors, each with a segmenter of its own, loaded once.
        gpus_per_worker: what part of a GPU each takes; 0 for segmenters that need none.

    Raises:
        UsageError: if Ray is not installed, or the cluster has too few CPUs or GPUs.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: wanted Ray, not installed; pip install 'chromiq[ray]'") from error
    started = not ray.is_initialized()
    if started:
        _connect(workers, gpus_per_worker)
    try:
        check_resources(ray.cluster_resources(), workers, gpus_per_worker)
        _quieten()
        every = list(batched(works))
        shared = every[0][0] if every else None
        common = {"folder": str(shared.folder.resolve()), "shared": shared} if shared else {}
        rows = [{"batch": json.dumps([_row(work) for work in batch])} for batch in every]
        results = ray.data.from_items(rows).map_batches(
            _Builder,
            fn_constructor_kwargs=common,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
            num_gpus=gpus_per_worker,
        )
        for row in results.iter_rows() if every else ():
            yield _result(row)
    finally:
        if started:
            ray.shutdown()


class _Builder:
    """An actor: its process loads the segmenter when the first pair needs it, and keeps it."""

    def __init__(self, folder: str, shared: PairWork) -> None:
        self.shared = replace(shared, folder=Path(folder))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        batches = [json.loads(text) for text in batch["batch"]]
        results = [
            result for rows in batches for result in build_batch([_work(row, self.shared) for row in rows])
        ]
        return {
            "key": [result.key for result in results],
            "examples": [result.examples for result in results],
            "resumed": [result.resumed for result in results],
            "told": [json.dumps(_told(result)) for result in results],
        }


def _row(work: PairWork) -> dict[str, str]:
    """What differs from pair to pair, as plain text."""
    pair = work.pair
    return {
        "key": pair.key,
        "still_life": str(pair.still_life.resolve()),
        "on_model": str(pair.on_model.resolve()),
        "garment": pair.garment or "",
        "mask": str(work.given_mask.resolve()) if work.given_mask else "",
    }


def _work(row: Mapping[str, Any], shared: PairWork) -> PairWork:
    still_life, on_model = Path(str(row["still_life"])), Path(str(row["on_model"]))
    pair = PhotoPair(str(row["key"]), still_life, on_model, str(row["garment"]) or None)
    return replace(shared, pair=pair, given_mask=Path(str(row["mask"])) if row["mask"] else None)


def _told(result: PairResult) -> dict[str, Any]:
    return {
        "findings": [finding.as_dict() for finding in result.findings],
        "doubt": result.doubt.as_dict() if result.doubt else None,
    }


def _result(row: Mapping[str, Any]) -> PairResult:
    told = json.loads(row["told"])
    findings = tuple(Finding.expected(**finding) for finding in told["findings"])
    doubt = Finding.expected(**told["doubt"]) if told["doubt"] else None
    return PairResult(str(row["key"]), int(row["examples"]), bool(row["resumed"]), findings, doubt)


def _quieten() -> None:
    """Our own progress is shown."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _connect(workers: int, gpus_per_worker: float) -> None:
    import ray

    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level="error")
        return
    local: dict[str, Any] = {"num_cpus": workers + 1, "include_dashboard": False}
    if not gpus_per_worker:
        local["num_gpus"] = 0
    ray.init("local", _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="error", **local)


def check_resources(resources: dict[str, float], workers: int, gpus_per_worker: float) -> None:
    """Refuse what no machine of a cluster has: Ray would wait for it for ever.

    >>> check_resources({"CPU": 3.0}, workers=2, gpus_per_worker=0)

    Raises:
        UsageError: naming what there is too little of.
    """
    for name, wanted in (("CPU", float(workers)), ("GPU", workers * gpus_per_worker)):
        have = resources.get(name, 0.0)
        if have < wanted:
            raise UsageError(
                f"--engine ray: wanted {wanted:g} {name}s for {workers} workers, got a cluster with "
                f"{have:g}; give fewer --workers"
            )
