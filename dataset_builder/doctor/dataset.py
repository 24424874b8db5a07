"""Everything that is wrong with a dataset, and how to fix it. AI-Toolkit silently trains on most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromiq.dataset_builder.canvas.buckets import bucket_size_wh, cut_off_text
from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.dataset_builder.doctor.example import Checkup, ExampleFiles, Recorded, Training, check_example
from chromiq.dataset_layout import (
    DatasetLayout,
    examine_manifest,
    no_dataset_findings,
    read_build_record,
    unfinished_findings,
)
from chromiq.errors import Finding
from chromiq.files import collision_key, natural_key
from chromiq.models import DEFAULT_MODEL, MODELS
from chromiq.photos.soundness import list_images
from chromiq.progress import Update, silent
from chromiq.runtime.workers import map_bounded, thread_per_core

TRAINER_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
"""Suffixes that AI-Toolkit looks for; a control or mask of another kind is missing to it."""
_MAY_BE_MEANT = frozenset(
    {"caption.missing", "caption.empty", "caption.trigger", "image.cropped", "mask.white", "mask.inverted"}
    | {"control.size", "control.shifted", "control.noop", "control.same", "control.outside"}
    | {"control.orphan", "mask.orphan", "reference.orphan"}
)
_IF_UNINTENDED = "Fix it unless that is intended."
_DUPLICATE_LEVELS = 5.0
_AHEAD = 64
_BLOCK = 512


@dataclass(frozen=True)
class DatasetFolders:
    """Where a dataset's parts are; None for a part that it does not have."""

    target: Path
    control: Path | None
    mask: Path | None
    reference: Path | None


def dataset_folders(root: Path) -> DatasetFolders:
    """The parts of a dataset by their usual names."""
    layout = DatasetLayout(root)
    mask, reference = (
        folder if folder.is_dir() else None for folder in (layout.loss_masks, layout.references)
    )
    return DatasetFolders(layout.truths, layout.controls, mask, reference)


def read_manifest(root: Path) -> tuple[dict[Path, Recorded], list[Finding]]:
    """What the manifest says of each example by target; its faults, and the missing files it names."""
    examples, findings = examine_manifest(root)
    findings += unfinished_findings(root)
    findings += [
        Finding(
            "manifest.missing", str(root / name), "listed in the manifest, but missing", "Build it again."
        )
        for example in examples
        for name in sorted(example.files)
        if not (root / name).is_file()
    ]
    mask_of = DatasetLayout(root).garment_mask
    return {root / example.target: Recorded(example, mask_of(example.key)) for example in examples}, findings


def model_of(root: Path, *, has_reference: bool) -> str:
    """The model a dataset was built for, or the likeliest one."""
    model = (read_build_record(root) or {}).get("model")
    guess = DEFAULT_MODEL if not has_reference else "qwen-image-edit-2509"
    return model if isinstance(model, str) and model in MODELS else guess


def check_dataset(root: Path, on_progress: Update = silent) -> list[Finding]:
    """All that is wrong with a dataset as `chromiq build` writes it, or as made by hand.

    By hand it needs ``gt/`` and ``control/`` only. What chromiq builds has to keep chromiq's promises; in
    other data the same things are warnings, one for each kind, as they may be meant.

    Args:
        root: the folder that holds ``gt/``, ``control/`` and so on; ``held_out/`` is checked as well.
    """
    folders = dataset_folders(root)
    if missing := no_dataset_findings(root):
        return missing
    recorded, findings = read_manifest(root)
    built = DatasetLayout(root).is_built
    if folders.reference is None and folders.mask is None:
        message = "neither masks/ nor reference/, so every pixel of the targets trains"
        hint = "Build the dataset again." if built else "Add loss masks, unless that is intended."
        findings.insert(
            0, Finding("dataset.masks", str(root), message, hint, "error" if built else "warning")
        )
    model = MODELS[model_of(root, has_reference=folders.reference is not None)]
    training = Training(TRIGGER_WORD if built else None, divisible_by_px=model.divisible_by_px)
    kept = DatasetLayout(root).held_out
    held_out = dataset_folders(kept.root) if kept.truths.is_dir() else None
    found, _ = check_folders(folders, on_progress, training, recorded, held_out, built=built)
    return findings + found


def check_folders(
    folders: DatasetFolders,
    on_progress: Update,
    training: Training,
    recorded: Mapping[Path, Recorded],
    held_out: DatasetFolders | None = None,
    *,
    built: bool,
) -> tuple[list[Finding], Counter[tuple[int, int]]]:
    """All that is wrong with a dataset whose parts are in these folders.

    Examples are read by one thread per core; no more than a few of them are in memory at a time.

    Args:
        recorded: what the manifest says, by target.
        held_out: what is kept out of training; nothing in it may resemble what is trained on.
        built: whether chromiq made the dataset, so that it has to keep chromiq's promises.

    Returns:
        The findings, and how many readable targets have which upright width and height in pixels.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    findings = [
        Finding("dataset.folder", str(folder), "no such folder", "Build the dataset, or fix the path.")
        for folder in (folders.target, folders.control)
        if folder is not None and not folder.is_dir()
    ]
    if findings:
        return findings, sizes
    examples, findings = _examples(folders, recorded, training)
    if not examples:
        hint = "Build the dataset, or fix the path."
        return [Finding("dataset.empty", str(folders.target), "no images", hint)], sizes
    kept, wrong = _examples(held_out, recorded, training) if held_out else ([], [])
    findings += wrong
    bare: list[Path] = []
    seen: list[tuple[Path, NDArray[np.uint8]]] = []
    everything = [*examples, *kept]
    for number, (files, checkup) in enumerate(_checkups(everything), start=1):
        findings += checkup.findings
        if checkup.size_wh and number <= len(examples):
            sizes[checkup.size_wh] += 1
        if not checkup.has_trigger:
            bare.append(files.target)
        if kept and checkup.thumbnail is not None:
            seen.append((files.target, checkup.thumbnail))
        on_progress(number, len(everything))
    findings += _trigger_findings(bare, len(everything), training.trigger)
    findings += _bucket_findings(sizes, folders.target, training)
    if kept:
        aside = {files.target for files in kept}
        findings += _duplicate_findings(
            [item for item in seen if item[0] not in aside], [item for item in seen if item[0] in aside]
        )
    return findings if built else _as_hints(findings), sizes


def _as_hints(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of a dataset that chromiq did not build: what may be meant is one warning for each kind."""
    kept: list[Finding] = []
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.code in _MAY_BE_MEANT:
            kinds.setdefault(finding.code, []).append(finding)
        else:
            kept.append(finding)
    for same in kinds.values():
        first, others = same[0], len(same) - 1
        message = first.message + (f" (and {others} more like it)" if others else "")
        kept.append(replace(first, message=message, hint=_IF_UNINTENDED, severity="warning"))
    return kept


def _checkups(examples: Sequence[ExampleFiles]) -> Iterator[tuple[ExampleFiles, Checkup]]:
    with thread_per_core() as pool:
        yield from zip(examples, map_bounded(pool, check_example, examples, _AHEAD), strict=True)


def _examples(
    folders: DatasetFolders, recorded: Mapping[Path, Recorded], training: Training
) -> tuple[list[ExampleFiles], list[Finding]]:
    """A folder's examples in natural order, and what is wrong with their names."""
    places = {"control": folders.control, "mask": folders.mask, "reference": folders.reference}
    targets, findings = _images(folders.target, is_target=True)
    others: dict[str, dict[str, Path]] = {}
    for role, place in places.items():
        if place is not None:
            others[role], wrong = _images(place)
            findings += [*wrong, *_orphans(role, others[role], targets)]
    return [
        ExampleFiles(
            targets[name],
            {role: images.get(name) for role, images in others.items()},
            recorded.get(targets[name]),
            training,
        )
        for name in sorted(targets, key=natural_key)
    ], findings


def _images(folder: Path, *, is_target: bool = False) -> tuple[dict[str, Path], list[Finding]]:
    """Images by stem, and those that the trainer does not see or confuses."""
    images: dict[str, Path] = {}
    first: dict[str, Path] = {}
    findings = []
    for path in list_images(folder):
        suffix = path.suffix.lower()
        if not is_target and suffix in TRAINER_SUFFIXES and path.suffix != suffix:
            message = f"the trainer looks for controls and masks with the suffix {suffix}, in lower case"
            findings.append(Finding("dataset.suffix", str(path), message, "Rename the file."))
        if suffix not in TRAINER_SUFFIXES:
            message = f"the trainer ignores {suffix} files"
            findings.append(
                Finding("dataset.suffix", str(path), message, "Convert it to .jpg, .png or .webp.")
            )
        other = first.setdefault(collision_key(path.stem), path)
        if other != path:
            message = f"its name differs from {other.name} in case or suffix only"
            findings.append(Finding("dataset.twins", str(path), message, "Rename one of them."))
        images[path.stem] = path
    return images, findings


def _orphans(role: str, images: Mapping[str, Path], targets: Mapping[str, Path]) -> list[Finding]:
    hint = "Remove it, or restore its target."
    return [
        Finding(f"{role}.orphan", str(path), "no target has this name", hint, "warning")
        for name, path in images.items()
        if name not in targets
    ]


def _trigger_findings(bare: Sequence[Path], examples: int, trigger: str | None) -> list[Finding]:
    hint = "Add it to the caption, or build the dataset again."
    if len(bare) == examples:
        message = f"no caption contains the trigger word {trigger!r}"
        return [Finding("caption.trigger", str(bare[0].parent), message, hint, "warning")]
    return [
        Finding(
            "caption.trigger", str(path.with_suffix(".txt")), f"the trigger word {trigger!r} is missing", hint
        )
        for path in bare
    ]


def _bucket_findings(sizes: Mapping[tuple[int, int], int], folder: Path, training: Training) -> list[Finding]:
    """One finding for each size that the trainer would crop, not one for each image."""
    findings: list[Finding] = []
    if training.divisible_by_px is None:
        return findings
    for size_wh, count in sorted(sizes.items()):
        for resolution in training.resolutions:
            bucket_wh = bucket_size_wh(size_wh, resolution, training.divisible_by_px)
            if cut := cut_off_text(size_wh, bucket_wh):
                where = f"{folder}: {count} of {size_wh[0]}x{size_wh[1]}"
                trained = f"resolution {resolution} trains them at {bucket_wh[0]}x{bucket_wh[1]}"
                message = f"{trained}, with {cut} cut off"
                hint = "Build the dataset at a size that fits, or set another resolution."
                findings.append(Finding("image.cropped", where, message, hint, "warning"))
    return findings


def _duplicate_findings(
    trained: Sequence[tuple[Path, NDArray[np.uint8]]], kept: Sequence[tuple[Path, NDArray[np.uint8]]]
) -> list[Finding]:
    """Held-out images that resemble one that is trained on, by their thumbnails."""
    findings = []
    for start in range(0, len(kept), _BLOCK):
        block = kept[start : start + _BLOCK]
        best = [(np.inf, 0)] * len(block)
        for begin in range(0, len(trained), _BLOCK):
            apart = _levels_apart(block, trained[begin : begin + _BLOCK])
            nearest = apart.argmin(axis=1)
            best = [
                min(old, (float(apart[row, column]), begin + int(column)))
                for row, (old, column) in enumerate(zip(best, nearest, strict=True))
            ]
        for (path, _), (levels, index) in zip(block, best, strict=True):
            if levels < _DUPLICATE_LEVELS:
                message = f"nearly the same image as {trained[index][0].name}, which is trained on"
                hint = "Remove one of the two, or scores on it mean nothing."
                findings.append(Finding("held_out.duplicate", str(path), message, hint))
    return findings


def _levels_apart(
    rows: Sequence[tuple[Path, NDArray[np.uint8]]], columns: Sequence[tuple[Path, NDArray[np.uint8]]]
) -> NDArray[np.float32]:
    """Root mean square difference of thumbnails, each with each, in levels of 0..255."""
    a, b = (np.stack([thumbnail for _, thumbnail in side]).astype(np.float32) for side in (rows, columns))
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0) / a.shape[1])
