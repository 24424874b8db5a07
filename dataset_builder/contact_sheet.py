"""One picture of a dataset: every example as a row of what the model sees and where the garment is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chromiq.images import write_photo
from chromiq.records import BoolMask, PhotoPair, RgbImage
from chromiq.small_images import read_high
from dataset_builder.export import garment_mask_path
from dataset_builder.mask_quality import is_doubtful

CONTACT_SHEET = "contact_sheet.jpg"
MAX_EXAMPLES = 96
TILE_HEIGHT_PX = 220
_MAX_TILE_WIDTH_PX = 4 * TILE_HEIGHT_PX  # a JPEG ends at 65,535 px; only absurd photos are squeezed
_COLUMNS = 3
_GAP_PX = 14
_TEXT_HEIGHT_PX = 34
_OUTLINE_RGB = (255, 0, 160)
_DOUBT_RGB = (190, 30, 30)
_TEXT_RGB = (40, 40, 40)


def sheet_step(examples: int) -> int:
    """Every how many-th example a sheet shows, so that it shows at most `MAX_EXAMPLES`.

    >>> sheet_step(1), sheet_step(96), sheet_step(97), sheet_step(100_000)
    (1, 1, 2, 1042)
    """
    return max(1, -(-examples // MAX_EXAMPLES))


def write_contact_sheet(
    folder: Path, shown: Sequence[tuple[PhotoPair, Mapping[str, Any]]], examples: int
) -> None:
    """Write ``contact_sheet.jpg``: still-life, on-model photo with the mask's outline, degraded picture.

    Args:
        folder: a finished dataset.
        shown: examples as in the manifest, and their photos; every `sheet_step`-th.
        examples: how many the dataset has.
    """
    with ThreadPoolExecutor() as pool:
        tiles = list(pool.map(lambda both: _tile(folder, *both), shown))
    write_photo(folder / CONTACT_SHEET, grid(tiles, f"{len(shown)} of {examples} examples"), quality=88)


def outlined(photo: RgbImage, mask: BoolMask, thickness_px: int = 4) -> RgbImage:
    """A photo with the mask's outline drawn on it and the rest slightly dimmed."""
    drawn = np.where(mask[..., None], photo, (photo * 0.65 + 255 * 0.35).astype(np.uint8))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(drawn.copy(), contours, -1, _OUTLINE_RGB, thickness_px))


def _tile(folder: Path, pair: PhotoPair, example: Mapping[str, Any]) -> RgbImage:
    still_life, on_model = (read_tile(path) for path in (pair.still_life, pair.on_model))
    mask = read_tile(folder / garment_mask_path(pair.key))[..., 0] >= 128
    if example["geometry"]:
        canvas_wh, box = (example["geometry"][name] for name in ("canvas_wh", "on_model_xyxy"))
        height_px = -(-TILE_HEIGHT_PX * canvas_wh[1] // (box[3] - box[1]))  # at which the panel is a tile
        control = read_high(folder / example["control"], height_px)
        left, top, right, bottom = (round(edge * control.shape[1] / canvas_wh[0]) for edge in box)
        control = control[top:bottom, left:right]
    else:
        control = read_tile(folder / example["control"])
    # A pixel's rounding apart; what is outlined must be of one size.
    mask = mask[:, : on_model.shape[1]]
    on_model = on_model[:, : mask.shape[1]]
    pictures = [still_life, outlined(on_model, mask, 1), tile_high(control)]
    row = np.concatenate(pictures, axis=1)
    error, doubtful = example["degradation"], is_doubtful(example["mask_confidence"])
    lines = [
        f"{example['name']}  {example['label']['name']} ({example['label']['source']})  {example['split']}",
        f"{error['kind']}  dE00 {error['reached_delta_e']:.1f}   mask {example['mask_confidence']:.2f}"
        + (f" doubtful: {', '.join(example['mask_reasons'])}" if doubtful else ""),
    ]
    return captioned(row, lines, doubtful=doubtful)


def captioned(picture: RgbImage, lines: Sequence[str], *, doubtful: bool) -> RgbImage:
    """A picture with two lines of text under it, the last of them red if something is doubtful."""
    canvas = Image.new("RGB", (picture.shape[1], picture.shape[0] + _TEXT_HEIGHT_PX), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), (0, 0))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for number, line in enumerate(lines):
        colour = _DOUBT_RGB if doubtful and number == len(lines) - 1 else _TEXT_RGB
        pen.text((4, picture.shape[0] + 2 + 15 * number), line, fill=colour, font=font)
    return np.array(canvas)


def read_tile(path: Path) -> RgbImage:
    """A picture file at the height of a sheet's tiles."""
    return tile_high(read_high(path, TILE_HEIGHT_PX))


def tile_high(photo: RgbImage) -> RgbImage:
    """A picture at the height of a sheet's tiles."""
    width_px = round(photo.shape[1] * TILE_HEIGHT_PX / photo.shape[0])
    width_px = min(max(1, width_px), _MAX_TILE_WIDTH_PX)
    return cv2.resize(photo, (width_px, TILE_HEIGHT_PX), interpolation=cv2.INTER_AREA)


def grid(tiles: Sequence[RgbImage], title: str) -> RgbImage:
    """Pictures of any size in rows of three on white, under a line of text."""
    columns = min(_COLUMNS, len(tiles))
    width_px = max(tile.shape[1] for tile in tiles) + _GAP_PX
    height_px = max(tile.shape[0] for tile in tiles) + _GAP_PX
    rows = -(-len(tiles) // columns)
    size_wh = (columns * width_px + _GAP_PX, rows * height_px + _GAP_PX + _TEXT_HEIGHT_PX)
    sheet = Image.new("RGB", size_wh, (255, 255, 255))
    ImageDraw.Draw(sheet).text((_GAP_PX, 10), title, fill=_TEXT_RGB, font=ImageFont.load_default(15))
    for index, tile in enumerate(tiles):
        top = _TEXT_HEIGHT_PX + _GAP_PX + index // columns * height_px
        sheet.paste(Image.fromarray(tile), (_GAP_PX + index % columns * width_px, top))
    return np.array(sheet)
