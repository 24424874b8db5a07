"""The files of one pair's examples, and the record that says that all of them are written.

The record is written last: a pair without one is not finished, whatever else of it is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chromiq.dataset_layout import DatasetLayout
from chromiq.documents import load_record
from chromiq.files import sha256_file, write_bytes
from chromiq.records import Example


@dataclass(frozen=True)
class Doubt:
    """Why a pair's mask needs a review, and the files written for it.

    Attributes:
        confidence: 0..1, of the mask.
        digests: path within the dataset to SHA-256 of the files under ``review/``.
    """

    confidence: float
    reasons: tuple[str, ...]
    digests: dict[str, str]


@dataclass(frozen=True)
class PairRecord:
    """What became of a pair.

    Attributes:
        fingerprint: digest of all that decides its bytes.
        examples: as in the manifest; none if the pair was left out because of a doubtful mask.
        doubt: None if the mask can be trusted.
        pending: SHA-256 of what a build that was interrupted may have written over the pair's files.
    """

    fingerprint: str
    examples: tuple[Example, ...]
    doubt: Doubt | None = None
    pending: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        """Path within the dataset to SHA-256 of every file of the pair."""
        files = dict(self.doubt.digests) if self.doubt else {}
        for example in self.examples:
            files |= example.digests
        return files


def example_name(key: str, variant: int) -> str:
    """The file stem of an example.

    >>> example_name("7", 1), example_name("7", 2)
    ('pair7', 'pair7-v2')
    """
    return f"pair{key}" if variant == 1 else f"pair{key}-v{variant}"


def write_files(folder: Path, files: Mapping[Path, bytes]) -> dict[str, str]:
    """Write a pair's files, each whole or not at all.

    They are not synced one by one, which takes longer than making them: the record holds their digests, so
    that what a power cut took is made again, and a build syncs them all before it writes its manifest.

    Returns:
        Path within the dataset to SHA-256 of every file.
    """
    for path, content in files.items():
        write_bytes(path, content, synced=False)
    relative = DatasetLayout(folder).relative
    return {relative(path): hashlib.sha256(content).hexdigest() for path, content in files.items()}


def announce(folder: Path, key: str, contents: Iterable[bytes]) -> None:
    """Record what is about to replace a pair's files, so that none of it is taken for an edit of the user.

    Nothing is done without a record: the files of such a pair are never taken for edits.
    """
    if record := read_record(folder, key):
        digests = {hashlib.sha256(content).hexdigest() for content in contents}
        write_record(folder, key, replace(record, pending=tuple(sorted(digests.union(record.pending)))))


def write_record(folder: Path, key: str, record: PairRecord) -> None:
    """Say that a pair is finished, the last thing written for it, or what is pending."""
    # On one line: indenting is done in Python, and takes as long as a JPEG.
    text = json.dumps(asdict(record), ensure_ascii=False, allow_nan=False)
    synced = bool(record.pending)  # before the files that it announces
    write_bytes(DatasetLayout(folder).pair_record(key), text.encode("utf-8"), synced=synced)


def read_record(folder: Path, key: str) -> PairRecord | None:
    """What became of a pair; None without a record, or if a disk fault damaged it."""
    try:
        return load_record(PairRecord, DatasetLayout(folder).pair_record(key).read_bytes())
    except (OSError, ValueError):
        return None


def read_finished(folder: Path, key: str, fingerprint: str) -> PairRecord | None:
    """What became of a pair, or None if it must be made (again).

    It counts as finished only if it was made from the same photos with the same options, and every file
    still has the bytes that were written.
    """
    record = read_record(folder, key)
    if record is None or record.pending or record.fingerprint != fingerprint:
        return None
    for name, digest in record.digests.items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != digest:
            return None
    return record


def remove_files(folder: Path, replaced: PairRecord | None, by: PairRecord) -> None:
    """Remove the files of a pair that its new record does not name, such as those in the other split."""
    for name in set(replaced.digests if replaced else ()) - set(by.digests):
        (folder / name).unlink(missing_ok=True)


def recorded_keys(folder: Path) -> set[str]:
    """The keys of all pairs that have a record."""
    return {path.stem for path in DatasetLayout(folder).pair_records.glob("*.json")}


def remove_recorded(folder: Path, key: str) -> None:
    """Remove what an earlier run made of a pair, if anything, its record last."""
    record = read_record(folder, key)
    for name in record.digests if record else ():
        (folder / name).unlink(missing_ok=True)
    layout = DatasetLayout(folder)
    layout.colours_record(key).unlink(missing_ok=True)
    layout.colours_picture(key).unlink(missing_ok=True)
    layout.pair_record(key).unlink(missing_ok=True)
