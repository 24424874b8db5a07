"""Grounding DINO and SAM 2 from the hub or a folder: loaded once, one batched call each.

Arrays in, arrays out: nothing outside this module sees a tensor.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.errors import AccessError, UsageError
from chromiq.records import BoolMask, FloatImage, RgbImage

# What SAM 2's image processor does; transformers' own needs torchvision, which has no CPU build.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class HubModel:
    """A model on the hub, pinned to a revision, or a local folder."""

    name_or_path: str
    revision: str = "main"

    @property
    def page(self) -> str:
        """Where a licence is accepted and the files are seen."""
        return f"https://huggingface.co/{self.name_or_path}"


GROUNDING_DINO = HubModel("IDEA-Research/grounding-dino-base")
SAM_2 = HubModel("facebook/sam2.1-hiera-large")


@dataclass(frozen=True, eq=False)
class Detections:
    """What Grounding DINO saw on one photo.

    Attributes:
        xyxy: ``(N, 4)`` float32, boxes in pixels of the photo.
        scores: ``(N, P)`` float32 in 0..1, one column for each phrase asked for.
    """

    xyxy: FloatImage
    scores: FloatImage


@dataclass(frozen=True)
class HubModels:
    """Both models, ready to run.

    Attributes:
        device: torch's name of where they run, such as ``"cuda"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``: the precision of autocast.
    """

    processor: Any
    detector: Any
    masker: Any
    device: str
    dtype: str
    _torch: Any = field(repr=False)

    def detect(self, photos: Sequence[RgbImage], phrases: Sequence[str]) -> list[Detections]:
        """Every box Grounding DINO proposes on each photo, scored for every phrase.

        Args:
            photos: uint8 sRGB ``(H, W, 3)`` each, sizes may differ.
            phrases: such as ``["shirt", "trousers"]``, the same for all photos.
        """
        text = " ".join(f"{phrase.lower()}." for phrase in phrases)
        inputs = self.processor(
            images=list(photos), text=[text] * len(photos), return_tensors="pt", padding=True
        ).to(self.device)
        with self._inference():
            outputs = self.detector(**inputs)
        probabilities = outputs.logits.float().sigmoid().cpu().numpy()
        centres = outputs.pred_boxes.float().cpu().numpy()
        columns = phrase_columns(inputs["input_ids"][0].tolist(), self.processor.tokenizer, len(phrases))
        return [
            Detections(
                xyxy=_boxes_px(boxes, photo.shape[1], photo.shape[0]),
                scores=np.stack([rows[:, column].max(axis=1) for column in columns], axis=1),
            )
            for photo, boxes, rows in zip(photos, centres, probabilities, strict=True)
        ]

    def masks(
        self, photos: Sequence[RgbImage], boxes: Sequence[FloatImage]
    ) -> list[tuple[NDArray[np.bool_], FloatImage]]:
        """SAM 2's masks for some boxes of each photo.

        Args:
            photos: uint8 sRGB ``(H, W, 3)`` each.
            boxes: ``(N, 4)`` xyxy in pixels per photo, the same N for all.

        Returns:
            Per photo ``(N, M, H, W)`` bool masks, M alternatives for each box, and their predicted IoU
            ``(N, M)`` in 0..1.
        """
        torch = self._torch
        side_px = int(self.masker.config.prompt_encoder_config.image_size)
        pixels = torch.stack([self._sam_pixels(photo, side_px) for photo in photos]).to(self.device)
        scaled = [
            photo_boxes * (side_px / np.array([photo.shape[1], photo.shape[0]] * 2, dtype=np.float32))
            for photo, photo_boxes in zip(photos, boxes, strict=True)
        ]
        with self._inference():
            outputs = self.masker(
                pixel_values=pixels,
                input_boxes=torch.from_numpy(np.stack(scaled).astype(np.float32)).to(self.device),
                multimask_output=True,
            )
        return [
            (self._full_size(logits, photo.shape[:2]), quality.float().cpu().numpy())
            for photo, logits, quality in zip(photos, outputs.pred_masks, outputs.iou_scores, strict=True)
        ]

    def _inference(self) -> Any:
        from contextlib import ExitStack

        stack = ExitStack()
        stack.enter_context(self._torch.inference_mode())
        if self.dtype != "float32":
            stack.enter_context(
                self._torch.autocast(self.device.split(":")[0], dtype=getattr(self._torch, self.dtype))
            )
        return stack

    def _sam_pixels(self, photo: RgbImage, side_px: int) -> Any:
        torch = self._torch
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
        image = torch.nn.functional.interpolate(
            image, size=(side_px, side_px), mode="bilinear", antialias=True, align_corners=False
        )[0]
        mean = torch.tensor(_IMAGENET_MEAN)[:, None, None]
        std = torch.tensor(_IMAGENET_STD)[:, None, None]
        return (image / 255 - mean) / std

    def _full_size(self, logits: Any, size_hw: tuple[int, ...]) -> BoolMask:
        upscaled = self._torch.nn.functional.interpolate(
            logits.float(), size=tuple(size_hw), mode="bilinear", align_corners=False
        )
        mask: BoolMask = (upscaled > 0).cpu().numpy()
        return mask


def load_hub_models(
    detector: HubModel = GROUNDING_DINO,
    masker: HubModel = SAM_2,
    *,
    device: str | None = None,
    dtype: str | None = None,
) -> HubModels:
    """Load Grounding DINO and SAM 2.

    Args:
        detector: Grounding DINO, by hub name or folder.
        masker: SAM 2 or 2.1, by hub name or folder.
        device: torch's name; CUDA when there is one, else the CPU.
        dtype: precision; bfloat16 on CUDA, else float32.

    Raises:
        AccessError: if the weights are neither here nor to be had; it names the page to visit.
        UsageError: if the model libraries are not installed.
    """
    try:
        import torch
        from transformers import (
            AutoTokenizer,
            GroundingDinoForObjectDetection,
            GroundingDinoProcessor,
            Sam2Model,
        )
        from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
            GroundingDinoImageProcessorPil,
        )
    except ImportError as error:
        raise UsageError(
            f"the segmenter grounded-sam2 needs the model libraries ({error}); "
            "install them with: pip install 'chromiq[models]', or use --segmenter classic"
        ) from error
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    precision = dtype or ("bfloat16" if where.startswith("cuda") else "float32")
    tokenizer = _from_pretrained(AutoTokenizer, detector)
    processor = GroundingDinoProcessor(
        image_processor=_from_pretrained(GroundingDinoImageProcessorPil, detector), tokenizer=tokenizer
    )
    return HubModels(
        processor=processor,
        detector=_from_pretrained(GroundingDinoForObjectDetection, detector).to(where).eval(),
        masker=_from_pretrained(Sam2Model, masker).to(where).eval(),
        device=where,
        dtype=precision,
        _torch=torch,
    )


def weights_available(*models: HubModel) -> bool:
    """Whether the weights of all `models` are on this machine already; asks no network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False

    def is_here(model: HubModel) -> bool:
        if Path(model.name_or_path).is_dir():
            return (Path(model.name_or_path) / "model.safetensors").is_file()
        cached = try_to_load_from_cache(model.name_or_path, "model.safetensors", revision=model.revision)
        return isinstance(cached, str)

    return all(is_here(model) for model in models)


def phrase_columns(token_ids: Sequence[int], tokenizer: Any, phrase_count: int) -> list[list[int]]:
    """Which of Grounding DINO's text columns belong to each phrase of its dot-separated prompt.

    Raises:
        UsageError: if the tokenizer does not keep the phrases apart.
    """
    dot = tokenizer.convert_tokens_to_ids(".")
    special = set(tokenizer.all_special_ids)
    columns: list[list[int]] = [[]]
    for position, token in enumerate(token_ids):
        if token == dot:
            columns.append([])
        elif token not in special or token == tokenizer.unk_token_id:
            columns[-1].append(position)
    kept = [positions for positions in columns if positions]
    if len(kept) != phrase_count:
        raise UsageError(
            f"wanted {phrase_count} garment words that Grounding DINO keeps apart, got {len(kept)}; "
            "use plain words without dots"
        )
    return kept


def _from_pretrained(model_class: Any, model: HubModel) -> Any:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError

    try:
        return model_class.from_pretrained(
            model.name_or_path,
            revision=model.revision,
            **({"use_safetensors": True} if hasattr(model_class, "dtype") else {}),
        )
    except GatedRepoError as error:
        raise AccessError(
            f"{model.name_or_path}: the licence has not been accepted; "
            f"visit {model.page}, accept it, then set HF_TOKEN"
        ) from error
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise AccessError(
            f"{model.name_or_path}: its weights are neither on this machine nor could they be fetched"
            f"{offline}; see {model.page}, name a local folder, or use --segmenter classic"
        ) from error


def _boxes_px(centres: FloatImage, width_px: int, height_px: int) -> FloatImage:
    half = centres[:, 2:] / 2
    relative = np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)
    scale = np.array([width_px, height_px, width_px, height_px], dtype=np.float32)
    boxes: FloatImage = np.clip(relative, 0, 1).astype(np.float32) * scale
    return boxes
