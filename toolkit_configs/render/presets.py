"""What differs between machines. Keys are dotted paths within the job's process."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from chromiq.errors import UsageError
from chromiq.models import EditModel

_8_BIT: dict[str, Any] = {"model.quantize": True, "model.quantize_te": True}
_16_BIT: dict[str, Any] = {"model.quantize": False, "model.quantize_te": False, "model.low_vram": False}
_ONE: dict[str, Any] = {"train.batch_size": 1}

PRESETS: dict[str, dict[str, Any]] = {
    "published": {},
    "24gb": {
        **_ONE,
        **_8_BIT,
        "network.linear": 16,
        "model.low_vram": True,
        "dataset.resolution": [512, 768],
        "save.dtype": "float16",
    },
    "32gb": {**_ONE, **_8_BIT, "model.low_vram": True},
    "48gb": {**_8_BIT},
    "80gb": {**_16_BIT},
    "96gb": {**_16_BIT},
    "smoke": {
        **_ONE,
        **_16_BIT,
        "device": "cpu",
        "train.dtype": "float32",
        "train.optimizer": "adamw",
        "train.gradient_accumulation": 1,
        "train.steps": 20,
        "train.gradient_checkpointing": False,
        "train.disable_sampling": True,
        "train.lr": 1e-3,
        "network.linear": 8,
        "save.dtype": "float32",
        "save.save_every": 10,
        "dataset.resolution": [256],
        "dataset.cache_latents_to_disk": False,
    },
}
"""Settings for a machine: ``published`` is the published run's, ``24gb`` and so on are for a GPU of that
memory, ``smoke`` is for a CPU and a tiny checkpoint."""


def find_preset(name: str) -> str:
    """The preset of a name; ``48``, ``48GB`` and ``48gb`` are one.

    >>> find_preset("48"), find_preset("published")
    ('48gb', 'published')

    Raises:
        UsageError: if no preset has that name; it lists all.
    """
    folded = name.strip().lower().replace(" ", "")
    folded = f"{folded}gb" if folded.isdecimal() else folded
    if folded not in PRESETS:
        gib = preset_memory_gib(folded)
        near = [preset_for(gib)] if gib else get_close_matches(folded, PRESETS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{name}: unknown preset; {meant}known presets: {', '.join(PRESETS)}.")
    return folded


def preset_memory_gib(name: str) -> int | None:
    """The GPU memory that a preset is for, or None.

    >>> preset_memory_gib("48gb"), preset_memory_gib("smoke")
    (48, None)
    """
    found = re.fullmatch(r"(\d+)gb", name)
    return int(found.group(1)) if found else None


def preset_for(gpu_gib: float) -> str:
    """The largest preset for a GPU's memory, which is a little less than it is sold as; else the smallest.

    >>> preset_for(79.2), preset_for(20)
    ('80gb', '24gb')
    """
    sizes_gib = {name: preset_memory_gib(name) for name in PRESETS}
    fitting = [name for name, gib in sizes_gib.items() if gib and gib * 0.97 <= gpu_gib]
    return fitting[-1] if fitting else "24gb"


def luxuries(model: EditModel) -> tuple[dict[str, Any], ...]:
    """What a model that is small for a preset's memory need not give up, the dearest first."""
    return ({"dataset.resolution": [model.max_resolution]}, _16_BIT)


def savings(model: EditModel) -> tuple[dict[str, Any], ...]:
    """What to give up, in this order and adding up, when a model is too large for a preset's memory."""
    low_bits = model.recovery_adapter or "uint4"
    keys = ("model.qtype", "model.qtype_te") if model.text_encoder_qtype == "qtype" else ("model.qtype",)
    return (
        {"train.cache_text_embeddings": True},
        {**_8_BIT, "model.low_vram": True},
        {"train.batch_size": 1},
        dict.fromkeys(keys, low_bits),
        {"dataset.resolution": [512, 768]},
        {"model.layer_offloading": True},
    )
