"""The background of a photo, and what stands out from it."""

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.still_life import background_distance, foreground


@pytest.mark.parametrize("curved", [True, False])
def test_a_curved_background_tells_white_cloth_from_a_wall_that_is_darker_at_its_sides(curved):
    x = np.mgrid[-1:1:320j, -1:1:240j][1]
    lab = np.zeros((320, 240, 3), np.float32)
    lab[..., 0] = 92 - 5 * x**2 + np.random.default_rng(0).normal(0, 0.3, x.shape)
    cloth = np.zeros(x.shape, bool)
    cloth[100:220, 80:160] = True
    lab[cloth, 0] = 96
    lab[60:100, 105:135] = lab[220:320, 85:155] = (40, 5, 5)
    found = foreground(*background_distance(lab, curved=curved))[110:210, 90:150].mean()
    assert found > 0.99 if curved else found < 0.5


@pytest.mark.parametrize("curved", [True, False])
def test_a_photo_without_a_background_does_not_fail(curved):
    lab = np.random.default_rng(0).uniform(0, 100, (60, 40, 3)).astype(np.float32)
    distance, threshold = background_distance(lab, curved=curved)
    assert distance.shape == (60, 40)
    assert np.isfinite(distance).all()
    assert 0 < threshold <= 10
