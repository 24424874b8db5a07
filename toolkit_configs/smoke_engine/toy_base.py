"""The toy base model: small enough to ship, and trained, so that a LoRA on it learns within a minute.

It was made by ``python -m benchmarks.toy_base`` and is loaded by the code that loads the real FLUX.1-Kontext;
its card lies beside its weights.
"""

from __future__ import annotations

from pathlib import Path

TOY_BASE = Path(__file__).parent / "toy_kontext"
"""A diffusers folder for `FluxKontextPipeline.from_pretrained`."""
TOY_CANVAS_WH = (128, 80)
"""The size of the stitched pictures that it knows, in pixels."""
TOY_DENOISING_STEPS = 4
