"""What the trainer is told to do, one sentence per example."""

from __future__ import annotations

from chromiq.errors import UsageError
from chromiq.models import find_model

TRIGGER_WORD = "chromiq"

_STITCHED = "{trigger} Change the {label} color on the right to match the left"
_REFERENCE = (
    "{trigger} Change the color of the {label} worn by the model to match the color of the reference garment"
)


def caption(model: str, label: str, trigger: str = TRIGGER_WORD) -> str:
    """The published caption for a model and a garment.

    Args:
        model: such as ``"kontext"``, which sees one stitched picture, or ``"qwen-image-edit-2509"``,
            which sees the still-life as a second picture.
        label: what the garment is called; it is used as it is, on one line.
        trigger: the word that wakes the LoRA.

    >>> caption("kontext", "jacket")
    'chromiq Change the jacket color on the right to match the left'

    Raises:
        UsageError: if the model is unknown, or the label is empty or holds a line break or control character.
    """
    if not label.strip() or not label.isprintable():
        raise UsageError(
            f"{label!r}: wanted a garment's name on one line, got this; give it in garments.json"
        )
    template = _REFERENCE if find_model(model).has_reference else _STITCHED
    return template.format(trigger=trigger, label=label)
