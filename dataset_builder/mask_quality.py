"""How far to trust a mask, and why not: a confidence and named reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from chromiq.records import BoolMask, FloatImage

if TYPE_CHECKING:
    from dataset_builder.segmenters.body import Body

DOUBTFUL_BELOW = 0.4
_USUAL_SHARE = (0.2, 0.85)


def judge_mask(
    mask: BoolMask, body: Body, probability: FloatImage, trust: float
) -> tuple[float, tuple[str, ...]]:
    """A mask's confidence and the reasons to doubt it.

    Args:
        mask: ``(H, W)`` bool, the garment found.
        body: the person it was found on.
        probability: ``(H, W)`` float32, what the mask was decided from.
        trust: 0..1, how far the still-life's colours were found on the photo.

    Returns:
        Confidence 0..1, and among the reasons ``"empty"``, ``"colour_disagrees"``, ``"touches_skin"``,
        ``"share_of_person"``, ``"fragments"``, ``"holes"`` and ``"undecided"``.
    """
    if not mask.any():
        return 0.0, ("empty",)
    share = mask.sum() / max(body.person.sum(), 1)
    undecided = np.abs(probability[body.person] - 0.5) < 0.4
    skin = body.near_face & mask & (probability < 0.5)
    penalties = {
        "colour_disagrees": (trust < 0.5, 0.1),
        "touches_skin": (skin.sum() > 0.03 * mask.sum(), 0.15),
        "share_of_person": (not _USUAL_SHARE[0] <= share <= _USUAL_SHARE[1], 0.25),
        "fragments": (_parts(mask) > 2, 0.15),
        "holes": (_hole_share(mask) > 0.03, 0.15),
        "undecided": (undecided.sum() > 0.15 * mask.sum(), 0.2),
    }
    reasons = tuple(name for name, (holds, _) in penalties.items() if holds)
    confidence = 0.95 - 0.5 * undecided.sum() / mask.sum() - sum(penalties[name][1] for name in reasons)
    return float(np.clip(confidence, 0.05, 1)), reasons


def _parts(mask: BoolMask) -> int:
    count, _ = cv2.connectedComponents(mask.astype(np.uint8))
    return int(count) - 1


def _hole_share(mask: BoolMask) -> float:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return float((filled.sum() - mask.sum()) / mask.sum())
