"""Trained sizes are those AI-Toolkit logged for a 1328x800 picture, commit 27a03a91."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.dataset_builder.canvas.buckets import as_trained, bucket_size_wh, cut_off_wh, parse_size
from chromiq.errors import UsageError

LOGGED = {
    16: {1328: (1328, 800), 1024: (1328, 784), 768: (992, 592), 512: (672, 384)},
    32: {1328: (1312, 800), 1024: (1344, 768), 768: (960, 608), 512: (672, 384)},
}


@pytest.mark.parametrize("divisible_by_px", LOGGED)
def test_the_sizes_the_trainer_logged(divisible_by_px):
    sizes = {
        resolution: bucket_size_wh((1328, 800), resolution, divisible_by_px)
        for resolution in LOGGED[divisible_by_px]
    }
    assert sizes == LOGGED[divisible_by_px]


@given(
    st.integers(200, 5000),
    st.integers(200, 5000),
    st.sampled_from([512, 768, 1024, 1328]),
    st.sampled_from([16, 32]),
)
def test_a_bucket_is_divisible_and_no_larger_than_allowed(width, height, resolution, step):
    if max(width, height) / min(width, height) > 8:
        return
    bucket = bucket_size_wh((width, height), resolution, step)
    assert bucket[0] % step == bucket[1] % step == 0
    assert 0 < bucket[0] * bucket[1] <= resolution**2
    columns, rows = cut_off_wh((width, height), bucket)
    assert 0 <= columns < width
    assert 0 <= rows < height
    assert min(columns, rows) <= 1  # the picture covers the bucket: one side fits


def test_what_is_cut_off_is_cut_from_both_sides_alike():
    picture = np.zeros((800, 1328), np.uint8)
    picture[8:-8] = 255
    assert as_trained(picture, (1328, 784)).min() == 255
    assert as_trained(picture, (1328, 800)).min() == 0


@pytest.mark.parametrize("text", ["", "1328", "1328x", "-8x800", "1328x800x3", "1328 x 800", "9999999x800"])
def test_an_invalid_size(text):
    with pytest.raises(UsageError, match="1328x800"):
        parse_size(text)
