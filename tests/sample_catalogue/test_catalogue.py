"""The drawn catalogue: reproducible, exact, varied; the rest of the suite stands on it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from chromiq.colour import srgb_to_lab
from chromiq.photos.images import read_mask, read_photo
from chromiq.sample_catalogue.catalogue import LOOKS, draw_pair, write_catalogue

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


def test_outside_the_still_life_mask_there_is_only_grey_background(pairs) -> None:
    """The mask misses no cloth: what lies outside it is the backdrop or its soft shadow, both unsaturated."""
    for pair in pairs:
        around = cv2.dilate(pair.still_life_mask.astype(np.uint8), np.ones((3, 3))) == 0
        lab = srgb_to_lab(pair.still_life)
        backdrop = np.median(lab[around], axis=0)
        assert np.abs(lab[around][:, 1:] - backdrop[1:]).max() < 4, pair.key
        assert lab[around][:, 0].max() < backdrop[0] + 4, pair.key


def test_the_still_life_mask_holds_no_background(pairs) -> None:
    """Dark cloth is dark over the whole mask, eroded by the antialiased edge."""
    plain = [pair for pair in pairs if pair.pattern == "plain"]
    dark = [pair for pair in plain if srgb_to_lab(pair.still_life)[pair.still_life_mask][:, 0].mean() < 30]
    assert dark
    for pair in dark:
        inside = cv2.erode(pair.still_life_mask.astype(np.uint8), np.ones((3, 3))) == 1
        light = srgb_to_lab(pair.still_life)[inside][:, 0]
        assert np.mean(light > 60) < 0.02, pair.key


def test_colours_agree_within_the_two_masks_of_a_pair(pairs) -> None:
    """Only the light differs between the photos: the mean chroma of the garment stays close."""
    for pair in pairs:
        flat = srgb_to_lab(pair.still_life)[pair.still_life_mask].mean(0)
        worn = srgb_to_lab(pair.on_model)[pair.on_model_mask].mean(0)
        assert np.hypot(*(flat - worn)[1:]) < 6, pair.key
        assert abs(flat[0] - worn[0]) < 15, pair.key


def test_hands_hair_and_other_clothes_are_not_in_the_mask() -> None:
    """Pair 7 is a white shirt with a bare hand before it and green trousers below."""
    pair = draw_pair(6, size_wh=(448, 560))
    lab = srgb_to_lab(pair.on_model)
    inside = cv2.erode(pair.on_model_mask.astype(np.uint8), np.ones((5, 5))) == 1
    assert np.hypot(lab[..., 1], lab[..., 2])[inside].max() < 14
    filled = pair.on_model_mask.astype(np.uint8)
    outline, _ = cv2.findContours(filled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    assert len(outline) >= 2, "the hand leaves a hole in the shirt"


def test_masks_scale_with_the_picture() -> None:
    small, large = (draw_pair(4, size_wh=size) for size in ((160, 200), (320, 400)))
    shrunk = cv2.resize(large.on_model_mask.astype(np.float32), (160, 200), interpolation=cv2.INTER_AREA)
    both = (shrunk >= 0.5) & small.on_model_mask
    either = (shrunk >= 0.5) | small.on_model_mask
    assert both.sum() / either.sum() > 0.97


def test_beyond_the_list_pairs_continue_and_differ() -> None:
    many = [draw_pair(index, size_wh=(64, 80)) for index in range(len(LOOKS), len(LOOKS) + 30)]
    assert len({pair.on_model.tobytes() for pair in many}) == 30
    assert len({pair.garment for pair in many}) >= 5
    assert all(0.05 < pair.on_model_mask.mean() < 0.6 for pair in many)


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
