"""Contact sheets: rows of captioned images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chromiq.imaging.resize import fit_height
from chromiq.records import BoolMask, RgbImage

TILE_HEIGHT_PX = 200  # at most 1/4 of the usual canvas, so that JPEGs are decoded at reduced size
MAX_EXAMPLES = 96
_MAX_TILE_WIDTH_PX = 4 * TILE_HEIGHT_PX  # keeps the sheet below JPEG's limit of 65,535 px
_GAP_PX = 14
_TITLE_HEIGHT_PX = 34
_LINE_HEIGHT_PX = 15
_OUTLINE_RGB = (255, 0, 160)
_PALED = 0.35
_DOUBT_RGB = (190, 30, 30)
_TEXT_RGB = (40, 40, 40)


def sheet_step(examples: int) -> int:
    """The step between the examples on a sheet, so that it shows at most `MAX_EXAMPLES`.

    >>> sheet_step(1), sheet_step(96), sheet_step(97), sheet_step(100_000)
    (1, 1, 2, 1042)
    """
    return max(1, -(-examples // MAX_EXAMPLES))


def outlined(photo: RgbImage, mask: BoolMask, thickness_px: int, text: str = "") -> RgbImage:
    """A photo with the outline of a mask and a label, and its background lightened.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool.
        thickness_px: thickness of the outline, to which the text size is proportional.
        text: an ASCII label; may be empty.
    """
    import supervision as sv  # takes half a second to import

    detections = sv.Detections(
        xyxy=sv.mask_to_xyxy(mask[None]).astype(np.float32), mask=mask[None], class_id=np.zeros(1, int)
    )
    red, green, blue = _OUTLINE_RGB
    outline = sv.Color(blue, green, red)  # supervision draws BGR
    drawn = np.ascontiguousarray(photo).copy()
    drawn = sv.BackgroundOverlayAnnotator(sv.Color.WHITE, opacity=_PALED).annotate(drawn, detections)
    drawn = sv.PolygonAnnotator(outline, thickness_px).annotate(drawn, detections)
    if text:
        scale = 0.3 * thickness_px
        label = sv.LabelAnnotator(outline, text_scale=scale, text_thickness=max(1, thickness_px // 2))
        drawn = label.annotate(drawn, detections, labels=[text])
    return np.asarray(drawn)


def captioned(picture: RgbImage, lines: Sequence[str], *, doubtful: bool) -> RgbImage:
    """An image with lines of text below it, the last one red if `doubtful`."""
    height_px = picture.shape[0] + 4 + _LINE_HEIGHT_PX * len(lines)
    canvas = Image.new("RGB", (picture.shape[1], height_px), (255, 255, 255))
    canvas.paste(Image.fromarray(picture), (0, 0))
    pen, font = ImageDraw.Draw(canvas), _font(12)
    for number, line in enumerate(lines):
        colour = _DOUBT_RGB if doubtful and number == len(lines) - 1 else _TEXT_RGB
        pen.text((4, picture.shape[0] + 2 + _LINE_HEIGHT_PX * number), line, fill=colour, font=font)
    return np.array(canvas)


def tile_high(photo: RgbImage) -> RgbImage:
    """An image resized to the height of a tile."""
    return fit_height(photo, TILE_HEIGHT_PX, _MAX_TILE_WIDTH_PX)


def grid(tiles: Sequence[RgbImage], title: str, columns: int = 3) -> RgbImage:
    """Images of any size in rows of up to `columns` on white, below a title."""
    columns = min(columns, len(tiles))
    width_px = max(tile.shape[1] for tile in tiles) + _GAP_PX
    height_px = max(tile.shape[0] for tile in tiles) + _GAP_PX
    rows = -(-len(tiles) // columns)
    size_wh = (columns * width_px + _GAP_PX, rows * height_px + _GAP_PX + _TITLE_HEIGHT_PX)
    # An array, because a Pillow image (4 bytes per pixel) and the copy would double the memory.
    sheet = np.full((size_wh[1], size_wh[0], 3), 255, np.uint8)
    head = Image.new("RGB", (size_wh[0], _TITLE_HEIGHT_PX), (255, 255, 255))
    ImageDraw.Draw(head).text((_GAP_PX, 10), title, fill=_TEXT_RGB, font=_font(14))
    sheet[:_TITLE_HEIGHT_PX] = np.asarray(head)
    for index, tile in enumerate(tiles):
        top = _TITLE_HEIGHT_PX + _GAP_PX + index // columns * height_px
        left = _GAP_PX + index % columns * width_px
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


@cache
def _font(size: int) -> Any:
    """DejaVu Sans, loaded once; unlike Pillow's default font it has more letters than English needs."""
    # Importing matplotlib takes a third of a second, and warns where the home folder cannot be written to.
    path = distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size)
