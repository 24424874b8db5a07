"""How far to trust a mask, and why not: the overlap to be expected, and named reasons to doubt it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from chromiq.records import BoolMask, GarmentLabel, GarmentMask

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.classic.body import Body, Kind
    from chromiq.dataset_builder.segmenters.classic.evidence import Evidence

DOUBTFUL_BELOW = 0.8
"""Below this expected IoU the user should look at the mask: `build` and `correct` ask for it."""
LEFT_OUT_BELOW = 0.5
"""Below this one, a mask is more likely wrong than right, and nothing is trained on it unless asked for."""
_GUESSED_NAME = 0.75
"""Doubtful, not left out."""

_USUAL_SHARE: dict[str, tuple[float, float]] = {
    "upper": (0.15, 0.85),
    "lower": (0.15, 0.9),
    "full": (0.3, 0.97),
}
_LONGEST_UPPER_IN_HEADS = 2.8
# Beside good masks lies 6 % at most, beside one without the sleeves more than 40 %.
_MOST_LEFT_OUT = 0.2
_MOST_FILLED = 0.1
# Fitted on 544 masks with and without the fetched weights, 49 of them under IoU 0.75: of real, real2's two
# sources and drawn pairs, as they are, with a colour error, before another wall and cut above the garment. 46
# of the 49 lie below `DOUBTFUL_BELOW`, and 25 % of the others; without the steadiness it was 37 and 21 %.
_STEADY = 0.8
# The factors are not independent: their product is lower than the IoU that masks turn out to have.
_CALIBRATION = 0.75
_PENALTY = {
    "colour_disagrees": 0.95,
    "share_of_person": 0.85,
    "box_overflow": 0.5,
    "cloth_like_background": 0.55,
    "no_head": 0.74,
    "one_colour": 0.97,
    "fragments": 0.95,
    "holes": 0.95,
}


def is_doubtful(confidence: float) -> bool:
    """Whether the user should look at a mask before it is trained on."""
    return confidence < DOUBTFUL_BELOW


def is_left_out(confidence: float, *, keep_doubtful: bool) -> bool:
    """Whether nothing is to be made of a pair: its mask is more likely wrong than right.

    Records hold four decimals; the question must have the same answer before and after.

    >>> is_left_out(0.49996, keep_doubtful=False), is_left_out(0.3, keep_doubtful=False)
    (False, True)
    """
    return round(confidence, 4) < LEFT_OUT_BELOW and not keep_doubtful


def with_doubt_of_label(found: GarmentMask, label: GarmentLabel) -> GarmentMask:
    """The mask, doubtful as well if its garment's name is a guess: no detection has it."""
    if label.score > 0:
        return found
    confidence = min(found.confidence, _GUESSED_NAME)
    return replace(found, confidence=confidence, reasons=(*found.reasons, "nothing_named"))


def judge_mask(mask: BoolMask, body: Body, kind: Kind, evidence: Evidence) -> tuple[float, tuple[str, ...]]:
    """A mask's confidence and the reasons to doubt it.

    The confidence is the IoU that the mask would have if its pixels' probabilities were true, lowered by
    how unsure the garment's ends are, by how much the mask changes when it is found a little differently,
    and by each doubt that the probabilities do not include.

    Args:
        mask: ``(H, W)`` bool, the garment found.
        body: the person it was found on.
        kind: where such a garment is worn.
        evidence: what the mask was decided from.

    Returns:
        Confidence 0..1, and among the reasons ``"empty"``, ``"colour_disagrees"``, ``"touches_skin"``,
        ``"share_of_person"``, ``"fragments"``, ``"holes"``, ``"box_overflow"`` (it runs out of the photo
        where such a garment should have ended), ``"cloth_like_background"`` (only
        its position suggests where it ends), ``"no_head"`` (position and scale are guesses),
        ``"one_colour"`` (other clothes of its colour lie beyond it),
        ``"parts_left_out"`` (cloth beside it, as of sleeves of another pattern, is not in the mask),
        ``"unsure_ends"``, ``"unsteady"`` (it changes when it is found a little differently) and
        ``"undecided"``.
    """
    if not mask.any():
        return 0.0, ("empty",)
    probability, size = evidence.probability, mask.sum()
    expected = probability[mask].sum() / (size + probability[~mask].sum())
    low, high = _USUAL_SHARE[kind]
    left_out = 0.0 if kind == "lower" else _opened(evidence.between_ends & ~mask).sum() / size
    reasons = {
        "colour_disagrees": evidence.trust < 0.5,
        "touches_skin": (body.near_face & mask & (probability < 0.5)).sum() > 0.03 * size,
        "share_of_person": not low <= size / body.person.sum() <= high,
        "fragments": _parts(mask) > 2,
        "holes": _hole_share(mask) > 0.03,
        "box_overflow": kind == "upper" and _runs_out(mask, body),
        "one_colour": _beyond(evidence.alike, mask, body) > 0.3 * size,
        "cloth_like_background": body.filled > _MOST_FILLED,
        "no_head": kind != "lower" and (body.head is None or body.head.assumed),
        "parts_left_out": left_out > _MOST_LEFT_OUT,
        "unsure_ends": evidence.unsure_ends > 0.1,
        "unsteady": evidence.steadiness < _STEADY,
        "undecided": expected < 0.85,
    }
    named = tuple(name for name, holds in reasons.items() if holds)
    confidence = expected * (1 - evidence.unsure_ends) * evidence.steadiness
    confidence *= np.prod([_PENALTY.get(name, 1.0) for name in named])
    if left_out > _MOST_LEFT_OUT:
        confidence /= 1 + left_out  # the overlap if all of it is the garment's
    return float(np.clip(confidence, 0, 1) ** _CALIBRATION), named


def _runs_out(mask: BoolMask, body: Body) -> bool:
    """Whether a garment worn above extends to the photo's lower edge, though it should have ended."""
    if not body.head:
        return False
    return bool(mask[-len(mask) // 50 :].any()) and len(mask) > body.head.chin_row(_LONGEST_UPPER_IN_HEADS)


def _beyond(alike: BoolMask, mask: BoolMask, body: Body) -> int:
    """How many pixels of the garment's colours lie beyond it, head and skin apart."""
    others = alike & body.person & ~mask & ~body.near_face
    return int(others[body.head.chin if body.head else 0 :].sum())


def _opened(mask: BoolMask) -> BoolMask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0


def _parts(mask: BoolMask) -> int:
    count, _ = cv2.connectedComponents(mask.astype(np.uint8))
    return int(count) - 1


def _hole_share(mask: BoolMask) -> float:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return float((filled.sum() - mask.sum()) / mask.sum())
