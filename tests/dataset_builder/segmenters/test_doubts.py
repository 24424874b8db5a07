"""Every reason that a segmenter gives has words of its own."""

import re

import numpy as np
import pytest

from chromiq.dataset_builder.segmenters.classic import quality
from chromiq.dataset_builder.segmenters.doubts import (
    DOUBTFUL_BELOW,
    LEFT_OUT_BELOW,
    REASONS,
    in_words,
    is_left_out,
    limited,
    what_to_do,
    with_doubt_of_label,
)
from chromiq.dataset_builder.segmenters.network import segmenter as network_segmenter
from chromiq.records import GarmentLabel, GarmentMask


def test_every_named_reason_has_words():
    documented = set(
        re.findall(
            r'``"(\w+)"``', (quality.judge_mask.__doc__ or "") + (network_segmenter.choose_mask.__doc__ or "")
        )
    )
    assert documented | {"nobody_found"} <= set(REASONS)


def test_words_are_clauses_and_hints_are_sentences():
    for reason in REASONS.values():
        assert not reason.message.endswith(".")
        assert reason.hint[0].isupper()
        assert reason.hint.endswith(".")


def test_reasons_of_other_programs_are_kept():
    assert in_words(("holes", "elsewhere")) == "the mask has holes; elsewhere"
    assert what_to_do(("elsewhere",)) == ""


@pytest.mark.parametrize("reason", sorted(name for name in REASONS if REASONS[name].strong))
def test_a_strong_reason_alone_leaves_the_pair_out(reason):
    assert limited(1.0, (reason,)) < LEFT_OUT_BELOW
    assert is_left_out(limited(1.0, (reason,)), (reason,), keep_doubtful=False)
    assert limited(0.1, (reason,)) == 0.1


def test_other_reasons_leave_the_confidence_as_it_is():
    milder = tuple(name for name in REASONS if not REASONS[name].strong)
    assert milder
    assert limited(0.9, (*milder, "of_another_program")) == 0.9


def test_a_name_that_no_detection_supports_leaves_the_pair_out():
    found = GarmentMask(np.ones((4, 4), bool), 0.97, ("holes",), "grounded-sam2")
    guessed = with_doubt_of_label(found, GarmentLabel("shirt", "grounding-dino", 0.0))
    assert guessed.reasons == ("holes", "nothing_named")
    assert guessed.confidence < LEFT_OUT_BELOW
    assert with_doubt_of_label(found, GarmentLabel("shirt", "grounding-dino", 0.31)) is found


def test_a_guessed_name_does_not_leave_out_a_given_mask():
    given = with_doubt_of_label(GarmentMask(np.ones((4, 4), bool), 1.0), GarmentLabel("shirt", "sam3", 0.0))
    assert LEFT_OUT_BELOW < given.confidence < DOUBTFUL_BELOW
