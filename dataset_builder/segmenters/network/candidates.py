"""Masks that a network proposes, and which of them is the garment of the still-life."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.inputs.labels import DETECTION_THRESHOLD
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.doubts import limited
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement, plausible_box
from chromiq.records import BoolMask, FloatImage, GarmentMask, RgbImage

_LEAST_AGREEMENT = 0.4
_OVERFLOW_SHARE = 0.1
_AGREEMENT_FLOOR = 0.25
_STILL_LIFE_HEIGHT_PX = 400


@dataclass(frozen=True, eq=False)
class Candidates:
    """N boxes on one photo and M alternative masks for each.

    Attributes:
        xyxy: ``(N, 4)`` float32, boxes in pixels of the photo.
        scores: ``(N,)`` float32 in 0..1, how sure the detector is of each box.
        logits: ``(N, M, h, w)`` float32, positive on the garment; the grid spans the whole photo.
        quality: ``(N, M)`` float32 in 0..1, the intersection over union that the network predicts.
    """

    xyxy: FloatImage
    scores: FloatImage
    logits: FloatImage
    quality: FloatImage


def choose_mask(
    task: SegmentationTask, found: Candidates, source: str, box_threshold: float = DETECTION_THRESHOLD
) -> GarmentMask:
    """The mask that is most probably the garment, with the doubts that remain.

    A mask's merit is the product of its box's score, of how plausible that box is by size and position, of
    the predicted quality and of the agreement of its colours with the still-life's. The agreement never
    rules alone, as a photo to be corrected may differ in colour.

    Args:
        task: the two photos.
        found: at least one candidate.
        source: the segmenter's name.
        box_threshold: a score below it is a doubt.

    Returns:
        The mask with a confidence and, among the reasons, ``"empty"``, ``"nothing_seen"`` (no box reaches
        the threshold), ``"weak_detection"`` (this one does not),
        ``"colour_disagrees"`` and ``"box_overflow"``.
    """
    height_px, width_px = task.on_model.shape[:2]
    grid_hw = found.logits.shape[2:]
    plausible = np.array([plausible_box(box, (width_px, height_px)) for box in found.xyxy])
    agreement = _agreement(task, found.logits > 0)
    merit = (found.scores * plausible)[:, None] * found.quality * (_AGREEMENT_FLOOR + agreement)
    box, alternative = np.unravel_index(int(merit.argmax()), merit.shape)
    logits = found.logits[box, alternative]
    mask = full_size(logits, (height_px, width_px))
    if not mask.any():
        return GarmentMask(mask, 0.0, ("empty",), source)
    scale = np.array([grid_hw[1] / width_px, grid_hw[0] / height_px] * 2)
    doubts = {
        "nothing_seen": found.scores.max() < box_threshold,
        "weak_detection": found.scores[box] < box_threshold <= found.scores.max(),
        "colour_disagrees": agreement[box, alternative] < _LEAST_AGREEMENT,
        "box_overflow": _share_outside(logits > 0, found.xyxy[box] * scale) > _OVERFLOW_SHARE,
    }
    reasons = tuple(name for name, holds in doubts.items() if holds)
    confidence = float(found.quality[box, alternative]) * 0.7 ** len(reasons)
    if found.scores[box] < box_threshold:  # no detection: the weaker, the further below the line
        confidence *= 0.5 * float(found.scores[box]) / box_threshold
    return GarmentMask(mask, limited(float(np.clip(confidence, 0, 1)), reasons), reasons, source)


def full_size(logits: FloatImage, size_hw: tuple[int, int]) -> BoolMask:
    """Where a grid of logits is positive once it is stretched to a photo's height and width."""
    stretched = cv2.resize(logits.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched > 0)


def _agreement(task: SegmentationTask, masks: BoolMask) -> FloatImage:
    """Colour agreement ``(N, M)`` of masks ``(N, M, h, w)``, at the size of their grid."""
    scale = min(1.0, _STILL_LIFE_HEIGHT_PX / task.still_life.shape[0])
    still_life: RgbImage = cv2.resize(task.still_life, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    garment_lab = srgb_to_lab(still_life)[still_life_mask(still_life)]
    grid_wh = (masks.shape[3], masks.shape[2])
    on_model_lab = srgb_to_lab(cv2.resize(task.on_model, grid_wh, interpolation=cv2.INTER_AREA))
    rows = [[colour_agreement(garment_lab, on_model_lab[mask]) for mask in row] for row in masks]
    return np.array(rows, np.float32)


def _share_outside(mask: BoolMask, xyxy: FloatImage) -> float:
    """The share of a mask beyond its box, which may be a grid cell too tight."""
    left, top, right, bottom = np.floor(xyxy[:2] - 1).tolist() + np.ceil(xyxy[2:] + 1).tolist()
    inside = mask[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)].sum()
    return float(1 - inside / max(mask.sum(), 1))
