"""SAM 2 asked by clicks: points on a thing, and points beside it, to the mask of that thing."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chromiq.dataset_builder.segmenters.network.grounded_sam2 import SAM_2, sam2_pixels
from chromiq.dataset_builder.segmenters.network.hub import (
    HubModel,
    Runtime,
    load_model,
    weights_available,
)
from chromiq.dataset_builder.segmenters.network.segmenter import full_size
from chromiq.errors import needing
from chromiq.records import BoolMask, RgbImage


class Clicks:
    """Masks of what is clicked on, one request at a time.

    SAM 2 is loaded with the first click. A photo is encoded once, which is the slow part; each further click
    costs only the small mask decoder.

    Args:
        source: SAM 2 or 2.1, by hub name or folder.
        device: torch's name, such as ``"cpu"``, or ``"auto"``.
    """

    def __init__(self, source: HubModel = SAM_2, device: str = "auto") -> None:
        self.source = source
        self._device = device
        self._guard = threading.Lock()
        self._loaded: tuple[Any, Runtime] | None = None
        self._encoded: tuple[RgbImage, Any] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the libraries and the weights are on this machine; asks no network."""
        return find_spec("torch") is not None and weights_available(self.source)

    def mask(self, photo: RgbImage, points_xy: ArrayLike, is_inside: ArrayLike) -> BoolMask:
        """The mask of the thing that was clicked on.

        Args:
            photo: ``(H, W, 3)`` uint8 sRGB; the same array is encoded once.
            points_xy: ``(N, 2)``, at least one, in its pixels.
            is_inside: ``(N,)`` bool, whether each point is on the thing or beside it.

        Returns:
            ``(H, W)`` bool. A single click may mean a pocket or the whole jacket: of SAM 2's three answers
            the one that it trusts most is taken.

        Raises:
            AccessError: if the weights are neither here nor can be fetched.
            UsageError: if the model libraries are not installed.
        """
        with self._guard:
            self._loaded = self._loaded or self._load()
            model, runtime = self._loaded
            with runtime.inference():
                if self._encoded is None or self._encoded[0] is not photo:
                    pixels = sam2_pixels(model, runtime, [photo])
                    self._encoded = photo, model.get_image_embeddings(pixels)
                return _decoded(model, runtime, self._encoded, points_xy, is_inside)

    def _load(self) -> tuple[Any, Runtime]:
        runtime = Runtime.choose(self._device)
        with needing("models", "finding masks by clicks"):
            from transformers import Sam2Model
        return load_model(Sam2Model, self.source, runtime.device), runtime


def _decoded(
    model: Any, runtime: Runtime, encoded: tuple[RgbImage, Any], points_xy: ArrayLike, is_inside: ArrayLike
) -> BoolMask:
    (photo, embeddings), torch = encoded, runtime.torch
    height_px, width_px = photo.shape[:2]
    side_px = model.config.prompt_encoder_config.image_size
    points = np.asarray(points_xy, np.float32) * (side_px / np.array([width_px, height_px], np.float32))
    labels = np.asarray(is_inside, np.int64)
    outputs = model(
        image_embeddings=list(embeddings),
        input_points=torch.from_numpy(points)[None, None].to(runtime.device),
        input_labels=torch.from_numpy(labels)[None, None].to(runtime.device),
        multimask_output=len(labels) == 1,
    )
    best = int(outputs.iou_scores[0, 0].argmax())
    return full_size(outputs.pred_masks[0, 0, best].float().cpu().numpy(), (height_px, width_px))
