"""A mask's evidence is a sum of named terms that can be shown and left out."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.evidence import TERMS
from chromiq.dataset_builder.segmenters.classic.explain import (
    explanation,
    explanation_picture,
    found_and_doubted,
)
from chromiq.dataset_builder.segmenters.classic.kind import KindChoice
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter, Look, find_garment
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW
from chromiq.errors import UsageError
from chromiq.photos.images import read_photo, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair
from chromiq_cli.verbs import app


@pytest.fixture(scope="module")
def gilet():
    """A gilet over a shirt: its arms are another cloth's."""
    pair = draw_pair(18, seed=2, size_wh=(224, 280))
    return Look(pair.still_life, pair.on_model)


def test_the_terms_add_up_to_the_probability(gilet):
    found = find_garment(gilet, "gilet")
    assert set(found.evidence.terms) <= set(TERMS)
    total = np.clip(sum(found.evidence.terms.values()), -12, 12)
    shown = found.body.person & (found.evidence.probability > 0)
    np.testing.assert_allclose(found.evidence.probability[shown], 1 / (1 + np.exp(-total[shown])), atol=1e-6)


def test_a_term_that_is_left_out_changes_the_mask(gilet):
    whole = find_garment(gilet, "gilet")
    without = find_garment(gilet, "gilet", without=("sleeves", "learned"))
    assert "sleeves" in whole.evidence.terms
    assert not {"sleeves", "learned"} & set(without.evidence.terms)
    assert (without.mask & ~whole.mask).sum() > 0.05 * whole.mask.sum()  # the shirt's sleeves


def test_the_picture_is_red_for_the_garment_and_blue_against_it(gilet):
    found = find_garment(gilet, "gilet")
    terms = explanation(gilet, found)["terms"]
    assert terms["place"]["inside"] > 0 > terms["place"]["outside"]
    picture = explanation_picture(gilet, found).astype(int)
    assert picture.shape[1] // (1.6 * gilet.small.shape[1]) == 4  # columns
    red, _, blue = np.moveaxis(picture, 2, 0)
    assert (red - blue > 60).any()
    assert (blue - red > 60).any()


def test_a_name_that_is_a_guess_is_doubted_as_correct_doubts_it():
    pair = draw_pair(0, size_wh=(224, 280))
    look = Look(pair.still_life, pair.on_model)
    look.kind = KindChoice("upper", 0.0, {})  # a toss-up
    guessed, named = found_and_doubted(look, ""), found_and_doubted(look, "shirt")
    assert guessed.reasons == (*named.reasons, "nothing_named")
    assert guessed.confidence < LEFT_OUT_BELOW < named.confidence
    assert explanation(look, guessed)["reasons"] == list(guessed.reasons)


def test_of_one_cloth_worn_above_and_below_a_part_is_found():
    pair = draw_pair(3, size_wh=(224, 280))
    assert pair.garment == "dress"
    task = SegmentationTask(pair.still_life, pair.on_model, "dress")
    found = {part: ClassicSegmenter(part=part).segment([task])[0] for part in ("upper", "lower")}
    assert found["upper"].source == "classic:upper"
    rows = {part: np.flatnonzero(item.mask.any(axis=1))[[0, -1]] for part, item in found.items()}
    dress = np.flatnonzero(pair.on_model_mask.any(axis=1))
    waist = dress[0] + 0.45 * np.ptp(dress)
    assert dress[0] - 5 < rows["upper"][0] < rows["upper"][1] < waist + 0.1 * np.ptp(dress)
    assert waist - 0.1 * np.ptp(dress) < rows["lower"][0] < rows["lower"][1] < dress[-1] + 5


def test_a_part_decides_what_an_unnamed_garment_is_called():
    pair = draw_pair(0, size_wh=(224, 280))
    names = [
        ClassicSegmenter(part=part).label([(pair.still_life, pair.on_model)])[0].name
        for part in (None, "lower")
    ]
    assert names[0] == pair.garment == "shirt"
    assert names[1] in {"trousers", "skirt", "shorts"}


def test_the_command_writes_the_picture_and_says_what_speaks_for_it(tmp_path):
    pair = draw_pair(0, size_wh=(224, 280))
    photos = [tmp_path / "still-life.png", tmp_path / "on_model.png"]
    for path, rgb in zip(photos, (pair.still_life, pair.on_model), strict=True):
        write_photo(path, rgb)
    out = tmp_path / "why.png"
    command = ["explain-mask", *map(str, photos), "--out", str(out), "--segmenter", "classic"]
    document = json.loads(CliRunner().invoke(app, [*command, "--without", "learned", "--json"]).stdout)
    assert (document["kind"], set(document["kind_terms"])) == ("upper", {"outline", "frame", "colour"})
    assert "learned" not in document["terms"]
    assert document["terms"]["colour"]["inside"] > document["terms"]["colour"]["outside"]
    assert read_photo(out).rgb.shape[1] > 700
    printed = CliRunner().invoke(app, command).stdout
    assert "learned: " in printed
    assert "-0.0 " not in printed
    wrong = CliRunner().invoke(app, [*command, "--without", "hats"])
    assert isinstance(wrong.exception, UsageError)
    command[command.index(str(out))] = str(tmp_path / "why")
    wrong = CliRunner().invoke(app, command)
    assert isinstance(wrong.exception, UsageError)
    assert "must end in one of .jpg" in str(wrong.exception)
