"""The person on a photo by small models of MediaPipe's: an outline, 33 landmarks, hair and skin.

All run through LiteRT on one thread. ``selfie_segmentation`` gives how probably each pixel is a person.
``pose_landmark_full`` finds landmarks within a square about a person: the outline gives a first square and
the landmarks in it a second. ``selfie_multiclass`` parts a person into hair, skin, clothes and other things.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from chromiq.records import FloatImage, RgbImage
from chromiq.runtime.native import captured_stderr

SELFIE_SEGMENTATION = "selfie_segmentation.tflite"
POSE_LANDMARK = "pose_landmark_full.tflite"
SELFIE_MULTICLASS = "selfie_multiclass_256x256.tflite"
TWO_MODELS = "mediapipe-two-models"
"""What masks are recorded under that were found without `SELFIE_MULTICLASS`; with it they are found again."""

_INPUT_PX = 256
_LANDMARKS = 39
_PERSON_FROM = 0.5
_LEAST_PERSON_PX = 50
# MediaPipe's own factor about the circle through the landmarks 33 (middle of the hips) and 34.
_SQUARE_ABOUT_CIRCLE = 1.25
_SQUARE_ABOUT_OUTLINE = 1.15
_VISIBLE_FROM = 0.5
# Background, hair, skin of the body, skin of the face, clothes, other things.
_HAIR, _SKIN, _FACE = [1], [2, 3], [3]

NOSE, EYES, EARS, MOUTH = (0,), (1, 2, 3, 4, 5, 6), (7, 8), (9, 10)
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
HIPS, KNEES, ANKLES = (23, 24), (25, 26), (27, 28)


@dataclass(frozen=True, eq=False)
class SeenParts:
    """How probably each pixel is hair, bare skin, and skin of the face: each ``(H, W)`` float32 in 0..1."""

    hair: FloatImage
    skin: FloatImage
    face: FloatImage


@dataclass(frozen=True, eq=False)
class SeenPerson:
    """What the models saw on one photo.

    Attributes:
        probability: ``(H, W)`` float32 in 0..1, how probably each pixel is a person.
        landmarks_xy: ``(33, 2)`` float32, pixels of the photo; some may lie outside it.
        visibility: ``(33,)`` float32 in 0..1, how surely each is in the picture and not hidden.
        presence: 0..1, how surely there is a person at all.
        parts: what of the person is bare; None without `SELFIE_MULTICLASS`.
    """

    probability: FloatImage
    landmarks_xy: FloatImage
    visibility: FloatImage
    presence: float
    parts: SeenParts | None = None

    @property
    def tilt_deg(self) -> float:
        """By how much the trunk, from shoulders to hips, is turned from upright: 0..180 degrees."""
        aside, down = self.middle(HIPS) - self.middle(SHOULDERS)
        return float(np.degrees(np.arctan2(abs(aside), down)))

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
    """The models, read when the first photo is seen; not to be shared between threads.

    Args:
        files: path by name; `SELFIE_MULTICLASS` may be missing.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    @property
    def name(self) -> str:
        """What their masks are recorded under."""
        return "mediapipe" if SELFIE_MULTICLASS in self._files else TWO_MODELS

    @cached_property
    def _outline(self) -> _Network:
        return _Network(self._files[SELFIE_SEGMENTATION])

    @cached_property
    def _pose(self) -> _Network:
        return _Network(self._files[POSE_LANDMARK])

    @cached_property
    def _parts(self) -> _Network | None:
        path = self._files.get(SELFIE_MULTICLASS)
        return _Network(path) if path else None

    def __reduce__(self) -> tuple[type[PersonModels], tuple[dict[str, Path]]]:
        """Pickled as its files, since LiteRT's networks cannot be: each worker process reads them again."""
        return PersonModels, (self._files,)

    def see(self, rgb: RgbImage) -> SeenPerson:
        """The person on a photo.

        Args:
            rgb: ``(H, W, 3)`` uint8 sRGB; some hundred pixels high are enough.
        """
        height_px, width_px = rgb.shape[:2]
        square = cv2.resize(rgb, (_INPUT_PX, _INPUT_PX), interpolation=cv2.INTER_AREA)

        def enlarged(small: FloatImage) -> FloatImage:
            return cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_LINEAR)

        probability = enlarged(self._outline(square)[0][0, ..., 0])
        parts = None
        if self._parts:
            share = _softmax(np.ascontiguousarray(np.moveaxis(self._parts(square)[0][0], -1, 0)))
            parts = SeenParts(*(enlarged(share[kinds].sum(axis=0)) for kinds in (_HAIR, _SKIN, _FACE)))
        first, _ = self._landmarks(rgb, *_square_about(probability))
        hip, rim = first[33, :2], first[34, :2]
        side_px = 2 * float(np.linalg.norm(rim - hip)) * _SQUARE_ABOUT_CIRCLE
        landmarks, presence = self._landmarks(rgb, hip, max(side_px, 0.3 * height_px))
        visibility = _sigmoid(landmarks[:33, 3:5]).min(axis=1)
        return SeenPerson(probability, landmarks[:33, :2], visibility, presence, parts)

    def _landmarks(self, rgb: RgbImage, centre_xy: FloatImage, side_px: float) -> tuple[FloatImage, float]:
        """Landmarks ``(39, 5)`` within a square, and how surely there is a person in it.

        Columns: x, y, z in pixels of the photo, two logits.
        """
        scale = _INPUT_PX / side_px
        shift = _INPUT_PX / 2 - np.asarray(centre_xy) * scale
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
        cut = cv2.warpAffine(
            rgb, matrix, (_INPUT_PX, _INPUT_PX), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        found, presence = self._pose(cut)[:2]
        landmarks = found.reshape(_LANDMARKS, 5)
        landmarks[:, :2] = (landmarks[:, :2] - shift) / scale
        return landmarks, float(presence.ravel()[0])


def _square_about(probability: FloatImage) -> tuple[FloatImage, float]:
    """The middle and the side of a square about the person's outline, or about the whole photo."""
    rows, columns = np.nonzero(probability > _PERSON_FROM)
    height_px, width_px = probability.shape
    if rows.size < _LEAST_PERSON_PX:
        return np.array([width_px / 2, height_px / 2], np.float32), float(max(height_px, width_px))
    (left, right), (top, bottom) = np.percentile(columns, [1, 99]), np.percentile(rows, [0.5, 99.5])
    side_px = max(right - left, bottom - top) * _SQUARE_ABOUT_OUTLINE
    return np.array([(left + right) / 2, (top + bottom) / 2], np.float32), float(side_px)


class _Network:
    """A model's file, run by LiteRT."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with captured_stderr():  # it prints how it runs a model
            self._interpreter = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]

    def __call__(self, rgb: RgbImage) -> list[FloatImage]:
        """The outputs for ``(H, W, 3)`` uint8 sRGB of the model's size, in their order, copied."""
        self._interpreter.set_tensor(self._input, rgb[None].astype(np.float32) / np.float32(255))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _softmax(logit: FloatImage) -> FloatImage:
    odds = np.exp(logit - logit.max(axis=0))
    shares: FloatImage = odds / odds.sum(axis=0)
    return shares


def _sigmoid(logit: FloatImage) -> FloatImage:
    return 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
