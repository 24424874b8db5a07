"""The hybrid: a generated image's colour as far as it can be trusted, on the photo's own texture."""

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import REAL as REAL_PHOTOS

from chromiq.colour import delta_e_map, srgb_to_lab
from chromiq.correction.fitting.colour_map import apply_colour_map
from chromiq.correction.fitting.hybrid import fit_hybrid, network_map, network_shares
from chromiq.correction.fitting.transfer import fit_colours, garment_sample
from chromiq.correction.options import MIN_GAIN
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.photos.images import read_photo
from chromiq.sample_catalogue.catalogue import draw_pair

REAL = REAL_PHOTOS / "test"
PAIR = draw_pair(2, size_wh=(448, 560))
MASK = PAIR.on_model_mask
OFF = degrade(PAIR.on_model, MASK, "published", np.random.default_rng(4))[0]


def as_a_network_gives_it(rgb, dx_px=2, dy_px=-3):
    """A stand-in for a LoRA's output: half the size, moved, its finest texture lost, compressed."""
    matrix = np.float64([[1, 0, dx_px], [0, 1, dy_px]])
    moved = cv2.warpAffine(rgb, matrix, rgb.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(
        cv2.GaussianBlur(moved, (0, 0), 1.5), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA
    )
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


FLAT_LAB = garment_sample(PAIR.still_life, PAIR.still_life_mask)


def run(off, generated):
    """The fit, and the photo as it corrects it."""
    fit = fit_hybrid(FLAT_LAB, garment_sample(off, MASK), off, MASK, generated)
    return fit, apply_colour_map(off, MASK, fit.colour_map).within(off)


def test_the_change_a_network_made_is_found_though_its_image_is_moved_and_small():
    colour_map, doubt = network_map(OFF, MASK, as_a_network_gives_it(PAIR.on_model))
    assert doubt == ""
    inner = cv2.erode(MASK.astype(np.uint8), np.ones((9, 9))) > 0
    before = delta_e_map(OFF, PAIR.on_model)[inner].mean()
    moved = colour_map.apply(srgb_to_lab(OFF[inner])) - srgb_to_lab(PAIR.on_model[inner])
    assert np.linalg.norm(moved.mean(axis=0)) < 0.2 * before


def test_the_result_is_nearer_keeps_texture_and_leaves_the_rest():
    generated = as_a_network_gives_it(PAIR.on_model)
    fit, result = run(OFF, generated)
    assert fit.gain > MIN_GAIN
    assert re.search(r"\d+% of the lightness and \d+% of the chroma are the network's", fit.note)
    np.testing.assert_array_equal(result[~MASK], OFF[~MASK])
    off, left = (delta_e_map(image, PAIR.on_model)[MASK].mean() for image in (OFF, result))
    assert left < 0.5 * off
    assert fit.gain <= delta_e_map(result, OFF)[MASK].mean()
    enlarged = cv2.resize(generated, OFF.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    edges = [
        cv2.Laplacian(srgb_to_lab(image)[..., 0], cv2.CV_32F)[MASK]
        for image in (PAIR.on_model, result, enlarged)
    ]
    kept, invented = np.corrcoef(edges)[0, 1:]
    assert kept > 0.9 > invented


def test_an_image_of_something_else_is_not_used():
    other = np.random.default_rng(0).integers(0, 256, (280, 224, 3), dtype=np.uint8)
    fit, _ = run(OFF, other)
    assert "does not align with the photo" in fit.doubt
    seen = garment_sample(OFF, MASK)
    alone = fit_colours(FLAT_LAB, seen)
    assert fit.gain == alone.gain
    np.testing.assert_array_equal(fit.colour_map.apply(seen), alone.colour_map.apply(seen))


@given(uncertainty=st.floats(0, 8), far=st.floats(0, 40))
def test_a_network_is_trusted_by_what_is_left_and_not_when_its_cloth_cannot_be(uncertainty, far):
    cloth = srgb_to_lab(PAIR.still_life[PAIR.still_life_mask][::97])
    lightness, chroma = network_shares(cloth, cloth, uncertainty)
    assert 0 <= chroma <= lightness <= 1
    assert network_shares(cloth, cloth, uncertainty + 1) > (lightness, chroma)
    for axis in range(3):
        farther = network_shares(cloth, cloth + far * np.eye(3)[axis], uncertainty)
        assert farther <= (lightness, chroma)
    wild = network_shares(cloth, cloth[:, [0, 2, 1]] * [1, -1, -1] + [0, 50, 0], uncertainty)
    assert max(wild) < 0.1


def test_a_network_of_another_colour_altogether_does_little_harm():
    _, wrong = run(OFF, as_a_network_gives_it(PAIR.on_model[..., ::-1].copy()))
    fit = fit_colours(FLAT_LAB, garment_sample(OFF, MASK))
    alone = apply_colour_map(OFF, MASK, fit.colour_map).within(OFF)
    left = [delta_e_map(result, PAIR.on_model)[MASK].mean() for result in (wrong, alone)]
    assert left[0] < left[1] + 1


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the published outputs are not at ../shared/real/test")
def test_a_published_output_gives_its_colour_and_not_its_texture():
    """The published pipeline returned 1312x784 for a control of 1328x800: the same corner, cut."""
    control = read_photo(REAL / "pair7_control.jpg").rgb[:784]
    panel = np.s_[:, 640:1280]
    generated = np.ascontiguousarray(read_photo(REAL / "pair7_generated.jpg").rgb[panel])
    still_life, off = (np.ascontiguousarray(part) for part in (control[:, :640], control[panel]))
    mask = ClassicSegmenter().segment([SegmentationTask(still_life, off, "trousers")])[0].mask
    flat, seen = garment_sample(still_life, still_life_mask(still_life)), garment_sample(off, mask)
    fit = fit_hybrid(flat, seen, off, mask, generated)
    result = apply_colour_map(off, mask, fit.colour_map).within(off)
    assert fit.gain > MIN_GAIN
    inner = cv2.erode(mask.astype(np.uint8), np.ones((15, 15))) > 0
    fine = [
        cv2.Laplacian(srgb_to_lab(image)[..., 0], cv2.CV_32F)[inner] for image in (off, result, generated)
    ]
    ours, theirs = np.corrcoef(fine)[0, 1:]
    assert ours > 0.95
    assert ours > theirs + 0.05
