"""Which garments are kept out of training, by lots that are as good as drawn and the same every time."""

from __future__ import annotations

import hashlib

from chromiq.dataset_builder.inputs.pair_names import key_of_still_life
from chromiq.records import PhotoPair


def split_of(garment: str, seed: int, held_out: float) -> str:
    """``"train"`` or ``"held_out"``, by seed and garment alone.

    All variants and all photos of a garment go together, and none moves when others are added.

    >>> split_of("7", 0, 0.0)
    'train'
    """
    return "held_out" if lot(f"{seed}:{garment}") < held_out else "train"


def garment_of(pair: PhotoPair) -> str:
    """What tells a pair's garment from others: its still-life's name.

    A CSV may list one still-life with several on-model photos; these must not lie on both sides of a split.

    >>> from pathlib import Path
    >>> garment_of(PhotoPair("7-front", Path("a/still-life7.jpg"), Path("a/front7.jpg")))
    '7'
    """
    return key_of_still_life(pair.still_life)


def lot(text: str) -> float:
    """A number in 0..1 that is as good as drawn, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
