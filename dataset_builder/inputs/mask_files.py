"""The masks that the user has: a folder of PNG files, or the JSON of COCO.

CVAT, FiftyOne and supervision read and write COCO. Masks are written to it as run lengths, which lose no
pixel; run lengths, compressed or not, and polygons are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import numpy as np

from chromiq.documents import load_record, read_text
from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.files import as_stored, composed_name, file_finder, sha256_file, sha256_text, write_json
from chromiq.photos.images import photo_size_wh, read_mask, write_mask
from chromiq.photos.soundness import list_images
from chromiq.records import BoolMask, GarmentMask, PhotoPair

_HINT = "Export it again as COCO instances, with masks or polygons."
_REDRAW = "Paint the garment white and everything else black, or remove the mask."


@dataclass(frozen=True)
class RunLengths:
    """A mask by columns: how many pixels are out, in, out, ... of it; `size` is height and width."""

    counts: str | list[int]
    size: tuple[int, int]


@dataclass(frozen=True)
class CocoImage:
    """A photo."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class CocoAnnotation:
    """One object on a photo; `segmentation` is run lengths or polygons of x, y, x, y, ... in pixels."""

    id: int
    image_id: int
    category_id: int
    segmentation: RunLengths | list[list[float]]
    bbox: tuple[float, float, float, float] = (0, 0, 0, 0)
    area: float = 0.0
    iscrowd: int = 0
    score: float | None = None


@dataclass(frozen=True)
class CocoCategory:
    """What an object is called."""

    id: int
    name: str


@dataclass(frozen=True)
class CocoFile:
    """What of a COCO file matters here; whatever else it holds is ignored."""

    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    categories: tuple[CocoCategory, ...]


@dataclass(frozen=True)
class CocoMask:
    """The garment of one photo as a COCO file has it, decoded when it is needed."""

    path: Path
    image: CocoImage
    parts: tuple[CocoAnnotation, ...]

    def __str__(self) -> str:
        return f"{self.path}: {self.image.file_name}"

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the mask."""
        return sha256_text(repr((self.image.width, self.image.height, self.parts)))

    def read(self) -> BoolMask:
        """The mask ``(H, W)``, all parts together.

        Raises:
            UnsoundError: if a part cannot be decoded.
        """
        size_wh = (self.image.width, self.image.height)
        mask = np.zeros(size_wh[::-1], bool)
        for part in self.parts:
            try:
                mask |= _decoded(part.segmentation, size_wh)
            except (ValueError, IndexError, OverflowError) as error:
                message = f"annotation {part.id} cannot be decoded ({error})"
                raise_findings([Finding("masks.coco", str(self), message, _HINT)], str(self))
        return mask


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
        masks: a folder as `mask_paths` reads it, or a COCO file.

    Raises:
        UnsoundError: if there is no such folder or file, a COCO file cannot be used, or a mask fits several
            photos.
    """
    if masks is None:
        return GivenMasks()
    if masks.is_file():
        return read_coco(masks, pairs)
    if not masks.is_dir():
        finding = Finding("masks.missing", str(masks), "no such folder or file", "Check the path.")
        raise UnsoundError.of(finding)
    paths = mask_paths(pairs, masks)
    fits: dict[Path, dict[Path, Path]] = {}  # by mask, its photos by their real path
    for pair in pairs:
        if pair.key in paths:
            fits.setdefault(paths[pair.key], {})[pair.on_model.resolve()] = pair.on_model
    hint = "Put each mask into a subfolder named like that of its photo, or name it on_modelKEY.png."
    findings = [
        Finding(
            "masks.several",
            str(path),
            "fits several photos, such as {} and {}".format(*sorted(photos.values())),
            hint,
        )
        for path, photos in fits.items()
        if len(photos) > 1
    ]
    raise_findings(findings, str(masks))
    has_subfolders = any(path.parent != masks for path in paths.values())
    folders = [masks, *(sorted(masks.rglob("*/")) if has_subfolders else ())]
    photos_and_masks = (*paths.values(), *(photo for pair in pairs for photo in pair.photos))
    known = {path.resolve() for path in photos_and_masks}
    others = (
        path.relative_to(masks).as_posix()
        for folder in folders
        for path in list_images(folder)
        if path.resolve() not in known and path.name[0] != "."
    )
    return GivenMasks(dict(paths), tuple(others))


def mask_paths(pairs: Iterable[PhotoPair], folder: Path | None) -> dict[str, Path]:
    """The PNG files in a folder by key, named ``on_modelKEY`` or like the on-model photo, in any case.

    The latter may lie in subfolders like those of the photos: ``A-1/front.png`` for ``A-1/front.jpg``.
    """
    if folder is None:
        return {}
    finder, paths = cache(lambda place: file_finder(as_stored(folder / place))), dict[str, Path]()
    for pair in pairs:
        photo = pair.on_model.with_suffix(".png")
        names = [photo.relative_to(place) for place in photo.parents]
        for name in (*names, Path(f"on_model{pair.key}.png")):  # the last that exists counts
            path = finder(name.parent)(name.name) if ".." not in name.parts else None
            if path and path.resolve() != pair.on_model.resolve():
                paths[pair.key] = path
    return paths


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
    hint = (
        "Check the path, and name the masks on_modelN.png, or like the on-model photos but with .png, "
        "if need be in subfolders like theirs."
    )
    if masks.is_file():
        hint = "Give each image the path of its photo, or on_modelN.png, as file_name."
    return Finding("masks.none", str(masks), "no mask belongs to any of the pairs", hint)


def mask_fault(pair: PhotoPair, source: MaskSource | None) -> Finding | None:
    """Why a mask cannot be the garment of a pair's on-model photo; None if it can, or without one."""
    if source is None:
        return None
    try:
        mask = read_given_mask(source)
    except UnsoundError as error:
        return error.findings[0]
    fault = mask_size_fault(mask, source, photo_size_wh(pair.on_model)) or empty_mask_fault(mask, source)
    if fault is None and mask.all():
        return Finding("mask.full", str(source), "the mask is all white", _REDRAW, got="all white")
    return fault


def mask_size_fault(mask: BoolMask, source: MaskSource, size_wh: tuple[int, int]) -> Finding | None:
    """That a mask has another size than its photo."""
    if mask.shape == size_wh[::-1]:
        return None
    has, needs = f"{mask.shape[1]}x{mask.shape[0]}", f"{size_wh[0]}x{size_wh[1]}"
    message, hint = f"is {has} pixels, but its photo is {needs}", "Draw it on the photo, at the same size."
    return Finding("mask.size", str(source), message, hint, wanted=needs, got=has)


def empty_mask_fault(mask: BoolMask, source: MaskSource) -> Finding | None:
    """That a mask shows nothing."""
    if mask.any():
        return None
    message = "shows no garment: no pixel is lighter than 50 % grey"
    return Finding("mask.empty", str(source), message, _REDRAW, got="all black")


def read_coco(path: Path, pairs: Sequence[PhotoPair]) -> GivenMasks:
    """The garment masks of some pairs from a COCO file.

    An image belongs to the pair whose on-model photo has its file name, with the same folders as far as both
    name them, or is called ``on_modelKEY``. If it has annotations of several categories, those that are
    called like the pair's garment count.

    Args:
        pairs: with the label that the user gave, if any.

    Raises:
        UnsoundError: with all findings, if it is no COCO file, an image fits several pairs, or it is not
            clear which annotations are the garment.
    """
    try:
        document = load_record(CocoFile, read_text(path))
    except (OSError, ValueError) as error:
        finding = Finding("masks.coco", str(path), f"cannot be read as COCO ({error})", _HINT)
        raise UnsoundError.of(finding) from error
    names = {category.id: category.name for category in document.categories}
    annotations: dict[int, list[CocoAnnotation]] = {}
    for annotation in document.annotations:
        annotations.setdefault(annotation.image_id, []).append(annotation)
    masks: dict[str, MaskSource] = {}
    unused, findings = [], []
    for image in document.images:
        if image.id not in annotations:
            continue
        own = [pair for pair in pairs if _shows(image, pair)]
        if not own:
            unused.append(image.file_name)
            continue
        where = f"{path}: {image.file_name}"
        if len(own) > 1 or own[0].key in masks:
            message = f"fits several photos, such as {own[-1].on_model}"
            hint = "Give each image the path of its photo as file_name."
            findings.append(Finding("masks.coco", where, message, hint))
            continue
        unlisted = {part.category_id for part in annotations[image.id]} - names.keys()
        if names and unlisted:
            message = f"has an annotation of category {min(unlisted)}, which the file does not list"
            findings.append(Finding("masks.coco", where, message, "Add the category, or fix its number."))
            continue
        parts = _garment_parts(annotations[image.id], names, own[0].garment)
        if parts is None:
            called = ", ".join(sorted({names.get(part.category_id, "?") for part in annotations[image.id]}))
            message = f"has annotations of several categories ({called})"
            hint = "Keep those of the garment, or label the pair with the name of one of them."
            findings.append(Finding("masks.coco", where, message, hint))
            continue
        masks[own[0].key] = CocoMask(path, image, tuple(parts))
    raise_findings(findings, str(path))
    return GivenMasks(masks, tuple(unused))


def write_coco(path: Path, source: Path, found: Iterable[tuple[PhotoPair, str, GarmentMask]]) -> None:
    """Write the garment masks of some on-model photos as COCO instances with compressed run lengths.

    Args:
        source: the folder of the photos, which `file_name` is relative to; for a CSV file, the one it is in.
    """
    import supervision as sv

    folder = source if source.is_dir() else source.parent
    images, annotations = [], []
    categories: dict[str, CocoCategory] = {}
    for number, (pair, name, garment) in enumerate(found, start=1):
        category = categories.setdefault(name, CocoCategory(len(categories) + 1, name))
        height_px, width_px = garment.mask.shape
        relative = Path(os.path.relpath(pair.on_model, folder)).as_posix()
        images.append(CocoImage(number, relative, width_px, height_px))
        left, top, right, bottom = (float(edge) for edge in sv.mask_to_xyxy(garment.mask[None])[0])
        runs = sv.mask_to_rle(garment.mask, compressed=True)
        annotations.append(
            CocoAnnotation(
                id=number,
                image_id=number,
                category_id=category.id,
                segmentation=RunLengths(runs, (height_px, width_px)),
                bbox=(left, top, right - left + 1, bottom - top + 1),
                area=float(garment.mask.sum()),
                score=round(garment.confidence, 4),
            )
        )
    write_json(path, asdict(CocoFile(tuple(images), tuple(annotations), tuple(categories.values()))))


def _shows(image: CocoImage, pair: PhotoPair) -> bool:
    name = PurePosixPath(image.file_name.replace("\\", "/"))
    theirs = [part for part in name.parts if part not in ("..", ".", "/")][::-1]
    ours = pair.on_model.parts[::-1]
    return composed_name(name.stem) == f"on_model{pair.key}" or all(
        composed_name(a) == composed_name(b) for a, b in zip(theirs, ours, strict=False)
    )


def _garment_parts(
    annotations: Sequence[CocoAnnotation], names: dict[int, str], garment: str | None
) -> Sequence[CocoAnnotation] | None:
    """The annotations that are the garment; None if that is not clear."""
    if len({annotation.category_id for annotation in annotations}) == 1:
        return annotations
    called = (garment or "").casefold()
    return [part for part in annotations if names.get(part.category_id, "").casefold() == called] or None


def _decoded(segmentation: RunLengths | list[list[float]], size_wh: tuple[int, int]) -> BoolMask:
    import supervision as sv

    if isinstance(segmentation, RunLengths):
        return np.asarray(sv.rle_to_mask(segmentation.counts, size_wh), bool)
    mask = np.zeros(size_wh[::-1], bool)
    for polygon in segmentation:
        corners = np.round(np.reshape(np.array(polygon, np.float64), (-1, 2)))
        if len(corners) < 3 or not np.abs(corners).max() < 2 * max(size_wh):
            raise ValueError("a polygon has under three corners, or some far outside the photo")
        mask |= sv.polygon_to_mask(corners.astype(np.int32), size_wh) > 0
    return mask
