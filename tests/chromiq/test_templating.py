"""HTML templates: what users wrote is text, and reads as it is written."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from chromiq.templating import template_environment


def rendered(template, **values):
    return template_environment(html=True).from_string(template).render(**values)


def test_controls_that_reverse_a_name_are_shown_and_a_form_sends_them_back_as_they_are():
    name = "on_model\u202egpj.exe"
    for value in (name, Path(name)):
        assert rendered("{{ value }}<b>", value=value) == r"on_model\u202egpj.exe<b>"
        assert rendered('<input value="{{ value | e }}">', value=value) == f'<input value="{name}">'
    assert rendered("{{ value }}", value="<שלום>") == "&lt;שלום&gt;"


def test_a_name_that_is_not_defined_is_an_error():
    with pytest.raises(UndefinedError):
        rendered("{{ value }}")


def test_a_confidence_below_a_bar_does_not_read_as_the_bar():
    assert rendered('{{ "%.2f" | format(confidence | cut) }}', confidence=0.7996) == "0.79"
