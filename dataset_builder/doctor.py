"""Every fault of a dataset, each with its cure: what AI-Toolkit would train on without a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from chromiq.errors import Finding, UnsoundError
from chromiq.files import collision_key
from chromiq.images import PHOTO_SUFFIXES, inspect_photo, photo_size_wh, read_photo
from chromiq.records import FloatImage, RgbImage
from dataset_builder.pairs import natural_key

_SIDE_PX = 512
_SHIFT_PX = 1.5
_CHANGED_LEVELS = 12
_MIN_CHANGED_SHARE = 0.001
_CAPTION_SUFFIX = ".txt"


@dataclass(frozen=True)
class DatasetFolders:
    """Where a dataset's parts lie; None for a part that it does without."""

    target: Path
    control: Path
    mask: Path | None
    reference: Path | None


def dataset_folders(root: Path) -> DatasetFolders:
    """The parts of a dataset by their usual names."""
    optional = {role: root / role for role in ("masks", "reference")}
    mask, reference = (folder if folder.is_dir() else None for folder in optional.values())
    return DatasetFolders(root / "gt", root / "control", mask, reference)


def check_dataset(root: Path, on_progress: Callable[[int, int], None] | None = None) -> list[Finding]:
    """All that is wrong with a dataset as `chromiq build` writes it, or as a person put it together.

    Args:
        root: the folder that holds ``gt/``, ``control/`` and so on.
        on_progress: called with examples done and examples in all.
    """
    folders = dataset_folders(root)
    findings = check_folders(folders, on_progress)
    if folders.reference is None and folders.mask is None:
        wanted = "a folder masks/ (or reference/, for models that need no mask)"
        cure = "build the dataset again; without masks the trainer trains on everything"
        findings.insert(0, Finding("dataset.masks", str(root), wanted, "neither", cure))
    return [*findings, *_manifest_findings(root)]


def check_folders(
    folders: DatasetFolders, on_progress: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """All that is wrong with a dataset whose parts lie in these folders."""
    findings = []
    for folder in (folders.target, folders.control):
        if not folder.is_dir():
            findings.append(Finding("dataset.folder", str(folder), "a folder", "none", "build the dataset"))
    if findings:
        return findings
    targets = _images(folders.target)
    if not targets:
        return [Finding("dataset.empty", str(folders.target), "pictures", "none", "build the dataset")]
    others = {
        role: _images(folder)
        for role, folder in (
            ("control", folders.control), ("mask", folders.mask), ("reference", folders.reference)
        )
        if folder is not None
    }  # fmt: skip
    findings += _name_findings(folders.target)
    for role, images in others.items():
        findings += _orphans(role, images, targets)
    names = sorted(targets, key=natural_key)
    for number, name in enumerate(names, start=1):
        parts = {role: images.get(name) for role, images in others.items()}
        findings += _example_findings(targets[name], parts)
        if on_progress:
            on_progress(number, len(names))
    return findings


def shift_px(a: RgbImage, b: RgbImage) -> float:
    """How many pixels one picture lies beside another of the same size, by phase correlation of edges."""
    grey = [cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.0) for image in (a, b)]
    edges = [cv2.Laplacian(image.astype(np.float32), cv2.CV_32F) for image in grey]
    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(edges[0], edges[1], window)
    return float(np.hypot(dx, dy))


def mask_findings(mask: FloatImage, changed: FloatImage, where: str) -> list[Finding]:
    """What is wrong with a loss mask.

    Args:
        mask: ``(H, W)`` 0..1.
        changed: ``(H, W)`` 0..1, where target and control differ.
        where: the mask as the user knows it.
    """
    if mask.max() < 0.02:
        effect = "all black; the trainer divides by its mean, so that everything trains alike, or fails"
        return [Finding("mask.black", where, "a mask that is white where to train", effect, "build it again")]
    if mask.min() > 0.98:
        effect = "all white, so that the still-life trains as well"
        cure = "build it again, or leave mask_path out"
        return [Finding("mask.white", where, "a mask that is black where not to train", effect, cure)]
    weight = float(changed.mean())
    if weight < _MIN_CHANGED_SHARE:
        return []
    inside = float((mask * changed).sum() / changed.sum())
    if inside < float(mask.mean()) and inside < 0.5:
        effect = "black there and white elsewhere: inverted, shifted or of another example"
        wanted = "a mask that is white where target and control differ"
        return [Finding("mask.inverted", where, wanted, effect, "build it again")]
    return []


def _example_findings(target: Path, parts: Mapping[str, Path | None]) -> list[Finding]:
    findings = [
        Finding(f"dataset.{role}", str(target), f"its {role} of the same name", "none", _MISSING_CURES[role])
        for role, path in parts.items()
        if path is None
    ]
    findings += _caption_findings(target)
    known = {"target": target, **{role: path for role, path in parts.items() if path is not None}}
    broken = [found for path in known.values() if (found := inspect_photo(path, min_side_px=16))]
    if broken:
        return findings + broken
    size_wh = photo_size_wh(target)
    for role in ("control", "mask"):
        if role in known and (have := photo_size_wh(known[role])) != size_wh:
            wanted = f"{size_wh[0]}x{size_wh[1]}, its target's size"
            got, cure = f"{have[0]}x{have[1]}", "build it again; the trainer would crop it otherwise"
            findings.append(Finding(f"{role}.size", str(known[role]), wanted, got, cure))
    if any(found.severity == "error" for found in findings):
        return findings
    try:
        pixels = {
            role: read_photo(path, min_side_px=16).rgb for role, path in known.items() if role != "reference"
        }
    except UnsoundError as error:
        return findings + list(error.findings)
    return findings + _pixel_findings(known, pixels)


_MISSING_CURES = {
    "control": "build it again; the trainer would train without it and say nothing",
    "mask": "build it again; the trainer would train without it and say nothing",
    "reference": "build it again; the model would see no still-life",
}


def _pixel_findings(paths: Mapping[str, Path], pixels: Mapping[str, RgbImage]) -> list[Finding]:
    findings = []
    target, control = pixels["target"], pixels["control"]
    scale = min(1.0, _SIDE_PX / max(target.shape[:2]))
    size_wh = (round(target.shape[1] * scale), round(target.shape[0] * scale))
    small = {role: cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA) for role, image in pixels.items()}
    moved = shift_px(small["target"].astype(np.uint8), small["control"].astype(np.uint8)) / scale
    if moved > _SHIFT_PX:
        finding = Finding(
            "control.shifted",
            str(paths["control"]),
            "a picture that lies exactly on its target",
            f"one about {moved:.0f} px beside it",
            "build it again; the model would learn to move things",
        )
        return [finding]
    changed = (cv2.absdiff(small["target"], small["control"]).max(axis=2) > _CHANGED_LEVELS).astype(
        np.float32
    )
    if np.array_equal(target, control):
        wanted, cure = (
            "a colour error to mend",
            "fine for a share of a dataset; see degradation in the manifest",
        )
        finding = Finding(
            "control.same", str(paths["control"]), wanted, "the target's own pixels", cure, "warning"
        )
        findings.append(finding)
    if "mask" in small:
        mask = small["mask"][..., 0].astype(np.float32) / 255
        findings += mask_findings(mask, changed, str(paths["mask"]))
    return findings


def _caption_findings(target: Path) -> list[Finding]:
    path = target.with_suffix(_CAPTION_SUFFIX)
    wanted = "one line of caption in UTF-8"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        got = "no such file" if isinstance(error, OSError) else "another encoding"
        return [Finding("caption.missing", str(path), wanted, got, "write it, or build it again")]
    if not text.strip():
        return [Finding("caption.empty", str(path), wanted, "an empty file", "write it, or build it again")]
    return []


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in PHOTO_SUFFIXES}


def _orphans(role: str, images: Mapping[str, Path], targets: Mapping[str, Path]) -> list[Finding]:
    wanted, cure = "a target of the same name", "remove it, or bring back its target"
    return [
        Finding(f"{role}.orphan", str(path), wanted, "none in gt/", cure, "warning")
        for name, path in images.items()
        if name not in targets
    ]


def _name_findings(folder: Path) -> list[Finding]:
    """Two targets whose names some file system or the trainer's lookup by stem takes for one."""
    first: dict[str, Path] = {}
    findings = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PHOTO_SUFFIXES:
            continue
        other = first.setdefault(collision_key(path.stem), path)
        if other != path:
            wanted, cure = "names that differ in more than case or suffix", "rename one of them"
            findings.append(Finding("dataset.twins", str(path), wanted, f"the twin of {other.name}", cure))
    return findings


def _manifest_findings(root: Path) -> list[Finding]:
    """Files the manifest names that are not there."""
    path = root / "manifest.jsonl"
    if not path.is_file():
        return []
    findings = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            names: Iterable[str] = json.loads(line)["digests"]
            missing = [name for name in names if not (root / name).is_file()]
        except (ValueError, KeyError, TypeError) as error:
            where, cure = f"{path}: line {number}", "build the dataset again"
            findings.append(Finding("manifest.line", where, "an example as JSON", f"'{error}'", cure))
            continue
        findings += [
            Finding(
                "manifest.missing", str(root / name), "a file that the manifest names", "none", "build it"
            )
            for name in missing
        ]
    return findings


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
