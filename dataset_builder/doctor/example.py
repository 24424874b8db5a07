"""What is wrong with one example: its files, its caption, and its pixels at a small size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.errors import Finding, UnsoundError
from chromiq.photos.images import read_small_sized
from chromiq.photos.soundness import inspect_photo
from chromiq.records import BoolMask, Box, FloatImage, RgbImage

_SIDE_PX = 512
_SHIFT_PX = 1.5
_CHANGED_LEVELS = 12
_MIN_CHANGED_SHARE = 0.001
_MARGIN_PX = 8
_CLOSE_PX = 2
_NOOP_DELTA_E = 1.0
_COMPARED_PIXELS = 8192
_THUMBNAIL_PX = 24
_CAPTION_SUFFIX = ".txt"


@dataclass(frozen=True)
class Recorded:
    """What the manifest says about an example.

    Attributes:
        kind: of its colour error, such as ``"identity"``.
        by_size: whether the error was made to a size, so that none at all is a fault.
        garment_mask: where the garment is on the on-model photo.
        on_model_xyxy: where that photo lies on the canvas, and the canvas' width and height; None if it is
            the whole picture.
        canvas_wh: of a stitched picture.
    """

    kind: str
    by_size: bool
    garment_mask: Path
    on_model_xyxy: Box | None
    canvas_wh: tuple[int, int] | None


@dataclass(frozen=True)
class ExampleFiles:
    """An example's files by role (``"control"``, ``"mask"``, ``"reference"``; None where one is missing)."""

    target: Path
    parts: Mapping[str, Path | None]
    recorded: Recorded | None
    trigger: str | None


@dataclass(frozen=True, eq=False)
class Checkup:
    """What came of it.

    Attributes:
        findings: all but the trigger's.
        size_wh: of the target; None if it cannot be read.
        has_trigger: whether the caption holds it, or there is no caption.
        thumbnail: ``(N,)`` uint8, by which near-duplicates are found; None if something cannot be read.
    """

    findings: tuple[Finding, ...]
    size_wh: tuple[int, int] | None
    has_trigger: bool
    thumbnail: NDArray[np.uint8] | None


def check_example(files: ExampleFiles) -> Checkup:
    """All that is wrong with one example."""
    target = files.target
    missing = [role for role, path in files.parts.items() if path is None]
    findings = [
        Finding.expected(
            f"dataset.{role}", str(target), f"its {role} of the same name", "none", _MISSING_CURES[role]
        )
        for role in missing
    ]
    wrong, has_trigger = _caption_findings(target, files.trigger)
    findings += wrong
    known = {"target": target, **{role: path for role, path in files.parts.items() if path is not None}}
    broken = [found for path in known.values() if (found := inspect_photo(path, min_side_px=16))]
    if broken:
        return Checkup((*findings, *broken), None, has_trigger, None)
    try:
        read = {role: read_small_sized(path, _SIDE_PX, grey=role == "mask") for role, path in known.items()}
    except UnsoundError as error:
        return Checkup((*findings, *error.findings), None, has_trigger, None)
    small, (_, size_wh) = {role: pixels for role, (pixels, _) in read.items()}, read["target"]
    sizes = [
        found
        for role, path in known.items()
        if role in {"control", "mask"} and (found := _size_finding(role, path, read[role][1], size_wh))
    ]
    if not missing and not sizes:
        findings += _pixel_findings(known, small, size_wh, files.recorded)
    seen = [small[role] for role in ("target", "reference") if role in small]
    thumbnail = np.concatenate([_thumbnail(picture).ravel() for picture in seen])
    return Checkup((*findings, *sizes), size_wh, has_trigger, thumbnail)


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
        return [
            Finding.expected(
                "mask.black", where, "a mask that is white where to train", effect, "build it again"
            )
        ]
    if mask.min() > 0.98:
        effect = "all white, so that the still-life trains as well"
        cure = "build it again, or leave mask_path out"
        return [
            Finding.expected("mask.white", where, "a mask that is black where not to train", effect, cure)
        ]
    weight = float(changed.mean())
    if weight < _MIN_CHANGED_SHARE:
        return []
    inside = float((mask * changed).sum() / changed.sum())
    if inside < float(mask.mean()) and inside < 0.5:
        effect = "black there and white elsewhere: inverted, shifted or of another example"
        wanted = "a mask that is white where target and control differ"
        return [Finding.expected("mask.inverted", where, wanted, effect, "build it again")]
    return []


_MISSING_CURES = {
    "control": "build it again; the trainer would train without it and say nothing",
    "mask": "build it again; the trainer would train without it and say nothing",
    "reference": "build it again; the model would see no still-life",
}


def _size_finding(role: str, path: Path, have: tuple[int, int], size_wh: tuple[int, int]) -> Finding | None:
    if have == size_wh:
        return None
    wanted, got = f"{size_wh[0]}x{size_wh[1]}, its target's size", f"{have[0]}x{have[1]}"
    cure = "build it again; the trainer would crop it otherwise"
    return Finding.expected(f"{role}.size", str(path), wanted, got, cure)


def _caption_findings(target: Path, trigger: str | None) -> tuple[list[Finding], bool]:
    path = target.with_suffix(_CAPTION_SUFFIX)
    wanted, cure = "one line of caption in UTF-8", "write it, or build it again"
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            return [Finding.expected("caption.missing", str(path), wanted, "no such file", cure)], True
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return [Finding.expected("caption.missing", str(path), wanted, f"'{error.strerror}'", cure)], True
    except UnicodeDecodeError:
        return [Finding.expected("caption.encoding", str(path), wanted, "another encoding", cure)], True
    if not text.strip():
        return [Finding.expected("caption.empty", str(path), wanted, "an empty file", cure)], True
    return [], trigger is None or trigger in text


def _pixel_findings(
    paths: Mapping[str, Path],
    small: Mapping[str, RgbImage],
    size_wh: tuple[int, int],
    recorded: Recorded | None,
) -> list[Finding]:
    target, control = small["target"], small["control"]
    where = str(paths["control"])
    red, green, blue = cv2.split(cv2.absdiff(target, control))
    changed = cv2.max(cv2.max(red, green), blue) > _CHANGED_LEVELS
    garment = _garment_on(recorded, (target.shape[1], target.shape[0])) if recorded else None
    # What is moved differs all over the picture.
    still = garment is not None and not _outside(changed, garment, _CLOSE_PX).any()
    moved = 0.0 if still else shift_px(target, control) * size_wh[0] / target.shape[1]
    if moved > _SHIFT_PX:
        wanted, got = "a picture that lies exactly on its target", f"one about {moved:.0f} px beside it"
        cure = "build it again; the model would learn to move things"
        return [Finding.expected("control.shifted", where, wanted, got, cure)]
    mask = small["mask"].astype(np.float32) / 255 if "mask" in small else None
    findings = []
    if mask is not None:
        findings = mask_findings(mask, changed.astype(np.float32), str(paths["mask"]))
        if "reference" in paths:  # a white mask trains the whole on-model photo, and nothing else is there
            findings = [finding for finding in findings if finding.code != "mask.white"]
        if findings:
            return findings
    findings += _same_findings(target, control, garment, mask, recorded, where)
    allowed = garment if garment is not None else None if mask is None else mask > 0.02
    if allowed is not None and changed.any():
        findings += _outside_findings(changed, allowed, where)
    return findings


def _same_findings(
    target: RgbImage,
    control: RgbImage,
    garment: BoolMask | None,
    mask: FloatImage | None,
    recorded: Recorded | None,
    where: str,
) -> list[Finding]:
    """A control in which there is nothing to mend."""
    if recorded and recorded.kind == "identity":
        return []
    if np.array_equal(target, control):
        wanted, got = "a colour error to mend", "the target's own pixels"
        cure = "fine for a share of a dataset; --identity-share makes such examples and says so"
        return [Finding.expected("control.same", where, wanted, got, cure, "warning")]
    inside = garment if garment is not None else mask > 0.5 if mask is not None else None
    off = _delta_e(target, control, inside)
    if off.size == 0:
        return []
    # Where the garment is not known, what little of the picture it takes must not count as nothing.
    mean = float(off.mean() if garment is not None else np.percentile(off, 95))
    if mean >= _NOOP_DELTA_E:
        return []
    wanted = f"a colour error of dE00 {_NOOP_DELTA_E:g} or more on the garment"
    cure = "leave it out or build it again; the model would learn to change nothing"
    # The published errors have no size, and do nothing to grey cloth.
    chance = recorded is not None and not recorded.by_size
    return [
        Finding.expected("control.noop", where, wanted, f"{mean:.1f}", cure, "warning" if chance else "error")
    ]


def _delta_e(a: RgbImage, b: RgbImage, inside: BoolMask | None) -> FloatImage:
    """Of every pixel inside, or of every so manieth where there are many."""
    places = np.flatnonzero(inside) if inside is not None else np.arange(a.shape[0] * a.shape[1])
    chosen = places[:: 1 + len(places) // _COMPARED_PIXELS]
    labs = (srgb_to_lab(image.reshape(-1, 3)[chosen]) for image in (a, b))
    difference: FloatImage = delta_e_lab(*labs)
    return difference


def _outside_findings(changed: BoolMask, allowed: BoolMask, where: str) -> list[Finding]:
    share = float(_outside(changed, allowed, _MARGIN_PX).mean())
    if share < _MIN_CHANGED_SHARE:
        return []
    wanted, got = "a control that differs on the garment only", f"{share:.1%} of the picture elsewhere"
    cure = "build it again; the model would learn to change what is right"
    return [Finding.expected("control.outside", where, wanted, got, cure)]


def _outside(changed: BoolMask, allowed: BoolMask, margin_px: int) -> BoolMask:
    kernel = np.ones((2 * margin_px + 1, 2 * margin_px + 1), np.uint8)
    return changed & (cv2.dilate(allowed.astype(np.uint8), kernel) == 0)


def _garment_on(recorded: Recorded, size_wh: tuple[int, int]) -> BoolMask | None:
    """Where the garment is on the small picture; None if its mask cannot be read."""
    try:
        mask, _ = read_small_sized(recorded.garment_mask, _SIDE_PX, grey=True)
    except UnsoundError:
        return None  # told as missing or unreadable where the manifest is checked
    if recorded.on_model_xyxy is None or recorded.canvas_wh is None:
        return cv2.resize(mask, size_wh, interpolation=cv2.INTER_AREA) >= 128
    scale = size_wh[0] / recorded.canvas_wh[0]
    left, top, right, bottom = (round(edge * scale) for edge in recorded.on_model_xyxy)
    placed = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    right, bottom = min(right, size_wh[0]), min(bottom, size_wh[1])
    if left >= right or top >= bottom:
        return None  # of a canvas of other proportions, or too small to be seen
    placed[top:bottom, left:right] = cv2.resize(
        mask, (right - left, bottom - top), interpolation=cv2.INTER_AREA
    )
    return placed >= 128


def _thumbnail(picture: RgbImage) -> NDArray[np.uint8]:
    size_wh = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    return cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8)
