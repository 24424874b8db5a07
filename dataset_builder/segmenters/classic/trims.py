"""Trims of another colour: collars, cuffs, stripes and plackets beside the cloth that was found."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS, Palette, cluster
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.records import BoolMask, FloatImage


def trims(
    body: Body, mask: BoolMask, still_life_lab: FloatImage, garment: BoolMask, palette: Palette
) -> BoolMask:
    """What touches a mask and has a colour that the still-life shows on small parts only.

    Args:
        body: the person on the photo.
        mask: ``(H, W)`` bool, the garment found.
        still_life_lab: ``(h, w, 3)`` Lab.
        garment: ``(h, w)`` bool, the garment on the still-life without its rim.
        palette: its main colours, among which those of trims are not.

    Returns:
        ``(H, W)`` bool, outside the mask and inside the person's outline.
    """
    nothing = np.zeros_like(mask)
    pixels = still_life_lab[garment] * LAB_WEIGHTS
    rare = pixels[_distance(pixels, palette.colours) > TUNING.trims_other_lab]
    if body.head is None or not mask.any() or len(rare) < TUNING.trims_least_share * len(pixels):
        return nothing
    _, colours = cluster(rare, 3)
    # Along the outline cloth and wall mix to any colour.
    inner = cv2.erode(body.person.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    found = inner & ~mask & ~body.like_skin
    head_px = body.head.chin - body.head.top
    # Below the hem other clothes may have a trim's colour.
    end = int(np.flatnonzero(mask.any(axis=1))[-1] - TUNING.trims_above_hem_heads * head_px)
    found[: max(body.head.chin, 0)] = found[max(end, 0) :] = False
    found[found] = _distance(body.lab[found] * LAB_WEIGHTS, colours) < TUNING.trims_same_lab
    count, parts = cv2.connectedComponents(found.astype(np.uint8))
    depth_px = cv2.distanceTransform(found.astype(np.uint8), cv2.DIST_L2, 3)
    beside = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    for index in range(1, count):
        part = parts == index
        thin = depth_px[part].max() < TUNING.trims_half_width_heads * head_px
        small = part.sum() < TUNING.trims_least_px
        if small or not thin or part[beside].sum() < TUNING.trims_beside * part.sum():
            found[part] = False
    enough = found.sum() <= TUNING.trims_most_share * len(rare) / len(pixels) * mask.sum()
    return found if enough else nothing


def _distance(lab: FloatImage, colours: FloatImage) -> FloatImage:
    """From each of ``(P, 3)`` colours to the nearest of others ``(N, 3)``."""
    distance: FloatImage = np.linalg.norm(lab[:, None] - colours, axis=2).min(axis=1)
    return distance
