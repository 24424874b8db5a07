"""What differs between models, and between machines. Keys are dotted paths within the job's process."""

from __future__ import annotations

from typing import Any

from chromiq.errors import UsageError

_QWEN: dict[str, Any] = {
    "model.quantize": True,
    "model.quantize_te": True,
    "model.low_vram": True,
    "sample.guidance_scale": 4.0,
    "sample.sample_steps": 25,
    "sample.neg": " ",
}

MODELS: dict[str, dict[str, Any]] = {
    "kontext": {},
    "qwen-image-edit": {
        **_QWEN,
        "model.arch": "qwen_image_edit",
        "model.name_or_path": "Qwen/Qwen-Image-Edit",
    },
    "qwen-image-edit-2509": {
        **_QWEN,
        "model.arch": "qwen_image_edit_plus",
        "model.name_or_path": "Qwen/Qwen-Image-Edit-2509",
        "model.model_kwargs": {"match_target_res": False},
        "sample.width": 896,
        "sample.height": 1120,
    },
}
"""What each model needs besides the defaults, from AI-Toolkit's own settings for it."""

_SMALL: dict[str, Any] = {
    "train.batch_size": 1,
    "network.linear": 16,
    "network.linear_alpha": 16,
    "model.quantize": True,
    "model.quantize_te": True,
}

PRESETS: dict[str, dict[str, Any]] = {
    "published": {},
    "24gb": {**_SMALL, "dataset.resolution": [512, 768], "model.low_vram": True, "save.dtype": "float16"},
    "48gb": {**_SMALL, "network.linear": 32, "network.linear_alpha": 32, "dataset.resolution": [1024]},
    "80gb": {"train.batch_size": 1},
    "smoke": {
        "device": "cpu",
        "train.dtype": "float32",
        "train.optimizer": "adamw",
        "train.batch_size": 1,
        "train.steps": 20,
        "train.gradient_checkpointing": False,
        "train.disable_sampling": True,
        "train.lr": 1e-3,
        "model.quantize": False,
        "model.quantize_te": False,
        "model.low_vram": False,
        "network.linear": 8,
        "network.linear_alpha": 8,
        "save.dtype": "float32",
        "save.save_every": 10,
        "dataset.resolution": [256],
        "dataset.cache_latents_to_disk": False,
    },
}
"""Settings for a machine: ``published`` is the published run's, ``smoke`` a CPU and a tiny checkpoint."""


def check_model(model: str) -> None:
    """Refuse a model that no template renders.

    Raises:
        UsageError: naming those that are known.
    """
    if model not in MODELS:
        raise UsageError(f"{model}: wanted a model, one of {', '.join(MODELS)}; choose one of these")
