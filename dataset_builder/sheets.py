"""Two pictures of a dataset for people: what lies in it, and what the trainer will see of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chromiq.images import write_photo
from chromiq.parallel import thread_per_core
from chromiq.records import RgbImage
from dataset_builder.buckets import RESOLUTION
from dataset_builder.contact_sheet import contact_tile, grid
from dataset_builder.loss_mask import LossMask
from dataset_builder.preview_sheet import preview_tile
from dataset_builder.small_example import read_small_example

CONTACT_SHEET = "contact_sheet.jpg"
PREVIEW_SHEET = "preview_sheet.jpg"


def write_sheets(folder: Path, model: str, shown: Sequence[Mapping[str, Any]], examples: int) -> None:
    """Write ``contact_sheet.jpg`` and ``preview_sheet.jpg``.

    Args:
        folder: a finished dataset.
        model: the model to train.
        shown: examples as in the manifest; every `sheet_step`-th.
        examples: how many the dataset has.
    """
    loss_masks: dict[str, LossMask] = {}

    def tiles(example: Mapping[str, Any]) -> tuple[RgbImage, RgbImage]:
        small = read_small_example(folder, example, loss_masks)
        return contact_tile(small, example), preview_tile(small, example, model, RESOLUTION)

    some = f"{len(shown)} of {examples} examples"
    as_trained = (
        f"{some} as {model} is trained at resolution {RESOLUTION}: "
        "control, target; under blue nothing is learned"
    )
    with thread_per_core() as pool:
        contacts, previews = zip(*pool.map(tiles, shown), strict=True)
        paths = (folder / CONTACT_SHEET, folder / PREVIEW_SHEET)
        list(pool.map(_write, paths, (contacts, previews), (some, as_trained)))


def _write(path: Path, tiles: Sequence[RgbImage], title: str) -> None:
    write_photo(path, grid(tiles, title), quality=88)
