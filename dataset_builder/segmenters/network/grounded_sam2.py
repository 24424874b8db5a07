"""Grounding DINO names and finds the garment, SAM 2.1 masks it.

The published way took the first box and its word. Here every word keeps its score, synonyms count
together, the on-model photo has a say, and boxes and masks are also judged by colour, size and position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chromiq.dataset_builder.inputs.labels import PUBLISHED_VOCABULARY, decide_label
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.dataset_builder.segmenters.classic.kind import word_of_part, words_of_part
from chromiq.dataset_builder.segmenters.network.candidates import Candidates, choose_mask
from chromiq.dataset_builder.segmenters.network.hub_models import HubModels
from chromiq.dataset_builder.segmenters.still_life_match import plausible_box
from chromiq.records import GarmentLabel, GarmentMask, RgbImage

if TYPE_CHECKING:
    import supervision as sv

_BOXES_KEPT = 3


class GroundedSam2Segmenter:
    """Labels and masks with Grounding DINO and SAM 2.1."""

    def __init__(
        self, models: HubModels, vocabulary: Sequence[str] = PUBLISHED_VOCABULARY, part: Kind | None = None
    ) -> None:
        self.name = "grounded-sam2" + (f":{part}" if part else "")
        self._models = models
        self._vocabulary = words_of_part(vocabulary, part)
        self._part = part

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What the garment of each (still-life, on-model) pair is called."""
        sides = [list(side) for side in zip(*photo_pairs, strict=True)]
        words = [self._vocabulary] * len(photo_pairs)
        scores = [
            [found.data["scores"].max(axis=0) for found in self._models.detect(side, words)] for side in sides
        ]
        return [
            decide_label(self._vocabulary, still_life, on_model, "grounding-dino")
            for still_life, on_model in zip(*scores, strict=True)
        ]

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks."""
        photos = [task.on_model for task in tasks]
        seen = self._models.detect(photos, [[word_of_part(task.label, self._part)] for task in tasks])
        boxes = [_likely_boxes(item, photo) for item, photo in zip(seen, photos, strict=True)]
        masks = self._models.masks(photos, [item.xyxy for item in boxes])
        return [
            choose_mask(task, Candidates(item.xyxy, item.confidence, logits, quality), self.name)
            for task, item, (logits, quality) in zip(tasks, boxes, masks, strict=True)
        ]


def _likely_boxes(found: sv.Detections, photo: RgbImage) -> sv.Detections:
    """The few boxes that are worth a mask, by score, size and position."""
    size_wh = (photo.shape[1], photo.shape[0])
    score = found.confidence * np.array([plausible_box(box, size_wh) for box in found.xyxy])
    # Stable, so that equal scores keep the detector's own order on every machine.
    order = np.argsort(-score, kind="stable")[:_BOXES_KEPT]
    return found[order]
