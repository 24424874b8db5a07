"""The training examples of a job: which files, at which size, in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chromiq.dataset_builder.canvas.buckets import as_trained
from chromiq.errors import Finding, raise_findings
from chromiq.files import natural_key
from chromiq.photos.soundness import PHOTO_SUFFIXES, list_images
from chromiq.toolkit_configs.schema.trainer_job import Job

SEED = 42


def find_examples(job: Job) -> list[dict[str, Path]]:
    """Targets of the job with their control, mask and caption, in natural order.

    Raises:
        UnsoundError: with every missing file. AI-Toolkit would train without it and not report it.
    """
    dataset = job.process.datasets[0]
    folder, *controls = dataset.folders
    folders = {"control": controls[0]}
    if dataset.mask_path:
        folders["mask"] = Path(dataset.mask_path)
    targets = sorted(list_images(folder), key=lambda path: natural_key(path.stem))
    findings = []
    if not targets:
        findings.append(Finding("dataset.empty", str(folder), "no target images", "Build the dataset."))
    examples = []
    for target in targets:
        example = {"target": target, "caption": target.with_suffix(dataset.caption_ext or ".txt")}
        for role, place in folders.items():
            found = [place / f"{target.stem}{suffix}" for suffix in sorted(PHOTO_SUFFIXES)]
            example[role] = next((path for path in found if path.is_file()), place / f"{target.stem}.?")
        for role, path in example.items():
            if not path.is_file():
                findings.append(
                    Finding(
                        f"dataset.{role}", str(target), f"no {role} at {path}", "Build the dataset again."
                    )
                )
        examples.append(example)
    raise_findings(findings, str(folder))
    return examples


def pixels(rgb: Any, size_wh: tuple[int, int]) -> Any:
    """``(H, W, 3)`` uint8 scaled to cover a size and centre-cropped, as ``(1, 3, H, W)`` float32 in -1..1."""
    import torch

    return torch.from_numpy(as_trained(rgb, size_wh).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def drawn(step: int, count: int, batch_size: int, seed: int = SEED) -> list[int]:
    """The examples of a step: each once per epoch, in an order drawn for the epoch."""
    places = range(step * batch_size, (step + 1) * batch_size)
    orders = {place // count: None for place in places}
    order = {epoch: np.random.default_rng([seed, epoch]).permutation(count) for epoch in orders}
    return [int(order[place // count][place % count]) for place in places]
