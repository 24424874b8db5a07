"""Grounding DINO and SAM 2, loaded once and batched, against the published way, in one run.

    python benchmarks/grounded_sam2.py                 tiny models, for a CPU
    python benchmarks/grounded_sam2.py --base          models of the published sizes, for a GPU

Weights are random in both, which changes what is found and not how long it takes. The published way builds
transformers' detection pipeline again for each photo and the mask model again for each pair, and runs one
photo at a time: the still-life for six words, the on-model photo for one, a mask for the best box. Both ways
use the same SAM 2 here, so that the way is compared and not the model. Loading counts: it is what differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.dataset_builder.inputs.labels import PUBLISHED_VOCABULARY
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import load_grounded_sam2
from chromiq.dataset_builder.segmenters.network.hub import HubModel, Runtime
from chromiq.dataset_builder.segmenters.network.segmenter import NetworkSegmenter
from chromiq.records import RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

Pairs = list[tuple[RgbImage, RgbImage]]


def published_way(dino: Path, sam: Path, pairs: Pairs, runtime: Runtime) -> None:
    """Everything built for each photo, one photo at a time, in full precision."""
    from PIL import Image
    from transformers import (
        AutoTokenizer,
        GroundingDinoForObjectDetection,
        GroundingDinoProcessor,
        Sam2Model,
        pipeline,
    )
    from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
        GroundingDinoImageProcessorPil,
    )

    def detect(photo: RgbImage, words: list[str]) -> list[Any]:
        processor = GroundingDinoProcessor(
            GroundingDinoImageProcessorPil.from_pretrained(dino), AutoTokenizer.from_pretrained(dino)
        )
        detector = pipeline(
            "zero-shot-object-detection",
            model=GroundingDinoForObjectDetection.from_pretrained(dino),
            processor=processor,
            image_processor=processor.image_processor,
            tokenizer=processor.tokenizer,
            device=runtime.device,
        )
        found: list[Any] = detector(Image.fromarray(photo), candidate_labels=words, threshold=0.0)
        return found

    for still_life, on_model in pairs:
        seen = detect(still_life, [f"{word}." for word in PUBLISHED_VOCABULARY])
        label = max(seen, key=lambda item: item["score"])["label"]
        box = max(detect(on_model, [f"{label}."]), key=lambda item: item["score"])["box"]
        masker = Sam2Model.from_pretrained(sam).to(runtime.device).eval()
        side_px = int(masker.config.prompt_encoder_config.image_size)
        scale = side_px / np.array([on_model.shape[1], on_model.shape[0]] * 2)
        corners = np.array([box["xmin"], box["ymin"], box["xmax"], box["ymax"]]) * scale
        boxes = runtime.torch.tensor(corners[None, None], dtype=runtime.torch.float32, device=runtime.device)
        pixels = runtime.square_pixels([on_model], side_px, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        with runtime.torch.inference_mode():
            outputs = masker(pixel_values=pixels, input_boxes=boxes, multimask_output=True)
            best = outputs.pred_masks[0, 0, outputs.iou_scores[0, 0].argmax()]
            runtime.torch.nn.functional.interpolate(best[None, None], size=on_model.shape[:2]).cpu()


def chromiq_way(dino: Path, sam: Path, pairs: Pairs, runtime: Runtime) -> None:
    """Models loaded once, photos batched."""
    models = load_grounded_sam2(HubModel(str(dino)), HubModel(str(sam)), runtime)
    segmenter = NetworkSegmenter(models)
    labels = segmenter.label(pairs)
    segmenter.segment(
        [
            SegmentationTask(still_life, on_model, label.name)
            for (still_life, on_model), label in zip(pairs, labels, strict=True)
        ]
    )


def seconds(way: Callable[[], None], runtime: Runtime) -> float:
    start = time.perf_counter()
    way()
    if runtime.device.startswith("cuda"):
        runtime.torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--base", action="store_true", help="Grounding DINO base and SAM 2.1 hiera-large")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args()
    runtime = Runtime.choose(options.device, options.dtype)
    from tiny_hub_models import BASE, TINY, build_grounding_dino, build_sam2

    size_wh = (896, 1120) if options.base else (224, 280)
    drawn = [draw_pair(index, size_wh=size_wh) for index in range(options.pairs)]
    pairs = [(pair.still_life, pair.on_model) for pair in drawn]
    with tempfile.TemporaryDirectory() as folder:
        sizes = BASE if options.base else TINY
        dino = build_grounding_dino(Path(folder) / "dino", sizes)
        sam = build_sam2(Path(folder) / "sam2", sizes)
        chromiq_way(dino, sam, pairs[:1], runtime)  # imports and the first kernels are nobody's
        published_way(dino, sam, pairs[:1], runtime)
        ours = seconds(lambda: chromiq_way(dino, sam, pairs, runtime), runtime)
        theirs = seconds(lambda: published_way(dino, sam, pairs, runtime), runtime)
    name = "base" if options.base else "tiny"
    print(
        f"{name} models, {len(pairs)} pairs of {size_wh[0]}x{size_wh[1]}, {runtime.device}, {runtime.dtype}"
    )
    for way, taken in (("loaded once, batched", ours), ("the published way", theirs)):
        print(f"{way:<22}{taken:8.2f} s {taken / len(pairs):8.3f} s a pair")
    print(f"ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
