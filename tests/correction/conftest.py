"""Two drawn pairs with masks: the first is off in colour, the second true."""

import numpy as np
import pytest

from chromiq.dataset_builder.degrade import degrade
from chromiq.photos.images import write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair


@pytest.fixture
def catalogue(tmp_path):
    """Two pairs: the first is off in colour, the second true; their masks beside them."""
    for index in (0, 1):
        pair = draw_pair(index, size_wh=(224, 280))
        photo = pair.on_model
        if index == 0:
            photo, _ = degrade(photo, pair.on_model_mask, "published", np.random.default_rng(5))
        write_photo(tmp_path / "pairs" / f"still-life{index + 1}.png", pair.still_life)
        write_photo(tmp_path / "pairs" / f"on_model{index + 1}.png", photo)
        write_photo(tmp_path / "truth" / f"on_model{index + 1}.png", pair.on_model)
        write_mask(tmp_path / "masks" / f"on_model{index + 1}.png", pair.on_model_mask)
    return tmp_path
