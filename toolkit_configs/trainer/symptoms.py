"""What AI-Toolkit prints when things go wrong, what that means, and a cure each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chromiq.errors import AccessError, ChromiqError, UnsoundError


@dataclass(frozen=True)
class Symptom:
    """Something that the trainer prints when things go wrong.

    Attributes:
        code: stable name.
        pattern: of a line.
        cure: one line.
        error: what a run fails with that ends after such a line.
        ends: whether it ends a run by itself; else the trainer goes on as if nothing had been.
    """

    code: str
    pattern: re.Pattern[str]
    cure: str
    error: type[ChromiqError] = ChromiqError
    ends: bool = True


SYMPTOMS = (
    Symptom("memory", re.compile(r"CUDA out of memory|OutOfMemoryError|OOM during training step 3 times"),
            "out of GPU memory; render with a smaller preset, or --set train.batch_size=1 and "
            "--set model.quantize=true"),
    Symptom("access", re.compile(r"GatedRepoError|\b40[13] Client Error|(Unauthorized|Forbidden) for url"),
            "no access to the base model; accept its licence on its page at huggingface.co and set HF_TOKEN "
            "to a token of the same account", AccessError),
    Symptom("disk", re.compile(r"No space left on device|\[Errno 28\]|Disk quota exceeded"),
            "the disk is full; free some, or lower save.max_step_saves_to_keep, then --resume"),
    Symptom("environment", re.compile(r"ModuleNotFoundError|ImportError|Could not load this library"),
            "its environment is broken; 'chromiq toolkit setup' mends it"),
    Symptom("host_memory", re.compile(r"DefaultCPUAllocator|MemoryError|Cannot allocate memory"),
            "out of main memory; close other programs, or render with a smaller preset"),
    Symptom("gpu", re.compile(r"No CUDA GPUs are available|Found no NVIDIA driver|no kernel image is avail"),
            "its torch cannot use the GPU; check nvidia-smi, the driver, and whether torch is built for it"),
    Symptom("locked", re.compile(r"database is locked"),
            "another program holds the run's loss_log.db; close it, then --resume"),
    Symptom("nan", re.compile(r"(?:^|\])\s*loss is nan\s*$"),
            "the loss is no number, and the trainer goes on with zero in its place; lower train.lr and start "
            "again from a checkpoint before that", UnsoundError, ends=False),
    Symptom("skipped_step", re.compile(r"OOM during training step, skipping batch"),
            "out of GPU memory in this step, which trained nothing; render with a smaller preset",
            ends=False),
    Symptom("skipped_image", re.compile(r"Error loading image, skipping and loading a different one"),
            "an image could not be read, and another was trained in its place; 'chromiq doctor' names it",
            UnsoundError, ends=False),
    Symptom("mask_ignored", re.compile(r"Could not apply mask multiplier to loss"),
            "the mask was not applied; this model trains every pixel", UnsoundError, ends=False),
    Symptom("optimizer_lost", re.compile(r"Failed to load optimizer state|Could not save optimizer"),
            "the optimizer's state was lost; training goes on with new moments", ends=False),
)  # fmt: skip
"""The first that fits a line counts."""


def find_symptom(line: str) -> Symptom | None:
    """What a line complains of, or None.

    >>> find_symptom("loss is nan").code
    'nan'
    >>> find_symptom("a caption that says: the loss is nan") is None
    True
    """
    return next((symptom for symptom in SYMPTOMS if symptom.pattern.search(line)), None)
