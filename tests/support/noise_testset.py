"""A test set of two small pictures of noise, in a folder without a manifest."""

import numpy as np

from chromiq.photos.images import write_photo


def write_noise_testset(root):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for folder in ("gt", "control", "reference"):
            write_photo(root / folder / f"{name}.png", rng.integers(0, 256, (64, 80, 3), dtype=np.uint8))
        (root / "gt" / f"{name}.txt").write_text("chromiq Change the dress")
    return root
