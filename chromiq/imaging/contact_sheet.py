"""Sheets of captioned pictures in rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chromiq.imaging.resize import fit_height
from chromiq.records import BoolMask, RgbImage

TILE_HEIGHT_PX = 200  # a quarter of the usual canvas or less: a size to which JPEGs are decoded fast
MAX_EXAMPLES = 96
_MAX_TILE_WIDTH_PX = 4 * TILE_HEIGHT_PX  # a JPEG ends at 65,535 px; only absurd photos are squeezed
_COLUMNS = 3
_GAP_PX = 14
_TITLE_HEIGHT_PX = 34
_LINE_HEIGHT_PX = 15
_OUTLINE_RGB = (255, 0, 160)
_PALED = 0.35
_DOUBT_RGB = (190, 30, 30)
_TEXT_RGB = (40, 40, 40)


def sheet_step(examples: int) -> int:
    """Every how many-th example a sheet shows, so that it shows at most `MAX_EXAMPLES`.

    >>> sheet_step(1), sheet_step(96), sheet_step(97), sheet_step(100_000)
    (1, 1, 2, 1042)
    """
    return max(1, -(-examples // MAX_EXAMPLES))


def outlined(photo: RgbImage, mask: BoolMask, thickness_px: int = 4, text: str = "") -> RgbImage:
    """A photo with the mask's outline and a text at it, and the rest slightly paled.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool.
        thickness_px: of the outline; the text grows with it.
        text: ASCII; none if empty.
    """
    import supervision as sv  # half a second, and not every command draws

    detections = sv.Detections(
        xyxy=sv.mask_to_xyxy(mask[None]).astype(np.float32), mask=mask[None], class_id=np.zeros(1, int)
    )
    red, green, blue = _OUTLINE_RGB
    outline = sv.Color(blue, green, red)  # supervision draws blue, green, red
    drawn = np.ascontiguousarray(photo).copy()
    drawn = sv.BackgroundOverlayAnnotator(sv.Color.WHITE, opacity=_PALED).annotate(drawn, detections)
    drawn = sv.PolygonAnnotator(outline, thickness_px).annotate(drawn, detections)
    if text:
        scale = 0.3 * thickness_px
        label = sv.LabelAnnotator(outline, text_scale=scale, text_thickness=max(1, thickness_px // 2))
        drawn = label.annotate(drawn, detections, labels=[text])
    return np.asarray(drawn)


def captioned(picture: RgbImage, lines: Sequence[str], *, doubtful: bool) -> RgbImage:
    """A picture with lines of text under it, the last of them red if something is doubtful."""
    height_px = picture.shape[0] + 4 + _LINE_HEIGHT_PX * len(lines)
    canvas = Image.new("RGB", (picture.shape[1], height_px), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), (0, 0))
    pen, font = ImageDraw.Draw(canvas), _font(13)
    for number, line in enumerate(lines):
        colour = _DOUBT_RGB if doubtful and number == len(lines) - 1 else _TEXT_RGB
        pen.text((4, picture.shape[0] + 2 + _LINE_HEIGHT_PX * number), line, fill=colour, font=font)
    return np.array(canvas)


def tile_high(photo: RgbImage) -> RgbImage:
    """A picture at the height of a sheet's tiles."""
    return fit_height(photo, TILE_HEIGHT_PX, _MAX_TILE_WIDTH_PX)


def grid(tiles: Sequence[RgbImage], title: str) -> RgbImage:
    """Pictures of any size in rows of three on white, under a line of text."""
    columns = min(_COLUMNS, len(tiles))
    width_px = max(tile.shape[1] for tile in tiles) + _GAP_PX
    height_px = max(tile.shape[0] for tile in tiles) + _GAP_PX
    rows = -(-len(tiles) // columns)
    size_wh = (columns * width_px + _GAP_PX, rows * height_px + _GAP_PX + _TITLE_HEIGHT_PX)
    # Filled as an array: Pillow's four bytes a pixel and the copy back would take twice the memory.
    sheet = np.full((size_wh[1], size_wh[0], 3), 255, np.uint8)
    head = Image.new("RGB", (size_wh[0], _TITLE_HEIGHT_PX), (255, 255, 255))
    ImageDraw.Draw(head).text((_GAP_PX, 10), title, fill=_TEXT_RGB, font=_font(15))
    sheet[:_TITLE_HEIGHT_PX] = np.asarray(head)
    for index, tile in enumerate(tiles):
        top = _TITLE_HEIGHT_PX + _GAP_PX + index // columns * height_px
        left = _GAP_PX + index % columns * width_px
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


@cache
def _font(size: int) -> Any:
    """Pillow's own, unpacked once and not for every tile."""
    return ImageFont.load_default(size)
