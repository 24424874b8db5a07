"""Two photos on one canvas, with every edge known to the pixel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chromiq.errors import Finding, UnsoundError
from chromiq.imaging.resize import resize, resize_part
from chromiq.records import Box, Geometry, RgbImage

PUBLISHED_CANVAS_WH = (1328, 800)
_KONTEXT_PORTRAIT_WH = (
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
)
KONTEXT_SIZES_WH = (
    *_KONTEXT_PORTRAIT_WH,
    (1024, 1024),
    *((height_px, width_px) for width_px, height_px in reversed(_KONTEXT_PORTRAIT_WH)),
)
"""The sizes FLUX.1-Kontext was trained on, width and height in pixels."""
Scaling = Callable[[RgbImage, tuple[int, int]], RgbImage]
"""(photo, width and height in pixels) -> the photo at that size; the photo itself if it has it."""


def published_geometry(still_life_wh: tuple[int, int], on_model_wh: tuple[int, int]) -> Geometry:
    """How the published run laid two photos out: side by side at their own scale, 800 px high.

    Each photo is centred vertically on a canvas as high as the higher one; the whole is scaled to height
    800 and padded on the right to 1328. The seam of two photos of 896x1120 lies at x = 640.

    Raises:
        UnsoundError: if the two are wider than the canvas. The published script cut both sides off then,
            which moves the seam; the exact geometry fits such pairs.
    """
    width_px, height_px = PUBLISHED_CANVAS_WH
    scale = height_px / max(still_life_wh[1], on_model_wh[1])
    left, right = _scaled(still_life_wh, scale), _scaled(on_model_wh, scale)
    if left[0] + right[0] > width_px:
        finding = Finding(
            code="pair.wide",
            where=f"{still_life_wh[0]}x{still_life_wh[1]} beside {on_model_wh[0]}x{on_model_wh[1]}",
            message=f"{left[0] + right[0]} px wide at a height of {height_px} px, "
            f"and the published canvas is {width_px} px wide",
            hint="Use the exact geometry.",
        )
        raise UnsoundError.of(finding)
    return Geometry(
        canvas_wh=PUBLISHED_CANVAS_WH,
        still_life_xyxy=_place(left, 0, height_px),
        on_model_xyxy=_place(right, left[0], height_px),
        still_life_scale=scale,
        on_model_scale=scale,
    )


def exact_geometry(
    still_life_wh: tuple[int, int], on_model_wh: tuple[int, int], size_wh: tuple[int, int] | None = None
) -> Geometry:
    """Both photos at one height, uncropped, centred on the Kontext size that shows them largest.

    Args:
        size_wh: the canvas, instead of a size of Kontext's.

    Returns:
        A geometry in which the two photos touch at the seam and the padding lies around them evenly.

    Raises:
        UnsoundError: if the two are so wide that nothing is left of their height.
    """
    # In whole numbers: a float would lose the last pixel where a pair fits to the pixel.
    (width_1, height_1), (width_2, height_2) = still_life_wh, on_model_wh
    both, unit = width_1 * height_2 + width_2 * height_1, height_1 * height_2  # the width at height `unit`
    sizes_wh = KONTEXT_SIZES_WH if size_wh is None else (size_wh,)
    heights = {size: min(size[1], size[0] * unit // both) for size in sizes_wh}
    canvas = max(heights, key=lambda size: (heights[size], -size[0] * size[1]))
    height_px = heights[canvas]
    if height_px < 1:
        finding = Finding(
            code="pair.wide",
            where=f"{width_1}x{height_1} beside {width_2}x{height_2}",
            message=f"too wide for a canvas of {canvas[0]}x{canvas[1]} px",
            hint="Choose a larger canvas, or leave the pair out.",
        )
        raise UnsoundError.of(finding)
    left = (max(1, height_px * width_1 // height_1), height_px)
    right = (max(1, height_px * width_2 // height_2), height_px)
    start = (canvas[0] - left[0] - right[0]) // 2
    return Geometry(
        canvas_wh=canvas,
        still_life_xyxy=_place(left, start, canvas[1]),
        on_model_xyxy=_place(right, start + left[0], canvas[1]),
        still_life_scale=height_px / still_life_wh[1],
        on_model_scale=height_px / on_model_wh[1],
    )


def stitch(
    still_life: RgbImage, on_model: RgbImage, geometry: Geometry, scaling: Scaling = resize
) -> RgbImage:
    """Both photos on one canvas.

    The canvas is white; what lies right of the on-model photo takes the mean colour of its last column,
    as published, so that the photo does not end in a hard edge.

    Args:
        still_life: ``(H, W, 3)`` uint8 sRGB.
        on_model: ``(H, W, 3)`` uint8 sRGB.

    Returns:
        ``(canvas height, canvas width, 3)`` uint8 sRGB.
    """
    width_px, height_px = geometry.canvas_wh
    canvas = np.full((height_px, width_px, 3), 255, dtype=np.uint8)
    for photo, box in ((still_life, geometry.still_life_xyxy), (on_model, geometry.on_model_xyxy)):
        canvas[_part(box)] = scaling(photo, (box[2] - box[0], box[3] - box[1]))
    return _padded_right(canvas, geometry.on_model_xyxy[2])


def with_on_model(
    canvas: RgbImage,
    on_model: RgbImage,
    geometry: Geometry,
    scaling: Scaling = resize,
    changed: tuple[slice, slice] | None = None,
) -> RgbImage:
    """A canvas as `stitch` makes it, with another on-model photo of the same size in it.

    Args:
        on_model: ``(H, W, 3)`` uint8 sRGB.
        changed: rows and columns outside of which both photos are the same; it saves `resize` the rest.

    >>> geometry = exact_geometry((8, 8), (8, 8), (32, 16))
    >>> black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    >>> other = with_on_model(stitch(black, black, geometry), white, geometry)
    >>> bool((other == stitch(black, white, geometry)).all())
    True
    """
    other = canvas.copy()
    panel = cut_on_model(other, geometry)
    size_wh = (panel.shape[1], panel.shape[0])
    if scaling is resize and changed is not None:
        there, pixels = resize_part(on_model, size_wh, changed)
        panel[there] = pixels
    else:
        panel[:] = scaling(on_model, size_wh)
    return _padded_right(other, geometry.on_model_xyxy[2])


def cut_on_model(canvas: RgbImage, geometry: Geometry) -> RgbImage:
    """The on-model panel of a canvas, at canvas scale."""
    return canvas[_part(geometry.on_model_xyxy)]


def cut_still_life(canvas: RgbImage, geometry: Geometry) -> RgbImage:
    """The still-life panel of a canvas, at canvas scale."""
    return canvas[_part(geometry.still_life_xyxy)]


def _padded_right(canvas: RgbImage, start_px: int) -> RgbImage:
    canvas[:, start_px:] = np.rint(canvas[:, start_px - 1].mean(axis=0)).astype(np.uint8)
    return canvas


def _scaled(size_wh: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def _place(size_wh: tuple[int, int], left: int, canvas_height_px: int) -> Box:
    top = (canvas_height_px - size_wh[1]) // 2
    return (left, top, left + size_wh[0], top + size_wh[1])


def _part(box: Box) -> tuple[slice, slice]:
    return slice(box[1], box[3]), slice(box[0], box[2])
