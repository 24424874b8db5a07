"""One example's files, as AI-Toolkit reads them.

::

    gt/pair1.jpg  gt/pair1.txt  control/pair1.jpg  masks/pair1.png  (reference/pair1.jpg)
    garment_masks/on_model1.png  (review/on_model1.jpg  review/on_model1.png)

Garments kept out of training lie in the same way under ``held_out/``, where no trainer looks.
A record is written last: an example without one is not finished, whatever else lies there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.files import sha256_file, write_bytes
from chromiq.records import Example

_RECORDS = ".chromiq/records"
_PLACES = {
    "target": "gt/{}.jpg",
    "control": "control/{}.jpg",
    "caption": "gt/{}.txt",
    "mask": "masks/{}.png",
    "reference": "reference/{}.jpg",
}


@dataclass(frozen=True)
class Doubt:
    """Why a pair's mask is not to be trusted, and the files that let a person judge it.

    Attributes:
        confidence: 0..1, of the mask.
        reasons: named doubts.
        digests: path within the dataset to SHA-256 of the files under ``review/``.
    """

    confidence: float
    reasons: tuple[str, ...]
    digests: dict[str, str]


@dataclass(frozen=True)
class Finished:
    """What became of a pair.

    Attributes:
        examples: as in the manifest; none if the pair is left out for its doubtful mask.
        doubt: or None if its mask is to be trusted.
    """

    examples: list[dict[str, Any]]
    doubt: Doubt | None


def example_paths(name: str, split: str, roles: Collection[str]) -> dict[str, str]:
    """Where an example's files lie within the dataset, by role.

    Args:
        name: the file stem they share.
        split: ``"train"`` or ``"held_out"``.
        roles: of ``"target"``, ``"control"``, ``"caption"``, ``"mask"`` and ``"reference"`` those it has.

    >>> example_paths("pair1", "held_out", ["mask", "target"])
    {'target': 'held_out/gt/pair1.jpg', 'mask': 'held_out/masks/pair1.png'}
    """
    root = "held_out/" if split == "held_out" else ""
    return {role: f"{root}{place.format(name)}" for role, place in _PLACES.items() if role in roles}


def write_files(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write a pair's files, each whole or not at all.

    They are not synced one by one, which takes longer than making them: a record tells their digests, so that
    what a power cut took is made again, and a build syncs them all before it names them in its manifest.

    Args:
        folder: the dataset.
        files: path within it to content.

    Returns:
        Path within the dataset to SHA-256 of every file.
    """
    for path, content in files.items():
        write_bytes(folder / path, content, synced=False)
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def garment_mask_path(key: str) -> str:
    """Where the garment mask of a pair lies within the dataset."""
    return f"garment_masks/on_model{key}.png"


def write_record(
    folder: Path, key: str, fingerprint: str, examples: list[Example], doubt: Doubt | None = None
) -> Finished:
    """Say that a pair is finished; the last thing written for it."""
    finished = Finished([example.as_dict() for example in examples], doubt)
    document = {
        "fingerprint": fingerprint,
        "examples": finished.examples,
        "doubt": asdict(doubt) if doubt else None,
    }
    # On one line: indenting is done in Python, and takes as long as a JPEG.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    write_bytes(_record_path(folder, key), text.encode("utf-8"), synced=False)
    return finished


def recorded_examples(folder: Path, key: str) -> list[dict[str, Any]]:
    """The examples of a pair as plain data; none if there is no record."""
    examples: list[dict[str, Any]] = _record(folder, key)["examples"]
    return examples


def read_record(folder: Path, key: str, fingerprint: str) -> Finished | None:
    """What became of a pair, or None if it must be made (again).

    It counts as finished only if it was made from the same photos with the same options, and every file
    still has the bytes that were written.
    """
    document = _record(folder, key)
    if document["fingerprint"] != fingerprint:
        return None
    for name, digest in _recorded_digests(document).items():
        file = folder / name
        if not file.is_file() or sha256_file(file) != digest:
            return None
    doubt = document["doubt"]
    return Finished(
        document["examples"],
        Doubt(doubt["confidence"], tuple(doubt["reasons"]), doubt["digests"]) if doubt else None,
    )


def recorded_keys(folder: Path) -> set[str]:
    """The keys of all pairs of which there is a record."""
    return {path.stem for path in (folder / _RECORDS).glob("*.json")}


def remove_recorded(folder: Path, key: str) -> None:
    """Remove what an earlier run made of a pair, if anything, its record last."""
    for name in _recorded_digests(_record(folder, key)):
        (folder / name).unlink(missing_ok=True)
    _record_path(folder, key).unlink(missing_ok=True)


def _recorded_digests(document: dict[str, Any]) -> dict[str, str]:
    """Path to SHA-256 of every file a record speaks of."""
    digests: dict[str, str] = dict((document["doubt"] or {}).get("digests", {}))
    for example in document["examples"]:
        digests.update(example["digests"])
    return digests


def _record(folder: Path, key: str) -> dict[str, Any]:
    """A pair's record; an empty one when there is none, or when a disk fault left no JSON in it."""
    try:
        document: dict[str, Any] = json.loads(_record_path(folder, key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"fingerprint": None, "examples": [], "doubt": None}
    return {"doubt": None, **document}


def _record_path(folder: Path, key: str) -> Path:
    return folder / _RECORDS / f"{key}.json"
