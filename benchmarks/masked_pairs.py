"""The photo pairs of a source that have a mask, for benchmarks that take any source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class MaskedPair(NamedTuple):
    """The files of a pair; `mask` is of the on-model photo's size, white on the garment."""

    key: str
    still_life: Path
    on_model: Path
    mask: Path


def masked_pairs(folder: Path) -> Iterator[MaskedPair]:
    """The pairs with a mask, in the order of their names.

    Args:
        folder: holds either ``pairs/`` and ``masks/on_modelN.png``, or ``still-life/``, ``on-model/`` and
            ``masks/`` with the same names in each.
    """
    is_flat = (folder / "pairs").is_dir()
    for mask in sorted((folder / "masks").glob("*.png")):
        key = mask.stem.removeprefix("on_model")
        still_life, on_model = (
            (folder / "pairs" / f"{kind}{key}.jpg") if is_flat else folder / there / f"{mask.stem}.jpg"
            for kind, there in (("still-life", "still-life"), ("on_model", "on-model"))
        )
        yield MaskedPair(key, still_life, on_model, mask)
