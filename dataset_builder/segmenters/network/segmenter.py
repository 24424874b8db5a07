"""A segmenter over a network that takes words: which word names the garment, which proposed mask it is.

The published way took the first box and its word. Here every word keeps its score, synonyms count
together, the on-model photo has a say, and boxes and masks are also judged by colour, size and position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Protocol

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.inputs.labels import (
    DETECTION_THRESHOLD,
    PUBLISHED_VOCABULARY,
    decide_label,
)
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.dataset_builder.segmenters.classic.kind import word_of_part, words_of_part
from chromiq.dataset_builder.segmenters.doubts import limited
from chromiq.dataset_builder.segmenters.still_life import find_on_still_life
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement, plausible_box
from chromiq.records import BoolMask, FloatImage, GarmentLabel, GarmentMask, RgbImage

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


class WordModels(Protocol):
    """A network that finds things by words, on photos of one size that it may run together.

    Attributes:
        name: of the segmenter.
        labels_by: who gives the labels.
    """

    name: ClassVar[str]
    labels_by: ClassVar[str]

    def scores(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[FloatImage]:
        """How surely each of some words is seen on each photo: ``(P,)`` float32 in 0..1 per photo."""
        ...

    def candidates(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[Candidates]:
        """What may be the garment of each photo's own word; at least one candidate each."""
        ...


class NetworkSegmenter:
    """Labels and masks with a network.

    Args:
        models: the network.
        vocabulary: the words a garment may be called.
        part: where the garments are worn, whatever they are called; None leaves that to their names.
    """

    def __init__(
        self, models: WordModels, vocabulary: Sequence[str] = PUBLISHED_VOCABULARY, part: Kind | None = None
    ) -> None:
        self.name = models.name + (f":{part}" if part else "")
        self._models = models
        self._vocabulary = words_of_part(vocabulary, part)
        self._part = part

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What the garment of each (still-life, on-model) pair is called."""
        sides = [list(side) for side in zip(*photo_pairs, strict=True)]
        scores = [
            [row for run in _of_one_size(side) for row in self._models.scores(side[run], self._vocabulary)]
            for side in sides
        ]
        return [
            decide_label(self._vocabulary, still_life, on_model, self._models.labels_by)
            for still_life, on_model in zip(*scores, strict=True)
        ]

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks."""
        photos = [task.on_model for task in tasks]
        words = [word_of_part(task.label, self._part) for task in tasks]
        found = [
            item for run in _of_one_size(photos) for item in self._models.candidates(photos[run], words[run])
        ]
        return [choose_mask(task, item, self.name) for task, item in zip(tasks, found, strict=True)]


def _of_one_size(photos: Sequence[RgbImage]) -> Iterator[slice]:
    """Runs of neighbours of one size, so that no photo is padded for another's sake.

    >>> wide, high = np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)
    >>> [(run.start, run.stop) for run in _of_one_size([wide, wide, high])]
    [(0, 2), (2, 3)]
    """
    start = 0
    for _, run in groupby(photos, key=lambda photo: photo.shape):
        stop = start + len(list(run))
        yield slice(start, stop)
        start = stop


def choose_mask(task: SegmentationTask, found: Candidates, source: str) -> GarmentMask:
    """The mask that is most probably the garment, with the doubts that remain.

    A mask's merit is the product of its box's score, of how plausible that box is by size and position, of
    the predicted quality and of the agreement of its colours with the still-life's. The agreement never
    rules alone, as a photo to be corrected may differ in colour.

    Args:
        task: the two photos.
        found: at least one candidate.
        source: the segmenter's name.

    Returns:
        The mask with a confidence and, among the reasons, ``"empty"``, ``"nothing_seen"`` (no box reaches
        `DETECTION_THRESHOLD`), ``"weak_detection"`` (this one does not),
        ``"colour_disagrees"``, ``"still_life_unclear"`` and ``"box_overflow"``.
    """
    height_px, width_px = task.on_model.shape[:2]
    grid_hw = found.logits.shape[2:]
    plausible = np.array([plausible_box(box, (width_px, height_px)) for box in found.xyxy])
    scale = min(1.0, _STILL_LIFE_HEIGHT_PX / task.still_life.shape[0])
    still_life: RgbImage = cv2.resize(task.still_life, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    garment, unclear = find_on_still_life(still_life)
    agreement = _agreement(srgb_to_lab(still_life)[garment], task.on_model, found.logits > 0)
    merit = (found.scores * plausible)[:, None] * found.quality * (_AGREEMENT_FLOOR + agreement)
    box, alternative = np.unravel_index(int(merit.argmax()), merit.shape)
    logits = found.logits[box, alternative]
    mask = full_size(logits, (height_px, width_px))
    if not mask.any():
        return GarmentMask(mask, 0.0, ("empty",), source)
    per_grid = np.array([grid_hw[1] / width_px, grid_hw[0] / height_px] * 2)
    doubts = {
        "nothing_seen": found.scores.max() < DETECTION_THRESHOLD,
        "weak_detection": found.scores[box] < DETECTION_THRESHOLD <= found.scores.max(),
        "colour_disagrees": agreement[box, alternative] < _LEAST_AGREEMENT,
        "still_life_unclear": unclear,
        "box_overflow": _share_outside(logits > 0, found.xyxy[box] * per_grid) > _OVERFLOW_SHARE,
    }
    reasons = tuple(name for name, holds in doubts.items() if holds)
    confidence = float(found.quality[box, alternative]) * 0.7 ** len(reasons)
    if found.scores[box] < DETECTION_THRESHOLD:  # no detection: the weaker, the further below the line
        confidence *= 0.5 * float(found.scores[box]) / DETECTION_THRESHOLD
    return GarmentMask(mask, limited(float(np.clip(confidence, 0, 1)), reasons), reasons, source)


def full_size(logits: FloatImage, size_hw: tuple[int, int]) -> BoolMask:
    """Where a grid of logits is positive once it is stretched to a photo's height and width."""
    stretched = cv2.resize(logits.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched > 0)


def _agreement(garment_lab: FloatImage, on_model: RgbImage, masks: BoolMask) -> FloatImage:
    """Colour agreement ``(N, M)`` of masks ``(N, M, h, w)``, at the size of their grid."""
    grid_wh = (masks.shape[3], masks.shape[2])
    on_model_lab = srgb_to_lab(cv2.resize(on_model, grid_wh, interpolation=cv2.INTER_AREA))
    rows = [[colour_agreement(garment_lab, on_model_lab[mask]) for mask in row] for row in masks]
    return np.array(rows, np.float32)


def _share_outside(mask: BoolMask, xyxy: FloatImage) -> float:
    """The share of a mask beyond its box, which may be a grid cell too tight."""
    left, top, right, bottom = np.floor(xyxy[:2] - 1).tolist() + np.ceil(xyxy[2:] + 1).tolist()
    inside = mask[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)].sum()
    return float(1 - inside / max(mask.sum(), 1))
