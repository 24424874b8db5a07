"""CIEDE2000 of same-named images against the truth: crops, garments or whole images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.colour import delta_e_map, srgb_to_lab
from chromiq.errors import Finding, UsageError, raise_findings
from chromiq.files import write_json, write_text
from chromiq.images import PHOTO_SUFFIXES, photo_size_wh, read_mask, read_photo
from chromiq.records import BoolMask, Box, RgbImage
from dataset_builder.pairs import natural_key
from evaluate.crops import Crop, crop_findings

_RESAMPLES = 2000


@dataclass(frozen=True)
class Difference:
    """How far one image is from the truth, over the measured pixels.

    Attributes:
        mean: mean dE00.
        median: median dE00.
        p95: 95th percentile of dE00.
        of_means: Euclidean Lab distance of the two mean colours.
        lightness: difference of mean L*, image minus truth.
        chroma: difference of mean C*, image minus truth.
        outside_mean: mean dE00 outside the measured pixels, where nothing should change; None without a mask.
    """

    mean: float
    median: float
    p95: float
    of_means: float
    lightness: float
    chroma: float
    outside_mean: float | None = None


@dataclass(frozen=True)
class ImageScore:
    """One image's row.

    Attributes:
        name: the file stem.
        differences: per column, such as ``"control"`` and ``"generated"``, the difference from the truth.
    """

    name: str
    differences: dict[str, Difference]


@dataclass(frozen=True)
class Comparison:
    """A column against the control over all images.

    Attributes:
        mean_change: mean over images of dE00 minus that of the control; below 0 is better.
        interval: its 95 % bootstrap interval over images.
        wins: images made better.
        losses: images made worse.
    """

    mean_change: float
    interval: tuple[float, float]
    wins: int
    losses: int


def find_images(folder: Path) -> dict[str, Path]:
    """The images of a folder by stem.

    Raises:
        UsageError: if the folder is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: wanted a folder of images, got none; check the path")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in PHOTO_SUFFIXES}


def score_folders(
    truth: Path,
    columns: Mapping[str, Path],
    *,
    crops: Mapping[str, Crop] | None = None,
    masks: Path | None = None,
) -> list[ImageScore]:
    """Score every image of the truth folder in every column.

    Args:
        truth: folder of the true images.
        columns: name to folder of same-named images.
        crops: where to measure, by stem; whole images without.
        masks: folder of same-named masks, white where to measure.

    Raises:
        UnsoundError: with all findings, if an image is missing or of another size, or a crop out of
            bounds. Nothing is ever resized: a crop on a resized image measures nothing.
    """
    names = sorted(set(find_images(truth)) & set(crops) if crops else find_images(truth), key=natural_key)
    paths = {column: find_images(folder) for column, folder in columns.items()}
    truths = find_images(truth)
    findings = _findings(truths, paths, names, crops, truth)
    raise_findings(findings, "the images to score")
    mask_paths = find_images(masks) if masks else {}
    return [
        ImageScore(
            name,
            {
                column: _score_one(truths[name], found[name], crops, mask_paths.get(name), name)
                for column, found in paths.items()
            },
        )
        for name in names
    ]


def difference(truth: RgbImage, image: RgbImage, measured: BoolMask | None = None) -> Difference:
    """How far an image is from the truth.

    Args:
        truth: ``(H, W, 3)`` uint8 sRGB.
        image: the same size.
        measured: ``(H, W)`` bool, where to measure; everywhere without.
    """
    delta_e = delta_e_map(truth, image)
    inside = measured if measured is not None and measured.any() else np.ones(delta_e.shape, bool)
    here, there = (srgb_to_lab(picture[inside][None])[0] for picture in (image, truth))
    mean_here, mean_there = here.mean(axis=0), there.mean(axis=0)
    outside = delta_e[~inside]
    values = delta_e[inside].astype(np.float64)
    return Difference(
        mean=float(values.mean()),
        median=float(np.median(values)),
        p95=float(np.percentile(values, 95)),
        of_means=float(np.linalg.norm(mean_here - mean_there)),
        lightness=float(mean_here[0] - mean_there[0]),
        chroma=float(np.hypot(*mean_here[1:]) - np.hypot(*mean_there[1:])),
        outside_mean=float(outside.mean()) if outside.size else None,
    )


def compare(scores: Sequence[ImageScore], column: str, control: str = "control", seed: int = 0) -> Comparison:
    """A column against the control, with a bootstrap interval over images (percentile, 2,000 resamples)."""
    change = np.array([score.differences[column].mean - score.differences[control].mean for score in scores])
    draws = np.random.default_rng(seed).integers(0, len(change), (_RESAMPLES, len(change)))
    low, high = np.percentile(change[draws].mean(axis=1), [2.5, 97.5])
    return Comparison(
        float(change.mean()), (float(low), float(high)), int((change < 0).sum()), int((change > 0).sum())
    )


def scores_document(scores: Sequence[ImageScore]) -> dict[str, Any]:
    """The scores as ``scores.json`` holds them, unrounded."""
    columns = list(scores[0].differences) if scores else []
    return {
        "images": [
            {
                "name": score.name,
                **{f"{column}_vs_truth": asdict(score.differences[column]) for column in columns},
            }
            for score in scores
        ],
        "average": {f"{column}_vs_truth": average(scores, column) for column in columns},
        "comparison": {
            column: asdict(compare(scores, column))
            for column in columns
            if column != "control" and "control" in columns
        },
    }


def average(scores: Sequence[ImageScore], column: str) -> float:
    """Mean over images of the mean dE00 of a column."""
    return float(np.mean([score.differences[column].mean for score in scores]))


def write_scores(folder: Path, scores: Sequence[ImageScore]) -> None:
    """Write ``scores.json`` and ``scores.csv``."""
    write_json(folder / "scores.json", scores_document(scores))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "column", *(field for field in Difference.__dataclass_fields__)])
    for score in scores:
        for column, found in score.differences.items():
            writer.writerow([_plain(score.name), column, *asdict(found).values()])
    write_text(folder / "scores.csv", buffer.getvalue())


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text


def _score_one(
    truth_path: Path, image_path: Path, crops: Mapping[str, Crop] | None, mask_path: Path | None, name: str
) -> Difference:
    truth, image = (read_photo(path, min_side_px=1).rgb for path in (truth_path, image_path))
    if crops:
        box: Box = crops[name].xyxy
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        return difference(truth[rows, columns], image[rows, columns])
    return difference(truth, image, read_mask(mask_path) if mask_path else None)


def _findings(
    truths: Mapping[str, Path],
    columns: Mapping[str, Mapping[str, Path]],
    names: Sequence[str],
    crops: Mapping[str, Crop] | None,
    folder: Path,
) -> list[Finding]:
    findings = []
    if not names:
        findings.append(
            Finding("score.empty", str(folder), "true images", "none to score", "check the folder")
        )
    for name in crops or {}:
        if name not in truths:
            findings.append(Finding("crops.image", name, f"an image in {folder}", "none", "mend crops.json"))
    for name in names:
        size_wh = photo_size_wh(truths[name])
        if crops:
            findings += crop_findings(crops[name], size_wh, name)
        for column, found in columns.items():
            if name not in found:
                finding = Finding("score.missing", name, f"its {column} image", "none", "add it")
                findings.append(finding)
            elif (have := photo_size_wh(found[name])) != size_wh:
                findings.append(
                    Finding(
                        "score.size",
                        str(found[name]),
                        f"{size_wh[0]}x{size_wh[1]}, the truth's size",
                        f"{have[0]}x{have[1]}",
                        "generate it at the truth's size; a resized image measures nothing",
                    )
                )
    return findings
