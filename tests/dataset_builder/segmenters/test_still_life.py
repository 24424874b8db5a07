"""The background of a photo, and what stands out from it."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.colour import lab_to_srgb, linear_to_srgb, srgb_to_lab, srgb_to_linear
from chromiq.dataset_builder.segmenters.still_life import (
    apart_from_surface,
    background_distance,
    find_on_still_life,
    foreground,
    still_life_mask,
    without_cast,
)
from chromiq.sample_catalogue.catalogue import draw_pair


def photo_of(wall, cloth=(90, 60, 160)):
    photo = np.full((80, 60, 3), wall, np.uint8)
    photo[30:, 20:40] = cloth
    return photo


def in_light(photo, gains):
    linear = srgb_to_linear(photo.astype(np.float32) / 255) * np.float32(gains)
    return (linear_to_srgb(linear) * 255).round().astype(np.uint8)


@given(st.tuples(st.floats(0.95, 1), st.floats(0.9, 1), st.floats(0.7, 0.8)))
def test_the_colour_of_the_light_is_taken_off_a_photo(gains):
    photo = photo_of((215, 215, 215))
    lab = srgb_to_lab(without_cast(in_light(photo, gains)))
    assert np.hypot(*lab[0, 0, 1:]) < 1
    assert np.abs((lab - srgb_to_lab(photo))[50, 30, 1:]).max() < 6


@pytest.mark.parametrize("wall", [(215, 215, 215), (215, 211, 208), (60, 50, 40), (240, 120, 90)])
def test_a_photo_stays_as_it_is_before_a_grey_dark_or_vivid_wall(wall):
    photo = photo_of(wall)
    assert without_cast(photo) is photo


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_white_cloth_is_found_before_a_wall_that_is_darker_at_its_sides(degree):
    x = np.mgrid[-1:1:320j, -1:1:240j][1]
    lab = np.zeros((320, 240, 3), np.float32)
    lab[..., 0] = 92 - 5 * x**2 + np.random.default_rng(0).normal(0, 0.3, x.shape)
    cloth = np.zeros(x.shape, bool)
    cloth[100:220, 80:160] = True
    lab[cloth, 0] = 96
    lab[60:100, 105:135] = lab[220:320, 85:155] = (40, 5, 5)
    found = foreground(*background_distance(lab, degree=degree))[110:210, 90:150].mean()
    assert found > 0.99


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_photo_without_a_background_does_not_fail(degree):
    lab = np.random.default_rng(0).uniform(0, 100, (60, 40, 3)).astype(np.float32)
    distance, threshold = background_distance(lab, degree=degree)
    assert distance.shape == (60, 40)
    assert np.isfinite(distance).all()
    assert 0 < threshold <= 10


def falloff(name, size_wh):
    """How much of the light reaches each pixel ``(H, W)``, from a box, a spot beside the middle, or above."""
    width, height = size_wh
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return {
        "box": 1 - 0.2 * (x**2 + y**2),
        "spot": 0.7 + 0.3 * np.exp(-((x - 0.3) ** 2 + (y + 0.4) ** 2) / 0.8),
        "above": 1 - 0.1 * (y + 1) ** 2,
    }[name]


@pytest.fixture(scope="module")
def drawn_pairs():
    return [draw_pair(index, size_wh=(224, 280)) for index in range(6)]


@pytest.mark.parametrize("name", ["box", "spot", "above"])
def test_garments_are_found_in_light_that_falls_off(drawn_pairs, name):
    for pair in drawn_pairs:
        lit = in_light(pair.still_life, falloff(name, (224, 280))[..., None])
        found, truth = still_life_mask(lit), pair.still_life_mask
        assert (found & truth).sum() / (found | truth).sum() > 0.93


def test_a_person_stands_out_in_light_that_falls_off(drawn_pairs):
    for pair in drawn_pairs:
        lit = srgb_to_lab(in_light(pair.on_model, falloff("box", (224, 280))[..., None]))
        person = foreground(*background_distance(srgb_to_lab(pair.on_model)))
        found = foreground(*background_distance(lit))
        assert (found & person).sum() / (found | person).sum() > 0.93


def test_a_garment_that_leaves_the_wall_on_one_side_only_is_found():
    pair = draw_pair(2, size_wh=(320, 400))
    rows, columns = np.nonzero(pair.still_life_mask)
    part = slice(rows.min() + 18, None), slice(columns.min() + 5, columns.max() - 4)
    found, truth = still_life_mask(np.ascontiguousarray(pair.still_life[part])), pair.still_life_mask[part]
    assert (found & truth).sum() / (found | truth).sum() > 0.95


def closely_cropped(pair, cut_off):
    """A still-life cut to its garment's box, less a share of its height and width on each side."""
    spans = [np.flatnonzero(pair.still_life_mask.any(axis=axis)) for axis in (1, 0)]
    part = tuple(
        slice(span[0] + round(cut_off * len(span)), span[-1] + 1 - round(cut_off * len(span)))
        for span in spans
    )
    return np.ascontiguousarray(pair.still_life[part]), pair.still_life_mask[part]


@pytest.mark.parametrize("cut_off", [0, 0.04])
def test_a_garment_that_fills_most_of_the_border_is_not_its_background(cut_off):
    for index in (2, 4, 6, 8):
        photo, truth = closely_cropped(draw_pair(index, size_wh=(224, 280)), cut_off)
        found, unclear = find_on_still_life(photo)
        overlap = (found & truth).sum() / (found | truth).sum()
        assert overlap > 0.9 or (overlap < 0.5 and unclear)
        assert overlap > 0.9 or index == 6  # as white as the wall


def drawn_on_wall(draw):
    """A still-life drawn in blue on grey, and where the garment is."""
    drawn = np.zeros((400, 300), np.uint8)
    draw(drawn)
    return np.where(drawn[..., None] > 0, np.uint8([40, 60, 150]), np.uint8([225, 225, 225])), drawn > 0


def polygons(*corners_xy):
    return lambda drawn: cv2.fillPoly(drawn, [np.array(corners, np.int32) for corners in corners_xy], 1)


def rectangles(*boxes_xyxy):
    return polygons(*([(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes_xyxy))


@pytest.mark.parametrize(
    "draw",
    [
        polygons([(80, 30), (220, 30), (290, 380), (250, 380), (150, 70), (50, 380), (10, 380)]),  # trousers
        rectangles(
            (40, 40, 120, 110), (180, 40, 260, 110), (120, 40, 180, 55), (90, 300, 210, 360)
        ),  # a bikini
        rectangles((15, 60, 95, 340), (205, 60, 285, 340)),  # a pair of shoes
        lambda drawn: cv2.ellipse(drawn, (150, 200), (120, 160), 0, 0, 360, 1, 25),  # a belt
        rectangles((60, 270, 240, 390)),
        rectangles((60, 10, 240, 130)),
        rectangles((0, 40, 110, 360)),  # cut off at one side
    ],
)
def test_a_garment_that_is_clearly_seen_is_not_doubted_for_its_place(draw):
    photo, truth = drawn_on_wall(draw)
    found, unclear = find_on_still_life(photo)
    assert (found & truth).sum() > 0.95 * (found | truth).sum()
    assert not unclear


@pytest.mark.parametrize(
    ("draw", "is_unclear"),
    [
        (rectangles(), True),  # nothing but background
        (rectangles((140, 180, 170, 210)), True),  # a speck
        (rectangles((100, 120, 200, 280)), False),
    ],
)
def test_a_still_life_is_unclear_if_hardly_anything_stands_out(draw, is_unclear):
    assert find_on_still_life(drawn_on_wall(draw)[0])[1] == is_unclear


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size_hw", [(1, 1), (8, 1), (1, 8), (4000, 6), (2, 2)])
def test_a_picture_of_one_row_or_column_is_no_division_by_zero(size_hw):
    photo = np.full((*size_hw, 3), 200, np.uint8)
    found, unclear = find_on_still_life(photo)
    assert (found.shape, unclear) == (size_hw, True)
    assert without_cast(photo) is photo


def test_a_wall_of_two_tones_is_not_taken_for_light_that_falls_off():
    lab = np.zeros((160, 120, 3), np.float32)
    lab[:, :60, 0], lab[:, 60:, 0] = 90, 83
    lab[50:120, 40:80] = (40, 20, 5)
    distance, threshold = background_distance(lab)
    plane = apart_from_surface(lab, np.pad(np.zeros((156, 116), bool), 2, constant_values=True), degree=1)
    assert np.array_equal(distance, np.linalg.norm(plane, axis=2).astype(np.float32))
    assert threshold > 6


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255)])
def test_bars_and_frames_around_a_still_life_are_not_its_background(drawn_pairs, colour):
    for pair in drawn_pairs:
        alone = still_life_mask(pair.still_life)
        for margins in (((0, 0), (60, 60)), ((40, 40), (0, 0)), ((15, 15), (15, 15))):
            framed = np.pad(alone, margins)
            photo = np.full((*framed.shape, 3), colour, np.uint8)
            photo[np.pad(np.ones_like(alone), margins)] = pair.still_life.reshape(-1, 3)
            found = still_life_mask(photo)
            assert (found & framed).sum() > 0.98 * (found | framed).sum()


@pytest.mark.parametrize("margin_px", [8, 50])
def test_a_towel_with_straight_sides_is_no_photo_in_a_frame(margin_px):
    photo = np.full((300, 240, 3), 250, np.uint8)
    truth = np.zeros((300, 240), bool)
    truth[margin_px:-margin_px, 50:-50] = True
    photo[truth] = (40, 80, 160)
    photo[120:180, 90:150] = (200, 60, 60)
    found, unclear = find_on_still_life(photo)
    assert (found & truth).sum() > 0.9 * (found | truth).sum()
    assert not unclear


def as_white_cloth(pair, gap):
    """A drawn still-life in white cloth, its shading kept, which in the light is a gap of L* off the wall."""
    lab = np.full((*pair.still_life_mask.shape, 3), (98, 0, 0), np.float32)
    lightness = srgb_to_lab(pair.still_life)[pair.still_life_mask, 0]
    lab[pair.still_life_mask, 0] -= gap - np.minimum(lightness - np.percentile(lightness, 90), 0)
    return lab_to_srgb(lab)


@pytest.mark.parametrize("noise", [0, 0.8])
def test_white_cloth_is_found_before_a_white_wall(drawn_pairs, noise):
    rng = np.random.default_rng(0)
    for pair in drawn_pairs[:4]:
        white = as_white_cloth(pair, gap=1)
        white = np.clip(white + rng.normal(0, noise, white.shape), 0, 255).round().astype(np.uint8)
        found, truth = still_life_mask(white), pair.still_life_mask
        assert (found & truth).sum() / (found | truth).sum() > 0.95


@pytest.mark.parametrize("name", ["box", "spot", "above"])
def test_white_cloth_is_found_before_a_wall_in_light_that_falls_off(drawn_pairs, name):
    for pair in drawn_pairs:
        lit = in_light(as_white_cloth(pair, gap=3), falloff(name, (224, 280))[..., None])
        found, truth = still_life_mask(lit), pair.still_life_mask
        assert (found & truth).sum() / (found | truth).sum() > 0.9
