"""Labels: the user's word wins, files are read whole or refused with all that is wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.inputs.labels import (
    decide_label,
    given_label,
    parse_vocabulary,
    read_garments,
    write_garments,
)
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import UsageError
from chromiq.records import PhotoPair
from chromiq.sample_catalogue.catalogue import write_catalogue

WORDS = ("shirt", "trousers", "jacket", "pants")


def decide(still_life, on_model, words=WORDS):
    return decide_label(words, np.array(still_life), np.array(on_model), "grounding-dino")


class TestDecideLabel:
    def test_the_best_word_over_both_photos_wins(self):
        label = decide([0.3, 0.1, 0.8, 0.1], [0.2, 0.1, 0.7, 0.1])
        assert (label.name, label.source, label.runner_up) == ("jacket", "grounding-dino", None)
        assert label.score == pytest.approx((0.8 + 0.5 * 0.7) / 1.5, abs=1e-4)

    def test_synonyms_fold_into_the_one_named_first(self):
        assert decide([0.4, 0.1, 0.1, 0.7], [0.1] * 4).name == "trousers"
        assert decide([0.4, 0.7], [0.1, 0.1], ("shirt", "Pants")).name == "Pants"
        assert decide([0.6, 0.7, 0.5], [0, 0, 0], ("waistcoat", "gilet", "vest")).name == "waistcoat"

    def test_synonyms_are_no_close_seconds_of_each_other(self):
        assert decide([0.1, 0.7, 0.1, 0.7], [0.1, 0.7, 0.1, 0.7]).runner_up is None

    def test_the_on_model_photo_overrules_a_close_call_and_the_second_is_recorded(self):
        label = decide([0.50, 0, 0.52, 0], [0.6, 0, 0.5, 0])
        assert (label.name, label.runner_up) == ("shirt", "jacket")

    def test_a_word_that_no_photo_has_a_detection_of_is_a_guess(self):
        assert decide([0.29, 0.1, 0, 0], [0.29, 0.1, 0, 0]).score == 0
        assert decide([0.29, 0.1, 0, 0], [0.31, 0.1, 0, 0]).score > 0

    def test_other_clothes_on_the_model_do_not_overrule(self):
        assert decide([0.5, 0.05, 0.2, 0.05], [0.4, 0.9, 0.2, 0.9]).name == "shirt"

    @given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.permutations(range(4)))
    def test_the_order_of_the_vocabulary_changes_the_spelling_at_most(self, scores, order):
        label = decide(scores, scores)
        mixed = decide([scores[i] for i in order], [scores[i] for i in order], [WORDS[i] for i in order])
        assert mixed.score == label.score
        assert 0 <= label.score <= 1


def test_the_users_word_wins():
    pair = PhotoPair("1", Path("still-life1.jpg"), Path("on_model1.jpg"))
    assert given_label(pair) is None
    label = given_label(PhotoPair("1", pair.still_life, pair.on_model, "chinos"))
    assert (label.name, label.source, label.score) == ("chinos", "given", 1)


def test_the_users_word_goes_into_captions_and_garments_json(tmp_path):
    write_catalogue(tmp_path / "in", pairs=2, size_wh=(96, 120))
    write_garments(tmp_path / "mine.json", {"still-life1.jpg": "veste d'été"})
    options = BuildOptions(segmenter="classic")
    build(tmp_path / "in", tmp_path / "out", options, garments=tmp_path / "mine.json", keep_doubtful=True)
    assert "the veste d'été color" in (tmp_path / "out" / "gt" / "pair1.txt").read_text(encoding="utf-8")
    written = read_garments(tmp_path / "out" / "garments.json")
    assert written == {"still-life1.jpg": "veste d'été", "still-life2.jpg": "T-shirt"}


@pytest.mark.parametrize("text", ["", "shirt,,dress", "shirt, Shirt", "a.b", "two\nlines"])
def test_a_vocabulary_that_is_no_list_of_words_is_refused(text):
    with pytest.raises(UsageError, match="is not a list of different words"):
        parse_vocabulary(text)
