"""The head of the person on a photo, by outline and skin: what all on the body is measured in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.small.person import (
    EARS,
    EYES,
    HIPS,
    MOUTH,
    NOSE,
    SHOULDERS,
    SeenPerson,
)
from chromiq.imaging.masks import opened
from chromiq.records import BoolMask, FloatImage, RgbImage


@dataclass(frozen=True)
class Head:
    """Rows of the head's top and of its chin; above the photo, and negative, where it is cut off.

    Attributes:
        top: the first row.
        chin: the first row below.
        left, right: the columns of the face, where it was found as such.
        assumed: whether nothing of it was found, and it is placed where the photo is cut off.
    """

    top: int
    chin: int
    left: int | None = None
    right: int | None = None
    assumed: bool = False

    def chin_row(self, heads_below: float) -> int:
        """The row so many heads below the chin, or the photo's first."""
        return max(0, int(self.chin + heads_below * (self.chin - self.top)))


def head_by_landmarks(seen: SeenPerson) -> Head | None:
    """The head by the landmarks of face, shoulders and hips; None if they do not make up a body with a face.

    A head is about 2.5 times in the way from chin to hips. Hips beyond the photo are guesses, so the face has
    a say too: from eyes to mouth it is some 0.39 heads.
    """
    if not seen.visible(NOSE + EYES + MOUTH):
        return None
    eyes, mouth, shoulders, hips = (float(seen.middle(part)[1]) for part in (EYES, MOUTH, SHOULDERS, HIPS))
    chin = mouth + 0.4 * (mouth - eyes)
    by_body, by_face = (hips - chin) / 2.5, (mouth - eyes) / 0.39
    height_px = max(by_body, by_face)
    if height_px < 8 or by_face < 0.55 * height_px or shoulders - chin < 0.1 * height_px:
        return None
    columns = seen.landmarks_xy[list(NOSE + EYES + EARS + MOUTH), 0]
    return Head(round(chin - height_px), round(chin), round(columns.min()), round(columns.max()))


def head_by_face(photo: RgbImage, person: BoolMask, skin: BoolMask) -> Head | None:
    """The head by scikit-image's trained cascade of frontal faces; None if no face is found on the person.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB, some 320 px high.
        person: ``(H, W)`` bool.
        skin: ``(H, W)`` bool, what of the person has a colour that skin may have.
    """
    upper = photo[: int(TUNING.head_face_within * len(photo))]
    if skin[: len(upper)].sum() <= TUNING.head_face_skin * TUNING.head_face_px[0] ** 2:
        return None  # too little even for the smallest face; looking for one takes time
    faces = _face_cascade().detect_multi_scale(
        img=upper,
        scale_factor=1.2,
        step_ratio=1,
        min_size=(TUNING.head_face_px[0],) * 2,
        max_size=(TUNING.head_face_px[1],) * 2,
        min_neighbor_number=TUNING.head_face_votes,
    )
    axis = float(np.median(np.nonzero(person)[1])) if person.any() else photo.shape[1] / 2

    def off_axis(face: dict[str, int]) -> float:
        return abs(face["c"] + face["width"] / 2 - axis) / face["width"]

    def skin_share(face: dict[str, int]) -> float:
        window = skin[face["r"] : face["r"] + face["height"], face["c"] : face["c"] + face["width"]]
        return float(window.mean())

    near = [face for face in faces if off_axis(face) < 1.5 and skin_share(face) > TUNING.head_face_skin]
    if not near:
        return None
    face = max(near, key=lambda face: face["width"])  # a print or a hand is smaller
    chin = face["r"] + face["height"]
    inset = face["width"] // 6
    top = round(chin - TUNING.head_head_over_face * face["height"])
    return Head(top, chin, face["c"] + inset, face["c"] + face["width"] - inset)


@cache
def _face_cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def find_head(photo: RgbImage, person: BoolMask, skin: BoolMask, *, face_shown: bool) -> Head | None:
    """The head without person models: by the outline where the face agrees with it, else by the face.

    The outline shows a part at the top with skin in it, a narrower neck below, then shoulders.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        person: ``(H, W)`` bool.
        skin: ``(H, W)`` bool, what of the person has a colour that skin may have.
        face_shown: whether there may be a face on the photo; looking for one takes time.
    """
    if not person.any():
        return None
    outline = _whole_head(person, skin)
    face = head_by_face(photo, person, skin) if face_shown else None
    if outline and cut_off(person):
        outline = completed_head(outline, person)
    if face is None:
        # Hair that reaches the photo's edge or the shoulders hides the neck that the outline goes by.
        doubtful = outline is None or outline.chin - outline.top > TUNING.head_largest_head * len(person)
        return (head_by_skin(person, skin) or outline) if doubtful else outline
    if outline and abs(outline.chin - face.chin) < TUNING.head_same_chin * (face.chin - face.top):
        return replace(outline, left=face.left, right=face.right)
    return face


def head_by_skin(person: BoolMask, skin: BoolMask) -> Head | None:
    """The head by the largest patch of skin in the upper half, as of a face within hair; None without one.

    Args:
        person: ``(H, W)`` bool.
        skin: ``(H, W)`` bool, what of the person has a colour that skin may have.
    """
    height_px, width_px = person.shape
    patch = skin.copy()
    patch[height_px // 2 :] = False
    axis = np.median(np.nonzero(person)[1])
    patch[:, np.abs(np.arange(width_px) - axis) > TUNING.head_face_aside * width_px] = False
    patch_parts = opened(patch, 5).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(patch_parts)
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    if stats[largest, cv2.CC_STAT_AREA] < TUNING.head_min_face * person.size:
        return None
    face = parts == largest
    rows = np.flatnonzero(face.any(axis=1))
    width = np.percentile(face.sum(axis=1)[rows[: max(10, int(0.6 * len(rows)))]], 80)
    if rows[0] > TUNING.head_face_from_top * height_px or width < TUNING.head_narrowest_face * width_px:
        return None  # an arm or a leg
    low, high = (share * height_px for share in TUNING.head_head_shares)
    head_px = float(np.clip(TUNING.head_head_over_skin * width, low, high))
    chin = round(rows[0] + head_px)
    if (
        rows[0] < TUNING.head_cut_rows
    ):  # the forehead may be cut off: the chin is where the patch narrows to a neck
        widths = cv2.GaussianBlur(face.sum(axis=1).astype(np.float32)[:, None], (1, 9), 1.5)[:chin, 0]
        widest = int(widths.argmax())
        narrow = np.flatnonzero(widths[widest:] < TUNING.head_neck_over_face * widths[widest])
        chin = widest + int(narrow[0]) if narrow.size else chin
    feet = int(np.flatnonzero(person.any(axis=1))[-1])
    if feet < height_px - TUNING.head_cut_rows and feet - chin < TUNING.head_least_body * head_px:
        return None  # a skin-coloured garment: no body is so short
    columns = np.flatnonzero(face[rows[0] : chin].any(axis=0))
    return Head(chin - round(head_px), chin, int(columns[0]), int(columns[-1]))


def cut_off(person: BoolMask) -> bool:
    """Whether the photo's upper edge cuts the person."""
    return bool(person[: TUNING.head_cut_rows].any())


def _whole_head(person: BoolMask, skin: BoolMask) -> Head | None:
    rows = np.flatnonzero(person.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1])
    width = cv2.GaussianBlur(person.sum(axis=1).astype(np.float32)[:, None], (1, 9), 1.5)[:, 0]
    best: tuple[float, int] | None = None
    for neck in range(top + 8, min(bottom - 3, top + int(0.55 * len(person)))):
        widest = width[top:neck].max()
        if width[neck] > 0.9 * widest or width[neck] > width[neck - 3 : neck + 4].min():
            continue
        shoulders = width[neck : neck + int(1.2 * (neck - top)) + 3].max()
        if shoulders < 1.5 * widest and shoulders < 2 * width[neck]:
            continue
        if _share(skin, person, top, neck) < 0.12:
            continue
        narrowness = float(width[neck] / widest)
        if best is None or narrowness < best[0] - 0.02:
            best = (narrowness, neck)
    if best:
        return Head(top, best[1])
    return _head_without_neck(person, skin, width, top, bottom)


def completed_head(head: Head | None, person: BoolMask) -> Head:
    """A head that the photo's upper edge cuts off, as high as suits the shoulders below it."""
    chin = head.chin if head else 0
    width = person[chin:].sum(axis=1)
    height_px = max(8, int(np.percentile(width[: width.max()], 75) / TUNING.head_width_in_heads))
    return Head(min(chin - height_px, head.top if head else 0), chin, assumed=head is None)


def _head_without_neck(
    person: BoolMask, skin: BoolMask, width: FloatImage, top: int, bottom: int
) -> Head | None:
    """Hair or a collar may hide the neck: then the head ends where the outline widens to shoulders."""
    first = width[top + 4 : top + int(0.08 * len(person)) + 2]
    if top <= 2 or not first.size:
        return None
    row = top
    while row < bottom and width[row] < 1.6 * first.max():
        row += 1
    found = row < bottom and row - top > 8 and _share(skin, person, top, row) > 0.12
    return Head(top, row) if found else None


def _share(part: BoolMask, whole: BoolMask, start: int, stop: int) -> float:
    return float(part[start:stop].sum() / max(whole[start:stop].sum(), 1))
