"""SAM 2 asked by clicks: points on a thing, and points beside it, to the mask of that thing.

The photo is encoded once; each further click costs only the small mask decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chromiq.dataset_builder.segmenters.network.grounded_sam2 import SAM_2, sam2_pixels
from chromiq.dataset_builder.segmenters.network.hub import HubModel, Runtime, load_model, models_needed
from chromiq.dataset_builder.segmenters.network.segmenter import full_size
from chromiq.records import BoolMask, RgbImage


@dataclass(frozen=True)
class EncodedPhoto:
    """What SAM 2 has seen of a photo.

    Attributes:
        size_wh: of the photo.
        embeddings: of its encoder, one tensor for each scale.
    """

    size_wh: tuple[int, int]
    embeddings: Any


@dataclass(frozen=True)
class ClickModel:
    """SAM 2, ready to be asked by clicks.

    Attributes:
        masker: the model.
        runtime: where it runs.
    """

    masker: Any
    runtime: Runtime

    def encode(self, photo: RgbImage) -> EncodedPhoto:
        """Encode a photo, uint8 sRGB ``(H, W, 3)``; this is the slow part."""
        with self.runtime.inference():
            pixels = sam2_pixels(self.masker, self.runtime, [photo])
            return EncodedPhoto((photo.shape[1], photo.shape[0]), self.masker.get_image_embeddings(pixels))

    def mask(self, photo: EncodedPhoto, points_xy: ArrayLike, is_inside: ArrayLike) -> BoolMask:
        """The mask of the thing that was clicked on.

        Args:
            photo: as `encode` returns it.
            points_xy: ``(N, 2)``, at least one, in pixels of the photo.
            is_inside: ``(N,)`` bool, whether each point is on the thing or beside it.

        Returns:
            ``(H, W)`` bool at the size of the photo. A single click may mean a pocket or the whole jacket:
            of SAM 2's three answers the one that it trusts most is taken.
        """
        torch, device = self.runtime.torch, self.runtime.device
        side_px = self.masker.config.prompt_encoder_config.image_size
        points = np.asarray(points_xy, np.float32) * (side_px / np.array(photo.size_wh, np.float32))
        labels = np.asarray(is_inside, np.int64)
        with self.runtime.inference():
            outputs = self.masker(
                image_embeddings=list(photo.embeddings),
                input_points=torch.from_numpy(points)[None, None].to(device),
                input_labels=torch.from_numpy(labels)[None, None].to(device),
                multimask_output=len(labels) == 1,
            )
        best = int(outputs.iou_scores[0, 0].argmax())
        logits = outputs.pred_masks[0, 0, best].float().cpu().numpy()
        return full_size(logits, photo.size_wh[::-1])


def load_click_model(masker: HubModel = SAM_2, runtime: Runtime | None = None) -> ClickModel:
    """Load SAM 2 alone.

    Args:
        masker: SAM 2 or 2.1, by hub name or folder.
        runtime: where it runs; the best there is if not given.

    Raises:
        AccessError: if the weights are neither here nor can be fetched.
        UsageError: if the model libraries are not installed.
    """
    runtime = runtime or Runtime.choose()
    try:
        from transformers import Sam2Model
    except ImportError as error:
        raise models_needed(error) from error
    return ClickModel(load_model(Sam2Model, masker, runtime.device), runtime)
