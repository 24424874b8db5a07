"""The drawn catalogue: reproducible, exact, varied; the rest of the suite stands on it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chromiq.colour import srgb_to_lab
from chromiq.images import read_mask, read_photo
from dataset_builder.sample_catalogue import draw_pair, write_catalogue
from dataset_builder.sample_looks import LOOKS

SMALL_WH = (160, 200)


@pytest.fixture(scope="module")
def pairs():
    return [draw_pair(index, size_wh=SMALL_WH) for index in range(len(LOOKS))]


def test_the_same_arguments_give_the_same_bytes() -> None:
    one, two = (draw_pair(3, seed=5, size_wh=SMALL_WH) for _ in range(2))
    for name in ("still_life", "on_model", "still_life_mask", "on_model_mask"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_another_seed_gives_another_picture() -> None:
    one, two = (draw_pair(3, seed=seed, size_wh=SMALL_WH) for seed in (0, 1))
    assert not np.array_equal(one.on_model, two.on_model)


def test_shapes_and_types(pairs) -> None:
    for pair in pairs:
        for photo, mask in (
            (pair.still_life, pair.still_life_mask),
            (pair.on_model, pair.on_model_mask),
        ):
            assert photo.shape == (200, 160, 3)
            assert photo.dtype == np.uint8
            assert mask.shape == (200, 160)
            assert mask.dtype == np.bool_


def test_six_kinds_and_four_patterns_are_there(pairs) -> None:
    assert {"shirt", "T-shirt", "trousers", "dress", "jacket", "skirt"} <= {pair.garment for pair in pairs}
    assert len({pair.pattern for pair in pairs}) >= 3
    assert [pair.key for pair in pairs] == [str(n) for n in range(1, len(LOOKS) + 1)]


def test_the_still_life_mask_is_what_differs_from_the_background(pairs) -> None:
    for pair in pairs:
        lab = srgb_to_lab(pair.still_life)
        background = lab[:4].reshape(-1, 3).mean(0)
        differs = np.linalg.norm(lab - background, axis=-1) > 12
        missing = pair.still_life_mask & ~differs
        if background[0] - lab[pair.still_life_mask][:, 0].mean() > 15:
            assert missing.sum() < 0.02 * pair.still_life_mask.sum(), pair.key
        assert not pair.still_life_mask[0].any()


def test_a_catalogue_is_written_with_its_truth(tmp_path: Path) -> None:
    records = write_catalogue(tmp_path, pairs=2, size_wh=SMALL_WH)
    assert [record.key for record in records] == ["1", "2"]
    assert sorted(path.name for path in tmp_path.glob("*.jpg")) == [
        "on_model1.jpg",
        "on_model2.jpg",
        "still-life1.jpg",
        "still-life2.jpg",
    ]
    garments = json.loads((tmp_path / "truth" / "garments.json").read_text())
    assert garments == {"still-life1.jpg": "shirt", "still-life2.jpg": "T-shirt"}
    pair = draw_pair(0, size_wh=SMALL_WH)
    assert np.array_equal(read_mask(tmp_path / "truth/garment_masks/on_model1.png"), pair.on_model_mask)
    assert np.array_equal(
        read_mask(tmp_path / "truth/still_life_masks/still-life1.png"), pair.still_life_mask
    )
    written = read_photo(records[0].on_model).rgb.astype(int)
    assert np.abs(written - pair.on_model).mean() < 2
