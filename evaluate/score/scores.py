"""CIEDE2000 of same-named images against the truth: crops, garments or whole images.

Averages, intervals and the improvement on the control; ``scores.json`` and ``.csv``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.csv_tables import as_text
from chromiq.dataset_builder.inputs.mask_files import empty_mask_fault, mask_size_fault
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.evaluate.score.crops import Crop, crop_findings, crop_mask_findings, unknown_crop_finding
from chromiq.evaluate.score.difference import Difference, measure_difference
from chromiq.files import composed_name, natural_key, write_json, write_text
from chromiq.imaging.registration import Aligned, align
from chromiq.photos.images import photo_size_wh, read_mask, read_photo
from chromiq.photos.soundness import list_images
from chromiq.progress import Update, silent
from chromiq.records import BoolMask, RgbImage

_RESAMPLES = 2000
_FEWEST_FOR_INTERVAL = 3
_TITLES = {"control": "uncorrected", "transfer": "network-free"}


@dataclass(frozen=True)
class ImageScore:
    """One image's row.

    Attributes:
        name: the file stem.
        differences: per column, such as ``"control"`` and ``"generated"``, the difference from the truth.
        garment: what kind of garment it shows, or None.
    """

    name: str
    differences: dict[str, Difference]
    garment: str | None = None


@dataclass(frozen=True)
class ImageSet:
    """What is scored and shown together.

    Attributes:
        columns: name to folder of same-named images, in the order to show; ``"control"`` is the uncorrected
            photo, against which leak and texture are measured.
        crops: where to measure, by composed stem; inside the mask or the whole image without.
        masks: folder of same-named masks, white on the garment.
        garments: kind of garment by composed stem.
        titles: what columns are called, as `column_title` takes it.
    """

    truth: Path
    columns: Mapping[str, Path]
    crops: Mapping[str, Crop] | None = None
    masks: Path | None = None
    garments: Mapping[str, str] | None = None
    titles: Mapping[str, str] | None = None

    @property
    def truths(self) -> dict[str, Path]:
        """The true images to score, in natural order: all, or those that have a crop."""
        found = find_images(self.truth)
        return {name: found[name] for name in sorted(found, key=natural_key) if name in (self.crops or found)}


def find_images(folder: Path) -> dict[str, Path]:
    """The images of a folder by composed stem, without hidden ones, which a killed process may have left.

    Raises:
        UsageError: if the folder is missing.
        UnsoundError: if several have one stem.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of images. Check the path.")
    found: dict[str, Path] = {}
    findings = []
    for path in list_images(folder):
        if path.name.startswith("."):
            continue
        if (other := found.setdefault(composed_name(path.stem), path)) is not path:
            message = f"{other.name} has the same name but for its suffix or the Unicode form of its accents"
            findings.append(Finding("score.twice", str(path), message, "Leave one of them in the folder."))
    raise_findings(findings, str(folder))
    return found


def score_folders(
    images: ImageSet, *, register: bool = False, on_progress: Update = silent
) -> list[ImageScore]:
    """Score every true image, or every one that has a crop, in every column.

    Args:
        register: align shifted or resized images with the truth, and report by how much.

    Raises:
        UnsoundError: with all findings, if an image is missing or of another size, a crop is out of bounds
            or off the garment, or an image cannot be registered with confidence. Unless asked for, nothing
            is ever moved or resized: a crop on a resized image measures nothing.
    """
    truths, crops = images.truths, images.crops or {}
    paths = {column: find_images(folder) for column, folder in images.columns.items()}
    raise_findings(set_findings(images, register), "the images to score")
    mask_paths = find_images(images.masks) if images.masks else {}
    kinds = images.garments or {}
    scores: list[ImageScore] = []
    findings: list[Finding] = []
    for number, (name, truth) in enumerate(truths.items(), start=1):
        own = {column: found[name] for column, found in paths.items()}
        try:
            differences = _score_one(truth, own, crops.get(name), mask_paths.get(name), register)
            scores.append(ImageScore(name, differences, kinds.get(name)))
        except UnsoundError as error:
            findings += error.findings
        on_progress(number, len(truths))
    raise_findings(findings, "the images to score")
    return scores


def image_findings(
    truths: Mapping[str, Path], columns: Mapping[str, Path], register: bool = False
) -> list[Finding]:
    """Which images are missing, and which have another size than their truth.

    Args:
        columns: name to folder of same-named images.
        register: whether sizes may differ.

    Raises:
        UsageError: if a folder is missing.
    """
    findings = []
    found = {column: find_images(folder) for column, folder in columns.items()}
    for name, truth in truths.items():
        width_px, height_px = photo_size_wh(truth)
        for column, paths in found.items():
            if name not in paths:
                message = f"no {column} image of this name in {columns[column]}"
                findings.append(Finding("score.missing", name, message, "Add it."))
            elif not register and (have := photo_size_wh(paths[name])) != (width_px, height_px):
                message = f"is {have[0]}x{have[1]}, but its truth is {width_px}x{height_px}"
                hint = "Generate it at the truth's size, or set `register`."
                findings.append(Finding("score.size", str(paths[name]), message, hint))
    return findings


def _score_one(
    truth_path: Path,
    image_paths: Mapping[str, Path],
    crop: Crop | None,
    mask_path: Path | None,
    register: bool,
) -> dict[str, Difference]:
    truth = read_photo(truth_path, min_side_px=1).rgb
    mask = read_mask(mask_path) if mask_path else None
    raise_findings(_region_findings(truth, crop, mask, truth_path, mask_path), truth_path.name)
    measured = np.ones(truth.shape[:2], bool) if mask is None else mask
    if crop:
        measured = np.zeros(truth.shape[:2], bool)
        measured[crop.box] = True
    aligned: dict[str, Aligned] = {}
    findings: list[Finding] = []
    for column, path in image_paths.items():
        try:
            image = read_photo(path, min_side_px=1).rgb
            aligned[column] = align(image, truth, path) if register else Aligned(image)
        except UnsoundError as error:
            findings += error.findings
    raise_findings(findings, truth_path.name)
    differences = {}
    for column, found in aligned.items():
        control = aligned.get("control") if column != "control" else None
        seen = np.ones(truth.shape[:2], bool)  # where both have pixels
        for each in filter(None, (found, control)):
            seen &= True if each.inside is None else each.inside
        differences[column] = replace(
            measure_difference(
                truth,
                found.rgb,
                measured & seen,
                control=control.rgb if control else None,
                outside=None if mask is None else ~mask & seen,
            ),
            dx_px=found.dx_px,
            dy_px=found.dy_px,
            resized_from=found.resized_from,
        )
    return differences


def _region_findings(
    truth: RgbImage, crop: Crop | None, mask: BoolMask | None, truth_path: Path, mask_path: Path | None
) -> list[Finding]:
    if mask is None or mask_path is None:
        return []
    if fault := mask_size_fault(mask, mask_path, truth.shape[1::-1]) or empty_mask_fault(mask, mask_path):
        return [fault]
    return crop_mask_findings(crop, mask, truth_path.stem) if crop else []


def set_findings(images: ImageSet, register: bool = False) -> list[Finding]:
    """What keeps images from being scored, as far as names and sizes tell.

    Args:
        register: whether sizes may differ.

    Raises:
        UsageError: if a folder is missing.
    """
    truths, findings = images.truths, []
    if not truths:
        message = "no true images to score"
        findings.append(Finding("score.empty", str(images.truth), message, "Check the folder."))
    crops = images.crops or {}
    findings += [unknown_crop_finding(name, images.truth) for name in crops if name not in truths]
    for name, truth in truths.items():
        if name in crops:
            findings += crop_findings(crops[name], photo_size_wh(truth), name)
    if images.masks:
        known_masks, hint = find_images(images.masks), "Add it, white on the garment."
        findings += [
            Finding("mask.missing", name, f"no mask of this name in {images.masks}", hint)
            for name in truths
            if name not in known_masks
        ]
    return findings + image_findings(truths, images.columns, register)


def column_title(column: str, titles: Mapping[str, str] | None = None) -> str:
    """A column's name in tables and reports; its key in ``scores.json`` stays.

    Args:
        titles: others than the usual ones.

    >>> column_title("control"), column_title("lab"), column_title("lab", {"lab": "my LoRA"})
    ('uncorrected', 'lab', 'my LoRA')
    """
    return {**_TITLES, **(titles or {})}.get(column, column)


def hybrid_column(column: str) -> str:
    """The column of a LoRA's hybrid, given that of its own images.

    >>> hybrid_column("generated"), hybrid_column("lab")
    ('hybrid', 'lab-hybrid')
    """
    return "hybrid" if column == "generated" else f"{column}-hybrid"


Interval = tuple[float, float]
"""Low and high end."""


@dataclass(frozen=True)
class Comparison:
    """A column against the control over all images.

    Attributes:
        mean_change: mean over images of dE00 minus that of the control; below 0 is better.
        interval: of `mean_change`, as `mean_interval` gives it.
        worst: the image whose change is the least welcome.
    """

    mean_change: float
    interval: Interval | None
    wins: int
    losses: int
    worst: str
    worst_change: float


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """The 95 % percentile bootstrap interval of the mean of `values`; Efron, 1979.

    Args:
        values: one per image, at least one.
        seed: of the resamples; the same seed gives the same interval.

    >>> bootstrap_interval([3.0, 3.0, 3.0])
    (3.0, 3.0)
    """
    sample = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.percentile(sample[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """`bootstrap_interval` of at least 3 images; None for fewer, whose resamples say nothing about others.

    >>> mean_interval([3.0]), mean_interval([3.0, 3.0, 3.0])
    (None, (3.0, 3.0))
    """
    return bootstrap_interval(values) if len(values) >= _FEWEST_FOR_INTERVAL else None


def average(scores: Sequence[ImageScore], column: str) -> float:
    """Mean over images of the mean dE00 of a column."""
    return float(np.mean([score.differences[column].mean for score in scores]))


def average_of(scores: Sequence[ImageScore], column: str, field: str) -> float | None:
    """Mean over images of any number of `Difference`; None if it is known of none."""
    values = [getattr(score.differences[column], field) for score in scores]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def average_interval(scores: Sequence[ImageScore], column: str) -> Interval | None:
    """The 95 % bootstrap interval over images of `average`; None for fewer than 3 images."""
    return mean_interval([score.differences[column].mean for score in scores])


def compare(scores: Sequence[ImageScore], column: str) -> Comparison:
    """A column against the control, image by image."""
    change = [score.differences[column].mean - score.differences["control"].mean for score in scores]
    worst = int(np.argmax(change))
    return Comparison(
        mean_change=float(np.mean(change)),
        interval=mean_interval(change),
        wins=sum(value < 0 for value in change),
        losses=sum(value > 0 for value in change),
        worst=scores[worst].name,
        worst_change=change[worst],
    )


def by_garment(scores: Sequence[ImageScore]) -> dict[str, list[ImageScore]]:
    """The scores of each kind of garment, kinds in alphabetical order; those of unknown kind are left out."""
    kinds = sorted({score.garment for score in scores if score.garment})
    return {kind: [score for score in scores if score.garment == kind] for kind in kinds}


def scores_document(scores: Sequence[ImageScore]) -> dict[str, Any]:
    """The scores as ``scores.json`` holds them, unrounded."""
    columns = list(scores[0].differences) if scores else []
    return {
        "images": [
            {
                "name": score.name,
                "garment": score.garment,
                **{f"{column}_vs_truth": asdict(score.differences[column]) for column in columns},
            }
            for score in scores
        ],
        "average": _averages(scores, columns),
        "average_of_means": _averages(scores, columns, "of_means"),
        "interval": {f"{column}_vs_truth": average_interval(scores, column) for column in columns},
        "comparison": {
            column: asdict(compare(scores, column))
            for column in columns
            if column != "control" and "control" in columns
        },
        "by_garment": {
            kind: {
                "images": len(members),
                "average": _averages(members, columns),
                "average_of_means": _averages(members, columns, "of_means"),
            }
            for kind, members in by_garment(scores).items()
        },
    }


def write_scores(folder: Path, scores: Sequence[ImageScore], loras: Mapping[str, str] | None = None) -> None:
    """Write ``scores.json`` and ``scores.csv``: a line per image and column, empty where unknown.

    Args:
        loras: SHA-256 of the LoRA that made the images of a column.
    """
    made_by = {"loras": dict(loras)} if loras else {}
    write_json(folder / "scores.json", scores_document(scores) | made_by)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "garment", "column", *(field.name for field in fields(Difference))])
    for score in scores:
        for column, found in score.differences.items():
            cells = [as_text(text) for text in (score.name, score.garment or "", column)]
            writer.writerow([*cells, *asdict(found).values()])
    write_text(folder / "scores.csv", buffer.getvalue())


def _averages(
    scores: Sequence[ImageScore], columns: Sequence[str], field: str = "mean"
) -> dict[str, float | None]:
    return {f"{column}_vs_truth": average_of(scores, column, field) for column in columns}
