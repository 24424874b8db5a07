"""Loss masks: which pixels of a training example the trainer learns from. White trains, black does not.

AI-Toolkit maps grey to ``mask_min_value``..1 and divides by the mean over the batch, so only ratios
count: an all-black mask would train everything alike.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.dataset_builder.canvas.stitch import cut_on_model
from chromiq.imaging.resize import coverage
from chromiq.photos.images import encode_mask
from chromiq.records import BoolMask, Geometry

LossMask = NDArray[np.uint8]
"""Shape ``(H, W)`` of the canvas, 0..255."""

PHOTO_FLOOR = 0.2
"""Weight of the on-model photo outside the garment, which keeps skin and background as they are."""
_PUBLISHED_OVERLAP_PX = 15


def encoded_loss_mask(style: str, geometry: Geometry | None, mask: BoolMask) -> bytes:
    """A loss mask as the bytes of its PNG file.

    Args:
        style: ``"half"``, ``"panel"`` or ``"garment"``; ``"half"`` needs a geometry.
        geometry: of the example; None if the on-model photo is the whole image.
        mask: ``(H, W)`` bool, the garment on the on-model photo, of the photo's own size.
    """
    if geometry is None:
        size_wh = (mask.shape[1], mask.shape[0])
        whole = np.full(mask.shape, 255, np.uint8)
        return encode_mask(_photo_weights(mask, size_wh) if style == "garment" else whole)
    return encode_mask(garment_mask(geometry, mask)) if style == "garment" else _by_geometry(style, geometry)


@lru_cache(maxsize=16)
def _by_geometry(style: str, geometry: Geometry) -> bytes:
    """Most pairs of a catalogue have photos of one size, and so one mask."""
    return encode_mask(half_mask(geometry) if style == "half" else panel_mask(geometry))


def half_mask(geometry: Geometry) -> LossMask:
    """The published mask: white from 15 px left of the canvas' middle on, wherever the seam is."""
    width_px, height_px = geometry.canvas_wh
    mask = np.zeros((height_px, width_px), dtype=np.uint8)
    mask[:, width_px // 2 - _PUBLISHED_OVERLAP_PX :] = 255
    return mask


def panel_mask(geometry: Geometry) -> LossMask:
    """White on the on-model photo and nowhere else: no still-life, no padding."""
    width_px, height_px = geometry.canvas_wh
    mask = np.zeros((height_px, width_px), dtype=np.uint8)
    cut_on_model(mask, geometry)[:] = 255
    return mask


def garment_mask(geometry: Geometry, mask: BoolMask) -> LossMask:
    """White on the garment, `PHOTO_FLOOR` on the rest of the on-model photo, a soft edge between; else black.

    Args:
        mask: ``(H, W)`` bool, the garment on the on-model photo, of the photo's own size.
    """
    weight = panel_mask(geometry)
    panel = cut_on_model(weight, geometry)
    panel[:] = _photo_weights(mask, (panel.shape[1], panel.shape[0]))
    return weight


def _photo_weights(mask: BoolMask, size_wh: tuple[int, int]) -> LossMask:
    return np.rint(255 * (PHOTO_FLOOR + (1 - PHOTO_FLOOR) * soft_mask(mask, size_wh))).astype(np.uint8)


def soft_mask(mask: BoolMask, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """A mask scaled to another size, 0..1 float32, its edge blurred by 0.4 % of the shorter side."""
    blurred = cv2.GaussianBlur(coverage(mask, size_wh), (0, 0), max(0.5, 0.004 * min(size_wh)))
    soft: NDArray[np.float32] = np.clip(blurred, 0, 1).astype(np.float32)
    return soft
