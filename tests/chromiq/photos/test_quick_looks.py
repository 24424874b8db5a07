"""Previews are upright and of the requested size."""

import cv2
import numpy as np
import pytest
from PIL import Image

from chromiq.photos.images import photo_size_wh, read_high, read_photo, read_small, write_mask
from chromiq.photos.reader import open_photo


def picture(size_wh):
    """A smooth image with four different corners."""
    across, down = np.meshgrid(np.linspace(0, 1, size_wh[0]), np.linspace(0, 1, size_wh[1]))
    levels = np.stack([40 + 180 * across, 40 + 180 * down, 60 + 120 * across * down], axis=-1)
    return levels.astype(np.uint8)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("side_px", [250, 430, 900])
def test_a_preview_is_the_upright_photo_at_the_requested_size(tmp_path, suffix, orientation, side_px):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(picture((1001, 403))).save(path, exif=exif, quality=95)
    whole = read_photo(path).rgb
    small = read_small(open_photo(path), side_px)
    assert photo_size_wh(path) == (whole.shape[1], whole.shape[0])
    assert max(small.shape[:2]) == side_px
    expected = cv2.resize(whole, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).max() <= 5
    high = read_high(path, 200)
    assert high.shape[0] == 200
    assert high.shape[1] == round(200 * whole.shape[1] / whole.shape[0])


def test_a_small_photo_is_not_resized(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(picture((60, 40))).save(path)
    np.testing.assert_array_equal(read_small(path, 512), picture((60, 40)))
    np.testing.assert_array_equal(read_high(path, 40), picture((60, 40)))


def test_a_reduced_mask_is_grey_and_keeps_its_share(tmp_path):
    mask = np.zeros((801, 1327), bool)
    mask[200:600, 650:1000] = True
    write_mask(tmp_path / "mask.png", mask)
    small = read_small(tmp_path / "mask.png", 500, grey=True)
    assert small.shape == (302, 500)
    assert small.mean() / 255 == pytest.approx(mask.mean(), rel=0.01)


def test_transparent_grey_is_composited_before_it_is_scaled(tmp_path):
    grey = np.full((400, 400), 30, np.uint8)
    grey[:, ::2] = 200  # every other column cannot be seen
    Image.fromarray(grey).save(tmp_path / "grey.png", transparency=200)
    assert np.abs(read_small(tmp_path / "grey.png", 100).astype(int) - (30 + 255) // 2).max() <= 2
