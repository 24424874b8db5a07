"""SAM 3: words in, masks out; one model that names, finds and masks the garment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chromiq.dataset_builder.segmenters.network.hub import (
    HubModel,
    Runtime,
    load_model,
    load_processor,
    needing_models,
)
from chromiq.dataset_builder.segmenters.network.segmenter import Candidates
from chromiq.records import FloatImage, RgbImage

SAM_3 = HubModel("facebook/sam3")

_MEAN_AND_STD = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
TEXT_TOKENS = 32
"""Tokens of a phrase, its start and end included; the tokenizer cuts off the rest."""
_MASKS_KEPT = 5


@dataclass(frozen=True)
class Sam3:
    """SAM 3, ready to run."""

    name: ClassVar[str] = "sam3"
    labels_by: ClassVar[str] = "sam3"

    tokenizer: Any
    model: Any
    runtime: Runtime

    def scores(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[FloatImage]:
        """How surely each of some words is seen on each photo: ``(P,)`` float32 in 0..1 per photo."""
        with self.runtime.inference():
            seen = self.model.get_vision_features(self._pixels(photos))
            columns = [
                _confidence(self.model(vision_embeds=seen, **self._text([word] * len(photos))))
                for word in words
            ]
        best = [column.max(dim=1).values.float().cpu().numpy() for column in columns]
        return list(np.stack(best, axis=1))

    def candidates(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[Candidates]:
        """The surest masks of each photo's own word."""
        with self.runtime.inference():
            outputs = self.model(pixel_values=self._pixels(photos), **self._text(words))
        # Only the surest leave the device: all masks of a photo are tens of millions of numbers.
        scores, order = _confidence(outputs).topk(min(_MASKS_KEPT, outputs.pred_logits.shape[1]), dim=1)
        rows = self.runtime.torch.arange(len(order), device=order.device)[:, None]
        arrays = (scores, outputs.pred_boxes[rows, order], outputs.pred_masks[rows, order])
        found = []
        for photo, *parts in zip(photos, *(array.float().cpu().numpy() for array in arrays), strict=True):
            score, boxes, logits = parts
            size = np.array([photo.shape[1], photo.shape[0]] * 2, np.float32)
            found.append(Candidates(np.clip(boxes, 0, 1) * size, score, logits[:, None], score[:, None]))
        return found

    def _pixels(self, photos: Sequence[RgbImage]) -> Any:
        side_px = int(self.model.config.vision_config.backbone_config.image_size)
        return self.runtime.square_pixels(photos, side_px, *_MEAN_AND_STD)

    def _text(self, words: Sequence[str]) -> Any:
        return self.tokenizer(
            list(words), return_tensors="pt", padding="max_length", max_length=TEXT_TOKENS, truncation=True
        ).to(self.runtime.device)


def load_sam3(model: HubModel, runtime: Runtime) -> Sam3:
    """Load SAM 3.

    Raises:
        AccessError: if the weights, which are gated, are not to be had; it names the page to visit.
        UsageError: if the model libraries are not installed, or too old to have it.
    """
    with needing_models():
        from transformers import AutoTokenizer, Sam3Model
    tokenizer = load_processor(AutoTokenizer, model)
    return Sam3(tokenizer, load_model(Sam3Model, model, runtime.device), runtime)


def _confidence(outputs: Any) -> Any:
    """Each query's score ``(B, Q)``: its own, times how surely the word is on the photo at all."""
    return outputs.pred_logits.float().sigmoid() * outputs.presence_logits.float().sigmoid()
