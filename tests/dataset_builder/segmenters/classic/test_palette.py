"""The groups of colours that cloth is made of."""

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.classic.palette import Palette


@pytest.mark.parametrize("seed", range(4))
def test_a_thousandth_of_the_pixels_less_hardly_moves_the_colours_of_shaded_cloth(seed):
    rng = np.random.default_rng(seed)
    lab = np.concatenate([rng.uniform(20, 90, (70, 70, 1)), rng.normal(0, 1, (70, 70, 2))], axis=2)
    whole = Palette.of(lab.astype(np.float32), np.ones((70, 70), bool))
    assert len(whole.colours) == 6
    moved = []
    for _ in range(8):
        part = Palette.of(lab.astype(np.float32), rng.random((70, 70)) > 0.001)
        moved.append(np.linalg.norm(whole.colours[:, None] - part.colours, axis=2).min(axis=1).mean())
    assert np.mean(moved) < 0.5
