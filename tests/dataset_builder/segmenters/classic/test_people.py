"""Of two people on a photo the one who wears the garment is masked; one person is never taken for two."""

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import find_body
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter, columns_of_people
from chromiq.sample_catalogue.catalogue import draw_pair


@pytest.fixture(scope="module")
def pairs():
    return [draw_pair(index, seed=7, size_wh=(256, 320)) for index in (0, 2, 3, 4)]


def segmented(still_life, *people):
    photo = np.hstack([person.on_model for person in people])
    return ClassicSegmenter().segment([SegmentationTask(still_life, photo, "")])[0]


@pytest.mark.parametrize("index", range(24))
def test_one_person_is_one(index):
    photo = draw_pair(index, size_wh=(256, 320)).on_model
    assert columns_of_people(find_body(photo)) == [0, 256]


def test_people_who_stand_apart_are_parted_between_them(pairs):
    photo = np.hstack([pair.on_model for pair in pairs[:3]])
    first, one, other, last = columns_of_people(find_body(photo))
    assert (first, last) == (0, 768)
    assert abs(one - 256) < 40
    assert abs(other - 512) < 40


@pytest.mark.parametrize("wearer", range(2))
def test_the_one_who_wears_it_is_masked(pairs, wearer):
    one = pairs[0]
    people = [one, pairs[2]] if wearer == 0 else [pairs[2], one]
    found = segmented(one.still_life, *people)
    truth = np.zeros(found.mask.shape, bool)
    truth[:, 256 * wearer : 256 * (wearer + 1)] = one.on_model_mask
    assert (found.mask & truth).sum() > 0.9 * (found.mask | truth).sum()
    assert "several_people" not in found.reasons


def test_if_both_wear_the_like_the_mask_is_doubtful(pairs):
    found = segmented(pairs[0].still_life, pairs[0], pairs[0])
    assert "several_people" in found.reasons
    assert found.confidence < 0.8
