"""Pictures of a dataset for the user: two overviews, and each pair whose mask is doubtful.

The overviews show what is in it, and what the trainer will see of it. A doubtful pair is shown as
``review/on_modelN.jpg``, the still-life beside the on-model photo with the mask's outline; its mask lies
beside it as PNG, to be corrected and used as a given mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from chromiq.dataset_builder.canvas.buckets import RESOLUTION, as_trained, bucket_size_wh, cut_off_text
from chromiq.dataset_builder.canvas.loss_mask import LossMask
from chromiq.dataset_builder.segmenters.doubts import (
    DOUBTFUL_BELOW,
    LEFT_OUT_BELOW,
    in_words,
    is_doubtful,
    what_to_do,
)
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding
from chromiq.files import sha256_file
from chromiq.imaging.contact_sheet import TILE_HEIGHT_PX, captioned, grid, outlined, tile_high
from chromiq.imaging.resize import fit_height, resize_fast, resize_mask
from chromiq.models import find_model
from chromiq.photos.images import photo_size_wh, read_high, read_small, write_mask, write_photo
from chromiq.records import Box, Example, GarmentMask, PhotoPair, RgbImage
from chromiq.runtime.workers import thread_per_core
from chromiq.wording import cut

_UNTRAINED_RGB = (30, 40, 120)
_UNTRAINED_COVER = 0.75
_CHARACTERS = 96
_REVIEW_HEIGHT_PX = 900


@dataclass(frozen=True, eq=False)
class _Small:
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


def _read_small(folder: Path, example: Example, loss_masks: dict[str, LossMask]) -> _Small:
    """Read an example; `loss_masks` are those read so far, by digest: most pairs of a catalogue share one."""
    size_wh = photo_size_wh(folder / example.target)
    geometry = example.geometry
    on_model_xyxy = geometry.on_model_xyxy if geometry else (0, 0, *size_wh)
    # So large that the lowest of what is shown covers a tile.
    height_px = -(-TILE_HEIGHT_PX * size_wh[1] // (on_model_xyxy[3] - on_model_xyxy[1]))
    target, control = (read_high(folder / path, height_px) for path in (example.target, example.control))
    loss_mask = None
    if example.mask:
        digest = example.digests[example.mask]
        loss_mask = loss_masks.get(digest)
        if loss_mask is None or loss_mask.shape != target.shape[:2]:
            loss_mask = read_high(folder / example.mask, height_px)[..., 0]
            loss_masks[digest] = loss_mask
    scale = target.shape[1] / size_wh[0]

    def panel(picture: RgbImage, box: Box) -> RgbImage:
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        return np.ascontiguousarray(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])

    reference = read_high(folder / example.reference, TILE_HEIGHT_PX) if example.reference else None
    still_life = panel(target, geometry.still_life_xyxy) if geometry else reference
    assert still_life is not None  # an example is stitched or has a reference
    garment_mask = DatasetLayout(folder).garment_mask(example.key)
    garment = read_small(garment_mask, 2 * TILE_HEIGHT_PX, grey=True)
    return _Small(
        size_wh,
        target,
        control,
        loss_mask,
        reference,
        (still_life, panel(target, on_model_xyxy), panel(control, on_model_xyxy)),
        garment,
    )


def write_sheets(folder: Path, model: str, shown: Sequence[Example], examples: int) -> None:
    """Write ``contact_sheet.jpg`` and ``preview_sheet.jpg``.

    Args:
        shown: examples as in the manifest; every `sheet_step`-th.
        examples: how many the dataset has.
    """
    loss_masks: dict[str, LossMask] = {}

    def tiles(example: Example) -> tuple[RgbImage, RgbImage]:
        small = _read_small(folder, example, loss_masks)
        return _contact_tile(small, example), _preview_tile(small, example, model)

    some = f"{len(shown)} of {examples} examples"
    as_trained = (
        f"{some} as {model} is trained at resolution {RESOLUTION}: "
        "control, target; under blue nothing is learned"
    )
    with thread_per_core() as pool:
        contacts, previews = zip(*pool.map(tiles, shown), strict=True)
        layout = DatasetLayout(folder)
        sheets = (layout.contact_sheet, contacts, some), (layout.preview_sheet, previews, as_trained)
        list(pool.map(lambda sheet: write_photo(sheet[0], grid(*sheet[1:]), quality=88), sheets))


def _contact_tile(small: _Small, example: Example) -> RgbImage:
    """Still-life, on-model photo with the mask's outline, and the latter as degraded, with what was done."""
    still_life, on_model, degraded = map(tile_high, small.photos)
    size_wh = (on_model.shape[1], on_model.shape[0])
    mask = resize_fast(small.garment, size_wh) >= 128
    row = np.concatenate([still_life, outlined(on_model, mask, 1), degraded], axis=1)
    error, doubtful = example.degradation, is_doubtful(example.mask_confidence)
    lines = [
        f"{example.name}  {example.label.name} ({example.label.source})  {example.split}",
        f"{error.kind}  dE00 {error.reached_delta_e:.1f}   mask {cut(example.mask_confidence):.2f}",
        *([in_words(example.mask_reasons[:1])] if doubtful else ()),
    ]
    return captioned(row, lines, doubtful=doubtful)


def blue_where_untrained(rgb: RgbImage, mask: LossMask) -> RgbImage:
    """A picture on which blue lies the thicker, the less the loss mask counts.

    >>> picture = np.full((1, 2, 3), 200, np.uint8)
    >>> blue_where_untrained(picture, np.array([[255, 0]], np.uint8))[0].tolist()
    [[200, 200, 200], [72, 80, 140]]
    """
    cover = np.float32(_UNTRAINED_COVER) * (1 - mask[..., None].astype(np.float32) / 255)
    mixed: RgbImage = np.rint(rgb + (np.array(_UNTRAINED_RGB, np.float32) - rgb) * cover).astype(np.uint8)
    return mixed


def _preview_tile(small: _Small, example: Example, model: str) -> RgbImage:
    """Control and target as trained at `RESOLUTION`; what the loss leaves out lies under blue."""
    size_wh = small.size_wh
    bucket_wh = bucket_size_wh(size_wh, RESOLUTION, find_model(model).divisible_by_px)
    tile_wh = (round(bucket_wh[0] * TILE_HEIGHT_PX / bucket_wh[1]), TILE_HEIGHT_PX)
    target = as_trained(small.target, tile_wh)
    if small.loss_mask is not None:
        target = blue_where_untrained(target, as_trained(small.loss_mask, tile_wh))
    pictures = [as_trained(small.control, tile_wh), target]
    if small.reference is not None:
        pictures.insert(0, tile_high(small.reference))
    lost = cut_off_text(size_wh, bucket_wh)
    sizes = f"{size_wh[0]}x{size_wh[1]} -> {bucket_wh[0]}x{bucket_wh[1]}, {lost or 'nothing'} cut off"
    split = "" if example.split == "train" else "held out, not trained on  "
    lines = [f"{example.name}  {split}{sizes}", example.caption[:_CHARACTERS]]
    return captioned(cv2.hconcat(pictures), lines, doubtful=bool(lost))


def write_review(
    folder: Path, key: str, still_life: RgbImage, on_model: RgbImage, found: GarmentMask
) -> dict[str, str]:
    """Write the picture and the mask of a doubtful pair.

    Args:
        still_life: ``(h, w, 3)`` uint8 sRGB.
        on_model: ``(H, W, 3)`` uint8 sRGB, the photo at any size.
        found: the mask, of the photo's own size.

    Returns:
        Path within the dataset to SHA-256 of both files.
    """
    layout = DatasetLayout(folder)
    picture, mask = layout.review_picture(key), layout.review_mask(key)
    size_wh, thickness_px = on_model.shape[1::-1], max(2, on_model.shape[0] // 300)
    mask_there = resize_mask(found.mask, size_wh)
    marked = outlined(on_model, mask_there, thickness_px, text=f"{cut(found.confidence):.2f}")
    both = np.hstack([fit_height(photo, _REVIEW_HEIGHT_PX) for photo in (still_life, marked)])
    lines = [what_to_do(found.reasons), in_words(found.reasons)]
    write_photo(picture, captioned(both, lines, doubtful=True), quality=88)
    write_mask(mask, found.mask)
    return {layout.relative(path): sha256_file(path) for path in (picture, mask)}


def remove_review(folder: Path, key: str) -> None:
    """Remove the picture and the mask of a pair that is no longer doubtful."""
    layout = DatasetLayout(folder)
    for path in (layout.review_picture(key), layout.review_mask(key)):
        path.unlink(missing_ok=True)


def doubt_finding(pair: PhotoPair, confidence: float, reasons: tuple[str, ...], *, kept: bool) -> Finding:
    """The report of a doubtful pair: a warning if it is kept, an error if it was left out."""
    picture = DatasetLayout(Path()).review_picture(pair.key).as_posix()
    bar = DOUBTFUL_BELOW if kept else LEFT_OUT_BELOW
    message = f"mask confidence {cut(confidence):.2f} is below {bar}: {in_words(reasons)}"
    look = " ".join(filter(None, (f"Look at {picture}.", what_to_do(reasons))))
    hint = f"{look} Pass a better mask with `masks`"
    if kept:
        return Finding("mask.doubtful", str(pair.on_model), message, f"{hint}.", "warning")
    hint += ", or set `keep_doubtful`."
    return Finding("mask.doubtful", str(pair.on_model), f"left out: {message}", hint)
