"""What the local engine trains on: a job's examples, at the size and in the order that they are trained."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chromiq.errors import Finding, raise_findings
from chromiq.images import PHOTO_SUFFIXES
from dataset_builder.pairs import natural_key
from toolkit_configs.jobs import Job

SEED = 42
_DIVISIBLE_BY = 16


def find_examples(job: Job) -> list[dict[str, Path]]:
    """Targets of the job with their control, mask and caption, in natural order.

    Raises:
        UnsoundError: with all that is missing. AI-Toolkit would train on without a word.
    """
    dataset = job.process.datasets[0]
    control = dataset.control_path if isinstance(dataset.control_path, str) else dataset.control_path[0]
    folders = {"control": Path(control)}
    if dataset.mask_path:
        folders["mask"] = Path(dataset.mask_path)
    folder = Path(dataset.folder_path)
    targets = sorted(
        (path for path in folder.glob("*") if path.suffix.lower() in PHOTO_SUFFIXES),
        key=lambda path: natural_key(path.stem),
    )
    findings = []
    if not targets:
        findings.append(Finding("dataset.empty", str(folder), "target images", "none", "build the dataset"))
    examples = []
    for target in targets:
        example = {"target": target, "caption": target.with_suffix(f".{dataset.caption_ext}")}
        for role, place in folders.items():
            found = [place / f"{target.stem}{suffix}" for suffix in sorted(PHOTO_SUFFIXES)]
            example[role] = next((path for path in found if path.is_file()), place / f"{target.stem}.?")
        for role, path in example.items():
            if not path.is_file():
                findings.append(
                    Finding(f"dataset.{role}", str(target), f"its {role}", f"no {path}", "build it again")
                )
        examples.append(example)
    raise_findings(findings, str(folder))
    return examples


def bucket_size_wh(size_wh: tuple[int, int], resolution: int) -> tuple[int, int]:
    """The size a picture is trained at, as AI-Toolkit chooses it.

    Scaled down to an area of at most `resolution` squared, each side goes to a multiple of 16 below or
    above: of those four sizes the one nearest in area to the scaled picture, and not above the limit.

    >>> bucket_size_wh((1328, 800), 1328), bucket_size_wh((1328, 800), 1024), bucket_size_wh((1328, 800), 512)
    ((1328, 800), (1328, 784), (672, 384))
    """
    limit_px = resolution**2
    wanted_px = min(size_wh[0] * size_wh[1], limit_px)
    scale = (wanted_px / (size_wh[0] * size_wh[1])) ** 0.5
    steps = [side * scale / _DIVISIBLE_BY for side in size_wh]
    sizes = [
        (round_width(steps[0]) * _DIVISIBLE_BY, round_height(steps[1]) * _DIVISIBLE_BY)
        for round_width in (math.floor, math.ceil)
        for round_height in (math.floor, math.ceil)
    ]
    within = [(width, height) for width, height in sizes if 0 < width * height <= limit_px]
    floor = (max(1, int(steps[0])) * _DIVISIBLE_BY, max(1, int(steps[1])) * _DIVISIBLE_BY)
    return min(within or [floor], key=lambda size: abs(size[0] * size[1] - wanted_px))


def pixels(rgb: Any, size_wh: tuple[int, int]) -> Any:
    """A picture scaled to cover a size, centre-cropped, as a tensor ``(1, 3, H, W)`` in -1..1."""
    import torch

    scale = max(size_wh[0] / rgb.shape[1], size_wh[1] / rgb.shape[0])
    cover = (max(size_wh[0], round(rgb.shape[1] * scale)), max(size_wh[1], round(rgb.shape[0] * scale)))
    scaled = np.array(Image.fromarray(rgb).resize(cover, Image.Resampling.BICUBIC))
    left, top = (cover[0] - size_wh[0]) // 2, (cover[1] - size_wh[1]) // 2
    cropped = scaled[top : top + size_wh[1], left : left + size_wh[0]]
    return torch.from_numpy(cropped).permute(2, 0, 1)[None].float() / 127.5 - 1


def drawn(step: int, count: int, batch_size: int) -> list[int]:
    """Which examples a step sees: every one once per epoch, in an order of the epoch's own."""
    places = range(step * batch_size, (step + 1) * batch_size)
    orders = {place // count: None for place in places}
    order = {epoch: np.random.default_rng([SEED, epoch]).permutation(count) for epoch in orders}
    return [int(order[place // count][place % count]) for place in places]
