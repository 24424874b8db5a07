"""Grounding DINO finds the garment's boxes, SAM 2.1 masks them; both loaded once, one batched call each.

Arrays in, arrays out: nothing outside this module sees a tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from chromiq.dataset_builder.segmenters.network.hub import (
    HubModel,
    Runtime,
    load_model,
    load_processor,
    needing_models,
    text_fault,
)
from chromiq.dataset_builder.segmenters.network.segmenter import Candidates
from chromiq.dataset_builder.segmenters.still_life_match import plausible_box
from chromiq.errors import UsageError
from chromiq.records import FloatImage, RgbImage

if TYPE_CHECKING:
    import supervision as sv

GROUNDING_DINO = HubModel("IDEA-Research/grounding-dino-base")
SAM_2 = HubModel("facebook/sam2.1-hiera-large")

_BOXES_KEPT = 3
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class GroundedSam2:
    """Both models, ready to run.

    Attributes:
        processor: Grounding DINO's, for photos and words.
        detector: Grounding DINO.
        masker: SAM 2.
        runtime: where they run.
    """

    name: ClassVar[str] = "grounded-sam2"
    labels_by: ClassVar[str] = "grounding-dino"

    processor: Any
    detector: Any
    masker: Any
    runtime: Runtime

    def scores(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[FloatImage]:
        """How surely each of some words is seen on each photo: ``(P,)`` float32 in 0..1 per photo."""
        return [found.data["scores"].max(axis=0) for found in self.detect(photos, [words] * len(photos))]

    def candidates(self, photos: Sequence[RgbImage], words: Sequence[str]) -> list[Candidates]:
        """The likeliest boxes for each photo's own word, and their masks."""
        seen = self.detect(photos, [[word] for word in words])
        boxes = [_likely_boxes(item, photo) for item, photo in zip(seen, photos, strict=True)]
        masks = self.masks(photos, [item.xyxy for item in boxes])
        return [
            Candidates(item.xyxy, item.confidence, logits, quality)
            for item, (logits, quality) in zip(boxes, masks, strict=True)
        ]

    def detect(self, photos: Sequence[RgbImage], phrases: Sequence[Sequence[str]]) -> list[sv.Detections]:
        """Every box Grounding DINO proposes on each photo, scored for each of that photo's phrases.

        A box's class is its best phrase, whose score is its confidence; ``data["scores"]`` holds all of
        them, ``(N, P)`` float32 in 0..1.

        Args:
            photos: uint8 sRGB ``(H, W, 3)``, all of one size.
            phrases: per photo, such as ``["shirt", "trousers"]``.

        Raises:
            UsageError: if a phrase is too long, has a word that the tokenizer does not know, or is
                ambiguous.
        """
        from transformers.image_transforms import center_to_corners_format

        for phrase in dict.fromkeys(phrase for row in phrases for phrase in row):
            fault = phrase_fault(self.processor.tokenizer, self._longest_text, phrase)
            if fault:
                raise UsageError(f"garment {phrase!r} {fault}; use a few plain English words")
        texts = [_prompt(words) for words in phrases]
        inputs = self.processor(images=list(photos), text=texts, return_tensors="pt", padding=True)
        columns = [
            phrase_columns(row, self.processor.tokenizer, len(words))
            for row, words in zip(inputs["input_ids"].tolist(), phrases, strict=True)
        ]
        if inputs["input_ids"].shape[1] > self._longest_text:
            return [self._detect_in_passes(*item) for item in zip(photos, phrases, strict=True)]
        with self.runtime.inference():
            outputs = self.detector(**inputs.to(self.runtime.device))
        probabilities = outputs.logits.float().sigmoid().cpu()
        shares = center_to_corners_format(outputs.pred_boxes.float().cpu()).clamp(0, 1)
        return [
            detections_of(
                boxes * boxes.new_tensor([photo.shape[1], photo.shape[0]] * 2),
                self.runtime.torch.stack([rows[:, column].amax(dim=1) for column in own], dim=1),
                words,
            )
            for photo, boxes, rows, own, words in zip(
                photos, shares, probabilities, columns, phrases, strict=True
            )
        ]

    def _detect_in_passes(self, photo: RgbImage, phrases: Sequence[str]) -> sv.Detections:
        """Halves of the phrases, until each fits; a box of one pass scores 0 for the other's phrases."""
        from scipy.linalg import block_diag

        tokens = len(self.processor.tokenizer(_prompt(phrases))["input_ids"])
        if tokens <= self._longest_text:
            return self.detect([photo], [phrases])[0]
        middle = len(phrases) // 2
        passes = [self._detect_in_passes(photo, part) for part in (phrases[:middle], phrases[middle:])]
        scores = block_diag(*(part.data["scores"] for part in passes)).astype(np.float32)
        boxes = np.concatenate([part.xyxy for part in passes])
        as_tensor = self.runtime.torch.as_tensor
        return detections_of(as_tensor(boxes), as_tensor(scores), phrases)

    def masks(
        self, photos: Sequence[RgbImage], boxes: Sequence[FloatImage]
    ) -> list[tuple[FloatImage, FloatImage]]:
        """SAM 2's masks for some boxes of each photo.

        Args:
            photos: uint8 sRGB ``(H, W, 3)`` each.
            boxes: ``(N, 4)`` xyxy in pixels per photo, the same N for all.

        Returns:
            Per photo float32 logits ``(N, M, h, w)``, M alternatives for each box, on a grid that spans
            the photo, and their predicted intersection over union ``(N, M)`` in 0..1.
        """
        torch, device = self.runtime.torch, self.runtime.device
        side_px = self.masker.config.prompt_encoder_config.image_size
        scaled = [
            photo_boxes * (side_px / np.array([photo.shape[1], photo.shape[0]] * 2, dtype=np.float32))
            for photo, photo_boxes in zip(photos, boxes, strict=True)
        ]
        with self.runtime.inference():
            outputs = self.masker(
                pixel_values=sam2_pixels(self.masker, self.runtime, photos),
                input_boxes=torch.from_numpy(np.stack(scaled).astype(np.float32)).to(device),
                multimask_output=True,
            )
        logits = outputs.pred_masks.float().cpu().numpy()
        return list(zip(logits, outputs.iou_scores.float().cpu().numpy(), strict=True))

    @property
    def _longest_text(self) -> int:
        return int(self.detector.config.max_text_len)


def load_grounded_sam2(detector: HubModel, masker: HubModel, runtime: Runtime) -> GroundedSam2:
    """Load Grounding DINO and SAM 2.

    Args:
        detector: Grounding DINO, by hub name or folder.
        masker: SAM 2 or 2.1, by hub name or folder.
        runtime: where they run.

    Raises:
        AccessError: if the weights are neither here nor to be had; it names the page to visit.
        UsageError: if the model libraries are not installed.
    """
    with needing_models():
        from transformers import (
            AutoTokenizer,
            GroundingDinoForObjectDetection,
            GroundingDinoProcessor,
            Sam2Model,
        )
        from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
            GroundingDinoImageProcessorPil,
        )
    processor = GroundingDinoProcessor(
        image_processor=load_processor(GroundingDinoImageProcessorPil, detector),
        tokenizer=load_processor(AutoTokenizer, detector),
    )
    return GroundedSam2(
        processor=processor,
        detector=load_model(GroundingDinoForObjectDetection, detector, runtime.device),
        masker=load_model(Sam2Model, masker, runtime.device),
        runtime=runtime,
    )


def sam2_pixels(masker: Any, runtime: Runtime, photos: Sequence[RgbImage]) -> Any:
    """Photos as a SAM 2 model takes them: a float tensor ``(N, 3, side, side)``."""
    side_px = int(masker.config.prompt_encoder_config.image_size)
    return runtime.square_pixels(photos, side_px, _IMAGENET_MEAN, _IMAGENET_STD)


def detector_phrase(label: str) -> str:
    """A label as Grounding DINO is asked for it: lower case, without the marks that end a phrase there.

    >>> detector_phrase("N.Y. jacket")
    'n y jacket'
    """
    return " ".join(label.lower().replace(".", " ").replace("?", " ").split())


def phrase_fault(tokenizer: Any, limit: int, label: str) -> str | None:
    """Why Grounding DINO cannot be asked for a garment's name, as a clause; None if it can.

    Args:
        tokenizer: the detector's.
        limit: tokens that the detector takes, its ``max_text_len``.
        label: what the garment is called.
    """
    phrase = detector_phrase(label)
    return text_fault(tokenizer, phrase, limit - 1) if phrase else "has no word"  # one for the full stop


def _prompt(phrases: Sequence[str]) -> str:
    return " ".join(f"{detector_phrase(phrase)}." for phrase in phrases)


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
            f"Grounding DINO's tokenizer makes {len(kept)} phrases of {phrase_count} garment words; "
            "use plain words without dots"
        )
    return kept


def detections_of(boxes: Any, scores: Any, phrases: Sequence[str]) -> sv.Detections:
    """Boxes, each of the phrase that it fits best.

    Args:
        boxes: ``(N, 4)`` tensor, xyxy in pixels of the photo.
        scores: ``(N, P)`` tensor in 0..1, how well each box fits each phrase.
        phrases: what was asked for.

    Returns:
        Detections with ``data["scores"]`` ``(N, P)`` float32 and ``data["class_name"]``.
    """
    import supervision as sv

    best = scores.max(dim=1)
    results = {"boxes": boxes, "scores": best.values, "labels": best.indices}
    found = sv.Detections.from_transformers(results, id2label=dict(enumerate(phrases)))
    found.data["scores"] = scores.numpy()
    return found


def _likely_boxes(found: sv.Detections, photo: RgbImage) -> sv.Detections:
    """The few boxes that are worth a mask, by score, size and position."""
    size_wh = (photo.shape[1], photo.shape[0])
    score = found.confidence * np.array([plausible_box(box, size_wh) for box in found.xyxy])
    # Stable, so that equal scores keep the detector's own order on every machine.
    order = np.argsort(-score, kind="stable")[:_BOXES_KEPT]
    return found[order]
