"""The segmenters' named reasons to doubt a mask, in words, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_COMPLETE = "Add what is missing to the mask."
_REMOVE = "Remove from the mask what is not the garment."
_COMPARE_ENDS = "Check the neckline, the cuffs and the hem."
_OTHER_PHOTO = "Check that both photos show the same garment."


class Reason(NamedTuple):
    """What is doubtful, a clause without a full stop, and what to do about it, a sentence."""

    message: str
    hint: str


REASONS: dict[str, Reason] = {
    "empty": Reason("no garment was found", "Draw the mask."),
    "nobody_found": Reason("no person was found on the photo", "Draw the mask."),
    "nothing_seen": Reason(
        "the detector did not see such a garment on the photo", "Check the garment's name, or draw the mask."
    ),
    "nothing_named": Reason(
        "none of the words for garments was seen on the photos, so its name is a guess",
        "Give the garment's name.",
    ),
    "weak_detection": Reason(
        "the mask fits the garment's colours, but the detector is not sure of it", _OTHER_PHOTO
    ),
    "colour_disagrees": Reason("the colours inside differ from the still-life's", _OTHER_PHOTO),
    "touches_skin": Reason("the mask covers colours of skin", _REMOVE),
    "share_of_person": Reason(
        "the mask covers an unusual share of the person for such a garment",
        "Check that the garment is complete and alone in the mask.",
    ),
    "fragments": Reason("the mask has more than two parts", _COMPLETE),
    "holes": Reason("the mask has holes", _COMPLETE),
    "box_overflow": Reason("the mask continues where such a garment should have ended", _REMOVE),
    "cloth_like_background": Reason("the cloth has the colour of the background", _COMPARE_ENDS),
    "no_head": Reason("no head was found to tell where the garment should be", _COMPARE_ENDS),
    "one_colour": Reason("other clothes have the garment's colour", _COMPARE_ENDS),
    "parts_left_out": Reason("cloth beside the mask, such as sleeves, may belong to it", _COMPLETE),
    "unsure_ends": Reason("it is not clear where the garment ends", _COMPARE_ENDS),
    "unsteady": Reason("the outline changes when it is found in a slightly different way", _COMPARE_ENDS),
    "several_people": Reason(
        "several people wear the garment's colours",
        "Check that the mask is on the right person, or crop the photo to one.",
    ),
    "undecided": Reason("many pixels could belong to the garment or not", _COMPARE_ENDS),
}


def in_words(reasons: Iterable[str]) -> str:
    """What is doubtful about a mask, in one line; a reason without words of its own stays as it is.

    >>> in_words(("holes", "no_head"))
    'the mask has holes; no head was found to tell where the garment should be'
    >>> in_words(())
    'several small doubts add up'
    """
    return "; ".join(REASONS[name].message if name in REASONS else name for name in reasons) or (
        "several small doubts add up"
    )


def what_to_do(reasons: Iterable[str]) -> str:
    """What to do about a doubtful mask: the sentences of all its reasons, each once.

    >>> what_to_do(("holes", "fragments", "touches_skin"))
    'Add what is missing to the mask. Remove from the mask what is not the garment.'
    """
    return " ".join(dict.fromkeys(REASONS[name].hint for name in reasons if name in REASONS))
