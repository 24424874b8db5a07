"""One picture of what the trainer will see: each example cut as it cuts it, the loss mask laid over it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from chromiq.images import photo_size_wh, write_photo
from chromiq.records import RgbImage
from chromiq.small_images import read_small
from dataset_builder.buckets import DIVISIBLE_BY_PX, RESOLUTION, as_trained, bucket_size_wh, cut_off_wh
from dataset_builder.contact_sheet import TILE_HEIGHT_PX, captioned, grid, read_tile
from dataset_builder.loss_mask import LossMask

PREVIEW_SHEET = "preview_sheet.jpg"
_UNTRAINED_RGB = (30, 40, 120)
_UNTRAINED_COVER = 0.75
_CHARACTERS = 96


def write_preview_sheet(
    folder: Path, model: str, shown: Sequence[Mapping[str, Any]], examples: int, resolution: int = RESOLUTION
) -> None:
    """Write ``preview_sheet.jpg``: control and target as trained; what the loss leaves out lies under blue.

    Args:
        folder: a finished dataset.
        model: the model to train; it decides what sides are multiples of.
        shown: examples as in the manifest, of all that the dataset has.
        examples: how many it has.
        resolution: of the job.
    """
    with ThreadPoolExecutor() as pool:
        tiles = list(
            pool.map(lambda example: _tile(folder, example, resolution, DIVISIBLE_BY_PX[model]), shown)
        )
    title = (
        f"{len(shown)} of {examples} examples as {model} is trained at resolution {resolution}: "
        "control, target; under blue nothing is learned"
    )
    write_photo(folder / PREVIEW_SHEET, grid(tiles, title), quality=88)


def mask_laid_over(rgb: RgbImage, mask: LossMask) -> RgbImage:
    """A picture on which blue lies the thicker, the less the loss mask counts.

    >>> picture = np.full((1, 2, 3), 200, np.uint8)
    >>> mask_laid_over(picture, np.array([[255, 0]], np.uint8))[0].tolist()
    [[200, 200, 200], [72, 80, 140]]
    """
    cover = _UNTRAINED_COVER * (1 - mask[..., None].astype(np.float32) / 255)
    mixed: RgbImage = np.rint(rgb * (1 - cover) + np.array(_UNTRAINED_RGB) * cover).astype(np.uint8)
    return mixed


def _tile(folder: Path, example: Mapping[str, Any], resolution: int, divisible_by_px: int) -> RgbImage:
    size_wh = photo_size_wh(folder / example["target"])
    bucket_wh = bucket_size_wh(size_wh, resolution, divisible_by_px)
    tile_wh = (round(bucket_wh[0] * TILE_HEIGHT_PX / bucket_wh[1]), TILE_HEIGHT_PX)

    # So large that the picture still covers the tile.
    covered = max(tile_wh[0] / size_wh[0], tile_wh[1] / size_wh[1])
    read_px = math.ceil(max(size_wh) * covered)

    def seen(role: str) -> RgbImage:
        # Cut as the trainer cuts it, at the size of a tile.
        return as_trained(read_small(folder / example[role], read_px), tile_wh)

    target = seen("target")
    if example["mask"]:
        target = mask_laid_over(target, seen("mask")[..., 0])
    pictures = [seen("control"), target]
    if example["reference"]:
        pictures.insert(0, read_tile(folder / example["reference"]))
    columns, rows = cut_off_wh(size_wh, bucket_wh)
    lost = f"{columns} columns and {rows} rows cut off" if columns or rows else "nothing cut off"
    sizes = f"{size_wh[0]}x{size_wh[1]} -> {bucket_wh[0]}x{bucket_wh[1]}, {lost}"
    split = "" if example["split"] == "train" else "held out, not trained on  "
    lines = [f"{example['name']}  {split}{sizes}", example["caption"][:_CHARACTERS]]
    return captioned(cv2.hconcat(pictures), lines, doubtful=bool(columns or rows))
