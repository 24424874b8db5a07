"""Frozen records passed between the stages, and array types.

One record per stage: `PhotoPair` -> `GarmentLabel` -> `GarmentMask` -> `Degradation` -> `Geometry`
-> `Example`. Boxes are ``xyxy``: left, top, right, bottom in pixels, right and bottom exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

RgbImage: TypeAlias = NDArray[np.uint8]
"""Shape ``(H, W, 3)``, sRGB, upright."""
BoolMask: TypeAlias = NDArray[np.bool_]
"""Shape ``(H, W)``, True on the garment."""
FloatImage: TypeAlias = NDArray[np.floating[Any]]
"""Any shape, float32 unless stated otherwise."""
Box: TypeAlias = tuple[int, int, int, int]
"""``xyxy``: left, top, right, bottom in pixels, right and bottom exclusive."""


@dataclass(frozen=True)
class PhotoPair:
    """Two photos of one garment.

    Attributes:
        key: the common part of the two file names, unique in a catalogue: the ``N`` of ``pairN``.
        still_life: the flat photo, whose colour is right.
        on_model: the photo of the garment on a model, whose colour is to be corrected.
        garment: the user's label, or None.
    """

    key: str
    still_life: Path
    on_model: Path
    garment: str | None = None

    @property
    def photos(self) -> tuple[Path, Path]:
        """Both photos."""
        return self.still_life, self.on_model


@dataclass(frozen=True)
class GarmentLabel:
    """The label of a garment and its source.

    Attributes:
        name: the word for the caption, such as ``"trousers"``.
        source: ``"given"`` by the user, ``"grounding-dino"``, ``"sam3"`` or ``"silhouette"``.
        score: 0..1, the confidence of the source; 1 if given, 0 for a guess.
        runner_up: the next best word, or None.
    """

    name: str
    source: str
    score: float = 1.0
    runner_up: str | None = None


@dataclass(frozen=True, eq=False)
class GarmentMask:
    """The mask of the garment on the on-model photo, with its confidence.

    Attributes:
        mask: ``(H, W)`` bool, True on the garment, the size of the photo.
        confidence: 0..1, the expected intersection over union.
        reasons: named doubts, such as ``"colour_disagrees"``.
        source: the segmenter's name, ``"given"``, or ``"edited"`` for one that was found and then edited.
    """

    mask: BoolMask
    confidence: float
    reasons: tuple[str, ...] = ()
    source: str = "given"

    @property
    def is_given(self) -> bool:
        """Whether the user gave or edited it, so that it is used unchanged."""
        return self.source in {"given", "edited"}

    @property
    def has_rim(self) -> bool:
        """Whether it was found, so that `imaging.masks.with_rim` widened it; edits keep the rim."""
        return self.source != "given"


@dataclass(frozen=True)
class Degradation:
    """The colour error applied to an example.

    Attributes:
        kind: such as ``"hue"``, ``"tint"``, ``"white_balance"`` or ``"identity"``.
        parameters: the numbers that reproduce it.
        asked_delta_e: the requested mean dE00 inside the garment, or None.
        reached_delta_e: the mean dE00 inside the garment between the original and the degraded photo.
    """

    kind: str
    parameters: dict[str, float] = field(default_factory=dict)
    asked_delta_e: float | None = None
    reached_delta_e: float = 0.0


@dataclass(frozen=True)
class Geometry:
    """The positions of the two photos on a stitched canvas.

    Attributes:
        canvas_wh: width and height of the canvas in pixels.
        still_life_xyxy: the box of the still-life.
        on_model_xyxy: the box of the on-model photo; its left edge is the seam.
        still_life_scale: canvas pixels per pixel of the still-life.
        on_model_scale: canvas pixels per pixel of the on-model photo.
    """

    canvas_wh: tuple[int, int]
    still_life_xyxy: Box
    on_model_xyxy: Box
    still_life_scale: float
    on_model_scale: float

    def __post_init__(self) -> None:
        left, top, right, bottom = self.on_model_xyxy
        width_px, height_px = self.canvas_wh
        if not (0 <= left < right <= width_px and 0 <= top < bottom <= height_px):
            raise ValueError(f"the box {self.on_model_xyxy} is not on a canvas of {width_px}x{height_px}")


@dataclass(frozen=True)
class Example:
    """One training example, as a line of ``manifest.jsonl``.

    Paths are relative to the dataset's folder, with forward slashes.
    """

    name: str
    key: str
    target: str
    control: str
    mask: str | None
    reference: str | None
    caption: str
    label: GarmentLabel
    degradation: Degradation
    geometry: Geometry | None
    mask_confidence: float
    mask_reasons: tuple[str, ...]
    split: str
    digests: dict[str, str]

    @property
    def files(self) -> set[str]:
        """All files of the example, relative to the dataset's folder."""
        named = (self.target, self.control, self.mask, self.reference)
        return {*self.digests, *(path for path in named if path)}
