"""Which pairs a dataset holds out or leaves out, as the user chose or by lot, and masks drawn for it.

``selection.json`` in the dataset holds the choices by key, such as ``{"7": "exclude", "9": "held_out"}``; a
pair that is not in it follows the build's options: a hash decides, which is the same on every run.
``own_masks/on_modelKEY.png`` holds masks, which come before those given to the build. A build reads both. It
writes to the latter alone: masks that were edited where an earlier build wrote them, in ``garment_masks/``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeGuard, get_args

from chromiq.dataset_builder.inputs.build_inputs import BuildInputs, unused_findings
from chromiq.dataset_builder.inputs.mask_files import mask_fault, mask_paths
from chromiq.dataset_builder.inputs.photo_names import key_of_still_life
from chromiq.dataset_builder.pair_record import read_record
from chromiq.dataset_layout import DatasetLayout
from chromiq.documents import read_json_object
from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.files import sha256_file, write_bytes, write_json
from chromiq.photos.images import read_mask
from chromiq.records import PhotoPair

Choice = Literal["exclude", "held_out", "train"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
_HINT = 'Write an object such as {"7": "exclude", "9": "held_out"}, or remove the file.'


def read_selection(folder: Path) -> dict[str, Choice]:
    """The choices for a dataset's pairs by key; none without the file.

    Raises:
        UnsoundError: with all that is wrong in the file.
    """
    path = DatasetLayout(folder).selection
    if not path.is_file():
        return {}
    document = read_json_object(path, "selection", _HINT)
    chosen = {str(key): choice for key, choice in document.items() if _is_choice(choice)}
    findings = [
        Finding(
            "selection.choice",
            f"{path}: {key}",
            f"{repr(choice)[:80]} is not a choice",
            f"Write {', '.join(CHOICES[:-1])} or {CHOICES[-1]}.",
        )
        for key, choice in document.items()
        if str(key) not in chosen
    ]
    raise_findings(findings, str(path))
    return chosen


def write_selection(folder: Path, chosen: Mapping[str, Choice]) -> None:
    """Write choices as `read_selection` reads them; the caller holds the folder's lock."""
    path = DatasetLayout(folder).selection
    if chosen or path.exists():
        write_json(path, dict(sorted(chosen.items())))


def with_selection(inputs: BuildInputs, folder: Path) -> tuple[BuildInputs, dict[str, str]]:
    """The inputs that were chosen, with the masks that were drawn in the dataset.

    Masks that were edited in ``garment_masks/`` are copied to ``own_masks/``, once all is sound.

    Returns:
        The inputs, and by key the split that was chosen. All photos of a garment share one: held out if that
        was chosen for any of them.

    Raises:
        UnsoundError: if the choices or one of the masks cannot be used, or if no pair is left.
    """
    chosen, layout = read_selection(folder), DatasetLayout(folder)
    own = mask_paths(inputs.pairs, layout.own_masks)
    edited, overruled = _edited_masks(inputs.pairs, folder, own)
    pairs = tuple(pair for pair in inputs.pairs if chosen.get(pair.key) != "exclude")
    faults = [mask_fault(pair, edited.get(pair.key) or own.get(pair.key)) for pair in pairs]
    findings = [fault for fault in faults if fault]
    if not pairs:
        message, hint = "excludes every pair", "Remove some of its entries."
        findings.append(Finding("selection.all", str(layout.selection), message, hint))
    raise_findings(findings, str(folder))
    for key, path in edited.items():
        own[key] = layout.own_masks / path.name
        write_bytes(own[key], path.read_bytes())
    splits: dict[str, str] = {}
    for pair in pairs:
        choice = chosen.get(pair.key)
        if choice == "held_out" or (choice == "train" and garment_of(pair) not in splits):
            splits[garment_of(pair)] = choice
    keys = {pair.key for pair in inputs.pairs}
    unknown = [key for key in chosen if key not in keys]
    warnings = unused_findings(layout.selection, unknown, "selection.unknown")
    masks, findings = {**inputs.masks, **own}, [*inputs.findings, *overruled, *warnings]
    return (
        replace(inputs, pairs=pairs, masks=masks, findings=tuple(findings)),
        {pair.key: splits[garment_of(pair)] for pair in pairs if garment_of(pair) in splits},
    )


def _edited_masks(
    pairs: Iterable[PhotoPair], folder: Path, own: Mapping[str, Path]
) -> tuple[dict[str, Path], list[Finding]]:
    """By key, the masks that were edited where an earlier build wrote them; and those with a newer own mask.

    One that cannot be read was damaged by a disk fault and is no edit.
    """
    layout = DatasetLayout(folder)
    edited: dict[str, Path] = {}
    findings = []
    for pair in pairs:
        path, record = layout.garment_mask(pair.key), read_record(folder, pair.key)
        written = record.digests.get(layout.relative(path)) if record else None
        if record is None or written is None or not path.is_file():
            continue
        known = {written, *record.pending, *([sha256_file(own[pair.key])] if pair.key in own else [])}
        if sha256_file(path) in known or _is_damaged(path):
            continue
        if pair.key in own and own[pair.key].stat().st_mtime_ns >= path.stat().st_mtime_ns:
            message = f"was edited, but {own[pair.key]} is newer and is used"
            hint = "Change that one from now on, or remove it to use masks from elsewhere."
            findings.append(Finding("masks.overruled", str(path), message, hint, severity="warning"))
        else:
            edited[pair.key] = path
    return edited, findings


def _is_damaged(mask: Path) -> bool:
    try:
        read_mask(mask)
    except UnsoundError as error:
        return error.findings[0].code != "mask.colour"
    return False


def split_of(garment: str, seed: int, held_out: float) -> str:
    """``"train"`` or ``"held_out"``, by seed and garment alone.

    All variants and all photos of a garment go together, and none moves when others are added.

    >>> split_of("7", 0, 0.0)
    'train'
    """
    return "held_out" if lot(f"{seed}:{garment}") < held_out else "train"


def garment_of(pair: PhotoPair) -> str:
    """The identifier of a pair's garment: its still-life's name.

    A CSV may list one still-life with several on-model photos; all of them go to the same split.

    >>> from pathlib import Path
    >>> garment_of(PhotoPair("7-front", Path("a/still-life7.jpg"), Path("a/front7.jpg")))
    '7'
    """
    return key_of_still_life(pair.still_life)


def lot(text: str) -> float:
    """A pseudo-random number in 0..1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _is_choice(value: object) -> TypeGuard[Choice]:
    return value in CHOICES
