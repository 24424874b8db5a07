"""The fetched person models: landmarks, the head by them, and masks with their help."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import REAL2

from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.choose import recorded_segmenter
from chromiq.dataset_builder.segmenters.classic.body import find_body
from chromiq.dataset_builder.segmenters.classic.body import hair as find_hair
from chromiq.dataset_builder.segmenters.classic.head import head_by_landmarks
from chromiq.dataset_builder.segmenters.classic.palette import Palette
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.small.person import (
    EYES,
    HIPS,
    MOUTH,
    NOSE,
    SELFIE_MULTICLASS,
    SHOULDERS,
    PersonModels,
    SeenParts,
    SeenPerson,
)
from chromiq.imaging.masks import eroded
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


def test_the_recorded_name_says_whether_the_third_model_was_there():
    two = ClassicSegmenter(PersonModels({}), "upper").name
    all_three = ClassicSegmenter(PersonModels({SELFIE_MULTICLASS: Path("unread")}), "upper").name
    assert two != all_three
    assert recorded_segmenter(two) == recorded_segmenter(all_three) == ("mediapipe", "upper")


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
        assert found.source == "mediapipe-two-models"


def test_a_photo_of_nobody_gives_an_empty_mask(segmenter):
    pair = draw_pair(0, size_wh=(168, 210))
    grey = np.full_like(pair.on_model, 200)
    assert head_by_landmarks(segmenter._person_models.see(grey))  # so that there is something to refuse
    (label,) = segmenter.label([(pair.still_life, grey)])
    (found,) = segmenter.segment([SegmentationTask(pair.still_life, grey, label.name)])
    assert (found.mask.any(), found.reasons) == (False, ("nobody_found",))


def person_in(colours, hair=None, skin=None):
    """A grey wall, and on it a person of some colours by rows, with what a model saw of it, 320 px high."""
    photo = np.full((320, 240, 3), 220, np.uint8)
    photo[20:300, 80:160] = np.repeat(np.array(colours, np.uint8), 280 // len(colours), axis=0)[:, None]
    empty = np.zeros((320, 240), np.float32)
    person = empty.copy()
    person[20:300, 80:160] = 1
    landmarks = np.full((33, 2), 120, np.float32)
    parts = SeenParts(*(empty if part is None else part for part in (hair, skin)), empty)
    return photo, SeenPerson(person, landmarks, np.zeros(33, np.float32), 1.0, parts)


def test_skin_and_hair_that_a_model_has_seen_count_whatever_their_colour():
    blue, red = (40, 60, 160), (170, 40, 40)
    arm, lock = np.zeros((2, 320, 240), np.float32)
    arm[180:240, 80:100] = lock[40:120, 140:160] = 1
    body = find_body(*person_in([blue, red], lock, arm))
    np.testing.assert_array_equal(body.near_face, arm > 0)
    np.testing.assert_array_equal(body.like_skin, arm > 0)
    palette = Palette.of(body.lab, body.person)
    np.testing.assert_array_equal(find_hair(body, body.person, palette), lock > 0)


def test_cloth_of_the_face_s_colour_is_no_skin_where_a_model_sees_none():
    skin, red = (224, 172, 140), (170, 40, 40)
    seen_skin = np.zeros((320, 240), np.float32)
    seen_skin[20:90] = 1
    body = find_body(*person_in([skin, red, skin, skin], skin=seen_skin))
    assert body.near_face[30:80, 90:150].all()
    assert not body.near_face[100:].any()


@pytest.mark.parametrize("share_seen", [0.0, 1.0])
def test_a_face_in_blue_light_is_known_by_the_skin_that_a_model_has_seen(share_seen):
    blue, red = (90, 120, 200), (170, 40, 40)
    photo, _ = person_in([blue, red, red, red])
    by_landmarks = seen({NOSE: 50, EYES: 42, MOUTH: 62, SHOULDERS: 105, HIPS: 215})
    skin = np.full((320, 240), share_seen, np.float32)
    body = find_body(photo, replace(by_landmarks, parts=SeenParts(np.zeros_like(skin), skin, skin)))
    assert body.head == head_by_landmarks(by_landmarks)
    assert (body.face is not None) == bool(share_seen)
    assert body.like_face[40:80, 90:150].all() == bool(share_seen)
    assert not body.like_face[100:290, 90:150].any()


def test_a_face_that_a_model_has_seen_is_in_no_mask_wherever_it_is():
    pair = draw_pair(0, size_wh=(240, 320))
    rows, columns = np.nonzero(pair.on_model_mask)
    face = np.zeros((320, 240), np.float32)
    face[int(np.median(rows)) :, int(np.median(columns)) :] = 1

    class Models:
        name = "mediapipe"

        def see(self, rgb):
            person = (pair.on_model_mask | (face > 0)).astype(np.float32)
            parts = SeenParts(np.zeros_like(face), np.zeros_like(face), face)
            return SeenPerson(person, np.zeros((33, 2)), np.zeros(33), 1.0, parts)

    (found,) = ClassicSegmenter(Models()).segment(
        [SegmentationTask(pair.still_life, pair.on_model, pair.garment)]
    )
    assert found.mask[pair.on_model_mask & (face == 0)].mean() > 0.5
    assert not found.mask[eroded(face > 0, 5)].any()


def test_hair_and_skin_are_seen_on_a_drawn_person(all_small_weights):
    pair = draw_pair(0, size_wh=(336, 420))
    seen = PersonModels(all_small_weights()).see(pair.on_model)
    on_garment = eroded(pair.on_model_mask, 9)
    assert max(seen.parts.hair[on_garment].mean(), seen.parts.skin[on_garment].mean()) < 0.1
    assert seen.parts.skin.max() > 0.9


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
