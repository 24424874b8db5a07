"""A folder or a CSV file -> photo pairs, and every finding on the way, not the first only.

A folder holds ``still-lifeN`` and ``on_modelN`` photos, or two subfolders ``still-life`` and ``on-model``
with photos of the same names, or photos named by a `PairPattern`. ``on_modelN-back`` is another photo of the
garment of ``still-lifeN``. A CSV has the columns ``still_life`` and ``on_model``, and may have ``garment``
and ``key``; its paths are relative to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.inputs.pair_pattern import PairPattern
from chromiq.dataset_builder.inputs.pairs_csv import pairs_of_csv
from chromiq.dataset_builder.inputs.pairs_folder import pairs_of_folder
from chromiq.errors import ChromiqError, Finding
from chromiq.files import collision_key, safe_stem
from chromiq.photos.images import states_colours, untagged_finding
from chromiq.photos.soundness import inspect_photo, verify_photo
from chromiq.progress import Update
from chromiq.records import PhotoPair
from chromiq.runtime.workers import map_bounded, thread_per_core

_AHEAD = 64
_TABLES = frozenset({".csv", ".tsv", ".txt"})


@dataclass(frozen=True)
class PairListing:
    """What a folder or CSV holds.

    Attributes:
        pairs: in natural order of their keys; only pairs with nothing wrong.
        findings: everything that is wrong with the rest.
        leftover: files of the folder that belong to no pair.
    """

    pairs: tuple[PhotoPair, ...]
    findings: tuple[Finding, ...]
    leftover: tuple[Path, ...] = ()


def find_pairs(
    source: Path,
    *,
    pattern: PairPattern | None = None,
    exclude: Path | None = None,
    decode: bool = False,
    on_progress: Update | None = None,
) -> PairListing:
    """All photo pairs of a folder or CSV file.

    Args:
        source: the folder or CSV file.
        pattern: how the photos of the folder are named; None for ``still-lifeN`` and ``on_modelN``.
        exclude: a folder below the source that is not searched.
        decode: also decode every photo, which finds those that are cut short behind a sound header.
        on_progress: called with pairs read and pairs in all.
    """
    leftover: list[Path] = []
    if source.is_dir():
        found = pairs_of_folder(source, pattern, exclude)
        pairs, findings, leftover = found.pairs, found.findings, found.leftover
    elif source.is_file() and source.suffix.lower() in _TABLES:
        pairs, findings = pairs_of_csv(source)
    else:
        message = "neither a folder of photo pairs nor a CSV file" if source.exists() else "not found"
        return PairListing((), (Finding("source.missing", str(source), message, "Check the path."),))
    pairs, unsafe = _with_safe_keys(pairs)
    pairs, unreadable = _readable(pairs, decode, on_progress)
    findings = [*findings, *unsafe, *unreadable]
    if not pairs and all(finding.severity == "warning" for finding in findings):
        findings.append(_empty_finding(source, pattern))
    ordered = sorted(pairs, key=lambda pair: natural_key(pair.key))
    return PairListing(tuple(ordered), tuple(findings), tuple(leftover))


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sorts numbers inside names by value.

    >>> sorted(["pair10", "pair9", "pair1"], key=natural_key)
    ['pair1', 'pair9', 'pair10']
    """
    # ASCII digits only: int() knows others, but not all that isdigit() accepts.
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def _empty_finding(source: Path, pattern: PairPattern | None) -> Finding:
    hint = (
        "Name the photos still-life1.jpg and on_model1.jpg, put them into the subfolders still-life and "
        "on-model, or list them in a CSV file."
    )
    if pattern:
        hint = "Check the patterns against the file names that are listed as belonging to no pair."
    return Finding("source.empty", str(source), "no photo pair", hint)


def _with_safe_keys(pairs: Sequence[PhotoPair]) -> tuple[list[PhotoPair], list[Finding]]:
    """Keys that are file stems; two that become one are a finding."""
    kept: dict[str, PhotoPair] = {}
    findings = []
    for pair in pairs:
        try:
            key = safe_stem(pair.key)
            for path in (pair.still_life, pair.on_model):
                str(path).encode("utf-8")
        except UnicodeEncodeError:
            where = ascii(str(pair.still_life))
            findings.append(Finding("pair.name", where, "the file name is not valid UTF-8", "Rename it."))
            continue
        except ChromiqError as error:
            findings.append(Finding("pair.name", str(pair.still_life), str(error)))
            continue
        safe = PhotoPair(key, pair.still_life, pair.on_model, pair.garment)
        rival = kept.setdefault(collision_key(key), safe)
        if rival != safe:
            where = f"{pair.still_life.name}, {pair.on_model.name}"
            message = f"has the key {key!r}, as {rival.still_life.name}, {rival.on_model.name} does"
            hint = "Rename one of the two, or give them different keys in a CSV file."
            findings.append(Finding("pair.name_taken", where, message, hint))
    return list(kept.values()), findings


def _readable(
    pairs: Sequence[PhotoPair], decode: bool, on_progress: Update | None
) -> tuple[list[PhotoPair], list[Finding]]:
    check = verify_photo if decode else inspect_photo

    def judge(pair: PhotoPair) -> tuple[list[Finding], list[Path]]:
        paths = (pair.still_life, pair.on_model)
        wrong = [fault for path in paths if (fault := check(path))]
        return wrong, [] if wrong else [path for path in paths if not states_colours(path)]

    sound: list[PhotoPair] = []
    faults: dict[Finding, None] = {}  # a photo may belong to several pairs
    untagged: dict[Path, None] = {}
    with thread_per_core() as pool:
        results = map_bounded(pool, judge, pairs, _AHEAD)
        for number, (pair, (wrong, bare)) in enumerate(zip(pairs, results, strict=True), start=1):
            faults |= dict.fromkeys(wrong)
            untagged |= dict.fromkeys(bare)
            if not wrong:
                sound.append(pair)
            if on_progress:
                on_progress(number, len(pairs))
    return sound, [*faults, *([untagged_finding(list(untagged))] if untagged else [])]
