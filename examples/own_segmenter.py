"""A segmenter of your own: here, what differs from the backdrop between the neck and the hips.

Usage: python own_segmenter.py STILL_LIFE ON_MODEL OUT
"""

import sys
from pathlib import Path

import numpy as np

from chromiq.correction.photo import correct_file
from chromiq.records import GarmentLabel, GarmentMask


class Trunk:
    """The protocol is `chromiq.dataset_builder.segmenters.Segmenter`."""

    name = "trunk"

    def label(self, photo_pairs):
        """One label per (still-life, on-model) pair."""
        return [GarmentLabel("garment", self.name) for _ in photo_pairs]

    def segment(self, tasks):
        """One mask per task, of the on-model photo's size, with the overlap that you expect."""
        return [GarmentMask(trunk(task.on_model), 0.9) for task in tasks]


def trunk(photo):
    """``(H, W)`` bool: what differs in colour from the photo's upper corners, in the middle of its height."""
    backdrop = np.median(photo[:10, [*range(10), *range(-10, 0)]], axis=(0, 1))
    mask = np.abs(photo - backdrop).max(axis=2) > 30
    mask[: len(mask) * 3 // 10] = mask[len(mask) * 7 // 10 :] = False
    return mask


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    still_life, on_model, out = map(Path, sys.argv[1:])
    print(correct_file(still_life, on_model, out, Trunk()).reason)
