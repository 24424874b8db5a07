"""The masks that the user has: a folder of PNG files, or a COCO file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from chromiq.dataset_builder.inputs.coco import CocoMask, read_coco
from chromiq.errors import Finding, UnsoundError
from chromiq.files import sha256_file
from chromiq.photos.images import photo_size_wh, read_mask, write_mask
from chromiq.records import BoolMask, PhotoPair

MaskSource: TypeAlias = Path | CocoMask
"""Where a mask is: a file of its own, or part of a COCO file."""


@dataclass(frozen=True)
class GivenMasks:
    """The user's masks.

    Attributes:
        by_key: where each is, by key of the pair.
        unused: names of files or images that fit no pair.
    """

    by_key: dict[str, MaskSource] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def find_masks(pairs: Sequence[PhotoPair], masks: Path | None) -> GivenMasks:
    """The user's masks of some pairs.

    Args:
        pairs: with the label that the user gave, if any.
        masks: a folder of ``on_modelKEY.png`` files, or files named like the on-model photos; or a COCO file.

    Raises:
        UnsoundError: if there is no such folder or file, or a COCO file cannot be used.
    """
    if masks is None:
        return GivenMasks()
    if masks.is_file():
        found, unused = read_coco(masks, pairs)
        return GivenMasks(dict(found), tuple(unused))
    if not masks.is_dir():
        finding = Finding("masks.missing", str(masks), "no such folder or file", "Check the path.")
        raise UnsoundError.of(finding)
    paths = mask_paths(pairs, masks)
    others = (path.name for path in sorted(masks.glob("*.png")) if path not in paths.values())
    return GivenMasks(dict(paths), tuple(others))


def mask_paths(pairs: Iterable[PhotoPair], folder: Path | None) -> dict[str, Path]:
    """The mask files in a folder by key: ``on_modelKEY.png``, or named like the on-model photo."""
    if folder is None:
        return {}
    names = {pair.key: (f"on_model{pair.key}.png", f"{pair.on_model.stem}.png") for pair in pairs}
    paths = {
        key: [folder / name for name in both if (folder / name).is_file()] for key, both in names.items()
    }
    return {key: found[0] for key, found in paths.items() if found}


def read_given_mask(source: MaskSource) -> BoolMask:
    """A mask of the user's: ``(H, W)``.

    Raises:
        UnsoundError: if it cannot be read.
    """
    return source.read() if isinstance(source, CocoMask) else read_mask(source)


def mask_folder(masks: Path, given: Mapping[str, MaskSource], inside: Path) -> Path:
    """A folder with a file for each of the user's masks.

    Args:
        masks: folder or COCO file.
        given: as `find_masks` found them in it.
        inside: where a folder for the masks of a COCO file is made. What is there already stays, as it may
            have been edited; a COCO file with another content gets another folder.

    Returns:
        `masks` itself, or the folder with the masks of the COCO file.
    """
    if masks.is_dir():
        return masks
    folder = inside / f"masks-{sha256_file(masks)[:12]}"
    for key, source in given.items():
        path = folder / f"on_model{key}.png"
        if not path.exists():
            write_mask(path, read_given_mask(source))
    return folder


def no_mask_finding(masks: Path) -> Finding:
    """Of a folder or file that holds no mask of any pair."""
    hint = "Check the path, and name the masks on_modelN.png or like the on-model photos."
    return Finding("masks.none", str(masks), "no mask belongs to any of the pairs", hint)


def mask_fault(pair: PhotoPair, source: MaskSource | None) -> Finding | None:
    """Why a mask cannot be the garment of a pair's on-model photo; None if it can, or without one."""
    if source is None:
        return None
    try:
        mask = read_given_mask(source)
    except UnsoundError as error:
        return error.findings[0]
    (width_px, height_px), (mask_height_px, mask_width_px) = photo_size_wh(pair.on_model), mask.shape
    redraw = "Paint the garment white and everything else black, or remove the mask."
    if mask.shape != (height_px, width_px):
        has, needs = f"{mask_width_px}x{mask_height_px}", f"{width_px}x{height_px}"
        message = f"is {has} pixels, but its photo is {needs}"
        return Finding(
            "mask.size",
            str(source),
            message,
            "Draw it on the photo, at the same size.",
            wanted=needs,
            got=has,
        )
    if not mask.any():
        return Finding("mask.empty", str(source), "the mask is all black", redraw, got="all black")
    if mask.all():
        return Finding("mask.full", str(source), "the mask is all white", redraw, got="all white")
    return None
