"""The photos that a dataset was built from."""

from __future__ import annotations

import threading
from pathlib import Path

from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_layout import DatasetLayout, read_build_source
from chromiq.records import PhotoPair

_GUARD = threading.Lock()
_KNOWN: dict[Path, tuple[int, dict[str, PhotoPair]]] = {}


def dataset_pairs(folder: Path) -> dict[str, PhotoPair]:
    """The pairs that a dataset was built from, by key; none if that is not recorded or they have moved.

    They are listed once for each build.
    """
    record = DatasetLayout(folder).source_record
    source = read_build_source(folder)
    if source is None or not Path(source.pairs).exists():
        return {}
    built = record.stat().st_mtime_ns
    with _GUARD:
        if folder not in _KNOWN or _KNOWN[folder][0] != built:
            pairs = find_pairs(Path(source.pairs)).pairs
            _KNOWN[folder] = (built, {pair.key: pair for pair in pairs})
        return _KNOWN[folder][1]
