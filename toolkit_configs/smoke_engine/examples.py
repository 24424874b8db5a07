"""What the smoke engine trains on: a job's examples, at the size and in the order that they are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from chromiq.dataset_builder.canvas.buckets import as_trained
from chromiq.dataset_builder.inputs.pairs import natural_key
from chromiq.errors import Finding, raise_findings
from chromiq.photos.soundness import PHOTO_SUFFIXES
from chromiq.toolkit_configs.schema.jobs import Job

SEED = 42


def find_examples(job: Job) -> list[dict[str, Path]]:
    """Targets of the job with their control, mask and caption, in natural order.

    Raises:
        UnsoundError: with all that is missing. AI-Toolkit would train on without a word.
    """
    dataset = job.process.datasets[0]
    folder, *controls = dataset.folders
    folders = {"control": controls[0]}
    if dataset.mask_path:
        folders["mask"] = Path(dataset.mask_path)
    targets = sorted(
        (path for path in folder.glob("*") if path.suffix.lower() in PHOTO_SUFFIXES),
        key=lambda path: natural_key(path.stem),
    )
    findings = []
    if not targets:
        findings.append(
            Finding.expected("dataset.empty", str(folder), "target images", "none", "build the dataset")
        )
    examples = []
    for target in targets:
        example = {"target": target, "caption": target.with_suffix(dataset.caption_ext or ".txt")}
        for role, place in folders.items():
            found = [place / f"{target.stem}{suffix}" for suffix in sorted(PHOTO_SUFFIXES)]
            example[role] = next((path for path in found if path.is_file()), place / f"{target.stem}.?")
        for role, path in example.items():
            if not path.is_file():
                findings.append(
                    Finding.expected(
                        f"dataset.{role}", str(target), f"its {role}", f"no {path}", "build it again"
                    )
                )
        examples.append(example)
    raise_findings(findings, str(folder))
    return examples


def pixels(rgb: Any, size_wh: tuple[int, int]) -> Any:
    """A picture scaled to cover a size, centre-cropped, as a tensor ``(1, 3, H, W)`` in -1..1."""
    import torch

    return torch.from_numpy(as_trained(rgb, size_wh).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def drawn(step: int, count: int, batch_size: int, seed: int = SEED) -> list[int]:
    """Which examples a step sees: every one once per epoch, in an order of the epoch's own."""
    places = range(step * batch_size, (step + 1) * batch_size)
    orders = {place // count: None for place in places}
    order = {epoch: np.random.default_rng([seed, epoch]).permutation(count) for epoch in orders}
    return [int(order[place // count][place % count]) for place in places]
