"""Images that were shifted or resized, brought to where the truth lies; or refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from chromiq.errors import Finding, UnsoundError
from chromiq.imaging.registration import RELIABLE_CONFIDENCE, register, undo_shift
from chromiq.records import BoolMask, RgbImage

# A pipeline that picks another size keeps the shape of the picture to about this.
_MAX_ASPECT_CHANGE = 0.03


@dataclass(frozen=True, eq=False)
class Aligned:
    """An image where the truth lies, and what it took.

    Attributes:
        rgb: ``(H, W, 3)`` uint8 sRGB, of the truth's size.
        inside: ``(H, W)`` bool, where it has pixels; None for everywhere.
        dx_px: how far to the right of the truth it lay; None if it was not registered.
        dy_px: how far below.
        resized_from: its size before it was scaled, or cut, to the truth's; None if it had that size.
    """

    rgb: RgbImage
    inside: BoolMask | None = None
    dx_px: float | None = None
    dy_px: float | None = None
    resized_from: str | None = None


def align(image: RgbImage, truth: RgbImage, path: Path) -> Aligned:
    """An image brought to the truth's size and place.

    Args:
        image: ``(H, W, 3)`` uint8 sRGB.
        truth: the same scene, its colours other.
        path: of the image, for messages.

    Raises:
        UnsoundError: if the image has another shape, or does not show the same scene clearly enough to say
            where it lies.
    """
    size_wh, own_wh = (picture.shape[1::-1] for picture in (truth, image))
    resized_from = None
    if own_wh != size_wh:
        have, want = (f"{width_px}x{height_px}" for width_px, height_px in (own_wh, size_wh))
        change = own_wh[0] * size_wh[1] / (own_wh[1] * size_wh[0])
        if abs(change - 1) > _MAX_ASPECT_CHANGE:
            message = f"is {have}, another shape than the truth's {want}"
            hint = "Score uncropped images of the same scene."
            _refuse(Finding("score.shape", str(path), message, hint, wanted=want, got=have))
        resized_from = have
    # An image of another size was scaled, or cut at its right and lower border: which, its edges tell.
    candidates = [image, *([_scaled(image, size_wh)] if resized_from else [])]
    shifts = [register(candidate, truth) for candidate in candidates]
    shift = max(shifts, key=lambda found: found.confidence)
    image = candidates[shifts.index(shift)]
    if not shift.reliable:
        message = (
            "cannot be registered with the truth: their edges correlate by "
            f"{shift.confidence:.2f}, less than {RELIABLE_CONFIDENCE}"
        )
        _refuse(Finding("score.registration", str(path), message, "Score an image of the same scene."))
    rgb, inside = undo_shift(image, shift, size_wh)
    return Aligned(rgb, inside, shift.dx_px, shift.dy_px, resized_from)


def _scaled(image: RgbImage, size_wh: tuple[int, int]) -> RgbImage:
    shrinks = image.shape[1] > size_wh[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), np.uint8)


def _refuse(finding: Finding) -> None:
    raise UnsoundError(str(finding), [finding])
