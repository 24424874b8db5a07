"""A segmenter of your own: here, everything that differs from a white background.

Usage: python own_segmenter.py STILL_LIFE ON_MODEL OUT
"""

import sys
from pathlib import Path

import numpy as np

from chromiq.correction.photo import correct_file
from chromiq.records import GarmentLabel, GarmentMask


class NotWhite:
    """The protocol is `chromiq.dataset_builder.segmenters.Segmenter`."""

    name = "not-white"

    def label(self, photo_pairs):
        """One label per (still-life, on-model) pair."""
        return [GarmentLabel("garment", self.name) for _ in photo_pairs]

    def segment(self, tasks):
        """One mask per task, of the on-model photo's size, with the overlap that you expect."""
        return [GarmentMask(np.asarray(task.on_model.min(axis=2) < 235), 0.9) for task in tasks]


if __name__ == "__main__":
    still_life, on_model, out = map(Path, sys.argv[1:4])
    print(correct_file(still_life, on_model, out, NotWhite()).reason)
