"""The head of the person on a photo, by outline and skin: what all on the body is measured in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.records import BoolMask, FloatImage

_CUT_ROWS = 2
# The body's width over its upper half with the arms hanging: 1.7 to 2.2, women to men.
_WIDTH_IN_HEADS = 2.0
_SKIN_HUE_DEG = (52, 26)
"""The middle, and how far it may be on either side."""


@dataclass(frozen=True)
class Head:
    """Rows of the head's top and of its chin; above the photo, and negative, where it is cut off."""

    top: int
    chin: int

    def chin_row(self, heads_below: float) -> int:
        """The row so many heads below the chin, or the photo's first."""
        return max(0, int(self.chin + heads_below * (self.chin - self.top)))


def find_head(person: BoolMask, skin: BoolMask, *, cut_off: bool) -> Head | None:
    """The head: a part at the top with skin in it, a narrower neck below, then shoulders.

    Args:
        person: ``(H, W)`` bool.
        skin: ``(H, W)`` bool, what of the person has a colour that skin may have.
        cut_off: whether a photo without a head begins at the neck or near it; else it may begin anywhere.
    """
    if not person.any():
        return None
    head = _whole_head(person, skin)
    cut = bool(person[:_CUT_ROWS].any())
    return _completed(head, person) if cut and (head or cut_off) else head


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


def _completed(head: Head | None, person: BoolMask) -> Head:
    """A head that the photo's upper edge cuts off, as high as suits the shoulders below it."""
    chin = head.chin if head else 0
    width = person[chin:].sum(axis=1)
    height_px = max(8, int(np.percentile(width[: width.max()], 75) / _WIDTH_IN_HEADS))
    return Head(min(chin - height_px, head.top if head else 0), chin)


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


def skin_hue(lab: FloatImage) -> BoolMask:
    """Whether colours are of a hue and chroma that skin of any tone has, between red and yellow."""
    lightness, a, b = (lab[..., axis] for axis in range(3))
    chroma = np.hypot(a, b)
    middle, reach = np.radians(_SKIN_HUE_DEG)
    near_hue = a * np.cos(middle) + b * np.sin(middle) > np.cos(reach) * chroma
    return np.asarray(near_hue & (chroma > 8) & (chroma < 50) & (lightness > 12) & (lightness < 92))


def _share(part: BoolMask, whole: BoolMask, start: int, stop: int) -> float:
    return float(part[start:stop].sum() / max(whole[start:stop].sum(), 1))
