"""Which garments are held out of training: decided by a hash, so the same on every run."""

from __future__ import annotations

import hashlib

from chromiq.dataset_builder.inputs.photo_names import key_of_still_life
from chromiq.records import PhotoPair


def split_of(garment: str, seed: int, held_out: float) -> str:
    """``"train"`` or ``"held_out"``, by seed and garment alone.

    All variants and all photos of a garment go together, and none moves when others are added.

    >>> split_of("7", 0, 0.0)
    'train'
    """
    return "held_out" if lot(f"{seed}:{garment}") < held_out else "train"


def garment_of(pair: PhotoPair) -> str:
    """The identifier of a pair's garment: its still-life's name.

    A CSV may list one still-life with several on-model photos; all of them go to the same split.

    >>> from pathlib import Path
    >>> garment_of(PhotoPair("7-front", Path("a/still-life7.jpg"), Path("a/front7.jpg")))
    '7'
    """
    return key_of_still_life(pair.still_life)


def lot(text: str) -> float:
    """A pseudo-random number in 0..1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
