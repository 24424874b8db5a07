"""One example's files, as AI-Toolkit reads them.

::

    gt/pair1.jpg  gt/pair1.txt  control/pair1.jpg  masks/pair1.png  (reference/pair1.jpg)
    garment_masks/on_model1.png  (review/on_model1.jpg  review/on_model1.png)

Garments kept out of training lie in the same way under ``held_out/``, where no trainer looks.
A record is written last: an example without one is not finished, whatever else lies there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.files import sha256_file, write_text
from chromiq.images import write_mask, write_photo
from chromiq.records import BoolMask, Example, RgbImage
from dataset_builder.loss_mask import LossMask

_RECORDS = ".chromiq/records"


@dataclass(frozen=True, eq=False)
class ExamplePixels:
    """What one example shows the trainer.

    Attributes:
        target: ``(H, W, 3)`` uint8 sRGB, the true picture.
        control: the same size, the degraded one.
        loss_mask: ``(H, W)`` uint8, or None.
        reference: the still-life, when the model sees it apart.
        chroma_subsampling: whether JPEGs store colour at half resolution, as the published ones do.
    """

    target: RgbImage
    control: RgbImage
    loss_mask: LossMask | None
    reference: RgbImage | None
    chroma_subsampling: bool


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


def example_paths(name: str, split: str, pixels: ExamplePixels) -> dict[str, str]:
    """Where an example's files lie within the dataset, by role.

    Args:
        name: the file stem they share.
        split: ``"train"`` or ``"held_out"``.
        pixels: what is to be written; it decides which roles there are.
    """
    root = "held_out/" if split == "held_out" else ""
    paths = {
        "target": f"{root}gt/{name}.jpg",
        "control": f"{root}control/{name}.jpg",
        "caption": f"{root}gt/{name}.txt",
    }
    if pixels.loss_mask is not None:
        paths["mask"] = f"{root}masks/{name}.png"
    if pixels.reference is not None:
        paths["reference"] = f"{root}reference/{name}.jpg"
    return paths


def write_example(
    folder: Path, paths: Mapping[str, str], pixels: ExamplePixels, caption: str
) -> dict[str, str]:
    """Write an example's files, each whole or not at all.

    Args:
        folder: the dataset.
        paths: as `example_paths` gives them.
        pixels: what to write.
        caption: one line.

    Returns:
        Path within the dataset to SHA-256 of every file written.
    """
    subsampling = pixels.chroma_subsampling
    write_photo(folder / paths["target"], pixels.target, chroma_subsampling=subsampling)
    write_photo(folder / paths["control"], pixels.control, chroma_subsampling=subsampling)
    write_text(folder / paths["caption"], caption)
    if pixels.loss_mask is not None:
        write_mask(folder / paths["mask"], pixels.loss_mask)
    if pixels.reference is not None:
        write_photo(folder / paths["reference"], pixels.reference, chroma_subsampling=subsampling)
    return {path: sha256_file(folder / path) for path in paths.values()}


def write_garment_mask(folder: Path, key: str, mask: BoolMask) -> None:
    """Write where the garment is on the on-model photo, in that photo's own size."""
    write_mask(folder / garment_mask_path(key), mask)


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
    write_text(_record_path(folder, key), json.dumps(document, ensure_ascii=False, allow_nan=False))
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
