"""Pictures that must not be handed out as corrected, and pictures that may."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from chromiq.correction.judging.evidence import Evidence, find_bodies, look_at_photos
from chromiq.correction.judging.plausibility import RULES, judge
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.plan import plan_correction
from chromiq.correction.subject import Pixels, Subject
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.records import GarmentMask
from chromiq.sample_catalogue.catalogue import draw_pair

FINE = Evidence(
    mask_share=0.3,
    mask_confidence=1.0,
    mask_reasons=(),
    person_share=0.6,
    still_life_chroma=20,
    on_model_chroma=25,
    gain=5.0,
    likelihood=-2.0,
    mean_change=-5.0,
)


@pytest.fixture(scope="module")
def shirt():
    """A blue shirt whose photo is off by a moderate error."""
    pair = draw_pair(0, size_wh=(320, 400))
    off, _ = degrade(pair.on_model, pair.on_model_mask, "perceptual", np.random.default_rng(2))
    return pair, off


def subject_of(still_life, photo, mask, confidence=1.0, flat_mask=None):
    flat_mask = still_life_mask(still_life) if flat_mask is None else flat_mask
    return Subject(Pixels(still_life), flat_mask, Pixels(photo), GarmentMask(mask, confidence))


def planned(*photos, confidence=1.0, **options):
    return plan_correction(subject_of(*photos, confidence), CorrectionOptions(**options))


def codes(plan):
    return {doubt.code for doubt in plan.doubts}


def test_a_true_pair_that_is_off_is_corrected(shirt):
    pair, off = shirt
    plan = planned(pair.still_life, off, pair.on_model_mask)
    assert (plan.answer, plan.doubts) == ("corrected", ())
    assert plan.colours.delta_e_after < plan.colours.delta_e_before
    assert plan.remaining < plan.colours.delta_e_before


@pytest.mark.parametrize("kind", ["inverted", "all white"])
def test_a_mask_on_the_background_is_refused(shirt, kind):
    pair, off = shirt
    mask = ~pair.on_model_mask if kind == "inverted" else np.ones_like(pair.on_model_mask)
    plan = planned(pair.still_life, off, mask)
    assert plan.answer == "left_alone"
    assert "mask.background" in codes(plan)
    assert "inverted" in plan.doubts[0].hint


def test_a_mask_of_the_whole_person_is_refused(shirt):
    pair, off = shirt
    lab_off = np.abs(pair.on_model.astype(int) - pair.on_model[2, 2]).max(axis=2) > 24
    person = cv2.morphologyEx(lab_off.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))) > 0
    plan = planned(pair.still_life, off, person | pair.on_model_mask)
    assert plan.answer == "left_alone"
    assert codes(plan) & {"mask.face", "mask.person"}


def test_half_a_garment_is_to_be_looked_at(shirt):
    pair, _ = shirt
    everywhere_off = np.clip(pair.on_model * np.array([1.2, 1.0, 0.75]), 0, 255).astype(np.uint8)
    half = pair.on_model_mask.copy()
    half[:, int(np.median(np.nonzero(half)[1])) :] = False
    plan = planned(pair.still_life, everywhere_off, half)
    assert plan.answer in {"look", "left_alone"}
    assert codes(plan) & {"mask.cut", "garment.different"}


def test_the_mask_of_another_photo_is_to_be_looked_at(shirt):
    pair, off = shirt
    moved = np.roll(pair.on_model_mask, (12, 30), axis=(0, 1))
    plan = planned(pair.still_life, off, moved)
    assert plan.answer != "corrected"
    assert {"mask.cut", "mask.outline"} & codes(plan)


def test_exchanged_photos_are_left_alone(shirt):
    pair, off = shirt
    mask = still_life_mask(pair.still_life)
    subject = subject_of(off, pair.still_life, mask, flat_mask=pair.on_model_mask)
    plan = plan_correction(subject, CorrectionOptions())
    assert plan.answer == "left_alone"
    assert "photos.exchanged" in codes(plan)


def test_one_photo_given_twice_and_a_still_life_without_a_garment_are_left_alone(shirt):
    pair, off = shirt
    assert "photos.same" in codes(planned(off, off.copy(), pair.on_model_mask))
    assert "still_life.empty" in codes(planned(np.full_like(off, 240), off, pair.on_model_mask))
    white = np.full_like(off, 240)
    white[60:300, 60:260] = 228  # a white garment on white
    assert "still_life.empty" not in codes(planned(white, off, pair.on_model_mask))


def test_cloth_in_the_colour_of_skin_is_no_face():
    pair = draw_pair(2, size_wh=(320, 400))  # trousers, the head not in the photo
    rng = np.random.default_rng(5)
    shade = pair.on_model.mean(axis=2, keepdims=True) / 150
    tan = np.clip(np.array([205, 150, 95]) * shade + rng.normal(0, 2, pair.on_model.shape), 0, 255)
    photo = np.where(pair.on_model_mask[..., None], tan, pair.on_model).astype(np.uint8)[
        :340
    ]  # cut at the knee
    assert find_bodies(photo, photo)[0].face is not None  # so that there is something to tell apart
    mask, flat_mask = pair.on_model_mask[:340], pair.still_life_mask
    seen = look_at_photos(subject_of(pair.still_life, photo, mask, flat_mask=flat_mask))
    assert (seen.face_share, seen.exchanged) == (0.0, False)


def test_skin_beside_the_head_is_no_face(shirt):
    pair, _ = shirt
    photo, arm = pair.on_model.copy(), np.zeros_like(pair.on_model_mask)
    arm[20:100, 10:90] = True
    photo[arm] = photo[66, 160]  # of the face
    _, body = find_bodies(pair.still_life, photo)
    assert body.like_face[20:70, 12:68].mean() > 0.9  # at 320 px; so that there is something to tell apart
    seen = look_at_photos(subject_of(pair.still_life, photo, arm, flat_mask=pair.still_life_mask))
    assert seen.face_share == 0


def test_a_print_that_looks_like_a_face_does_not_make_the_photos_exchanged():
    pair = draw_pair(41, size_wh=(448, 560))  # checked shorts, the head not in the photo
    there, here = find_bodies(pair.still_life, pair.on_model)
    assert (there.head is not None, here.head) == (True, None)  # so that there is something to tell apart
    photos = (pair.still_life, pair.on_model, pair.on_model_mask)
    seen = look_at_photos(subject_of(*photos, flat_mask=pair.still_life_mask))
    assert not seen.exchanged


@pytest.mark.parametrize("grey", ["still-life", "photo"])
def test_black_and_white_beside_colour_is_left_alone(shirt, grey):
    pair, off = shirt

    def drained(rgb):
        return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)

    still_life = drained(pair.still_life) if grey == "still-life" else pair.still_life
    photo = drained(off) if grey == "photo" else off
    plan = planned(still_life, photo, pair.on_model_mask)
    assert plan.answer == "left_alone"
    assert "photos.colourless" in codes(plan)


def test_another_garment_is_never_plainly_corrected():
    red, blue = (np.array(colour) for colour in ([200, 40, 40], [40, 60, 190]))
    pair = draw_pair(0, size_wh=(320, 400))

    def dyed(rgb, mask, colour):
        shade = rgb.mean(axis=2, keepdims=True) / rgb[mask].mean()
        return np.where(mask[..., None], np.clip(colour * shade, 0, 255), rgb).astype(np.uint8)

    flat_mask = still_life_mask(pair.still_life)
    plan = planned(
        dyed(pair.still_life, flat_mask, blue),
        dyed(pair.on_model, pair.on_model_mask, red),
        pair.on_model_mask,
    )
    assert plan.answer in {"look", "left_alone"}
    assert codes(plan) & {"gain.large", "garment.different"}


def test_a_checked_still_life_beside_a_plain_photo_is_to_be_looked_at():
    pair = draw_pair(0, size_wh=(320, 400))
    flat_mask = still_life_mask(pair.still_life)
    rows, columns = np.indices(flat_mask.shape) // 8
    light = np.where((rows + columns) % 2, 1.25, 0.5)[..., None]
    checked = np.where(flat_mask[..., None], np.clip(pair.still_life * light, 0, 255), pair.still_life)
    photos = (checked.astype(np.uint8), pair.on_model, pair.on_model_mask)
    judgement = judge(look_at_photos(subject_of(*photos, flat_mask=flat_mask)))
    assert [doubt.code for doubt in judgement.doubts] == ["garment.pattern"]


def test_force_corrects_and_says_what_speaks_against_it(shirt):
    pair, off = shirt
    plan = planned(pair.still_life, off, ~pair.on_model_mask, force=True)
    assert plan.answer == "corrected"
    assert plan.colour_map is not None
    assert "although the mask covers the background" in plan.reason


def test_nothing_found_cannot_be_forced(shirt):
    pair, off = shirt
    plan = planned(pair.still_life, off, np.zeros_like(pair.on_model_mask), confidence=0.0, force=True)
    assert (plan.answer, plan.colour_map, codes(plan)) == ("left_alone", None, {"mask.unsure"})


def test_nothing_speaks_against_fine_evidence():
    assert judge(FINE).answer == "corrected"


def test_a_confidence_just_below_the_bound_does_not_read_as_the_bound():
    (doubt,) = judge(replace(FINE, mask_confidence=0.7996)).doubts
    assert "(confidence 0.79)" in doubt.reason


@pytest.mark.parametrize(
    ("change", "answer", "code"),
    [
        ({"mask_confidence": 0.79}, "look", "mask.doubtful"),
        ({"mask_confidence": 0.49}, "left_alone", "mask.unsure"),
        ({"face_share": 0.9}, "left_alone", "mask.face"),
        ({"person_share": 0.99, "skin_share": 0.3}, "left_alone", "mask.person"),
        ({"is_same": True}, "left_alone", "photos.same"),
        ({"still_life_empty": True}, "left_alone", "still_life.empty"),
        ({"gain": 16.0}, "look", "gain.large"),
        ({"gain": 16.0, "likelihood": -30.0}, "left_alone", "garment.different"),
        ({"gain": 21.5, "mask_confidence": 0.99}, "left_alone", "garment.different"),
        ({"gain": 21.5}, "look", "gain.large"),  # the mask was drawn
        ({"mean_change": 2.0}, "left_alone", "result.worse"),
        ({"dye_change": 5.0}, "look", "result.dye"),
        ({"left_out_share": 0.5, "cut_share": 0.2}, "look", "mask.cut"),
        ({"shape_ratio": 2.4}, "look", "garment.shape"),
        ({"shape_ratio": 2.4, "gain": 30.0}, "left_alone", "garment.different"),
        ({"shape_ratio": 0.3}, "look", "garment.shape"),
        ({"lightness_pattern": 3.0}, "look", "garment.pattern"),
        ({"chroma_pattern": 1.8}, "look", "garment.pattern"),
        ({"gamut_loss": 3.0}, "look", "result.gamut"),
        ({"gain": 11.0}, "look", "gain.large"),
        ({"gain": None, "target_move": 11.0}, "look", "target.far"),
        ({"gain": 6.0, "lightness_pattern": 0.3}, "look", "garment.unlike"),
        ({"person_share": 0.97}, "look", "mask.all_of_the_person"),
        ({"loose_share": 0.4}, "look", "mask.outline"),
        ({"cut_share": 0.12}, "look", "mask.outline"),
        ({"still_life_colourless": True, "on_model_chroma": 6.0}, "look", "photos.nearly_colourless"),
    ],
)
def test_each_rule(change, answer, code):
    judgement = judge(replace(FINE, **change))
    assert (judgement.answer, judgement.doubts[0].code) == (answer, code)


def test_rules_read_as_sentences():
    for rule in RULES:
        reason = rule.reason.format(**vars(FINE), mask_doubts="the mask has holes")
        assert reason[0].islower() or reason[0].isdigit()
        assert not reason.endswith(".")
        assert rule.hint[0].isupper()
        assert rule.hint.endswith(".")
    assert len({rule.code for rule in RULES}) == len(RULES)
