"""Where the garment lies on a still-life: what differs from the plain background around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.colour import bytes_to_linear, linear_to_srgb, srgb_to_lab
from chromiq.imaging.picture_frame import inside_frame
from chromiq.records import BoolMask, FloatImage, RgbImage

_WORK_HEIGHT_PX = 400
_MIN_SHARE = 0.01
# A mask is doubted below the first share of the photo, and for its place if it has more than the second of
# the border and less than the third of itself in the middle.
_LEAST_CLEAR_SHARE, _HARDLY_AT_BORDER, _LEAST_IN_MIDDLE = 0.03, 0.015, 0.4
_MARGIN_PX = 12
_SHADOW_SHARE = 0.25
_FADED_SHARE = 0.65
_WIDE_PX = 13
_MIN_PART = 0.03
_SAME_WALL_LAB, _SAME_SURFACE_LAB = 8.0, 2.0
# Between these lies what counts as far from the background.
_THRESHOLDS_LAB = (1.2, 10.0)
# Of a still-life without its noise: the least that counts as far, about one grey level, and how much more
# must be found so. The filter's diameter is in pixels, its sigmas in Lab and in pixels.
_LEAST_DENOISED_LAB, _CLEARLY_MORE, _DENOISING = 0.4, 1.04, (5, 2.0, 2.0)
_BORDER_ROUNDS, _INNER_ROUNDS = 8, 2
# Light falls off where the distance of the border from a plane is over the first, and from a curved surface
# under the second times that.
_VISIBLE_SPREAD_LAB, _FALLOFF_SHARE = 2.0, 0.5
# Of the photo's height and width, what the background must extend over.
_LEAST_SPAN = 0.8
# Lab lightness and chroma of a wall by which the light is judged.
_LIGHT_WALL, _LEAST_CAST, _MOST_CAST = 60.0, 5.0, 30.0
_MIN_WALL_PX, _MOST_WALL_PX = 50, 8_000


def still_life_mask(still_life: RgbImage) -> BoolMask:
    """The garment of a still-life.

    The background is modelled by the colours along the border and around the garment; what differs from it
    by more than its own spread is the garment, refined by GrabCut so that cloth of nearly the background's
    colour closes.

    Args:
        still_life: ``(H, W, 3)`` uint8 sRGB, one garment on a plain background.

    Returns:
        ``(H, W)`` bool. All True in the middle half of the photo if no garment stands out at all.
    """
    return find_on_still_life(still_life)[0]


def find_on_still_life(still_life: RgbImage) -> tuple[BoolMask, bool]:
    """The garment of a still-life as `still_life_mask` gives it, and whether it is unclear.

    It is if hardly anything stands out, or little that lies along the border: that is only a part of the
    garment, or the background instead, as the photo is cropped so closely that its border shows more cloth
    than background, or the cloth has the background's colour.
    """
    inside = inside_frame(still_life)
    picture = still_life[inside]
    height_px, width_px = picture.shape[:2]
    scale = min(1.0, _WORK_HEIGHT_PX / height_px)
    size_wh = (max(1, round(width_px * scale)), round(height_px * scale))
    small = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA)
    lab = srgb_to_lab(small)
    found = _one_thing(lab, _THRESHOLDS_LAB[0])
    # With the noise taken off, cloth nearly as white as the wall is found; outlines are better without.
    fine = _one_thing(cv2.bilateralFilter(lab, *_DENOISING), _LEAST_DENOISED_LAB)
    if fine.sum() > _CLEARLY_MORE * found.sum():
        found = fine
    mask = _refine(small, found)
    # A towel with straight sides looks like an empty photo in a frame.
    framed = picture.shape != still_life.shape
    unclear = _is_along_border(mask) or (mask.mean() < _LEAST_CLEAR_SHARE and not framed)
    if mask.mean() < _MIN_SHARE:
        mask = np.full(small.shape[:2], framed)
        _middle_half(mask)[:] = True
    soft = cv2.resize(mask.astype(np.float32), (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    full = np.zeros(still_life.shape[:2], bool)
    full[inside] = soft > 0.5
    return full, bool(unclear)


def _is_along_border(mask: BoolMask) -> bool:
    """Whether a mask touches the border, misses the middle half and is smaller than that."""
    middle = _middle_half(mask)
    touches = mask[_border(mask)].mean() > _HARDLY_AT_BORDER
    return bool(touches and mask.sum() < middle.size and middle.sum() < _LEAST_IN_MIDDLE * mask.sum())


def _middle_half(mask: BoolMask) -> BoolMask:
    """The middle of a mask, half as high and wide: a view."""
    height_px, width_px = mask.shape
    return mask[height_px // 4 : height_px * 3 // 4, width_px // 4 : width_px * 3 // 4]


def _one_thing(lab: FloatImage, least_lab: float) -> BoolMask:
    """What differs from a background that nothing but light makes uneven, without its shadow."""
    distance, threshold = background_distance(lab, degree=3, least_lab=least_lab)
    return foreground(distance, threshold, without_shadow=True)


def background_distance(
    lab: FloatImage, *, degree: int = 1, least_lab: float = _THRESHOLDS_LAB[0]
) -> tuple[FloatImage, float]:
    """How far each pixel is from the background's colour, and what counts as far.

    The background's colour may vary over the photo: a plane is fitted to the border pixels near its
    colour, or a curved surface to them and all that lies outside the foreground's convex hull.

    Args:
        lab: ``(H, W, 3)`` Lab, the photo.
        degree: of the surface, 1 to 3; at least 2 is used where the light clearly falls off. A curved one
            follows the light on a wall closely enough to tell white cloth from it, but also shows shadows,
            and is not used if it is asked for where the background is seen on one side only.
        least_lab: the least that counts as far from a curved surface.

    Returns:
        ``(H, W)`` float32 Euclidean Lab distance, and the distance beyond which a pixel is no background.
    """
    border = _border(lab)
    wall = near_colour = _wall_at_border(lab)
    flat = _distance_from(lab, wall, 1)
    spread = _spread(flat[wall])
    threshold = float(np.clip(3 * spread, *_THRESHOLDS_LAB))
    if degree == 1 and spread <= _VISIBLE_SPREAD_LAB:
        return flat, threshold
    # Light that falls off leaves only a part of the border near its colour.
    for _ in range(_BORDER_ROUNDS):
        before, distance = wall, _distance_from(lab, wall, 2)
        # Cloth of nearly its colour may be among it: the nearer half tells how far the background reaches.
        wall = border & (distance < max(3 * _spread(distance[wall], 50), _SAME_SURFACE_LAB))
        if (wall == before).all():
            break
    curved_spread = _spread(distance[near_colour], 85)
    falls_off = spread > _VISIBLE_SPREAD_LAB and curved_spread < _FALLOFF_SHARE * spread
    if not falls_off and (degree == 1 or _on_one_side(wall)):
        return flat, threshold
    threshold = min(threshold, max(3 * _spread(distance[wall]), least_lab))
    for _ in range(_INNER_ROUNDS):
        # At the border the hull of cloth that touches it would leave no wall to go by.
        wall = (distance < threshold) & (border | ~_hull(foreground(distance, threshold)))
        if (wall & border).sum() < _MIN_WALL_PX:
            break
        distance = _distance_from(lab, wall, max(degree, 2))
        # Light that falls off is never followed exactly.
        spread = _spread(distance[wall], 90 if falls_off else 85)
        threshold = min(threshold, max(3 * spread, least_lab))
    return distance, threshold


def _distance_from(lab: FloatImage, wall: BoolMask, degree: int) -> FloatImage:
    """How far each pixel is from the surface through a wall: ``(H, W)`` float32."""
    apart = apart_from_surface(lab, wall, degree)
    return np.sqrt(np.einsum("...i,...i->...", apart, apart)).astype(np.float32)


def _on_one_side(wall: BoolMask) -> bool:
    """Whether a wall is seen on one side only, from where a curved surface would run astray."""
    spans = [np.ptp(np.flatnonzero(wall.any(axis=axis))) for axis in (1, 0)]
    return any(span < _LEAST_SPAN * size for span, size in zip(spans, wall.shape, strict=True))


def _spread(distance: FloatImage, percent: int = 90) -> float:
    """How far the nearest percent of a wall's pixels ``(P,)`` are from its surface."""
    return float(np.percentile(distance, percent))


def _hull(mask: BoolMask) -> BoolMask:
    """The convex hull of all of a mask."""
    hull = np.zeros(mask.shape, np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if outlines:
        cv2.fillConvexPoly(hull, cv2.convexHull(np.concatenate(outlines)), 1)
    return hull > 0


def without_cast(photo: RgbImage) -> RgbImage:
    """A photo in the white balance that makes its light wall grey.

    In warm or cool light grey cloth has the colour of skin, and nothing has the still-life's colours.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.

    Returns:
        The same with each channel of linear light scaled (von Kries); unchanged if the wall is grey already,
        dark, or of a colour that light hardly has.
    """
    lab = srgb_to_lab(photo)
    wall = _wall_at_border(lab)
    lightness, a, b = np.median(lab[wall], axis=0)
    if lightness < _LIGHT_WALL or not _LEAST_CAST < np.hypot(a, b) < _MOST_CAST:
        return photo
    linear = bytes_to_linear(photo)
    light = linear[wall].mean(axis=0)
    neutral = np.clip(linear * (light.mean() / light), 0, 1)
    return (linear_to_srgb(neutral) * 255).round().astype(np.uint8)


def _border(photo: FloatImage | RgbImage | BoolMask) -> BoolMask:
    band = max(2, round(0.02 * min(photo.shape[:2])))
    border = np.ones(photo.shape[:2], bool)
    border[band:-band, band:-band] = False
    return border


def _wall_at_border(lab: FloatImage) -> BoolMask:
    """Where the border shows the background: near the colour that its corners show and the middle does not.

    Cloth or a body may touch any border, and fill most of it.
    """
    border = _border(lab)
    # Over 0 even on a picture of one row, which is all middle.
    y, x = (np.abs(np.linspace(-1, 1, size + 2)[1:-1]).clip(1e-3) for size in border.shape)
    corners, middle = border * np.outer(y, x), np.outer(1 - y, 1 - x)
    weight = corners / corners.sum() - middle / middle.sum()
    # One number for each cell of Lab; greys lie in the middle of theirs.
    cells = (lab / _SAME_WALL_LAB + np.array([1, 16.5, 16.5], np.float32)).astype(np.intp) @ (1024, 32, 1)
    votes = np.bincount(cells.ravel(), weight.ravel())
    colours, cells = lab[border], cells[border]
    near = cells == cells[votes[cells].argmax()]
    for _ in range(2):
        near = np.linalg.norm(colours - np.median(colours[near], axis=0), axis=1) < _SAME_WALL_LAB
    wall = np.zeros_like(border)
    wall[border] = near
    return wall


def apart_from_surface(lab: FloatImage, sample: BoolMask, degree: int) -> FloatImage:
    """By how much each pixel differs from a polynomial surface that is fitted to a sample.

    Args:
        lab: ``(H, W, 3)`` Lab.
        sample: ``(H, W)`` bool, the background, or what is known of it.
        degree: of the polynomial in row and column.

    Returns:
        ``(H, W, 3)`` Lab differences.
    """
    height_px, width_px = sample.shape
    y, x = (np.arange(size, dtype=np.float32) / size - 0.5 for size in (height_px, width_px))
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    rows, columns = (index[:: max(1, index.size // _MOST_WALL_PX)] for index in np.nonzero(sample))
    terms = np.stack([y[rows] ** i * x[columns] ** j for i, j in powers], dtype=np.float64)
    # By the normal equations: far faster, and there are few terms.
    coefficients, *_ = np.linalg.lstsq(terms @ terms.T, terms @ lab[rows, columns], rcond=None)
    by_power = np.zeros((degree + 1, degree + 1, 3), np.float32)
    by_power[tuple(zip(*powers, strict=True))] = coefficients
    y_powers, x_powers = (np.vander(axis, degree + 1, increasing=True) for axis in (y, x))
    surface = x_powers @ np.tensordot(y_powers, by_power, axes=1)
    return np.asarray(lab - surface)


def foreground(distance: FloatImage, threshold: float, *, without_shadow: bool = False) -> BoolMask:
    """What differs from the background: ``(H, W)`` bool, small specks removed and holes filled.

    Args:
        distance: ``(H, W)`` float32, as `background_distance` gives it.
        threshold: what counts as far, as given there.
        without_shadow: leave out what differs by little beside the rest, as a shadow does. Only for a
            photo of one thing: beside black hair, white cloth differs by little too.
    """
    smooth = cv2.GaussianBlur(distance, (0, 0), 1)
    mask = _cleaned(smooth > threshold)
    if without_shadow and mask.any():
        clear = _cleaned(smooth > max(threshold, _SHADOW_SHARE * float(np.median(distance[mask]))))
        mask = clear | _light_cloth(mask & ~clear, clear, smooth)
    return fill_small_holes(keep_large_parts(mask, 0.1), 0.0005)


def _cleaned(mask: BoolMask) -> BoolMask:
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, _disc(3))
    return cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(5)) > 0


def _light_cloth(faint: BoolMask, clear: BoolMask, distance: FloatImage) -> BoolMask:
    """Of what differs little from the background, the wide parts that are no shadow.

    A shadow fades from the garment outwards; cloth differs as much half way in as further in.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(_opened(faint, _WIDE_PX).astype(np.uint8))
    depth_px = cv2.distanceTransform((faint | clear).astype(np.uint8), cv2.DIST_L2, 3)
    cloth = np.zeros_like(faint)
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < _MIN_PART * clear.sum():
            continue
        inside = labels == part
        depth = depth_px / np.percentile(depth_px[inside], 95)
        half_way, far_in = inside & (depth > 0.35) & (depth < 0.6), inside & (depth >= 0.6)
        if not (half_way.any() and far_in.any()):
            continue
        if np.median(distance[half_way]) > _FADED_SHARE * np.median(distance[far_in]):
            cloth |= inside
    return cloth


def _opened(mask: BoolMask, side_px: int) -> BoolMask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _disc(side_px)) > 0


def _disc(side_px: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px)).astype(np.uint8)


def grab_cut(rgb: RgbImage, trimap: NDArray[np.uint8], rounds: int) -> BoolMask:
    """GrabCut (Rother et al. 2004) about what may be foreground; the same arguments give the same mask.

    Args:
        rgb: ``(H, W, 3)`` uint8 sRGB.
        trimap: ``(H, W)`` uint8, OpenCV's ``GC_`` constants; it is not changed.
        rounds: how often colours and mask are fitted to each other.
    """
    mask = np.zeros(trimap.shape, bool)
    rows, columns = np.nonzero(trimap != cv2.GC_BGD)
    if not rows.size:
        return mask
    # Far background costs time and teaches nothing more.
    window = tuple(slice(max(0, at.min() - _MARGIN_PX), at.max() + _MARGIN_PX + 1) for at in (rows, columns))
    labels = trimap[window].copy()
    background = np.isin(labels, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if background.any() and not background.all():
        cv2.setRNGSeed(0)
        theirs, ours = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(rgb[window].copy(), labels, None, theirs, ours, rounds, cv2.GC_INIT_WITH_MASK)
    mask[window] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return mask


def row_spans(mask: BoolMask) -> NDArray[np.intp]:
    """From which column to which each row of a mask ``(H, W)`` reaches: ``(H, 2)``, equal where it is empty.

    >>> row_spans(np.array([[False, True, False, True], [False] * 4])).tolist()
    [[1, 4], [0, 0]]
    """
    ends = mask.shape[1] - mask[:, ::-1].argmax(axis=1)
    return np.stack([mask.argmax(axis=1), np.where(mask.any(axis=1), ends, 0)], axis=1)


def keep_large_parts(mask: BoolMask, share_of_largest: float) -> BoolMask:
    """The connected parts of a mask that have at least a share of the largest one's area."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 1:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = areas >= share_of_largest * areas[1:].max()
    kept[0] = False
    return np.asarray(kept[labels])


def fill_small_holes(mask: BoolMask, share_of_image: float) -> BoolMask:
    """A mask without the holes that are smaller than a share of the image."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < share_of_image * mask.size
    return mask | small[labels]


def _refine(rgb: RgbImage, mask: BoolMask) -> BoolMask:
    if not mask.any() or mask.all():
        return mask
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    trimap = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    trimap[cv2.dilate(mask.astype(np.uint8), near) > 0] = cv2.GC_PR_BGD
    trimap[mask] = cv2.GC_PR_FGD
    trimap[cv2.erode(mask.astype(np.uint8), near) > 0] = cv2.GC_FGD
    if not (trimap == cv2.GC_BGD).any():
        return mask
    refined = grab_cut(rgb, trimap, rounds=1)
    if refined.sum() < 0.6 * mask.sum():
        # GrabCut gave up on cloth of the background's colour; what stood out before stays.
        refined |= mask
    return fill_small_holes(keep_large_parts(refined, 0.1), 0.0005)
