"""A mask's confidence is the overlap to be expected, and each doubt has a name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.dataset_builder.segmenters.classic.body import Body, Head
from chromiq.dataset_builder.segmenters.classic.evidence import Evidence
from chromiq.dataset_builder.segmenters.classic.quality import judge_mask
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW
from chromiq.dataset_builder.segmenters.small.person import HIPS, SHOULDERS, SeenParts, SeenPerson

PERSON = np.zeros((100, 60), bool)
PERSON[5:, 15:45] = True
SHIRT = np.zeros_like(PERSON)
SHIRT[25:60, 15:45] = True
BODY = Body(np.full((100, 60, 3), 50, np.float32), PERSON, Head(5, 24), None, differs=PERSON)


def evidence(probability=SHIRT, alike=SHIRT, trust=1.0, unsure_ends=0.0, between_ends=None, otherwise=None):
    between = np.zeros_like(SHIRT) if between_ends is None else between_ends
    probability = np.asarray(probability, np.float32)
    return Evidence(
        probability, alike, trust, unsure_ends, between, {}, None if otherwise is None else lambda: otherwise
    )


def upper_part(share):
    """The upper part of the shirt: as much of it as its overlap with the whole."""
    return SHIRT & (np.arange(100) < 25 + share * 35)[:, None]


def test_a_mask_that_everything_speaks_for_is_trusted():
    assert judge_mask(SHIRT, BODY, "upper", evidence()) == (1.0, ())


@given(inside=st.floats(0.5, 1), outside=st.floats(0, 0.5))
def test_the_confidence_follows_the_overlap_that_the_probabilities_predict(inside, outside):
    probability = np.where(SHIRT, inside, np.where(PERSON, outside, 0))
    confidence, reasons = judge_mask(SHIRT, BODY, "upper", evidence(probability))
    beside = (PERSON & ~SHIRT).sum()
    expected = inside * SHIRT.sum() / (SHIRT.sum() + outside * beside)
    assert confidence == pytest.approx(expected, rel=1e-3)
    assert ("undecided" in reasons) == (expected < 0.85)


def test_nothing_found_is_worth_nothing():
    assert judge_mask(np.zeros_like(SHIRT), BODY, "upper", evidence()) == (0.0, ("empty",))


def below_its_end():
    mask = SHIRT.copy()
    mask[25:, 15:45] = True
    return mask


def in_pieces():
    mask = SHIRT.copy()
    mask[32:35] = mask[48:51] = False
    return mask


def with_a_hole():
    mask = SHIRT.copy()
    mask[35:45, 25:35] = False
    return mask


@pytest.mark.parametrize(
    ("reason", "mask", "facts"),
    [
        ("colour_disagrees", SHIRT, {"trust": 0.1}),
        ("unsure_ends", SHIRT, {"unsure_ends": 0.2}),
        ("unsteady", SHIRT, {"otherwise": upper_part(0.7)}),
        ("one_colour", SHIRT, {"alike": PERSON}),
        ("share_of_person", SHIRT & (np.abs(np.arange(100) - 43) < 7)[:, None], {}),
        ("box_overflow", below_its_end(), {}),
        ("fragments", in_pieces(), {}),
        ("holes", with_a_hole(), {}),
        ("parts_left_out", SHIRT & (np.arange(60) > 25), {"between_ends": SHIRT}),
    ],
)
def test_each_doubt_has_a_name(reason, mask, facts):
    facts = {"probability": mask, "alike": mask, **facts}
    assert judge_mask(mask, BODY, "upper", evidence(**facts))[1] == (reason,)


@given(st.floats(0.6, 1))
def test_a_mask_is_trusted_as_far_as_it_is_the_same_when_found_otherwise(share):
    other = upper_part(share)
    confidence, reasons = judge_mask(SHIRT, BODY, "upper", evidence(otherwise=other))
    assert confidence == pytest.approx(other.sum() / SHIRT.sum())
    assert ("unsteady" in reasons) == (confidence < 0.8)


@pytest.mark.parametrize("facts", [{"trust": 0.1}, {"probability": np.where(SHIRT, 0.4, 0)}])
def test_a_mask_is_not_found_otherwise_where_that_decides_nothing(facts):
    def found_again():
        raise AssertionError("found again")

    doubtful = replace(evidence(**facts), mask_otherwise=found_again)
    assert judge_mask(SHIRT, BODY, "upper", doubtful)[0] < LEFT_OUT_BELOW


@pytest.mark.parametrize(
    ("reason", "body", "facts"),
    [
        ("colour_disagrees", BODY, {"trust": 0.19}),
        ("no_head", replace(BODY, head=None), {}),
        ("no_head", replace(BODY, head=Head(5, 24, assumed=True)), {}),
    ],
)
def test_each_strong_doubt_alone_keeps_the_confidence_below_the_line(reason, body, facts):
    confidence, reasons = judge_mask(SHIRT, body, "upper", evidence(**facts))
    assert reasons == (reason,)
    assert confidence < LEFT_OUT_BELOW


def test_a_garment_that_runs_out_of_the_photo_is_doubtful_only_where_it_should_have_ended():
    mask = below_its_end()
    assert "box_overflow" in judge_mask(mask, BODY, "upper", evidence(mask))[1]
    assert "box_overflow" not in judge_mask(mask, BODY, "full", evidence(mask))[1]
    close_up = Body(BODY.lab, PERSON, Head(5, 60), None, differs=PERSON)
    assert "box_overflow" not in judge_mask(mask, close_up, "upper", evidence(mask))[1]


@given(left_px=st.integers(0, 14))
def test_sleeves_that_were_left_out_are_a_doubt(left_px):
    body = SHIRT & (np.arange(60) >= 15 + left_px)
    reasons = judge_mask(body, BODY, "upper", evidence(body, body, between_ends=SHIRT))[1]
    assert ("parts_left_out" in reasons) == (left_px > 5)  # over a fifth of the rest
    reasons = judge_mask(body, BODY, "lower", evidence(body, between_ends=SHIRT))[1]
    assert "parts_left_out" not in reasons


def test_skin_under_the_mask_is_reported():
    lab = BODY.lab.copy()
    lab[5:24, 15:45] = lab[50:60, 15:45] = (65, 18, 20)
    from chromiq.dataset_builder.segmenters.classic.body import ColourModel

    body = Body(
        lab, PERSON, BODY.head, ColourModel.of(lab[5:24, 15:45].reshape(-1, 3), (30, 4, 4)), differs=PERSON
    )
    probability = np.where(SHIRT, 1.0, 0.0)
    probability[50:60] *= 0.4
    assert "touches_skin" in judge_mask(SHIRT, body, "upper", evidence(probability))[1]


@pytest.mark.parametrize("part", ["hair", "skin"])
@pytest.mark.parametrize(("rows", "left_out"), [(3, False), (10, True)])
def test_a_mask_of_which_much_was_seen_to_be_hair_or_skin_is_left_out(part, rows, left_out):
    empty = np.zeros(SHIRT.shape, np.float32)
    over = empty.copy()
    over[25 : 25 + rows] = 1
    parts = replace(SeenParts(empty, empty, empty), **{part: over})
    seen = SeenPerson(PERSON.astype(np.float32), np.zeros((33, 2)), np.zeros(33), 1.0, parts)
    alike = SHIRT & (part == "hair")
    confidence, reasons = judge_mask(SHIRT, replace(BODY, seen=seen), "upper", evidence(alike=alike))
    assert ("covers_body" in reasons, confidence < LEFT_OUT_BELOW) == (left_out, left_out)


@pytest.mark.parametrize(("columns", "left_out"), [((15, 45), False), ((15, 22), True), ((35, 45), True)])
def test_a_mask_beside_the_middle_of_where_a_shirt_is_worn_is_left_out(columns, left_out):
    mask = np.zeros_like(SHIRT)
    mask[25:60, slice(*columns)] = True
    confidence, reasons = judge_mask(mask, BODY, "upper", evidence(mask))
    assert ("misses_middle" in reasons, confidence < LEFT_OUT_BELOW) == (left_out, left_out)


def test_hair_over_the_middle_is_no_part_that_a_mask_misses():
    hair = np.zeros(SHIRT.shape, np.float32)
    hair[25:60, 22:38] = 1
    parts = SeenParts(hair, np.zeros_like(hair), np.zeros_like(hair))
    seen = SeenPerson(PERSON.astype(np.float32), np.zeros((33, 2)), np.zeros(33), 1.0, parts)
    mask = SHIRT & (hair == 0)
    assert "misses_middle" not in judge_mask(mask, replace(BODY, seen=seen), "upper", evidence(mask))[1]


@pytest.mark.parametrize(("shoulders_row", "left_out"), [(20, False), (90, True)])
def test_a_mask_of_a_person_who_is_upside_down_is_left_out(shoulders_row, left_out):
    landmarks = np.full((33, 2), 30, np.float32)
    landmarks[list(SHOULDERS), 1], landmarks[list(HIPS), 1] = shoulders_row, 55
    seen = SeenPerson(PERSON.astype(np.float32), landmarks, np.ones(33), 1.0)
    confidence, reasons = judge_mask(SHIRT, replace(BODY, seen=seen), "upper", evidence())
    assert ("not_upright" in reasons, confidence < LEFT_OUT_BELOW) == (left_out, left_out)


def test_sleeves_of_the_colour_of_skin_that_the_still_life_shows_are_no_body():
    empty, skin = np.zeros((2, *SHIRT.shape), np.float32)
    skin[25:40] = 1
    parts = SeenParts(empty, skin, empty)
    seen = SeenPerson(PERSON.astype(np.float32), np.zeros((33, 2)), np.zeros(33), 1.0, parts)
    assert "covers_body" not in judge_mask(SHIRT, replace(BODY, seen=seen), "upper", evidence())[1]
