"""The table of colour errors is shared by builder and correction."""

import numpy as np
import pytest

from chromiq.colour import ENCODED_SRGB
from chromiq.correction.fitting.error_kinds import ONE_WAY_KINDS
from chromiq.dataset_builder.degrade import KINDS
from chromiq.imaging.colour_error_table import COLOUR_ERRORS

PIXELS = np.random.default_rng(0).uniform(0.25, 0.7, (200, 3))


@pytest.mark.parametrize("name", sorted(COLOUR_ERRORS))
def test_strength_zero_changes_nothing_and_the_negative_strength_undoes(name):
    kind = COLOUR_ERRORS[name]
    np.testing.assert_allclose(kind.of_encoded(PIXELS, 0.0), PIXELS, atol=1e-4)
    strength = 0.15 * kind.most[0]
    changed = kind.of_encoded(PIXELS, strength)
    assert np.abs(changed - PIXELS).max() > 0.01
    # The daylight locus is curved, so that the way back differs a little.
    tolerance = 0.02 if name == "daylight" else 1e-3
    np.testing.assert_allclose(kind.of_encoded(changed, -strength), PIXELS, atol=tolerance)


def test_the_builder_applies_and_the_correction_undoes_the_table():
    table = {name.replace("red_", "").replace("green_", "").replace("blue_", "") for name in COLOUR_ERRORS}
    built = {"channel_gamma" if name == "gamma" else name for name in table}
    assert built < set(KINDS)
    assert len(ONE_WAY_KINDS) == len(COLOUR_ERRORS)
    for kind, entry in zip(ONE_WAY_KINDS, COLOUR_ERRORS.values(), strict=True):
        undone = kind.change(PIXELS, 0.3 * kind.most, ENCODED_SRGB)
        np.testing.assert_array_equal(undone, entry.of_encoded(PIXELS, 0.3 * kind.most))
