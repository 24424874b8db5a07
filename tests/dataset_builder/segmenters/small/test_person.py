"""The fetched person models: landmarks, the head by them, and masks with their help."""

import pickle

import numpy as np
import pytest
from places import REAL2

from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.head import head_by_landmarks
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.small.person import (
    EYES,
    HIPS,
    MOUTH,
    NOSE,
    SHOULDERS,
    PersonModels,
    SeenPerson,
)
from chromiq.photos.images import read_mask, read_photo
from chromiq.sample_catalogue.catalogue import draw_pair


def iou(a, b):
    return float((a & b).sum() / (a | b).sum())


def seen(rows):
    """A person 320 px high with some landmarks' rows given, in the middle of the photo."""
    landmarks = np.full((33, 2), 120, np.float32)
    for indices, row in rows.items():
        landmarks[list(indices), 1] = row
    return SeenPerson(np.ones((320, 240), np.float32), landmarks, np.ones(33, np.float32), 1.0)


def test_a_head_is_as_high_as_suits_body_and_face():
    head = head_by_landmarks(seen({NOSE: 50, EYES: 42, MOUTH: 62, SHOULDERS: 105, HIPS: 215}))
    assert head.chin == 70
    assert head.chin - head.top == 58


@pytest.mark.parametrize(
    "rows",
    [
        {NOSE: 50, EYES: 60, MOUTH: 58, SHOULDERS: 60, HIPS: 130},
        {NOSE: 50, EYES: 45, MOUTH: 50, SHOULDERS: 52, HIPS: 200},
        {NOSE: -5, EYES: -12, MOUTH: 2, SHOULDERS: 40, HIPS: 150},
    ],
)
def test_landmarks_that_make_up_no_body_with_a_face_give_no_head(rows):
    assert head_by_landmarks(seen(rows)) is None


@pytest.fixture(scope="module")
def segmenter(small_weights):
    return ClassicSegmenter(PersonModels(small_weights()))


def test_workers_get_the_models_by_pickle(small_weights):
    photo = draw_pair(0, size_wh=(168, 210)).on_model
    models = PersonModels(small_weights())
    copied = pickle.loads(pickle.dumps(models))
    np.testing.assert_array_equal(copied.see(photo).landmarks_xy, models.see(photo).landmarks_xy)


def test_drawn_garments_are_found(segmenter):
    for index in range(4):
        pair = draw_pair(index, size_wh=(336, 420))
        (found,) = segmenter.segment([SegmentationTask(pair.still_life, pair.on_model, pair.garment)])
        assert iou(found.mask, pair.on_model_mask) > 0.9
        assert found.source == "mediapipe"


@pytest.mark.real
@pytest.mark.skipif(not REAL2.is_dir(), reason="needs the real photos in ../shared/real2")
def test_photos_of_other_shops_reach_the_stated_overlap(segmenter):
    scores = []
    for path in sorted(REAL2.glob("*/masks/*.png")):
        photos = [
            read_photo(path.parents[1] / folder / f"{path.stem}.jpg").rgb
            for folder in ("still-life", "on-model")
        ]
        label = segmenter.label([tuple(photos)])[0].name
        (found,) = segmenter.segment([SegmentationTask(*photos, label)])
        scores.append(iou(found.mask, read_mask(path)))
    assert np.mean(scores) >= 0.88
