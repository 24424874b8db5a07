"""What is wrong with one example: its files, its caption, and its pixels at a small size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.dataset_builder.canvas.buckets import RESOLUTION
from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.errors import Finding, UnsoundError
from chromiq.imaging.masks import dilated
from chromiq.imaging.registration import fast_shift_px
from chromiq.imaging.resize import resize_fast
from chromiq.photos.images import read_small
from chromiq.photos.reader import open_photo
from chromiq.photos.soundness import damage_warning
from chromiq.records import BoolMask, Example, FloatImage, RgbImage

_SIDE_PX = 512
_SHIFT_PX = 1.5
_MOST_SHIFT_SHARE = 0.05
_CHANGED_LEVELS = 12
_MIN_CHANGED_SHARE = 0.001
_MARGIN_PX = 8
_CLOSE_PX = 2
_NOOP_DELTA_E = 1.0
_COMPARED_PIXELS = 8192
_THUMBNAIL_PX = 24


@dataclass(frozen=True)
class Recorded:
    """An example, and where its garment mask lies.

    Attributes:
        example: its line of the manifest.
        garment_mask: the file that shows where the garment is on the on-model photo.
    """

    example: Example
    garment_mask: Path


@dataclass(frozen=True)
class Training:
    """How a dataset is to be trained on.

    Attributes:
        trigger: the word that every caption has to hold, or None.
        resolutions: of the job; images are trained at an area of at most one of these, squared.
        divisible_by_px: both sides of a trained image are multiples of this; None if that is not known.
        caption_suffix: of caption files.
        default_caption: for targets without a caption file, or None.
        invert_mask: whether black trains, not white.
    """

    trigger: str | None = TRIGGER_WORD
    resolutions: tuple[int, ...] = (RESOLUTION,)
    divisible_by_px: int | None = 16
    caption_suffix: str = ".txt"
    default_caption: str | None = None
    invert_mask: bool = False


@dataclass(frozen=True)
class ExampleFiles:
    """An example's files by role (``"control"``, ``"mask"``, ``"reference"``; None where one is missing)."""

    target: Path
    parts: Mapping[str, Path | None]
    recorded: Recorded | None
    training: Training


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
    findings = []
    for role in missing:
        harm = (
            "the model would see no still-life"
            if role == "reference"
            else "the trainer silently trains without it"
        )
        message, hint = f"no {role} has the same name", f"Build it again; {harm}."
        findings.append(Finding(f"dataset.{role}", str(target), message, hint))
    wrong, has_trigger = _caption_findings(files)
    findings += wrong
    known = {"target": target, **{role: path for role, path in files.parts.items() if path is not None}}
    read = {}
    for role, path in known.items():
        try:
            photo = open_photo(path, min_side_px=16)
            read[role] = read_small(photo, _SIDE_PX, grey=role == "mask"), photo.size_wh
            if role != "mask" and (damage := damage_warning(photo)):
                findings.append(damage)
        except UnsoundError as error:
            findings += error.findings
    if len(read) < len(known):
        return Checkup(tuple(findings), read["target"][1] if "target" in read else None, has_trigger, None)
    small, (_, size_wh) = {role: pixels for role, (pixels, _) in read.items()}, read["target"]
    if files.training.invert_mask and "mask" in small:
        small["mask"] = 255 - small["mask"]
    sizes = [
        found
        for role, path in known.items()
        if role in {"control", "mask"} and (found := _size_finding(role, path, read[role][1], size_wh))
    ]
    if not missing and not sizes and "control" in small:
        findings += _pixel_findings(known, small, size_wh, files.recorded)
    seen = [small[role] for role in ("target", "reference") if role in small]
    thumbnail = np.concatenate(
        [resize_fast(picture, (_THUMBNAIL_PX, _THUMBNAIL_PX)).ravel() for picture in seen]
    )
    return Checkup((*findings, *sizes), size_wh, has_trigger, thumbnail)


def mask_findings(mask: FloatImage, changed: FloatImage, where: str) -> list[Finding]:
    """What is wrong with a loss mask.

    Args:
        mask: ``(H, W)`` 0..1.
        changed: ``(H, W)`` 0..1, where target and control differ.
    """
    if mask.max() < 0.02:
        message = (
            "all black; the trainer divides by its mean, so that every pixel trains alike or training fails"
        )
        return [Finding("mask.black", where, message, "Make it white where to train.")]
    if mask.min() > 0.98:
        message = "all white, so that every pixel trains"
        return [
            Finding("mask.white", where, message, "Make it black where not to train, or remove mask_path.")
        ]
    weight = float(changed.mean())
    if weight < _MIN_CHANGED_SHARE:
        return []
    inside = float((mask * changed).sum() / changed.sum())
    if inside < float(mask.mean()) and inside < 0.5:
        message = "black where target and control differ, and white elsewhere"
        hint = "It is inverted, shifted or of another example; build it again."
        return [Finding("mask.inverted", where, message, hint)]
    return []


def _size_finding(role: str, path: Path, have: tuple[int, int], size_wh: tuple[int, int]) -> Finding | None:
    if have == size_wh:
        return None
    message = f"{have[0]}x{have[1]}, but its target is {size_wh[0]}x{size_wh[1]}"
    hint = "Build it again; the trainer would crop the two differently."
    return Finding(f"{role}.size", str(path), message, hint)


def _caption_findings(files: ExampleFiles) -> tuple[list[Finding], bool]:
    path = files.target.with_suffix(files.training.caption_suffix)
    hint = "Write one line of caption in UTF-8, or build the dataset again."
    try:
        if not path.is_file():  # a pipe or a device would block the read
            missing = [] if files.training.default_caption else [("caption.missing", "no such file")]
            return [Finding(code, str(path), said, hint) for code, said in missing], True
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return [Finding("caption.missing", str(path), f"cannot be read: {error.strerror}", hint)], True
    except UnicodeDecodeError:
        return [Finding("caption.encoding", str(path), "not UTF-8", hint)], True
    if text.startswith("\ufeff"):
        message = "begins with a byte order mark, which the trainer takes for a letter"
        return [Finding("caption.encoding", str(path), message, hint, "warning")], True
    if not text.strip() and not files.training.default_caption:
        return [Finding("caption.empty", str(path), "an empty caption", hint)], True
    return [], files.training.trigger is None or files.training.trigger in text


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
    moved = 0.0 if still else fast_shift_px(target, control) * size_wh[0] / target.shape[1]
    # In hand-made pairs a large shift is part of the edit and not a fault of alignment.
    if moved > _SHIFT_PX and (recorded or moved < _MOST_SHIFT_SHARE * max(size_wh)):
        message = f"lies about {moved:.0f} px away from where its target has it"
        hint = "Build it again; the model would learn to move things."
        return [Finding("control.shifted", where, message, hint)]
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
    """A control without a colour error to correct."""
    if recorded and recorded.example.degradation.kind == "identity":
        return []
    if np.array_equal(target, control):
        message = "the same pixels as its target, so there is nothing to correct"
        hint = "This is fine for a share of a dataset; `identity_share` makes and records such examples."
        return [Finding("control.same", where, message, hint, "warning")]
    inside = garment if garment is not None else mask > 0.5 if mask is not None else None
    off = _delta_e(target, control, inside)
    if off.size == 0:
        return []
    # Where the garment is not known, what little of the picture it takes must not count as nothing.
    mean = float(off.mean() if garment is not None else np.percentile(off, 95))
    if mean >= _NOOP_DELTA_E:
        return []
    message = f"the garment is only dE00 {mean:.1f} off its target, less than {_NOOP_DELTA_E:g}"
    hint = "Remove it or build it again; the model would learn to change nothing."
    # The published errors have no size, and do not change grey cloth.
    chance = recorded is not None and recorded.example.degradation.asked_delta_e is None
    return [Finding("control.noop", where, message, hint, "warning" if chance else "error")]


def _delta_e(a: RgbImage, b: RgbImage, inside: BoolMask | None) -> FloatImage:
    """dE00 of the pixels inside; where there are many, of evenly spread ones."""
    places = np.flatnonzero(inside) if inside is not None else np.arange(a.shape[0] * a.shape[1])
    chosen = places[:: 1 + len(places) // _COMPARED_PIXELS]
    labs = (srgb_to_lab(image.reshape(-1, 3)[chosen]) for image in (a, b))
    difference: FloatImage = delta_e_lab(*labs)
    return difference


def _outside_findings(changed: BoolMask, allowed: BoolMask, where: str) -> list[Finding]:
    share = float(_outside(changed, allowed, _MARGIN_PX).mean())
    if share < _MIN_CHANGED_SHARE:
        return []
    message = f"differs from its target in {share:.1%} of the image outside the garment"
    hint = "Build it again; the model would learn to change what is right."
    return [Finding("control.outside", where, message, hint)]


def _outside(changed: BoolMask, allowed: BoolMask, margin_px: int) -> BoolMask:
    return changed & ~dilated(allowed, 2 * margin_px + 1)


def _garment_on(recorded: Recorded, size_wh: tuple[int, int]) -> BoolMask | None:
    """Where the garment is on the small image; None if its mask cannot be read."""
    try:
        mask = read_small(recorded.garment_mask, _SIDE_PX, grey=True)
    except UnsoundError:
        return None  # reported where the manifest is checked
    geometry = recorded.example.geometry
    if geometry is None:
        return resize_fast(mask, size_wh) >= 128
    scale = size_wh[0] / geometry.canvas_wh[0]
    left, top, right, bottom = (round(edge * scale) for edge in geometry.on_model_xyxy)
    placed = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    right, bottom = min(right, size_wh[0]), min(bottom, size_wh[1])
    if left >= right or top >= bottom:
        return None  # of a canvas of other proportions, or too small to be seen
    placed[top:bottom, left:right] = resize_fast(mask, (right - left, bottom - top))
    return placed >= 128
