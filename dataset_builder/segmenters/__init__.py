"""Segmenters name the garment of a pair and find it on the model; each is one file, one small protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chromiq.records import GarmentLabel, GarmentMask, RgbImage


@dataclass(frozen=True, eq=False)
class SegmentationTask:
    """What a segmenter gets to see of one pair.

    Attributes:
        still_life: ``(H, W, 3)`` uint8 sRGB, the garment flat on a plain background.
        on_model: ``(H, W, 3)`` uint8 sRGB, any other size.
        label: what the garment is called.
    """

    still_life: RgbImage
    on_model: RgbImage
    label: str


class Segmenter(Protocol):
    """Finds one garment per task; order is kept, and each mask has its on-model photo's size."""

    name: str

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What the garments of a batch of (still-life, on-model) photos are called."""
        ...

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks."""
        ...
