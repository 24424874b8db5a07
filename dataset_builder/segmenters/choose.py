"""Which segmenter to use: the best one that can run here, or the one asked for."""

from __future__ import annotations

from typing import Literal

from dataset_builder.segmenters import Segmenter
from dataset_builder.segmenters.classic import ClassicSegmenter
from dataset_builder.segmenters.hub_models import GROUNDING_DINO, SAM_2, load_hub_models, weights_available

SegmenterName = Literal["auto", "grounded-sam2", "classic"]


def resolve_segmenter(name: SegmenterName) -> SegmenterName:
    """The segmenter that ``auto`` stands for here: grounded-sam2 if its weights are on this machine."""
    if name != "auto":
        return name
    return "grounded-sam2" if weights_available(GROUNDING_DINO, SAM_2) else "classic"


def make_segmenter(name: SegmenterName) -> Segmenter:
    """A segmenter, its models loaded.

    Raises:
        AccessError: if its weights are not to be had.
        UsageError: if the model libraries it needs are not installed.
    """
    if resolve_segmenter(name) == "classic":
        return ClassicSegmenter()
    from dataset_builder.segmenters.grounded_sam2 import GroundedSam2Segmenter

    return GroundedSam2Segmenter(load_hub_models())
