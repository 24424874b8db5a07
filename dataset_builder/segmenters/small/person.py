"""The person on a photo by two small models of MediaPipe's: an outline and 33 landmarks.

Both run through OpenCV. ``selfie_segmentation`` gives how probably each pixel is a person.
``pose_landmark_full`` finds landmarks within a square about a person; MediaPipe finds that square with a
third model, which OpenCV cannot read, so the outline gives a first one and the landmarks in it a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from chromiq.records import FloatImage, RgbImage

SELFIE_SEGMENTATION = "selfie_segmentation.tflite"
POSE_LANDMARK = "pose_landmark_full.tflite"

_INPUT_PX = 256
_LANDMARKS = 39
_PERSON_FROM = 0.5
_LEAST_PERSON_PX = 50
# MediaPipe's own factor about the circle through the landmarks 33 (middle of the hips) and 34.
_SQUARE_ABOUT_CIRCLE = 1.25
_SQUARE_ABOUT_OUTLINE = 1.15
_VISIBLE_FROM = 0.5

NOSE, EYES, EARS, MOUTH = (0,), (1, 2, 3, 4, 5, 6), (7, 8), (9, 10)
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
HIPS, KNEES, ANKLES = (23, 24), (25, 26), (27, 28)


@dataclass(frozen=True, eq=False)
class SeenPerson:
    """What the models saw on one photo.

    Attributes:
        probability: ``(H, W)`` float32 in 0..1, how probably each pixel is a person.
        landmarks_xy: ``(33, 2)`` float32, pixels of the photo; some may lie outside it.
        visibility: ``(33,)`` float32 in 0..1, how surely each is in the picture and not hidden.
        presence: 0..1, how surely there is a person at all.
    """

    probability: FloatImage
    landmarks_xy: FloatImage
    visibility: FloatImage
    presence: float

    def middle(self, indices: tuple[int, ...]) -> FloatImage:
        """The mean position ``(2,)`` of some landmarks."""
        mean: FloatImage = self.landmarks_xy[list(indices)].mean(axis=0)
        return mean

    def visible(self, indices: tuple[int, ...]) -> bool:
        """Whether all of some landmarks are in the picture and, on the whole, not hidden."""
        height_px, width_px = self.probability.shape
        x, y = self.landmarks_xy[list(indices)].T
        inside = ((x >= 0) & (x < width_px) & (y >= 0) & (y < height_px)).all()
        return bool(inside and self.visibility[list(indices)].mean() > _VISIBLE_FROM)


class PersonModels:
    """Both models, read when the first photo is seen; not to be shared between threads."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    @cached_property
    def _outline(self) -> Any:
        return _read(self._files[SELFIE_SEGMENTATION])

    @cached_property
    def _pose(self) -> Any:
        return _read(self._files[POSE_LANDMARK])

    def __reduce__(self) -> tuple[type[PersonModels], tuple[dict[str, Path]]]:
        """Pickled as its files, since OpenCV's networks cannot be: each worker process reads them again."""
        return PersonModels, (self._files,)

    def see(self, rgb: RgbImage) -> SeenPerson:
        """The person on a photo.

        Args:
            rgb: ``(H, W, 3)`` uint8 sRGB; some hundred pixels high are enough.
        """
        height_px, width_px = rgb.shape[:2]
        square = cv2.resize(rgb, (_INPUT_PX, _INPUT_PX), interpolation=cv2.INTER_AREA)
        self._outline.setInput(_blob(square))
        small = self._outline.forward()[0, 0]
        probability = cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
        first = self._landmarks(rgb, *_square_about(probability))
        hip, rim = first[33, :2], first[34, :2]
        side_px = 2 * float(np.linalg.norm(rim - hip)) * _SQUARE_ABOUT_CIRCLE
        landmarks = self._landmarks(rgb, hip, max(side_px, 0.3 * height_px))
        visibility = _sigmoid(landmarks[:33, 3:5]).min(axis=1)
        return SeenPerson(probability, landmarks[:33, :2], visibility, self._presence)

    def _landmarks(self, rgb: RgbImage, centre_xy: FloatImage, side_px: float) -> FloatImage:
        """Landmarks ``(39, 5)`` within a square: x, y, z in pixels of the photo, two logits."""
        scale = _INPUT_PX / side_px
        shift = _INPUT_PX / 2 - np.asarray(centre_xy) * scale
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        cut = cv2.warpAffine(
            rgb, matrix, (_INPUT_PX, _INPUT_PX), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        self._pose.setInput(_blob(cut))
        found, presence = self._pose.forward(["Identity", "Identity_1"])
        self._presence = float(presence.ravel()[0])
        landmarks = found.reshape(_LANDMARKS, 5).copy()
        landmarks[:, :2] = (landmarks[:, :2] - shift) / scale
        return np.asarray(landmarks)


def _square_about(probability: FloatImage) -> tuple[FloatImage, float]:
    """The middle and the side of a square about the person's outline, or about the whole photo."""
    rows, columns = np.nonzero(probability > _PERSON_FROM)
    height_px, width_px = probability.shape
    if rows.size < _LEAST_PERSON_PX:
        return np.array([width_px / 2, height_px / 2], np.float32), float(max(height_px, width_px))
    (left, right), (top, bottom) = np.percentile(columns, [1, 99]), np.percentile(rows, [0.5, 99.5])
    side_px = max(right - left, bottom - top) * _SQUARE_ABOUT_OUTLINE
    return np.array([(left + right) / 2, (top + bottom) / 2], np.float32), float(side_px)


def _read(path: Path) -> Any:
    # OpenCV 5's new engine knows only one of the outputs of a model that has several.
    engine = getattr(cv2.dnn, "ENGINE_CLASSIC", None)
    return cv2.dnn.readNetFromTFLite(str(path), *([] if engine is None else [engine]))


def _blob(rgb: RgbImage) -> FloatImage:
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))


def _sigmoid(logit: FloatImage) -> FloatImage:
    return 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
