"""Large photos are read no larger than their examples show them, and these look the same."""

import cv2
import numpy as np
import pytest

from chromiq.colour import delta_e_map
from chromiq.dataset_builder.canvas.scene import read_pair, scene_of
from chromiq.dataset_builder.options import BuildOptions
from chromiq.imaging.resize import resize
from chromiq.photos.images import read_photo, write_mask, write_photo
from chromiq.records import GarmentMask, PhotoPair
from chromiq.sample_catalogue.catalogue import draw_pair

LARGE_WH = (1760, 2200)


@pytest.fixture(scope="module")
def drawn():
    return draw_pair(4, size_wh=(440, 550))


@pytest.fixture(scope="module")
def large(tmp_path_factory, drawn):
    """A pair and its mask, drawn at a quarter of their size."""
    folder = tmp_path_factory.mktemp("large")
    pair = PhotoPair("4", folder / "still-life4.jpg", folder / "on_model4.jpg")
    for path, picture in ((pair.still_life, drawn.still_life), (pair.on_model, drawn.on_model)):
        write_photo(path, cv2.resize(picture, LARGE_WH, interpolation=cv2.INTER_CUBIC), quality=90)
    mask = cv2.resize(drawn.on_model_mask.astype(np.uint8), LARGE_WH, interpolation=cv2.INTER_NEAREST) > 0
    write_mask(folder / "mask.png", mask)
    return pair, folder / "mask.png"


def test_a_large_pair_is_read_at_half_its_size_and_its_examples_look_the_same(large):
    options = BuildOptions(size_wh=(640, 384))
    photos = read_pair(*large, options)
    assert photos.on_model.shape == photos.still_life.shape == (1100, 880, 3)
    assert photos.on_model_wh == LARGE_WH
    mask = photos.drawn.mask
    assert mask.shape == (2200, 1760)
    whole = [read_photo(path).rgb for path in (large[0].still_life, large[0].on_model)]
    seen = scene_of(options, photos.geometry, photos.still_life, photos.on_model, mask)
    wanted = scene_of(options, photos.geometry, *whole, mask)
    np.testing.assert_array_equal(seen.garment, wanted.garment)
    assert seen.target.shape == wanted.target.shape == (384, 640, 3)
    by_lanczos = resize(whole[1], seen.photo.shape[1::-1])
    off, usually_off = (delta_e_map(scene.photo, by_lanczos).mean() for scene in (seen, wanted))
    assert off < max(0.1, 1.2 * usually_off)
    assert np.abs((seen.photo.astype(float) - by_lanczos).mean(axis=(0, 1))).max() < 0.15


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(geometry="published", degradation="published"),
        BuildOptions(degradation="published"),
        BuildOptions(model="qwen-image-edit-2509"),
    ],
    ids=["as published", "errors as published", "seen apart"],
)
def test_photos_that_are_needed_as_they_are_are_read_so(large, options):
    photos = read_pair(*large, options)
    assert photos.on_model.shape == photos.still_life.shape == (2200, 1760, 3)


def test_a_mask_found_on_a_smaller_photo_has_the_file_s_size(large, drawn):
    photos = read_pair(large[0], None, BuildOptions(size_wh=(640, 384)))
    size_wh = photos.on_model.shape[1::-1]
    small = cv2.resize(drawn.on_model_mask.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
    found = photos.at_file_size(GarmentMask(small, 0.8, ("undecided",), "classic"))
    wanted = read_pair(*large, BuildOptions()).drawn.mask
    assert found.mask.shape == wanted.shape
    assert (found.mask & wanted).sum() / (found.mask | wanted).sum() > 0.99
    assert (found.confidence, found.reasons, found.source) == (0.8, ("undecided",), "classic")
