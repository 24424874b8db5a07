"""An example's pictures at the size of a sheet's tiles, each file read once for all sheets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.images import photo_size_wh
from chromiq.records import RgbImage
from chromiq.small_images import read_high, read_small_sized
from dataset_builder.export import garment_mask_path
from dataset_builder.loss_mask import LossMask

TILE_HEIGHT_PX = 200  # a quarter of the usual canvas or little less: a size to which JPEGs are decoded fast


@dataclass(frozen=True, eq=False)
class SmallExample:
    """An example's pictures, scaled down alike; each is as high as a tile or a little higher.

    Attributes:
        size_wh: width and height of the target's file in pixels.
        target: ``(h, w, 3)`` uint8 sRGB.
        control: the same size.
        loss_mask: the same size; None if it has none.
        reference: the still-life, when the model sees it apart.
        photos: still-life, on-model photo and the same with the error, as the example shows them.
        garment: ``(h, w)`` uint8, 255 where the garment is on the on-model photo, of any size.
    """

    size_wh: tuple[int, int]
    target: RgbImage
    control: RgbImage
    loss_mask: LossMask | None
    reference: RgbImage | None
    photos: tuple[RgbImage, RgbImage, RgbImage]
    garment: LossMask


def read_small_example(
    folder: Path, example: Mapping[str, Any], loss_masks: dict[str, LossMask]
) -> SmallExample:
    """Read an example of a dataset.

    Args:
        folder: the dataset.
        example: as in the manifest.
        loss_masks: those read so far, by digest: most pairs of a catalogue share one.
    """
    size_wh = photo_size_wh(folder / example["target"])
    geometry = example["geometry"]
    left, top, right, bottom = geometry["on_model_xyxy"] if geometry else (0, 0, *size_wh)
    # So large that the lowest of what is shown covers a tile.
    height_px = -(-TILE_HEIGHT_PX * size_wh[1] // (bottom - top))
    target, control = (read_high(folder / example[role], height_px) for role in ("target", "control"))
    loss_mask = None
    if example["mask"]:
        digest = example["digests"][example["mask"]]
        loss_mask = loss_masks.get(digest)
        if loss_mask is None or loss_mask.shape != target.shape[:2]:
            loss_mask = read_high(folder / example["mask"], height_px)[..., 0]
            loss_masks[digest] = loss_mask
    scale = target.shape[1] / size_wh[0]

    def cut(picture: RgbImage, box: tuple[int, int, int, int]) -> RgbImage:
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        return np.ascontiguousarray(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])

    on_model_xyxy = (left, top, right, bottom)
    reference = read_high(folder / example["reference"], TILE_HEIGHT_PX) if example["reference"] else None
    still_life = cut(target, geometry["still_life_xyxy"]) if reference is None else reference
    garment, _ = read_small_sized(folder / garment_mask_path(example["key"]), 2 * TILE_HEIGHT_PX, grey=True)
    return SmallExample(
        size_wh,
        target,
        control,
        loss_mask,
        reference,
        (still_life, cut(target, on_model_xyxy), cut(control, on_model_xyxy)),
        garment,
    )
