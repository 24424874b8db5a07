"""How far a mask is trusted: the lines of its confidence, and the named reasons to doubt it, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from chromiq.records import GarmentLabel, GarmentMask

DOUBTFUL_BELOW = 0.8
"""Below this confidence `build` and `correct` use a mask, but ask the user to look at it."""
LEFT_OUT_BELOW = 0.5
"""Below this one `correct` leaves the photo alone, and `build` trains nothing on it, unless asked to."""
_STRONGLY_DOUBTED = 0.45
"""The most confidence that a mask has for which there is any one strong reason."""
_NAME_DOUBTED = 0.75
"""The most confidence of a given mask whose garment's name is a guess: doubtful, not left out."""

NOTHING_FOUND = frozenset({"empty", "nobody_found"})
"""The reasons of a mask that is empty: nothing can be made with it, whatever else is asked for."""

_COMPLETE = "Add what is missing to the mask."
_REMOVE = "Remove from the mask what is not the garment."
_COMPARE_ENDS = "Check the neckline, the cuffs and the hem."
_OTHER_PHOTO = "Check that both photos show the same garment."


class Reason(NamedTuple):
    """What is doubtful, a clause without a full stop, and what to do about it, a sentence.

    A strong reason alone keeps the confidence below `LEFT_OUT_BELOW`, whatever else speaks for the mask.
    """

    message: str
    hint: str
    strong: bool = False


REASONS: dict[str, Reason] = {
    "empty": Reason("no garment was found", "Draw the mask.", strong=True),
    "nobody_found": Reason("no person was found on the photo", "Draw the mask.", strong=True),
    "nothing_seen": Reason(
        "the detector did not see such a garment on the photo",
        "Check the garment's name, or draw the mask.",
        strong=True,
    ),
    "nothing_named": Reason(
        "the photos do not tell which garment it is, so its name is a guess",
        "Give the garment's name in the labels or the CSV file, state which part of the body it is worn on, "
        "or draw the mask.",
        strong=True,
    ),
    "weak_detection": Reason(
        "the mask fits the garment's colours, but the detector is not sure of it", _OTHER_PHOTO, strong=True
    ),
    "colour_disagrees": Reason("the colours inside differ from the still-life's", _OTHER_PHOTO, strong=True),
    "still_life_unclear": Reason(
        "the garment on the still-life is hard to tell from its background",
        "Take a still-life with more background around the garment, or of another colour than the cloth.",
        strong=True,
    ),
    "touches_skin": Reason("the mask covers colours of skin", _REMOVE),
    "covers_body": Reason("much of the mask is seen to be hair or skin", _REMOVE, strong=True),
    "share_of_person": Reason(
        "the mask covers an unusual share of the person for such a garment",
        "Check that the garment is complete and alone in the mask.",
    ),
    "misses_middle": Reason(
        "the mask leaves out most of the middle of where such a garment is worn",
        "Add what is missing to the mask, unless the garment is worn open.",
        strong=True,
    ),
    "fragments": Reason("the mask has more than two parts", _COMPLETE),
    "holes": Reason("the mask has holes", _COMPLETE),
    "box_overflow": Reason("the mask continues where such a garment should have ended", _REMOVE),
    "cloth_like_background": Reason("the cloth has the colour of the background", _COMPARE_ENDS),
    "no_head": Reason("no head was found to tell where the garment should be", _COMPARE_ENDS, strong=True),
    "not_upright": Reason(
        "the person is not upright on the photo", "Turn the photo, or draw the mask.", strong=True
    ),
    "one_colour": Reason("other clothes have the garment's colour", _COMPARE_ENDS),
    "parts_left_out": Reason("cloth beside the mask, such as sleeves, may belong to it", _COMPLETE),
    "unsure_ends": Reason("it is not clear where the garment ends", _COMPARE_ENDS),
    "unsteady": Reason(
        "the outline changes when the proportions of the still-life are ignored", _COMPARE_ENDS
    ),
    "several_people": Reason(
        "several people wear the garment's colours",
        "Check that the mask is on the right person, or crop the photo to one.",
    ),
    "undecided": Reason("many pixels could belong to the garment or not", _COMPARE_ENDS),
}


def is_doubtful(confidence: float) -> bool:
    """Whether the user should look at a mask before it is used."""
    return confidence < DOUBTFUL_BELOW


def is_left_out(confidence: float, reasons: Iterable[str], *, keep_doubtful: bool) -> bool:
    """Whether nothing is to be made of a pair because its mask is not trusted, or is empty.

    Records hold four decimals; the question must have the same answer before and after.

    >>> is_left_out(0.49996, (), keep_doubtful=False), is_left_out(0.3, (), keep_doubtful=False)
    (False, True)
    >>> is_left_out(0.0, ("holes",), keep_doubtful=True), is_left_out(0.0, ("empty",), keep_doubtful=True)
    (False, True)
    """
    too_low = round(confidence, 4) < LEFT_OUT_BELOW and not keep_doubtful
    return too_low or not NOTHING_FOUND.isdisjoint(reasons)


def strong_reasons(reasons: Iterable[str]) -> tuple[str, ...]:
    """Those of the reasons that alone keep the confidence below `LEFT_OUT_BELOW`.

    >>> strong_reasons(("holes", "no_head"))
    ('no_head',)
    """
    return tuple(name for name in reasons if name in REASONS and REASONS[name].strong)


def limited(confidence: float, reasons: Iterable[str]) -> float:
    """A confidence, kept below `LEFT_OUT_BELOW` if any of the reasons to doubt the mask is a strong one.

    >>> limited(0.97, ("holes",)), limited(0.97, ("holes", "no_head")), limited(0.1, ("no_head",))
    (0.97, 0.45, 0.1)
    """
    return min(confidence, _STRONGLY_DOUBTED) if strong_reasons(reasons) else confidence


def with_doubt_of_label(found: GarmentMask, label: GarmentLabel) -> GarmentMask:
    """The mask, doubted as well if its garment's name is a guess: no detection has it.

    A mask that the user gave is where the garment is, whatever its name: then only the name is doubtful.
    """
    if label.score > 0:
        return found
    reasons = (*found.reasons, "nothing_named")
    confidence = (
        min(found.confidence, _NAME_DOUBTED) if found.is_given else limited(found.confidence, reasons)
    )
    return replace(found, confidence=confidence, reasons=reasons)


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
