"""Many pairs of few drawings: links under other names, with their masks and labels."""

from __future__ import annotations

import json
import os
from pathlib import Path


def link_pairs(drawn: Path, root: Path, pairs: int) -> None:
    """`pairs` pairs in ``pairs/``, their masks in ``masks/`` and their labels in ``garments.json``.

    Args:
        drawn: a catalogue as `write_catalogue` draws it.
        root: the folder to write to, on the same file system.
        pairs: how many; the drawn ones are repeated in turn.
    """
    (root / "pairs").mkdir(parents=True)
    (root / "masks").mkdir()
    known = json.loads((drawn / "truth" / "garments.json").read_text())
    labels = {}
    for number in range(1, pairs + 1):
        source = (number - 1) % len(known) + 1
        for role in ("still-life", "on_model"):
            os.link(drawn / f"{role}{source}.jpg", root / "pairs" / f"{role}{number}.jpg")
        labels[f"still-life{number}.jpg"] = known[f"still-life{source}.jpg"]
        mask = drawn / "truth" / "garment_masks" / f"on_model{source}.png"
        os.link(mask, root / "masks" / f"on_model{number}.png")
    (root / "garments.json").write_text(json.dumps(labels))
