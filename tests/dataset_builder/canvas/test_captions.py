"""Captions: the published sentences, with what a person wrote kept as it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromiq.dataset_builder.canvas.captions import caption
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
    trigger=st.sampled_from(["chromiq", "{label}", "ohwx"]),
)
@settings(max_examples=15)
def test_label_and_trigger_come_back_as_they_were_written(model, label, trigger):
    text = caption(model, label, trigger)
    assert text.startswith(f"{trigger} Change the ")
    assert f" {label} " in text
    assert len(text.splitlines()) == 1
    assert ("on the right" in text) != MODELS[model].has_reference


@pytest.mark.parametrize("label", ["", "   ", "two\nlines", "bell\a", "line\u2028separator"])
def test_a_label_that_is_not_one_line_is_refused(label):
    with pytest.raises(
        UsageError, match=r"a garment's name on one line, got this; give it in garments\.json"
    ):
        caption("kontext", label)


def test_an_unknown_model_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"did you mean kontext\? known models: kontext, "):
        caption("kontex", "shirt")
