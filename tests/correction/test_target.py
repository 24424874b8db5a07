"""A target colour is reached by the mean; noise of plain cloth is not amplified, white of a print stays."""

import numpy as np
import pytest

from chromiq.correction.fitting.garment_look import look
from chromiq.correction.target import from_d50, target_map

TARGETS = [(45.0, 60.0, 40.0), (60.0, 0.0, 0.0), (40.0, 20.0, -50.0), (85.0, 3.0, 6.0)]
GREY, PALE, VIVID = [70.0, 1.0, 1.0], [75.0, -6.0, -10.0], [40.0, 55.0, 30.0]


def cloth(mean, shade=0.1, noise=1.0):
    """``(2000, 3)`` Lab of plain cloth, its a* and b* going with the light."""
    rng = np.random.default_rng(3)
    light = rng.normal(1, shade, (2000, 1))
    lab = np.array(mean) * light + 16 * (light - 1) * [1, 0, 0]
    return lab + rng.normal(0, noise, lab.shape) * [0, 1, 1]


def spread_beside_light(lab):
    """Standard deviations of a* and b* beside what goes with lightness: ``(2,)``."""
    light = np.stack([np.ones(len(lab)), lab[:, 0]], axis=1)
    return (lab[:, 1:] - light @ np.linalg.lstsq(light, lab[:, 1:], rcond=None)[0]).std(axis=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mean", [GREY, PALE, VIVID])
def test_the_mean_reaches_the_target_and_noise_is_not_amplified(mean, target):
    seen = cloth(mean)
    reached = target_map(seen, target).apply(seen)
    np.testing.assert_allclose(look(reached).mean, from_d50(np.array(target)), atol=0.01)
    assert spread_beside_light(reached).max() < 1.2 * spread_beside_light(seen).max()


def test_vivid_cloth_becomes_evenly_grey():
    """A shift would leave the chroma that its folds lack, in the opposite hue."""
    seen = cloth(VIVID)
    assert np.hypot(*seen[:, 1:].T).std() > 5
    reached = target_map(seen, (60.0, 0.0, 0.0)).apply(seen)
    assert np.hypot(*reached[:, 1:].T).max() < 1


def test_shade_of_a_grey_cloth_takes_less_of_the_colour_than_its_light():
    seen = cloth(GREY, noise=0.0)
    chroma = np.hypot(*target_map(seen, (50.0, 60.0, 40.0)).apply(seen)[:, 1:].T)
    assert np.corrcoef(chroma, seen[:, 0])[0, 1] > 0.99


def test_white_of_a_print_stays_white():
    seen = np.concatenate([cloth([55.0, 5.0, -30.0]), cloth([92.0, 0.0, 1.0])[:1000]])
    reached = target_map(seen, (50.0, 34.0, 0.0)).apply(seen)
    assert np.hypot(*reached[2000:, 1:].mean(axis=0)) < 4
