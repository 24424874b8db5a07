"""Where one cloth ends and another begins, on cloth made up row by row."""

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.classic.extent import change_of_cloth, edges_across, hem_profiles

CLOTH = np.ones((120, 40), bool)


def cloth(upper, lower, at=60, noise=2.0):
    lab = np.empty((120, 40, 3), np.float32)
    lab[:at], lab[at:] = upper, lower
    return lab + np.random.default_rng(0).normal(0, noise, lab.shape).astype(np.float32)


def test_the_change_is_greatest_where_the_colour_changes():
    change = change_of_cloth(cloth((30, 2, -18), (32, 0, -2)), CLOTH)
    assert abs(int(change.argmax()) - 60) <= 2
    assert change.max() > 0.8
    assert change.shape == (121,)


def test_a_seam_is_an_edge_but_no_change():
    lab = cloth((50, 5, 5), (50, 5, 5))
    lab[59:61] -= 25
    change = change_of_cloth(lab, CLOTH)
    begin, end = hem_profiles(edges_across(lab), CLOTH, CLOTH)
    assert max(begin[57:64].max(), end[57:64].max()) > 2
    assert change[60] < 0.1


def test_texture_alone_is_a_change():
    lab = cloth((50, 0, 0), (50, 0, 0), noise=0.1)
    lab[60:, ::2, 0] += 20
    lab[60:, 1::2, 0] -= 20
    assert change_of_cloth(lab, CLOTH)[60] > 0.5


@pytest.mark.parametrize("row", [0, 1, 119, 120])
def test_beyond_the_body_nothing_changes(row):
    assert change_of_cloth(cloth((30, 0, 0), (70, 0, 0)), CLOTH)[row] == 0
    assert not change_of_cloth(cloth((30, 0, 0), (70, 0, 0)), np.zeros_like(CLOTH)).any()
