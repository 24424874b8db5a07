"""A test set: control pictures whose truth is known, corrected every way there is, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.documents import load_json
from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.files import ensure_output_folder
from chromiq.images import photo_size_wh, read_mask, read_photo, write_mask, write_photo
from chromiq.records import BoolMask, Geometry, RgbImage
from dataset_builder.pairs import natural_key
from dataset_builder.segmenters import SegmentationTask, Segmenter
from dataset_builder.segmenters.still_life import still_life_mask
from dataset_builder.stitch import cut_on_model, cut_still_life, published_geometry
from evaluate.correct import DOUBTFUL_BELOW
from evaluate.crops import read_crops
from evaluate.generate import GenerateOptions, generate, read_captions
from evaluate.report import write_report
from evaluate.score import ImageScore, find_images, score_folders
from evaluate.score_files import write_scores
from evaluate.transfer import transfer

# What a canvas without a manifest is taken for: two 4:5 photos, laid out as published.
_USUAL_WH = (896, 1120)


@dataclass(frozen=True)
class Trial:
    """One control picture of a test set.

    Attributes:
        name: the stem its files share.
        truth: what it should look like.
        control: what is to be corrected.
        reference: the still-life, when it is a picture of its own.
        geometry: where the two photos lie on a stitched picture; None with a reference.
        garment_mask: where the garment is on the on-model photo, as the dataset says; None if unknown.
    """

    name: str
    truth: Path
    control: Path
    reference: Path | None
    geometry: Geometry | None
    garment_mask: Path | None


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        scores: per picture; columns ``control``, ``transfer`` and, with a LoRA, ``generated``.
        left_alone: pictures that the network-free correction did not touch, and why.
        report: the HTML file.
    """

    scores: tuple[ImageScore, ...]
    left_alone: dict[str, str]
    report: Path


def read_testset(folder: Path) -> list[Trial]:
    """The trials of a test set, in natural order.

    Args:
        folder: holds ``gt/`` and ``control/``; or a dataset, whose ``held_out/`` is taken if there is one.

    Raises:
        UnsoundError: with all findings, if a control is missing or it is unknown where the photos lie.
    """
    root = folder / "held_out" if (folder / "held_out" / "gt").is_dir() else folder
    truths, controls = find_images(root / "gt"), find_images(root / "control")
    references = find_images(root / "reference") if (root / "reference").is_dir() else {}
    known = _manifest(root) or _manifest(root.parent)
    findings, trials = [], []
    for name in sorted(truths, key=natural_key):
        if name not in controls:
            where = str(truths[name])
            findings.append(Finding("testset.control", where, "its control picture", "none", "add it"))
            continue
        reference, (base, entry) = references.get(name), known.get(name, (root, {}))
        mask = base / "garment_masks" / f"on_model{entry.get('key', name)}.png"
        geometry = None if reference else _geometry(entry, truths[name])
        if geometry is None and reference is None:
            wanted, got = "a manifest.jsonl that says where the photos lie", "none, and an unusual size"
            cure = "build the test set with chromiq build"
            findings.append(Finding("testset.geometry", str(truths[name]), wanted, got, cure))
        found_mask = mask if mask.is_file() else None
        trials.append(Trial(name, truths[name], controls[name], reference, geometry, found_mask))
    if not truths:
        findings.append(
            Finding("testset.empty", str(root / "gt"), "true pictures", "none", "check the folder")
        )
    raise_findings(findings, str(folder))
    return trials


def evaluate_testset(
    folder: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    lora: Path | None = None,
    options: GenerateOptions | None = None,
    title: str = "Colour report",
    notes: tuple[str, ...] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Correct every control with and without a network, score both, and write a report.

    Inside the garment is measured: its crop when the test set has a ``crops.json``, its mask when a
    dataset knows it, else the whole picture.

    Args:
        folder: as `read_testset` takes it.
        out: gets ``transfer/``, ``generated/`` with a LoRA, ``scores.json``, ``scores.csv``, ``report.html``.
        segmenter: finds the garment for the network-free correction, which never sees the truth's mask.
        lora: generates too, with this LoRA.
        options: how to generate.
        title: the report's heading.
        notes: what a reader of the report must know.
        on_progress: called with pictures done and pictures in all, over both corrections.
    """
    trials = read_testset(folder)
    crops_file = trials[0].truth.parent.parent / "crops.json"
    crops = read_crops(crops_file) if crops_file.is_file() else None
    ensure_output_folder(out)
    truth, control = trials[0].truth.parent, trials[0].control.parent
    columns = {"control": control, "transfer": out / "transfer"}
    total = len(trials) * (2 if lora else 1)

    def update(done: int) -> None:
        if on_progress:
            on_progress(done, total)

    left_alone = {}
    for number, trial in enumerate(trials, start=1):
        picture, reason = correct_trial(trial, segmenter)
        write_photo(out / "transfer" / f"{trial.name}.png", picture)
        if reason:
            left_alone[trial.name] = reason
        update(number)
    if lora:
        columns["generated"] = out / "generated"
        generate(
            control, columns["generated"], read_captions(truth), options or GenerateOptions(), lora=lora,
            on_progress=lambda done, _: update(len(trials) + done),
        )  # fmt: skip
    masks = write_canvas_masks(trials, out / "masks")
    scores = score_folders(truth, columns, crops=crops, masks=masks)
    write_scores(out, scores)
    report = out / "report.html"
    write_report(report, scores, truth, columns, crops=crops, masks=masks, title=title, notes=notes)
    return Evaluation(tuple(scores), left_alone, report)


def correct_trial(trial: Trial, segmenter: Segmenter) -> tuple[RgbImage, str]:
    """A trial's control with its garment corrected without a network, and why if it was left alone.

    Returns:
        The picture ``(H, W, 3)`` uint8 sRGB, bit-identical outside the garment that was found, and an
        empty text or the reason.
    """
    canvas = read_photo(trial.control).rgb
    if trial.geometry is None:
        assert trial.reference is not None  # read_testset saw to it
        still_life, on_model = read_photo(trial.reference).rgb, canvas
    else:
        still_life, on_model = cut_still_life(canvas, trial.geometry), cut_on_model(canvas, trial.geometry)
    still_life, on_model = np.ascontiguousarray(still_life), np.ascontiguousarray(on_model)
    label = segmenter.label([(still_life, on_model)])[0].name
    found = segmenter.segment([SegmentationTask(still_life, on_model, label)])[0]
    if not found.mask.any() or found.confidence < DOUBTFUL_BELOW:
        return canvas, f"the garment was not found with confidence ({', '.join(found.reasons)})"
    result = transfer(still_life, still_life_mask(still_life), on_model, found.mask)
    if not result.applied:
        return canvas, result.reason
    corrected = canvas.copy()
    panel = cut_on_model(corrected, trial.geometry) if trial.geometry else corrected
    panel[:] = result.rgb
    return corrected, ""


def canvas_mask(trial: Trial) -> BoolMask | None:
    """Where the garment is on the whole picture, or None if the dataset does not know."""
    if trial.garment_mask is None:
        return None
    mask = read_mask(trial.garment_mask)
    size_wh = photo_size_wh(trial.control)
    if trial.geometry is None:
        return mask if mask.shape == (size_wh[1], size_wh[0]) else None
    canvas = np.zeros((size_wh[1], size_wh[0]), bool)
    panel = cut_on_model(canvas, trial.geometry)
    panel[:] = _resized(mask, (panel.shape[1], panel.shape[0]))
    return canvas


def write_canvas_masks(trials: Sequence[Trial], folder: Path) -> Path | None:
    """Write the masks that the dataset knows, named as the pictures; the folder, or None if it knows none."""
    known = {trial.name: mask for trial in trials if (mask := canvas_mask(trial)) is not None}
    for name, mask in known.items():
        write_mask(folder / f"{name}.png", mask)
    return folder if known else None


def _resized(mask: BoolMask, size_wh: tuple[int, int]) -> BoolMask:
    import cv2

    scaled = cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled >= 0.5)


def _manifest(folder: Path) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """The dataset's folder and the entry of each example by name; empty without a manifest."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        return {}
    try:
        entries = [load_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {entry["name"]: (folder, entry) for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        finding = Finding("manifest.line", str(path), "examples as JSON", f"'{error}'", "build it again")
        raise UnsoundError(str(finding), [finding]) from error


def _geometry(entry: Mapping[str, Any], truth: Path) -> Geometry | None:
    saved = entry.get("geometry")
    if saved:
        boxes = {key: tuple(saved[key]) for key in ("canvas_wh", "still_life_xyxy", "on_model_xyxy")}
        return Geometry(**{**saved, **boxes})
    usual = published_geometry(_USUAL_WH, _USUAL_WH)
    return usual if photo_size_wh(truth) == usual.canvas_wh else None
