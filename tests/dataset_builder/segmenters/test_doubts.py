"""Every reason that a segmenter gives has words of its own."""

import re

from chromiq.dataset_builder.segmenters.classic import quality
from chromiq.dataset_builder.segmenters.doubts import REASONS, in_words, what_to_do
from chromiq.dataset_builder.segmenters.network import candidates


def test_every_named_reason_has_words():
    documented = set(
        re.findall(
            r'``"(\w+)"``', (quality.judge_mask.__doc__ or "") + (candidates.choose_mask.__doc__ or "")
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
