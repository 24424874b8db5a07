"""Bars and frames around a photo are found, and nothing else is taken for them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.imaging.picture_frame import inside_frame
from chromiq.sample_catalogue.catalogue import draw_pair

PAIR = draw_pair(3, seed=0, size_wh=(224, 280))
HEIGHT_PX, WIDTH_PX = PAIR.on_model.shape[:2]
WHOLE = (slice(0, HEIGHT_PX), slice(0, WIDTH_PX))
sides_px = st.integers(0, 120)


def framed(photo, top, bottom, left, right, colour):
    return cv2.copyMakeBorder(photo, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)


@st.composite
def margins_px(draw):
    """Top, bottom, left, right: bars at two opposite sides, or a narrow frame of one width."""
    one, other, even = draw(st.tuples(sides_px, sides_px, st.integers(0, 18)))
    return draw(st.sampled_from([(one, other, 0, 0), (0, 0, one, other), (even,) * 4]))


@given(margins_px(), st.sampled_from([(0, 0, 0), (90, 90, 90), (200, 30, 60)]))
def test_bars_of_any_width_and_narrow_frames_are_cut(margins, colour):
    top, _, left, _ = margins
    rows, columns = inside_frame(framed(PAIR.on_model, *margins, colour))
    assert 0 <= rows.start - top <= 3
    assert 0 <= top + HEIGHT_PX - rows.stop <= 3
    assert 0 <= columns.start - left <= 3
    assert 0 <= left + WIDTH_PX - columns.stop <= 3


@pytest.mark.parametrize("index", range(24))
def test_a_photo_without_a_frame_is_whole(index):
    """Trousers among them, whose outline is nearly a rectangle."""
    pair = draw_pair(index, size_wh=(224, 280))
    assert inside_frame(pair.on_model) == WHOLE
    assert inside_frame(pair.still_life) == WHOLE


@given(st.integers(280, 900), st.integers(100, 900))
def test_a_photo_of_any_size_is_whole(height_px, width_px):
    noise = np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    assert inside_frame(noise) == (slice(0, height_px), slice(0, width_px))


def test_a_thin_line_around_a_large_photo_is_a_frame():
    large = cv2.resize(PAIR.on_model, (896, 1120), interpolation=cv2.INTER_CUBIC)
    rows, columns = inside_frame(framed(large, 2, 2, 2, 2, (0, 0, 0)))
    assert 2 <= rows.start <= 12
    assert 2 <= columns.start <= 12
    assert 1122 - 10 <= rows.stop <= 1122
    assert 898 - 10 <= columns.stop <= 898


@pytest.mark.parametrize("quality", [60, 90])
def test_compression_leaves_no_rest_of_a_frame(quality):
    white = framed(PAIR.on_model, 0, 0, 60, 60, (255, 255, 255))
    _, jpeg = cv2.imencode(".jpg", white[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    rows, columns = inside_frame(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:, :, ::-1])
    assert rows == WHOLE[0]
    assert 60 <= columns.start <= 66
    assert WIDTH_PX + 54 <= columns.stop <= WIDTH_PX + 60


def test_a_garment_with_straight_sides_is_no_photo_in_a_frame():
    """A skirt: its hem and sides are as straight as a photo's, its waist is narrower."""
    skirt = np.full((280, 224, 3), 255, np.uint8)
    cv2.fillPoly(
        skirt, [np.array([[70, 20], [150, 20], [180, 90], [180, 260], [40, 260], [40, 90]])], (60, 40, 90)
    )
    assert inside_frame(skirt) == WHOLE


def test_bars_of_the_colour_of_the_wall_need_not_be_cut():
    wall = PAIR.still_life[0, 0].tolist()
    padded = framed(PAIR.still_life, 0, 0, 50, 50, wall)
    assert inside_frame(padded) == (slice(0, HEIGHT_PX), slice(0, WIDTH_PX + 100))
