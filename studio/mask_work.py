"""Masks that a page sends, and those that SAM 2 makes of clicks where its weights are on this machine."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike

from chromiq.dataset_builder.segmenters.network.grounded_sam2 import SAM_2
from chromiq.dataset_builder.segmenters.network.hub import HubModel, weights_available
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.photos.images import read_mask
from chromiq.records import BoolMask, RgbImage

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.network.clicks import ClickModel, EncodedPhoto


def mask_of(data: bytes, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a PNG that was sent.

    Args:
        size_wh: that it has to have; nothing larger is decoded.

    Raises:
        UnsoundError: if it is no such file.
    """
    wanted = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size_wh[0].to_bytes(4, "big") + size_wh[1].to_bytes(4, "big")
    if not data.startswith(wanted + b"\x08\0\0\0\0"):
        message = f"is not an 8-bit grey PNG of {size_wh[0]}x{size_wh[1]} pixels"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if levels is None or levels.shape != size_wh[::-1]:
        message = "cannot be decoded"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    return np.asarray(levels >= 128)


def mask_on_disk(path: Path, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a file; an empty one if the file is missing or has another size."""
    if path.is_file():
        mask = read_mask(path)
        if mask.shape == size_wh[::-1]:
            return mask
    return np.zeros(size_wh[::-1], bool)


class Clicks:
    """Masks from clicks on the photo that is being edited; one request at a time.

    Args:
        masker: SAM 2 or 2.1, by hub name or folder.
    """

    def __init__(self, masker: HubModel = SAM_2) -> None:
        self._masker = masker
        self._guard = threading.Lock()
        self._model: ClickModel | None = None
        self._seen: tuple[RgbImage, EncodedPhoto] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the libraries and the weights are on this machine; asks no network."""
        return find_spec("torch") is not None and weights_available(self._masker)

    @property
    def how_to_get(self) -> str:
        """What to do so that it is available, as a sentence."""
        name = self._masker.name_or_path
        return (
            f"SAM 2 is not on this machine. Run pip install 'chromiq[models]' and hf download {name}, then "
            "reload this page; or start the studio with --masker FOLDER."
        )

    def mask(self, photo: RgbImage, points_xy: ArrayLike, is_inside: ArrayLike) -> BoolMask:
        """The mask of what was clicked on, at the size of the photo.

        Args:
            photo: ``(H, W, 3)`` uint8 sRGB; the same array is encoded once.
            points_xy: ``(N, 2)`` in its pixels.
            is_inside: ``(N,)``, whether each point is on the garment or beside it.

        Raises:
            UsageError: if SAM 2 is not available.
            AccessError: if its weights cannot be used.
        """
        if not self.is_available:
            raise UsageError(self.how_to_get.removesuffix("."))
        from chromiq.dataset_builder.segmenters.network.clicks import load_click_model

        with self._guard:
            self._model = self._model or load_click_model(self._masker)
            if self._seen is None or self._seen[0] is not photo:
                self._seen = photo, self._model.encode(photo)
            return self._model.mask(self._seen[1], points_xy, is_inside)
