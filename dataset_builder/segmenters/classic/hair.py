"""Hair that hangs over or beside a garment: beside the neck, or like the hair that is seen on the head."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS, Palette
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.small.person import SHOULDERS
from chromiq.records import BoolMask


def hair(body: Body, cloth: BoolMask, palette: Palette) -> BoolMask:
    """Where hair lies, ``(H, W)`` bool; nowhere if no face was found.

    Args:
        body: the person on the photo.
        cloth: ``(H, W)`` bool, where the garment surely is; hair must be less like it than like hair.
        palette: the garment's colours on the still-life, which are not taken for hair.
    """
    head = body.head
    if head is None or head.left is None or head.right is None:
        return np.zeros(body.person.shape, bool)
    height_px, middle = head.chin - head.top, (head.left + head.right) / 2
    rows, columns = np.indices(body.person.shape)
    aside = np.abs(columns - middle) / height_px
    found = beside_neck(body) & body.person
    inner = cv2.erode(body.person.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    on_head = inner & ~body.near_face & (rows < head.chin - 0.55 * height_px) & (aside < 0.8)
    around = body.person & (aside < TUNING.hair_reach) & (rows < head.chin + TUNING.hair_length * height_px)
    cloth = cloth & ~body.near_face
    if min(on_head.sum(), cloth.sum()) >= TUNING.hair_min_hair_px:
        of_hair, of_cloth = (body.likeness_to_parts(body.lab[part], 2) for part in (on_head, cloth))
        ratio = cv2.GaussianBlur(of_cloth - of_hair, (0, 0), 1.2)
        own = palette.colours[palette.shares > TUNING.hair_own_share]
        apart = np.linalg.norm((body.lab * LAB_WEIGHTS)[:, :, None] - own, axis=3).min(axis=2, initial=np.inf)
        like_hair = (
            around
            & ~body.near_face
            & (ratio > TUNING.hair_more_like_hair)
            & (apart > TUNING.hair_own_colour_lab)
        )
        _, parts = cv2.connectedComponents((like_hair | (on_head & around)).astype(np.uint8))
        grown = np.isin(parts, np.setdiff1d(np.unique(parts[on_head]), [0]))
        found |= grown & like_hair
    return np.asarray(found)


def beside_neck(body: Body) -> BoolMask:
    """What lies above the shoulders beside the neck, where only hair and hoods are: ``(H, W)`` bool."""
    head = body.head
    if head is None or head.left is None or head.right is None:
        return np.zeros(body.person.shape, bool)
    height_px, middle = head.chin - head.top, (head.left + head.right) / 2
    rows, columns = np.indices(body.person.shape)
    above = np.zeros(body.person.shape, bool)
    joints = np.array(
        [
            (
                middle + side * TUNING.hair_shoulder * height_px,
                head.chin + TUNING.hair_joint_below_chin * height_px,
            )
            for side in (-1, 1)
        ]
    )
    if body.seen is not None and body.seen.visible(SHOULDERS):
        joints = body.seen.landmarks_xy[list(SHOULDERS)]
        joints = joints[joints[:, 0].argsort()]
    for side, (x, y) in zip((-1, 1), joints.tolist(), strict=True):
        far = side * (x - middle)
        near = TUNING.hair_neck * height_px
        if far * TUNING.hair_joint_share <= near:
            continue
        offset = side * (columns - middle)
        slope = (offset - near) / (far - near)
        line = head.chin + slope * (y - TUNING.hair_cloth_over_joint * height_px - head.chin)
        above |= (offset > near) & (offset < TUNING.hair_joint_share * far) & (rows < line)
    return above
