"""Each constant of the classic segmenter is read somewhere, and says what it is."""

import dataclasses
import re
from pathlib import Path

import pytest

from chromiq.dataset_builder.segmenters.classic import tuning
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING, ClassicTuning

FIELDS = dataclasses.fields(ClassicTuning)


def test_each_constant_is_read_by_the_module_it_is_named_after():
    modules = {
        path.stem: path.read_text(encoding="utf-8") for path in Path(tuning.__file__).parent.glob("*.py")
    }
    for field in FIELDS:
        module = field.name.split("_")[0]
        source = modules.get(module, modules["segmenter"])
        assert f"TUNING.{field.name}" in source, field.name


def test_each_constant_has_a_unit_a_meaning_and_what_it_was_chosen_on():
    """As ``unit; meaning [origin]``, behind the constant or above it."""
    source = Path(tuning.__file__).read_text(encoding="utf-8")
    origin = r"\[(real|shops|drawn|shadows|measured on \d+ faces)\]"
    for field in FIELDS:
        behind = rf"\n    {field.name}: .*  # [^;\n]+; .+ {origin}\n"
        above = rf"\n    # [^;\n]+; .+(\n    # .*)? ?{origin}\n    {field.name}: "
        assert re.search(f"{behind}|{above}", source), field.name


def test_constants_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TUNING.extent_hem_weight = 0  # type: ignore[misc]
