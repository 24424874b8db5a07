"""Measuring takes as long as there are pixels: here the dataset has fewer than elsewhere."""

import pytest
from drawn_dataset import build_drawn_dataset


@pytest.fixture(scope="session")
def built_dataset(tmp_path_factory):
    """As elsewhere, on a small canvas; not to be written to."""
    return build_drawn_dataset(tmp_path_factory.mktemp("built_small"), size_wh=(576, 352))
