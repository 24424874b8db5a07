"""Loss masks: white where the trainer learns, and the published files reproduced."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import REAL

from chromiq.dataset_builder.canvas.loss_mask import (
    PHOTO_FLOOR,
    encoded_loss_mask,
    garment_mask,
    half_mask,
    panel_mask,
    soft_mask,
)
from chromiq.dataset_builder.canvas.stitch import exact_geometry, published_geometry, stitch
from chromiq.photos.images import encode_photo, read_photo

PUBLISHED_WH = (896, 1120)
SIZES = st.tuples(st.integers(120, 900), st.integers(200, 1200))


def masks_of(geometry, garment):
    return half_mask(geometry), panel_mask(geometry), garment_mask(geometry, garment)


@given(left=SIZES, right=SIZES)
@settings(max_examples=25)
def test_the_panel_is_white_and_the_rest_black(left, right):
    geometry = exact_geometry(left, right)
    mask = panel_mask(geometry)
    x0, y0, x1, y1 = geometry.on_model_xyxy
    assert mask.shape == geometry.canvas_wh[::-1]
    assert (mask[y0:y1, x0:x1] == 255).all()
    assert (mask > 0).sum() == (x1 - x0) * (y1 - y0)
    assert not mask[:, : geometry.on_model_xyxy[0]].any()


@given(left=SIZES, right=SIZES, box=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)))
@settings(max_examples=15)
def test_the_garment_is_white_the_rest_of_its_photo_the_floor(left, right, box):
    geometry = exact_geometry(left, right)
    garment = np.zeros(right[::-1], bool)
    top, start = int(box[0] * right[1]), int(box[1] * right[0])
    garment[top : top + int(0.4 * right[1]), start : start + int(0.4 * right[0])] = True
    mask = garment_mask(geometry, garment)
    x0, y0, x1, y1 = geometry.on_model_xyxy
    inside = mask[y0:y1, x0:x1]
    lowest = round(255 * PHOTO_FLOOR)
    assert abs(int(inside.min()) - lowest) <= 1
    assert inside.max() == 255
    middle = y0 + int((top + 0.2 * right[1]) * geometry.on_model_scale)
    centre = x0 + int((start + 0.2 * right[0]) * geometry.on_model_scale)
    assert mask[middle, centre] == 255
    mask[y0:y1, x0:x1] = 0
    assert not mask.any()


def test_no_garment_leaves_the_floor_and_all_garment_leaves_white():
    geometry = exact_geometry((200, 250), (200, 250))
    x0, y0, x1, y1 = geometry.on_model_xyxy
    for garment, grey in ((False, round(255 * 0.2)), (True, 255)):
        mask = garment_mask(geometry, np.full((250, 200), garment))
        assert set(np.unique(mask[y0:y1, x0:x1])) == {grey}


def test_a_soft_edge_stays_at_the_edge_and_keeps_the_area():
    mask = np.zeros((400, 300), bool)
    mask[100:300, 50:250] = True
    soft = soft_mask(mask, (150, 200))
    assert soft.dtype == np.float32
    assert soft.sum() == pytest.approx(mask.sum() / 4, rel=1e-3)
    assert soft[100, 75] == 1
    assert soft[20, 10] == 0
    assert ((soft > 0.01) & (soft < 0.99)).any(axis=1).sum() >= 100


def test_the_published_mask_misses_the_seam_as_it_did():
    geometry = published_geometry(PUBLISHED_WH, PUBLISHED_WH)
    half = half_mask(geometry)
    assert (geometry.canvas_wh, geometry.on_model_xyxy[0]) == ((1328, 800), 640)
    assert not half[:, :649].any()
    assert (half[:, 649:] == 255).all()
    assert panel_mask(geometry)[:, 640:1280].all()
    assert not panel_mask(geometry)[:, 1280:].any()


def test_a_photo_that_is_the_whole_image_has_masks_of_its_own_size():
    garment = np.zeros((120, 80), bool)
    garment[30:90, 20:60] = True
    panel, weights = (
        cv2.imdecode(np.frombuffer(encoded_loss_mask(style, None, garment), np.uint8), cv2.IMREAD_UNCHANGED)
        for style in ("panel", "garment")
    )
    assert panel.shape == weights.shape == (120, 80)
    assert (panel == 255).all()
    assert (weights[60, 40], weights[5, 5]) == (255, 51)


def test_masks_are_bytes():
    geometry = exact_geometry((200, 250), (200, 250))
    assert {mask.dtype for mask in masks_of(geometry, np.ones((250, 200), bool))} == {np.dtype(np.uint8)}


def test_a_mask_made_smaller_counts_every_pixel():
    mask = np.zeros((400, 400), bool)
    mask[:, ::4] = True
    soft = soft_mask(mask, (100, 100))
    assert soft.dtype == np.float32
    assert soft == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize(("size_wh", "sigma_px"), [((1000, 500), 2.0), ((60, 40), 0.5)])
def test_the_edge_is_as_soft_as_promised(size_wh, sigma_px):
    """0.4 % of the shorter side and at least half a pixel: a Gaussian sampled at the pixels."""
    width_px, height_px = size_wh
    mask = np.zeros((height_px, width_px), bool)
    mask[:, width_px // 2 :] = True
    mask[: height_px // 2] = False
    soft = soft_mask(mask, size_wh)
    offsets_px = np.arange(-20, 21)
    weights = np.exp(-(offsets_px**2) / (2 * sigma_px**2))
    for px in (0, 1, 3):
        beyond = weights[offsets_px >= -px].sum() / weights.sum()
        assert soft[-1, width_px // 2 + px] == pytest.approx(beyond, abs=0.01)
        assert soft[height_px // 2 + px, -1] == pytest.approx(beyond, abs=0.01)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real photos in ../shared/real")
@pytest.mark.parametrize("key", [1, 9, 27])
def test_the_published_files_come_out_again(key, tmp_path):
    """As files: the published ones went through JPEG, and so do ours."""
    still_life, on_model = (
        read_photo(REAL / "pairs" / f"{role}{key}.jpg").rgb for role in ("still-life", "on_model")
    )
    geometry = published_geometry(*((photo.shape[1], photo.shape[0]) for photo in (still_life, on_model)))
    published = read_photo(REAL / "published" / "gt" / f"pair{key}.jpg").rgb.astype(int)
    ours = encode_photo(stitch(still_life, on_model, geometry), chroma_subsampling=True)
    (tmp_path / "ours.jpg").write_bytes(ours)
    assert np.abs(read_photo(tmp_path / "ours.jpg").rgb - published).mean() < 1.0
    mask = read_photo(REAL / "published" / "masks" / f"pair{key}.png").rgb[..., 0]
    np.testing.assert_array_equal(half_mask(geometry), mask)


def test_each_style_is_encoded_as_itself_for_each_geometry():
    garments = [np.zeros(size_wh[::-1], bool) for size_wh in ((300, 400), (400, 300))]
    for garment in garments:
        garment[50:200, 60:160] = True
    geometries = [exact_geometry((300, 400), garment.shape[::-1]) for garment in garments]
    for _ in range(2):  # the second time from what was kept of the first
        for geometry, garment in zip(geometries, garments, strict=True):
            for style, wanted in zip(("half", "panel", "garment"), masks_of(geometry, garment), strict=True):
                data = np.frombuffer(encoded_loss_mask(style, geometry, garment), np.uint8)
                assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), wanted), style
