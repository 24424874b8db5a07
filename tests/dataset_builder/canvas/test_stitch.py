"""Both photos lie whole on the canvas, at the place the geometry says, whatever their sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chromiq.dataset_builder.canvas.loss_mask import garment_mask, half_mask, panel_mask
from chromiq.dataset_builder.canvas.stitch import (
    KONTEXT_SIZES_WH,
    cut_on_model,
    cut_still_life,
    exact_geometry,
    published_geometry,
    resize,
    resize_part,
    stitch,
    with_on_model,
)
from chromiq.errors import UnsoundError

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
    assert boxes[0][2] == boxes[1][0] == geometry.on_model_xyxy[0]
    assert boxes[0][3] - boxes[0][1] == boxes[1][3] - boxes[1][1]


@given(SIDES, SIDES)
def test_no_kontext_size_would_show_the_photos_larger(left, right):
    best = exact_geometry(left, right).on_model_scale
    assert all(exact_geometry(left, right, size).on_model_scale <= best for size in KONTEXT_SIZES_WH)


def test_two_published_photos_fill_the_canvas_that_suits_them():
    geometry = exact_geometry((896, 1120), (896, 1120))
    assert geometry.canvas_wh == (1328, 800)
    assert geometry.on_model_xyxy[3] - geometry.on_model_xyxy[1] == 800
    assert published_geometry((896, 1120), (896, 1120)).on_model_xyxy[0] == 640


def test_photos_so_wide_that_nothing_is_left_are_refused():
    with pytest.raises(UnsoundError, match="Choose a larger canvas"):
        exact_geometry((32_000, 64), (32_000, 64), (128, 128))


@settings(max_examples=20)
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
    assert set(np.unique(panel[:, : geometry.on_model_xyxy[0]])) <= {0}
    assert (panel > 0).sum() == (geometry.on_model_xyxy[2] - geometry.on_model_xyxy[0]) * (
        geometry.on_model_xyxy[3] - geometry.on_model_xyxy[1]
    )
    garment = np.zeros(right[::-1], bool)
    garment[right[1] // 4 : right[1] // 2, right[0] // 4 : right[0] // 2] = True
    weight = garment_mask(geometry, garment)
    assert (weight[panel == 0] == 0).all()
    assert weight[panel > 0].min() == 51
    assert (half_mask(geometry)[:, :113] == 0).all()
    assert (half_mask(geometry)[:, 113:] == 255).all()


def test_a_box_on_the_photo_lands_on_the_same_pixels_of_the_canvas():
    geometry = exact_geometry((100, 200), (100, 200), (160, 128))
    photo = np.zeros((200, 100, 3), np.uint8)
    photo[50:100, 20:60] = 255
    canvas = stitch(np.zeros_like(photo), photo, geometry)
    corner = np.array(geometry.on_model_xyxy[:2] * 2)
    left, top, right, bottom = corner + np.rint(np.array([20, 50, 60, 100]) * geometry.on_model_scale).astype(
        int
    )
    assert canvas[top + 2 : bottom - 2, left + 2 : right - 2].min() > 250
    canvas[top - 2 : bottom + 2, left - 2 : right + 2] = 0
    left, top, right, bottom = geometry.on_model_xyxy
    assert canvas[top:bottom, left:right].max() < 20


def test_published_photos_of_unlike_heights_are_centred_at_one_scale():
    geometry = published_geometry((200, 400), (150, 200))
    assert geometry.canvas_wh == (1328, 800)
    assert geometry.still_life_xyxy == (0, 0, 400, 800)
    assert geometry.on_model_xyxy == (400, 200, 700, 600)
    assert geometry.still_life_scale == geometry.on_model_scale == 2
    # A photo that would vanish keeps a pixel.
    assert published_geometry((1, 4000), (800, 1000)).still_life_xyxy == (0, 0, 1, 800)
    assert published_geometry((4000, 1), (160, 4000)).still_life_xyxy == (0, 399, 800, 400)


def test_published_photos_may_fill_the_width_and_no_more():
    assert published_geometry((664, 800), (664, 800)).on_model_xyxy == (664, 0, 1328, 800)
    with pytest.raises(UnsoundError, match="665x800 beside 664x799") as caught:
        published_geometry((665, 800), (664, 799))
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("pair.wide", "665x800 beside 664x799")
    assert finding.message == "1329 px wide at a height of 800 px, and the published canvas is 1328 px wide"
    assert finding.hint == "Use the exact geometry."


def test_exact_photos_lie_in_the_middle_and_know_their_scales():
    geometry = exact_geometry((100, 200), (50, 100), (230, 120))
    assert geometry.still_life_xyxy == (55, 0, 115, 120)
    assert geometry.on_model_xyxy == (115, 0, 175, 120)
    assert (geometry.still_life_scale, geometry.on_model_scale) == (0.6, 1.2)
    low = exact_geometry((100, 100), (100, 100), (100, 90))
    assert low.still_life_xyxy == (0, 20, 50, 70)


def test_a_pixel_of_height_is_enough_and_of_width_is_kept():
    flat = exact_geometry((100, 1), (100, 1), (200, 90))
    assert flat.on_model_xyxy == (100, 44, 200, 45)
    thin = exact_geometry((1, 1000), (1, 1000), (20, 100))
    assert (thin.still_life_xyxy, thin.on_model_xyxy) == ((9, 0, 10, 100), (10, 0, 11, 100))
    with pytest.raises(UnsoundError) as caught:
        exact_geometry((101, 1), (100, 1), (200, 90))
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("pair.wide", "101x1 beside 100x1")
    assert finding.message == "too wide for a canvas of 200x90 px"
    assert finding.hint == "Choose a larger canvas, or leave the pair out."


def test_of_sizes_that_show_the_photos_alike_the_smaller_is_taken():
    # At 1568 and at 1504 px of width two photos of 5000x100 are 15 px high.
    assert exact_geometry((5000, 100), (5000, 100)).canvas_wh == (1504, 688)


def test_padding_takes_the_mean_of_the_last_column():
    geometry = exact_geometry((4, 4), (4, 4), (12, 4))
    photo = np.full((4, 4, 3), 99, np.uint8)
    photo[:, 3] = (10, 20, 30)
    photo[0, 3] = (13, 20, 33)
    white = np.full((4, 4, 3), 255, np.uint8)
    for canvas in (
        stitch(white, photo, geometry),
        with_on_model(stitch(photo, white, geometry), photo, geometry),
    ):
        assert canvas.dtype == np.uint8
        assert canvas.shape == (4, 12, 3)
        assert (canvas[:, :2] == 255).all()
        np.testing.assert_array_equal(canvas[:, 6:10], photo)
        assert (canvas[:, 10:] == (11, 20, 31)).all()


def test_only_the_on_model_photo_changes():
    geometry = exact_geometry((40, 50), (30, 60), (160, 200))
    assert geometry.on_model_xyxy[1] > 0
    rng = np.random.default_rng(0)
    still, first, second = (
        rng.integers(0, 256, (*size, 3), np.uint8) for size in ((50, 40), (60, 30), (60, 30))
    )
    before = stitch(still, first, geometry)
    kept = before.copy()
    np.testing.assert_array_equal(with_on_model(before, second, geometry), stitch(still, second, geometry))
    np.testing.assert_array_equal(before, kept)


@given(
    st.tuples(*[st.integers(8, 90)] * 4),
    st.integers(1, 4),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.integers(0, 99),
)
def test_a_part_is_resized_as_the_whole_is(sides, unit, edges, seed):
    """Also where the kernel looks beyond it, at any scale."""
    width_px, height_px, *size_wh = (side * unit for side in sides)
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (height_px, width_px, 3), np.uint8)
    rows, columns = (
        slice(int(min(pair) * (side_px - 1)), int(max(pair) * (side_px - 1)) + 1)
        for pair, side_px in ((edges[:2], height_px), (edges[2:], width_px))
    )
    after = before.copy()
    after[rows, columns] = rng.integers(0, 256, after[rows, columns].shape, np.uint8)
    there, pixels = resize_part(after, tuple(size_wh), (rows, columns))
    shown = resize(before, tuple(size_wh)).copy()
    shown[there] = pixels
    np.testing.assert_array_equal(shown, resize(after, tuple(size_wh)))


def test_no_more_is_resized_than_shows_a_part():
    photo = np.zeros((1120, 896, 3), np.uint8)
    (rows, columns), pixels = resize_part(photo, (640, 800), (slice(500, 600), slice(400, 500)))
    assert pixels.shape == (rows.stop - rows.start, columns.stop - columns.start, 3)
    assert pixels.shape[0] < 90
    assert pixels.shape[1] < 90


def test_resizing_is_lanczos_and_nothing_where_nothing_is_to_do():
    photo = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    assert resize(photo, (30, 40)) is photo
    wanted = np.array(Image.fromarray(photo).resize((17, 23), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(resize(photo, (17, 23)), wanted)
    assert resize(photo, (30, 30)).shape == (30, 30, 3)
