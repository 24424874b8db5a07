"""Where to measure: the largest square well inside the garment, free of seams, skin and strong shadow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import srgb_to_lab
from chromiq.errors import Finding, raise_findings
from chromiq.evaluate.score.crops import (
    Crop,
    crop_findings,
    crop_mask_findings,
    is_panel_mask,
    panel_mask_finding,
    unknown_crop_finding,
)
from chromiq.evaluate.score.scores import find_images
from chromiq.files import natural_key
from chromiq.imaging.contact_sheet import captioned, grid
from chromiq.imaging.masks import bounding_box, skin_hue
from chromiq.imaging.resize import resize_fast, resize_mask
from chromiq.photos.images import read_mask, read_photo
from chromiq.progress import Update, silent
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.wording import counted

_MIN_SIDE_PX = 16
_TILE_PX = 360
# Of the longer side: how far a crop keeps from the garment's outline.
_MARGIN_SHARE = 0.01
# Of the longer side: finer structure is the texture of the cloth.
_WEAVE_SHARE = 0.004
# The share of a crop's pixels that may be in shadow or a stray thread.
_MAX_BAD_SHARE = 0.02
# Pixels of seams and buttons as a share of a crop's side: a seam across the crop has two in each row.
_MAX_SEAM_SHARE = 0.12
# L* below the garment's median that counts as strong shadow, and above it as a highlight.
_SHADOW_BELOW, _HIGHLIGHT_ABOVE = 18.0, 22.0
# Standard deviations of the garment's own edges beyond which one is a seam, a hem or a button.
_SEAM_ABOVE = 4.0
# Thin lines are looked for on a picture of at most this longer side.
_LINE_SIDE_PX = 1120
# Of the longer side: how long a straight piece must be, so that weave and folds average out, and how thin.
_LINE_LENGTH_SHARE, _LINE_WIDTH_SHARE = 0.11, 0.0012
_LINE_DIRECTIONS = 24
# Standard deviations above the cloth's own texture, and the least of them in L*, which noise stays below.
_LINE_ABOVE, _LINE_LEAST_SPREAD = 3.5, 0.03


def suggest_crop(truth: RgbImage, mask: BoolMask) -> Crop | None:
    """The largest square of good pixels, and of equally large ones the most even; None below 16 px.

    Args:
        truth: ``(H, W, 3)`` uint8 sRGB.
        mask: ``(H, W)`` bool, True on the garment.

    >>> mask = np.zeros((100, 120), bool)
    >>> mask[10:90, 20:80] = True
    >>> suggest_crop(np.full((100, 120, 3), 90, np.uint8), mask)
    Crop(x=21, y=11, width=58, height=58)
    """
    lab, inside = srgb_to_lab(truth), _well_inside(mask)
    if not inside.any():
        return None
    # Smoothed, because shadows and edges of a knit are part of its texture.
    smooth: FloatImage = cv2.GaussianBlur(lab, (0, 0), max(1.0, _WEAVE_SHARE * max(lab.shape)))
    good, seams = _good_pixels(smooth, inside), _seams(lab, smooth, inside)
    lightness = lab[..., 0].astype(np.float64)
    bad, outside, crossing = (cv2.integral(plane.astype(np.float64)) for plane in (~good, ~inside, seams))
    low, high = 0, min(good.shape)
    while low < high:
        side_px = (low + high + 1) // 2
        if _fits(bad, outside, crossing, side_px).any():
            low = side_px
        else:
            high = side_px - 1
    if low < _MIN_SIDE_PX:
        return None
    spread = (
        _square_sums(cv2.integral(lightness**2), low) / low**2
        - (_square_sums(cv2.integral(lightness), low) / low**2) ** 2
    )
    y, x = np.unravel_index(
        np.argmin(np.where(_fits(bad, outside, crossing, low), spread.round(6), np.inf)), spread.shape
    )
    return Crop(x=int(x), y=int(y), width=low, height=low)


def suggest_crops(truth: Path, masks: Path, on_progress: Update = silent) -> dict[str, Crop | None]:
    """A crop for every true image; None without a mask of its name and size, or a square that fits.

    Raises:
        UnsoundError: if masks are of whole photos instead of their garments.
    """
    truths, found = find_images(truth), find_images(masks)
    crops: dict[str, Crop | None] = {}
    panels: list[Path] = []
    for number, name in enumerate(sorted(truths, key=natural_key), start=1):
        crops[name] = None
        if name in found:
            mask = read_mask(found[name])
            if is_panel_mask(mask, found[name]):
                panels.append(found[name])
            if not panels:
                rgb = read_photo(truths[name], min_side_px=1).rgb
                crops[name] = suggest_crop(rgb, mask) if mask.shape == rgb.shape[:2] else None
        on_progress(number, len(truths))
    raise_findings([panel_mask_finding(panels)] if panels else [], str(masks))
    return crops


def check_crops(
    crops: Mapping[str, Crop], truth: Path, masks: Path | None
) -> tuple[list[Finding], RgbImage | None]:
    """What is wrong with crops, and a sheet of the true images with each crop drawn on them."""
    truths, found = find_images(truth), find_images(masks) if masks else {}
    findings, panels, tiles = [], [], []
    for name, crop in crops.items():
        if name not in truths:
            findings.append(unknown_crop_finding(name, truth))
            continue
        rgb = read_photo(truths[name], min_side_px=1).rgb
        wrong = crop_findings(crop, (rgb.shape[1], rgb.shape[0]), name)
        is_panel = False
        if not wrong and name in found:
            mask = read_mask(found[name])
            if is_panel := is_panel_mask(mask, found[name]):
                panels.append(found[name])
            else:
                wrong = crop_mask_findings(crop, mask, name)
        findings += wrong
        tiles.append(_drawn(rgb, crop, name, sound=not (wrong or is_panel)))
    if panels:
        findings.append(panel_mask_finding(panels))
    return findings, grid(tiles, counted(len(tiles), "crop")) if tiles else None


def _drawn(rgb: RgbImage, crop: Crop, name: str, *, sound: bool) -> RgbImage:
    height_px, width_px = rgb.shape[:2]
    scale = _TILE_PX / max(height_px, width_px)
    tile = resize_fast(rgb, (max(1, round(width_px * scale)), max(1, round(height_px * scale))))
    # A crop that ends far outside is drawn to the tile's edge: OpenCV takes no huge numbers.
    left, top, right, bottom = (round(min(value, 2 * max(rgb.shape)) * scale) for value in crop.xyxy)
    for colour, thick_px in (((255, 255, 255), 3), ((0, 120, 60) if sound else (200, 0, 0), 1)):
        cv2.rectangle(tile, (left, top), (right, bottom), colour, thick_px)
    return captioned(tile, [name[:40]], doubtful=not sound)


def _good_pixels(smooth: FloatImage, inside: BoolMask) -> BoolMask:
    """Where a crop may lie: nothing but evenly lit cloth, well inside the garment."""
    lightness = smooth[..., 0]
    middle = float(np.median(lightness[inside]))
    lit = (lightness >= middle - _SHADOW_BELOW) & (lightness <= middle + _HIGHLIGHT_ABOVE)
    return inside & lit & ~_skin(smooth, inside)


def _seams(lab: FloatImage, smooth: FloatImage, inside: BoolMask) -> BoolMask:
    """Seams, plackets, hems and buttons: long thin lines, and edges that stand out."""
    edges = _strong_edges(np.ascontiguousarray(smooth[..., 0]), inside)
    return inside & (edges | seam_lines(np.ascontiguousarray(lab[..., 0]), inside))


def seam_lines(lightness: FloatImage, inside: BoolMask) -> BoolMask:
    """Seams, plackets and hems: ``(H, W)`` bool, True on long thin lines inside, even fainter than the weave.

    Searched for in 24 directions with the difference of two Gaussians across and a mean along the line.

    Args:
        lightness: ``(H, W)`` float32 L*.
        inside: ``(H, W)`` bool, where there is cloth.

    >>> cloth = np.random.default_rng(0).normal(50, 2, (300, 300)).astype(np.float32)
    >>> cloth[:, 150:152] -= 4
    >>> found = seam_lines(cloth, np.ones((300, 300), bool))
    >>> bool(found[60:240, 149:153].any(axis=1).mean() > 0.9), bool(found[:, :140].mean() < 0.03)
    (True, True)
    """
    lines = np.zeros(inside.shape, bool)
    if not inside.any():
        return lines
    side_px = max(inside.shape)
    scale = min(1.0, _LINE_SIDE_PX / side_px)
    length_px, width_px = _LINE_LENGTH_SHARE * side_px * scale, max(1.0, _LINE_WIDTH_SHARE * side_px * scale)
    box = bounding_box(inside, margin_px=round(length_px / 2 / scale))
    size_wh = tuple(max(1, round(side * scale)) for side in inside[box].shape[::-1])
    cloth = resize_fast(lightness[box], size_wh)
    where = resize_mask(inside[box], size_wh)
    if not where.any():
        return lines
    strength = np.max(
        [
            np.abs(
                cv2.filter2D(cloth, cv2.CV_32F, _line(np.pi * step / _LINE_DIRECTIONS, length_px, width_px))
            )
            for step in range(_LINE_DIRECTIONS)
        ],
        axis=0,
    )
    found = _outstanding(strength, where, _LINE_ABOVE, _LINE_LEAST_SPREAD) & where
    height_px, width_px = inside[box].shape
    lines[box] = resize_mask(found, (width_px, height_px))
    return lines & inside


def _line(angle_rad: float, length_px: float, width_px: float) -> FloatImage:
    """A filter that answers to a thin line of a direction and not to a slope or a plain."""
    reach = int(np.ceil(max(length_px / 2, 8 * width_px)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along = x * np.cos(angle_rad) + y * np.sin(angle_rad)
    across = y * np.cos(angle_rad) - x * np.sin(angle_rad)
    piece = np.abs(along) <= length_px / 2
    thin, wide = (piece * np.exp(-(across**2) / (2 * sigma_px**2)) for sigma_px in (width_px, 2.5 * width_px))
    return (thin / thin.sum() - wide / wide.sum()).astype(np.float32)


def _well_inside(mask: BoolMask) -> BoolMask:
    margin_px = max(1, round(_MARGIN_SHARE * max(mask.shape)))
    kernel = np.ones((2 * margin_px + 1,) * 2, np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel, borderValue=0) > 0


def _fits(
    bad: NDArray[np.float64], outside: NDArray[np.float64], crossing: NDArray[np.float64], side_px: int
) -> BoolMask:
    """Whether a square is all garment, nearly all good and crossed by no seam, by its top left corner."""
    few = _square_sums(bad, side_px) <= _MAX_BAD_SHARE * side_px * side_px
    # A line is as long as a square is wide: of the square's area it is little.
    uncrossed = _square_sums(crossing, side_px) <= _MAX_SEAM_SHARE * side_px
    return few & uncrossed & (_square_sums(outside, side_px) == 0)


def _strong_edges(lightness: FloatImage, inside: BoolMask) -> BoolMask:
    edges = np.hypot(cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1))
    return _outstanding(edges, inside, _SEAM_ABOVE, 0.5)


def _outstanding(values: FloatImage, where: BoolMask, spreads: float, least_spread: float) -> BoolMask:
    """Values that many robust standard deviations (of the median, 1.4826 MAD) above those of a region."""
    middle = float(np.median(values[where]))
    spread = 1.4826 * float(np.median(np.abs(values[where] - middle))) + least_spread
    return values > middle + spreads * spread


def _skin(lab: FloatImage, inside: BoolMask) -> BoolMask:
    """Skin within a leaking mask; not where the garment itself has skin's colour."""
    found = skin_hue(lab)
    return found if found[inside].mean() < 0.3 else np.zeros_like(found)


def _square_sums(integral: NDArray[np.float64], side_px: int) -> NDArray[np.float64]:
    """Sum over every square of that side, by its top left corner; Crow 1984."""
    n = side_px
    return integral[n:, n:] - integral[:-n, n:] - integral[n:, :-n] + integral[:-n, :-n]
