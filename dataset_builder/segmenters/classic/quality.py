"""How far to trust a mask, and why not: the overlap to be expected, and named reasons to doubt it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body, Kind, middle_box
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.doubts import LEFT_OUT_BELOW, limited
from chromiq.dataset_builder.segmenters.small.person import HIPS, SHOULDERS
from chromiq.imaging.masks import opened
from chromiq.records import BoolMask

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.classic.evidence import Evidence


def judge_mask(mask: BoolMask, body: Body, kind: Kind, evidence: Evidence) -> tuple[float, tuple[str, ...]]:
    """A mask's confidence and the reasons to doubt it.

    The confidence is the IoU that the mask would have if its pixels' probabilities were true, times the
    overlap that is left when it is found without the still-life's proportions; one strong reason keeps it
    low. The other reasons tell what to look at: factors for them, for how unsure the ends are, for colours,
    shape, share of the person and the agreement with mirrored or darker photos were fitted and flagged no
    more bad masks of the source that was left out of the fit. Nor does moving the head a little.

    Args:
        mask: ``(H, W)`` bool, the garment found.
        body: the person it was found on.
        kind: where such a garment is worn.
        evidence: what the mask was decided from.

    Returns:
        Confidence 0..1, and among the reasons ``"empty"``, ``"colour_disagrees"``, ``"touches_skin"``,
        ``"covers_body"`` (a model has seen that much of it is hair or skin), ``"not_upright"``,
        ``"misses_middle"`` (it leaves out most of the middle of where such a garment is worn),
        ``"share_of_person"``, ``"fragments"``, ``"holes"``, ``"box_overflow"`` (it runs out of the photo
        where such a garment should have ended), ``"cloth_like_background"`` (only
        its position suggests where it ends), ``"no_head"`` (position and scale are guesses),
        ``"one_colour"`` (other clothes of its colour lie beyond it),
        ``"parts_left_out"`` (cloth beside it, as of sleeves of another pattern, is not in the mask),
        ``"unsure_ends"``, ``"unsteady"`` (it changes when the still-life's proportions are ignored) and
        ``"undecided"``.
    """
    if not mask.any():
        return 0.0, ("empty",)
    probability, size = evidence.probability, mask.sum()
    expected = probability[mask].sum() / (size + probability[~mask].sum())
    low, high = TUNING.quality_usual_share[kind]
    left_out = 0.0 if kind == "lower" else opened(evidence.between_ends & ~mask, 5).sum() / size
    clothed = middle_box(body, kind) & ~(body.near_face | body.seen_bare)
    reasons = {
        "colour_disagrees": evidence.trust < TUNING.quality_least_trust,
        "touches_skin": (body.near_face & mask & (probability < 0.5)).sum() > 0.03 * size,
        "covers_body": _seen_share(mask, body, evidence.alike) > TUNING.quality_most_body_seen,
        "share_of_person": not low <= size / body.person.sum() <= high,
        "misses_middle": _covered(clothed, mask) < TUNING.quality_least_middle,
        "fragments": _parts(mask) > 2,
        "holes": _hole_share(mask) > 0.03,
        "box_overflow": kind == "upper" and _runs_out(mask, body),
        "one_colour": _beyond(evidence.alike, mask, body) > 0.3 * size,
        "cloth_like_background": body.filled > TUNING.quality_most_filled,
        "no_head": kind != "lower" and (body.head is None or body.head.assumed),
        "not_upright": _is_tilted(body),
        "parts_left_out": left_out > TUNING.quality_most_left_out,
        "unsure_ends": evidence.unsure_ends > 0.1,
        "undecided": expected < 0.85,
    }
    named = [name for name, holds in reasons.items() if holds]
    confidence = limited(float(min(expected, 1)), named)
    if confidence >= LEFT_OUT_BELOW:  # else the steadiness, which takes time, decides nothing
        confidence *= evidence.steadiness
        if evidence.steadiness < TUNING.quality_steady:
            named.append("unsteady")
    return confidence, tuple(named)


def _runs_out(mask: BoolMask, body: Body) -> bool:
    """Whether a garment worn above extends to the photo's lower edge, though it should have ended."""
    if not body.head:
        return False
    return bool(mask[-len(mask) // 50 :].any()) and len(mask) > body.head.chin_row(
        TUNING.quality_longest_upper_in_heads
    )


def _beyond(alike: BoolMask, mask: BoolMask, body: Body) -> int:
    """How many pixels of the garment's colours lie beyond it, head and skin apart."""
    others = alike & body.person & ~mask & ~body.near_face
    return int(others[body.head.chin if body.head else 0 :].sum())


def _is_tilted(body: Body) -> bool:
    """Whether a trunk was seen that is not upright."""
    if body.seen is None or not body.seen.visible(SHOULDERS + HIPS):
        return False
    return body.seen.tilt_deg > TUNING.quality_most_tilt_deg


def _seen_share(mask: BoolMask, body: Body, alike: BoolMask) -> float:
    """What share of a mask a model has seen to be hair, or skin unlike the garment: 0..1; 0 without it."""
    return float((body.seen_hair | (body.seen_skin & ~alike))[mask].mean())


def _covered(part: BoolMask, mask: BoolMask) -> float:
    """What share of a part of the photo a mask covers: 0..1; all of nothing."""
    return float(mask[part].mean()) if part.any() else 1.0


def _parts(mask: BoolMask) -> int:
    count, _ = cv2.connectedComponents(mask.astype(np.uint8))
    return int(count) - 1


def _hole_share(mask: BoolMask) -> float:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return float((filled.sum() - mask.sum()) / mask.sum())
