"""Grounding DINO names and finds the garment, SAM 2.1 masks it.

The published way took the first box and its word. Here every word keeps its score, synonyms count
together, the on-model photo has a say, and boxes and masks are also judged by colour, size and position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chromiq.records import BoolMask, GarmentLabel, GarmentMask, RgbImage
from dataset_builder.segmenters import SegmentationTask
from dataset_builder.segmenters.agreement import colour_agreement, plausible_box
from dataset_builder.segmenters.hub_models import Detections, HubModels
from dataset_builder.segmenters.still_life import still_life_mask

PUBLISHED_VOCABULARY = ("shirt", "trousers", "dress", "jacket", "gilet", "pants")
SYNONYMS: Mapping[str, str] = {"pants": "trousers", "tee": "T-shirt", "vest": "gilet", "blazer": "jacket"}
BOX_THRESHOLD = 0.3
CLOSE_SECOND = 0.1
_BOXES_KEPT = 3
_ON_MODEL_WEIGHT = 0.5


class GroundedSam2Segmenter:
    """Labels and masks with Grounding DINO and SAM 2.1."""

    name = "grounded-sam2"

    def __init__(
        self,
        models: HubModels,
        *,
        vocabulary: Sequence[str] = PUBLISHED_VOCABULARY,
        box_threshold: float = BOX_THRESHOLD,
    ) -> None:
        self._models = models
        self._vocabulary = tuple(vocabulary)
        self._box_threshold = box_threshold

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What the garment of each (still-life, on-model) pair is called."""
        photos = [photo for pair in photo_pairs for photo in pair]
        detections = self._models.detect(photos, self._vocabulary)
        return [
            decide_label(self._vocabulary, still_life, on_model)
            for still_life, on_model in zip(detections[::2], detections[1::2], strict=True)
        ]

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks; tasks that share a label share a call."""
        results: dict[int, GarmentMask] = {}
        for label in dict.fromkeys(task.label for task in tasks):
            chosen = [index for index, task in enumerate(tasks) if task.label == label]
            masks = self._segment_one_label([tasks[index] for index in chosen], label)
            results.update(zip(chosen, masks, strict=True))
        return [results[index] for index in range(len(tasks))]

    def _segment_one_label(self, tasks: Sequence[SegmentationTask], label: str) -> list[GarmentMask]:
        photos = [task.on_model for task in tasks]
        found = [
            _best_boxes(item, photo)
            for item, photo in zip(self._models.detect(photos, [label]), photos, strict=True)
        ]
        candidates = self._models.masks(photos, [item.xyxy for item in found])
        return [
            _choose(task, boxes, masks, quality, self._box_threshold)
            for task, boxes, (masks, quality) in zip(tasks, found, candidates, strict=True)
        ]


def decide_label(vocabulary: Sequence[str], still_life: Detections, on_model: Detections) -> GarmentLabel:
    """The garment's word from all scores on both photos.

    A word's score on a photo is that of its best box; synonyms fold into one word and take the better
    score. The still-life leads, and the on-model photo, at half weight, settles what is close.
    """
    totals: dict[str, float] = {}
    for column, word in enumerate(vocabulary):
        name = SYNONYMS.get(word, word)
        first = float(still_life.scores[:, column].max())
        second = float(on_model.scores[:, column].max())
        total = (first + _ON_MODEL_WEIGHT * second) / (1 + _ON_MODEL_WEIGHT)
        totals[name] = max(totals.get(name, 0.0), total)
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    close = len(ranked) > 1 and totals[ranked[0]] - totals[ranked[1]] < CLOSE_SECOND
    return GarmentLabel(
        name=ranked[0],
        source="grounding-dino",
        score=min(1.0, totals[ranked[0]]),
        runner_up=ranked[1] if close else None,
    )


def _best_boxes(found: Detections, photo: RgbImage) -> Detections:
    size_wh = (photo.shape[1], photo.shape[0])
    score = found.scores[:, 0] * [plausible_box(box, size_wh) for box in found.xyxy]
    # Stable, so that equal scores keep the detector's own order on every machine.
    order = np.argsort(-score, kind="stable")[:_BOXES_KEPT]
    return Detections(xyxy=found.xyxy[order], scores=found.scores[order])


def _choose(
    task: SegmentationTask,
    boxes: Detections,
    masks: BoolMask,
    quality: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    box_threshold: float,
) -> GarmentMask:
    garment = still_life_mask(task.still_life)
    agreement = np.array(
        [
            [colour_agreement(task.still_life, garment, task.on_model, mask) for mask in alternatives]
            for alternatives in masks
        ]
    )
    merit = boxes.scores[:, :1] * quality * (0.25 + agreement)
    box, alternative = np.unravel_index(int(merit.argmax()), merit.shape)
    doubts = {
        "weak_detection": float(boxes.scores[box, 0]) < box_threshold,
        "colour_disagrees": float(agreement[box, alternative]) < 0.4,
        "empty": not masks[box, alternative].any(),
    }
    reasons = tuple(name for name, holds in doubts.items() if holds)
    confidence = float(quality[box, alternative]) * 0.7 ** len(reasons)
    return GarmentMask(
        mask=masks[box, alternative],
        confidence=float(np.clip(confidence, 0, 1)) if "empty" not in reasons else 0.0,
        reasons=reasons,
        source=GroundedSam2Segmenter.name,
    )
