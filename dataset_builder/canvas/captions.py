"""Captions: the instruction that a model is trained on, one sentence per example."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from chromiq.errors import UsageError
from chromiq.models import EditModel, find_model

TRIGGER_WORD = "chromiq"

_STITCHED = "{trigger} Change the {garment} color on the {side} to match the left"
_REFERENCE = (
    "{trigger} Change the color of the {garment} worn by the model "
    "to match the color of the reference garment"
)
_SIDE = "right"  # of the on-model photo on a stitched image


def caption(model: str, label: str, *, templates: Sequence[str] = (), lot: float = 0.0) -> str:
    """The caption of an example.

    Args:
        model: name of the edit model; it decides the published sentence.
        label: the garment's name, used as it is.
        templates: as `check_templates` accepts them, instead of the published sentence.
        lot: 0 to below 1, which template is used.

    >>> caption("kontext", "jacket")
    'chromiq Change the jacket color on the right to match the left'
    >>> caption("kontext", "jacket", templates=["{trigger} {garment}", "{trigger} {side} {garment}"], lot=0.7)
    'chromiq right jacket'

    Raises:
        UsageError: if the model is unknown, or the label is empty or holds a line break or control character.
    """
    if not label.strip() or not label.isprintable():
        raise UsageError(f"{label!r} is not a garment name on one line. Name the garment in garments.json.")
    known = templates or (published_template(find_model(model)),)
    return known[int(lot * len(known))].format(trigger=TRIGGER_WORD, garment=label, side=_SIDE)


def published_template(model: EditModel) -> str:
    """The template of the published run, or its counterpart for a model that takes a reference image."""
    return _REFERENCE if model.has_reference else _STITCHED


def check_templates(model: EditModel, templates: Sequence[str], *, for_training: bool = True) -> None:
    """Refuse templates whose captions ``chromiq doctor`` would refuse, or that name an unknown field.

    Args:
        for_training: whether they need the trigger word; a LoRA of somebody else may have none.

    Raises:
        UsageError: with the first template that is wrong.
    """
    fields = {"trigger", "garment"} | ({"side"} if model.layout == "stitched" else set())
    known = ", ".join(f"{{{name}}}" for name in sorted(fields))
    for template in templates:
        try:
            used = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
        except ValueError as error:
            raise UsageError(
                f"caption template {template!r} has unbalanced braces ({error}). Double literal braces."
            ) from error
        for name, specification, conversion in used:
            if name not in fields or specification or conversion:
                raise UsageError(
                    f"caption template {template!r} has a field that {model.name} does not know. Use {known}."
                )
        if for_training and "trigger" not in {name for name, *_ in used}:
            raise UsageError(f"caption template {template!r} has no {{trigger}}. Add it to the template.")
        if not template.isprintable():
            raise UsageError(f"caption template {template!r} is not one line of text. Write it on one line.")
