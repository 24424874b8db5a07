"""Tiles of what the trainer will see: each example cut as it cuts it, the loss mask laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from chromiq.records import RgbImage
from dataset_builder.buckets import DIVISIBLE_BY_PX, as_trained, bucket_size_wh, cut_off_wh
from dataset_builder.contact_sheet import captioned, tile_high
from dataset_builder.loss_mask import LossMask
from dataset_builder.small_example import TILE_HEIGHT_PX, SmallExample

_UNTRAINED_RGB = (30, 40, 120)
_UNTRAINED_COVER = 0.75
_CHARACTERS = 96


def mask_laid_over(rgb: RgbImage, mask: LossMask) -> RgbImage:
    """A picture on which blue lies the thicker, the less the loss mask counts.

    >>> picture = np.full((1, 2, 3), 200, np.uint8)
    >>> mask_laid_over(picture, np.array([[255, 0]], np.uint8))[0].tolist()
    [[200, 200, 200], [72, 80, 140]]
    """
    cover = np.float32(_UNTRAINED_COVER) * (1 - mask[..., None].astype(np.float32) / 255)
    mixed: RgbImage = np.rint(rgb + (np.array(_UNTRAINED_RGB, np.float32) - rgb) * cover).astype(np.uint8)
    return mixed


def preview_tile(small: SmallExample, example: Mapping[str, Any], model: str, resolution: int) -> RgbImage:
    """Control and target as trained; what the loss leaves out lies under blue.

    Args:
        small: the example's pictures.
        example: as in the manifest.
        model: the model to train; it decides what sides are multiples of.
        resolution: of the job.
    """
    size_wh = small.size_wh
    bucket_wh = bucket_size_wh(size_wh, resolution, DIVISIBLE_BY_PX[model])
    tile_wh = (round(bucket_wh[0] * TILE_HEIGHT_PX / bucket_wh[1]), TILE_HEIGHT_PX)
    target = as_trained(small.target, tile_wh)
    if small.loss_mask is not None:
        target = mask_laid_over(target, as_trained(small.loss_mask, tile_wh))
    pictures = [as_trained(small.control, tile_wh), target]
    if small.reference is not None:
        pictures.insert(0, tile_high(small.reference))
    columns, rows = cut_off_wh(size_wh, bucket_wh)
    lost = f"{columns} columns and {rows} rows cut off" if columns or rows else "nothing cut off"
    sizes = f"{size_wh[0]}x{size_wh[1]} -> {bucket_wh[0]}x{bucket_wh[1]}, {lost}"
    split = "" if example["split"] == "train" else "held out, not trained on  "
    lines = [f"{example['name']}  {split}{sizes}", example["caption"][:_CHARACTERS]]
    return captioned(cv2.hconcat(pictures), lines, doubtful=bool(columns or rows))
