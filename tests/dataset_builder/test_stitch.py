"""Both photos lie whole on the canvas, at the place the geometry says, whatever their sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.errors import UnsoundError
from dataset_builder.loss_mask import garment_mask, half_mask, panel_mask
from dataset_builder.stitch import (
    KONTEXT_SIZES_WH,
    box_on_canvas,
    cut_on_model,
    cut_still_life,
    exact_geometry,
    published_geometry,
    stitch,
)

SIDES = st.tuples(st.integers(64, 6000), st.integers(64, 6000))


@given(SIDES, SIDES, st.sampled_from([None, (1328, 800), (640, 384)]))
def test_the_exact_geometry_crops_nothing_and_keeps_proportions(left, right, size_wh):
    geometry = exact_geometry(left, right, size_wh)
    assert geometry.canvas_wh == size_wh if size_wh else geometry.canvas_wh in KONTEXT_SIZES_WH
    boxes = (geometry.still_life_xyxy, geometry.on_model_xyxy)
    for box, photo_wh in zip(boxes, (left, right), strict=True):
        assert 0 <= box[0] < box[2] <= geometry.canvas_wh[0]
        assert 0 <= box[1] < box[3] <= geometry.canvas_wh[1]
        width, height = box[2] - box[0], box[3] - box[1]
        assert abs(width - height * photo_wh[0] / photo_wh[1]) < 1
    assert boxes[0][2] == boxes[1][0] == geometry.seam_x_px
    assert boxes[0][3] - boxes[0][1] == boxes[1][3] - boxes[1][1]


@given(SIDES, SIDES)
def test_no_kontext_size_would_show_the_photos_larger(left, right):
    best = exact_geometry(left, right).on_model_scale
    assert all(exact_geometry(left, right, size).on_model_scale <= best for size in KONTEXT_SIZES_WH)


def test_two_published_photos_fill_the_canvas_that_suits_them():
    geometry = exact_geometry((896, 1120), (896, 1120))
    assert geometry.canvas_wh == (1328, 800)
    assert geometry.on_model_xyxy[3] - geometry.on_model_xyxy[1] == 800
    assert published_geometry((896, 1120), (896, 1120)).seam_x_px == 640


def test_photos_so_wide_that_nothing_is_left_are_refused():
    with pytest.raises(UnsoundError, match="larger --size"):
        exact_geometry((32_000, 64), (32_000, 64), (128, 128))


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(st.integers(64, 200), st.integers(64, 200)),
    st.tuples(st.integers(64, 200), st.integers(64, 200)),
)
def test_panels_come_back_and_the_loss_sees_only_the_right_one(left, right):
    geometry = exact_geometry(left, right, (256, 160))
    red = np.full((left[1], left[0], 3), (200, 10, 10), np.uint8)
    blue = np.full((right[1], right[0], 3), (10, 10, 200), np.uint8)
    canvas = stitch(red, blue, geometry)
    assert canvas.shape == (160, 256, 3)
    assert (cut_still_life(canvas, geometry) == (200, 10, 10)).all()
    assert (cut_on_model(canvas, geometry) == (10, 10, 200)).all()
    panel = panel_mask(geometry)
    assert set(np.unique(panel[:, : geometry.seam_x_px])) <= {0}
    assert (panel > 0).sum() == (geometry.on_model_xyxy[2] - geometry.seam_x_px) * (
        geometry.on_model_xyxy[3] - geometry.on_model_xyxy[1]
    )
    garment = np.zeros(right[::-1], bool)
    garment[right[1] // 4 : right[1] // 2, right[0] // 4 : right[0] // 2] = True
    weight = garment_mask(geometry, garment, floor=0.2)
    assert (weight[panel == 0] == 0).all()
    assert weight[panel > 0].min() == 51
    assert (half_mask(geometry)[:, :113] == 0).all()
    assert (half_mask(geometry)[:, 113:] == 255).all()


def test_a_box_on_the_photo_lands_on_the_same_pixels_of_the_canvas():
    geometry = exact_geometry((100, 200), (100, 200), (160, 128))
    photo = np.zeros((200, 100, 3), np.uint8)
    photo[50:100, 20:60] = 255
    canvas = stitch(np.zeros_like(photo), photo, geometry)
    left, top, right, bottom = box_on_canvas((20, 50, 60, 100), geometry)
    assert canvas[top + 2 : bottom - 2, left + 2 : right - 2].min() > 250
    canvas[top - 2 : bottom + 2, left - 2 : right + 2] = 0
    left, top, right, bottom = geometry.on_model_xyxy
    assert canvas[top:bottom, left:right].max() < 20
