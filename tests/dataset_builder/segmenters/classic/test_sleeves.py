"""Sleeves of another cloth are the garment's if its still-life shows them, and else are worn beneath it."""

import cv2
import numpy as np
import pytest

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import Body, ColourModel, Head, find_body
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.classic.sleeves import cloth_on_arms, is_sleeveless, sides_alike
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.sample_catalogue.catalogue import draw_pair

SIZE_WH = (336, 420)


def overlap(a, b):
    return float((a & b).sum() / (a | b).sum())


def found(pair, on_model=None):
    photo = pair.on_model if on_model is None else on_model
    return ClassicSegmenter().segment([SegmentationTask(pair.still_life, photo, pair.garment)])[0].mask


def outline(*parts):
    """Polygons of an outline 200 px wide and 240 high, given by their right halves."""
    drawn = np.zeros((240, 200), np.uint8)
    for part in parts:
        right = np.array(part)
        for half in (right, right * (-1, 1)):
            cv2.fillPoly(drawn, [np.add(half, (100, 20))], 1)
    return drawn > 0


TRUNK = [(0, 0), (45, 0), (52, 60), (52, 200), (0, 200)]
ARMHOLES = [(0, 0), (45, 0), (38, 40), (52, 75), (52, 200), (0, 200)]
LONG = [(45, 0), (88, 190), (66, 195), (52, 60)]
SHORT = [(45, 0), (86, 60), (64, 76), (52, 60)]


@pytest.mark.parametrize(
    ("parts", "sleeveless"),
    [((ARMHOLES,), True), ((TRUNK,), True), ((TRUNK, LONG), False), ((TRUNK, SHORT), False)],
)
def test_the_outline_tells_whether_there_are_sleeves(parts, sleeveless):
    assert is_sleeveless(outline(*parts)) == sleeveless


@pytest.mark.parametrize(("sleeves", "alike"), [((120, 40, 40), False), ((44, 64, 124), True)])
def test_the_still_life_tells_whether_the_sleeves_are_of_another_cloth(sleeves, alike):
    whole = outline(TRUNK, LONG)
    photo = np.full((*whole.shape, 3), 245, np.uint8)
    photo[whole] = sleeves
    photo[outline(TRUNK)] = (40, 60, 120)
    noise = np.random.default_rng(0).integers(-4, 5, photo.shape)
    lab = srgb_to_lab(np.clip(photo + noise, 0, 255).astype(np.uint8))
    assert sides_alike(lab, whole) == alike


def test_light_sleeves_of_a_dark_jumper_are_its_own():
    pair = draw_pair(14, size_wh=SIZE_WH)
    assert (pair.garment, pair.pattern) == ("jumper", "two-tone")
    assert overlap(still_life_mask(pair.still_life), pair.still_life_mask) > 0.9
    assert overlap(found(pair), pair.on_model_mask) > 0.93


def test_sleeves_of_another_cloth_are_the_jumpers_even_when_its_colours_are_off():
    pair = draw_pair(20, seed=2, size_wh=SIZE_WH)
    assert (pair.garment, pair.pattern) == ("jumper", "two-tone")
    recoloured = pair.on_model.copy()
    recoloured[pair.on_model_mask] = recoloured[pair.on_model_mask][:, ::-1]
    assert overlap(found(pair, recoloured), pair.on_model_mask) > 0.9


@pytest.mark.parametrize(("index", "seed"), [(18, 2), (31, 3)])
def test_the_shirt_under_a_gilet_is_not_the_gilets(index, seed):
    pair = draw_pair(index, seed=seed, size_wh=SIZE_WH)
    assert pair.garment == "gilet"
    assert overlap(found(pair), pair.on_model_mask) > 0.78
    beneath = found(pair) & ~pair.on_model_mask
    assert beneath.sum() < 0.15 * pair.on_model_mask.sum()


def test_a_skirt_that_spreads_as_far_as_the_arms_is_the_dresss():
    pair = draw_pair(40, seed=6, size_wh=SIZE_WH)
    assert pair.garment == "dress"
    assert overlap(found(pair), pair.on_model_mask) > 0.95


@pytest.mark.parametrize("index", [0, 6, 10])
def test_a_photo_that_cuts_off_the_head_is_as_good(index):
    pair = draw_pair(index, size_wh=SIZE_WH)
    first = np.flatnonzero(pair.on_model_mask.any(axis=1))[0] - 8
    assert overlap(found(pair, pair.on_model[first:]), pair.on_model_mask[first:]) > 0.93


def test_a_head_that_is_cut_off_is_as_high_as_suits_the_shoulders():
    pair = draw_pair(0, size_wh=SIZE_WH)
    whole = find_body(pair.on_model).head
    for cut in (whole.top + 10, (whole.top + whole.chin) // 2):
        head = find_body(pair.on_model[cut:]).head
        assert head.top < 0
        assert head.chin - head.top == pytest.approx(whole.chin - whole.top, rel=0.3)
    assert find_body(pair.on_model[whole.chin + 60 :]).head is None


@pytest.mark.parametrize("index", [0, 1])
def test_cloth_of_nearly_the_colour_of_the_face_is_cloth_where_skin_is_rare(index):
    pair = draw_pair(index, size_wh=SIZE_WH)
    body = find_body(pair.on_model)
    face = pair.on_model[body.person & body.near_face & ~pair.on_model_mask].mean(axis=0)
    cloth = pair.on_model[pair.on_model_mask].astype(float)
    recoloured = pair.on_model.copy()
    recoloured[pair.on_model_mask] = np.clip(0.8 * face + 0.5 * (cloth - cloth.mean(axis=0)), 0, 255)
    assert overlap(found(pair, recoloured), pair.on_model_mask) > 0.75


@pytest.mark.parametrize(("covered", "is_found"), [(0.3, False), (0.9, True)])
def test_only_arms_that_are_mostly_covered_wear_another_cloth(covered, is_found):
    rng = np.random.default_rng(0)
    lab = np.full((200, 200, 3), (95, 0, 0), np.float32)
    person = np.zeros((200, 200), bool)
    person[40:180, 40:160] = True
    lab[person] = (40, 30, -30)
    for columns in (slice(40, 58), slice(142, 160)):
        lab[40:180, columns] = (65, 15, 20)
        lab[40 : 52 + int(64 * covered), columns] = (30, 0, 0)
    lab += rng.normal(0, 1, lab.shape)
    face = ColourModel.of(rng.normal((65, 15, 20), 2, (500, 3)).astype(np.float32), (30, 4, 4))
    body = Body(lab.astype(np.float32), person, Head(12, 40), face, differs=person)
    gilet = outline(TRUNK)
    arms = cloth_on_arms(body, "upper", np.full((*gilet.shape, 3), (40, 30, -30), np.float32), gilet)
    assert (arms is not None) == is_found
