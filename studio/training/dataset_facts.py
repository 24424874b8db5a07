"""A dataset for the page: its examples, the photos it was built from, and the command that built it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_layout import BuildSource, DatasetLayout, read_build_source, read_examples
from chromiq.records import Example, PhotoPair
from chromiq.studio.previews import Stamp, stamp

_FLAGS = (
    *("model", "segmenter", "degradation", "geometry", "loss_mask"),
    *("variants", "identity_share", "held_out", "seed"),
)
_MODEL_FLAGS = ("vocabulary", "detector", "masker", "device", "dtype")
_KEPT = 16


def dataset_examples(folder: Path) -> dict[str, Example]:
    """The examples of a dataset by name, read again when its manifest has changed.

    Raises:
        UnsoundError: if a line of the manifest is not an example.
    """
    return _examples(folder, stamp(DatasetLayout(folder).manifest))


@lru_cache(_KEPT)
def _examples(folder: Path, _: Stamp) -> dict[str, Example]:
    return {example.name: example for example in read_examples(folder)}


def dataset_pairs(folder: Path) -> dict[str, PhotoPair]:
    """The pairs that a dataset was built from, by key; none if that is not recorded or they have moved.

    They are listed once for each build.
    """
    source = read_build_source(folder)
    if source is None or not Path(source.pairs).exists():
        return {}
    return _pairs(Path(source.pairs), stamp(DatasetLayout(folder).source_record))


@lru_cache(_KEPT)
def _pairs(source: Path, _: Stamp) -> dict[str, PhotoPair]:
    return {pair.key: pair for pair in find_pairs(source).pairs}


def build_words(dataset: str, source: BuildSource, options: dict[str, Any]) -> list[str]:
    """``build ...``, which builds a dataset again as it was built; options at their defaults are left out.

    Args:
        dataset: its folder.
        source: what it was built from.
        options: as its build record holds them.

    >>> build_words("d", BuildSource("photos", skip_bad=True), {"variants": 2, "size_wh": [256, 160]})
    ['build', 'photos', '--out', 'd', '--variants', '2', '--size', '256x160', '--skip-bad']
    """
    words = ["build", source.pairs, "--out", dataset]
    defaults = BuildOptions()
    for name in _FLAGS:
        value = options.get(name, getattr(defaults, name))
        if value != getattr(defaults, name):
            words += [_flag(name), str(value)]
    if size := options.get("size_wh"):
        words += ["--size", f"{size[0]}x{size[1]}"]
    for template in options.get("captions") or ():
        words += ["--caption", template]
    models = options.get("models") or {}
    for name in _MODEL_FLAGS:
        value, default = models.get(name), getattr(defaults.models, name, None)
        value = tuple(value) if isinstance(value, list) else value
        if value is not None and value != default:
            words += [_flag(name), ",".join(value) if isinstance(value, tuple) else str(value)]
    for name in ("garments", "masks"):
        if path := getattr(source, name):
            words += [_flag(name), path]
    return words + [_flag(name) for name in ("skip_bad", "keep_doubtful") if getattr(source, name)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
