"""Registration finds the shift between two images of one scene whose colours differ."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.errors import UsageError
from chromiq.imaging.registration import Shift, register, undo_shift
from chromiq.sample_catalogue.catalogue import draw_pair

SCENE = draw_pair(0, size_wh=(224, 280)).on_model
RECOLOURED = cv2.cvtColor(SCENE, cv2.COLOR_RGB2BGR)


def moved(image, dx_px, dy_px):
    """The image shifted, with its border repeated."""
    matrix = np.float64([[1, 0, dx_px], [0, 1, dy_px]])
    size_wh = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@given(dx_px=st.floats(-9, 9), dy_px=st.floats(-9, 9))
@settings(max_examples=15)
def test_a_shift_of_a_recoloured_image_is_found_to_a_quarter_of_a_pixel(dx_px, dy_px):
    found = register(moved(RECOLOURED, dx_px, dy_px), SCENE)
    assert found.dx_px == pytest.approx(dx_px, abs=0.25)
    assert found.dy_px == pytest.approx(dy_px, abs=0.25)
    assert found.reliable


def test_identical_images_have_no_shift():
    assert register(SCENE, SCENE) == Shift(0.0, 0.0, pytest.approx(1.0))


def test_images_of_different_scenes_are_not_reliable():
    noise = np.random.default_rng(1).integers(0, 256, SCENE.shape, dtype=np.uint8)
    assert not register(noise, SCENE).reliable
    assert not register(draw_pair(5, size_wh=(224, 280)).on_model[::-1], SCENE).reliable


def test_a_uniform_image_has_no_confidence():
    assert register(np.full_like(SCENE, 90), SCENE) == Shift(0.0, 0.0, 0.0)


def test_a_cropped_image_is_aligned_at_its_corner():
    """As in the published outputs: 1312x784, cropped from a control image of 1328x800."""
    found = register(RECOLOURED[:264, :208], SCENE)
    assert (found.dx_px, found.dy_px) == (pytest.approx(0, abs=0.1), pytest.approx(0, abs=0.1))
    aligned, inside = undo_shift(RECOLOURED[:264, :208], found, (224, 280))
    assert aligned.shape == SCENE.shape
    assert inside.sum() == 264 * 208
    np.testing.assert_array_equal(aligned[inside], RECOLOURED[:264, :208].reshape(-1, 3))


def test_whole_pixel_shifts_are_exact_and_the_border_is_marked():
    aligned, inside = undo_shift(SCENE, Shift(6.04, -3.0, 1.0), (224, 280))
    np.testing.assert_array_equal(aligned[3:, :-6], SCENE[:-3, 6:])
    assert not inside[:3].any()
    assert not inside[:, -6:].any()
    assert inside[3:, :-6].all()


def test_undoing_a_shift_restores_the_scene():
    there = moved(SCENE, 4.5, -2.3)
    aligned, inside = undo_shift(there, register(there, SCENE), (224, 280))
    off = np.abs(aligned[inside].astype(int) - SCENE[inside])
    assert off.mean() < 0.5 * np.abs(there.astype(int) - SCENE).mean()
    assert 0.9 < inside.mean() < 1


def test_images_too_small_to_register_are_refused():
    with pytest.raises(UsageError, match="16 px per side"):
        register(SCENE[:10], SCENE)
