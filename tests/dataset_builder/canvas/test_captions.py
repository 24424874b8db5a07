"""Captions: the published sentences, with what a person wrote kept as it is."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.dataset_builder.canvas.captions import caption, check_templates, published_template
from chromiq.errors import UsageError
from chromiq.models import MODELS


def test_the_published_sentences():
    assert caption("kontext", "jacket") == "chromiq Change the jacket color on the right to match the left"
    assert caption("qwen-image-edit-2509", "jacket") == (
        "chromiq Change the color of the jacket worn by the model to match the color of the reference garment"
    )


@pytest.mark.parametrize("model", MODELS)
@given(
    label=st.text(min_size=1).filter(lambda text: text.strip() and text.isprintable()),
)
@settings(max_examples=15)
def test_the_label_comes_back_as_it_was_written(model, label):
    text = caption(model, label)
    assert text.startswith("chromiq Change the ")
    assert f" {label} " in text
    assert len(text.splitlines()) == 1
    assert ("on the right" in text) != MODELS[model].has_reference


@pytest.mark.parametrize("label", ["", "   ", "two\nlines", "bell\a", "line\u2028separator"])
def test_a_label_that_is_not_one_line_is_refused(label):
    with pytest.raises(UsageError, match=r"not a garment name on one line. Name the garment in"):
        caption("kontext", label)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"did you mean kontext\? known models: kontext, "):
        caption("kontex", "shirt")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_published_template_is_accepted(model):
    check_templates(model, [published_template(model), "{trigger} {{literal}} {garment}"])


@pytest.mark.parametrize(
    ("model", "template", "message"),
    [
        ("kontext", "Change the {garment}", "no {trigger}. Add it"),
        (
            "kontext",
            "{trigger} {colour}",
            "kontext does not know. Use {garment}, {side}, {trigger}",
        ),
        ("flux2", "{trigger} on the {side}", "a field that flux2 does not know. Use {garment}, {trigger}"),
        ("kontext", "{trigger.__class__}", "a field that kontext does not know"),
        ("kontext", "{trigger!r}", "a field that kontext does not know"),
        ("kontext", "{trigger:>9}", "a field that kontext does not know"),
        ("kontext", "{trigger", "unbalanced braces"),
        ("kontext", "{trigger}\n{garment}", "not one line of text"),
        ("kontext", "", "no {trigger}"),
    ],
)
def test_a_template_that_makes_unusable_captions_is_refused(model, template, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        check_templates(MODELS[model], [template])


def test_the_lot_chooses_among_templates():
    templates = ["{trigger} a", "{trigger} b", "{trigger} c"]
    drawn = [caption("kontext", "shirt", templates=templates, lot=lot)[-1] for lot in (0, 0.34, 0.99)]
    assert drawn == ["a", "b", "c"]
