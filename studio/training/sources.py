"""The examples of a dataset and the photos that it was built from, read once for each build."""

from __future__ import annotations

import threading
from pathlib import Path

from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_layout import DatasetLayout, read_build_source, read_examples
from chromiq.records import Example, PhotoPair

_GUARD = threading.Lock()
_KNOWN: dict[Path, tuple[int, dict[str, PhotoPair]]] = {}
_EXAMPLES: dict[Path, tuple[int, dict[str, Example]]] = {}


def dataset_examples(folder: Path) -> dict[str, Example]:
    """The examples of a dataset by name, read again when its manifest has changed.

    Raises:
        UnsoundError: if a line of the manifest is not an example.
    """
    manifest = DatasetLayout(folder).manifest
    stamp = manifest.stat().st_mtime_ns if manifest.is_file() else 0
    with _GUARD:
        if folder not in _EXAMPLES or _EXAMPLES[folder][0] != stamp:
            _EXAMPLES[folder] = (stamp, {example.name: example for example in read_examples(folder)})
        return _EXAMPLES[folder][1]


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
