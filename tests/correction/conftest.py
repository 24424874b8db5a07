"""Two drawn pairs with masks: the first is off in colour, the second true."""

import shutil

import numpy as np
import pytest

from chromiq.dataset_builder.degrade import degrade
from chromiq.photos.images import write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair


@pytest.fixture(scope="session")
def drawn_pairs(tmp_path_factory):
    """Two pairs: the first is off in colour, the second true; their masks beside them. Not to be changed."""
    root = tmp_path_factory.mktemp("drawn")
    for index in (0, 1):
        pair = draw_pair(index, size_wh=(160, 200))
        photo = pair.on_model
        if index == 0:
            photo, _ = degrade(photo, pair.on_model_mask, "published", np.random.default_rng(5))
        write_photo(root / "pairs" / f"still-life{index + 1}.png", pair.still_life)
        write_photo(root / "pairs" / f"on_model{index + 1}.png", photo)
        write_photo(root / "truth" / f"on_model{index + 1}.png", pair.on_model)
        write_mask(root / "masks" / f"on_model{index + 1}.png", pair.on_model_mask)
    return root


@pytest.fixture
def catalogue(drawn_pairs, tmp_path):
    """A copy of the drawn pairs for one test."""
    return shutil.copytree(drawn_pairs, tmp_path, dirs_exist_ok=True)
