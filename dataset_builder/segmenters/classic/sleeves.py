"""Sleeves of another cloth than the trunk: the garment's if its still-life shows such, else worn beneath."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body, Kind, cost_under_parts
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.still_life import row_spans
from chromiq.records import BoolMask, FloatImage


def is_sleeveless(garment: BoolMask) -> bool:
    """Whether the outline of a top, a gilet or a dress on a still-life has no sleeves.

    Args:
        garment: ``(h, w)`` bool, the garment on the still-life.
    """
    rows, columns = np.nonzero(garment)
    outline = garment[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    left, right = (int(share * outline.shape[1]) for share in (0.35, 0.65))
    middle = np.flatnonzero(outline[:, left : right + 1].any(axis=1))
    if not middle.size:
        return False
    length = middle[-1] - middle[0] + 1
    width = np.diff(row_spans(outline))[:, 0] / length
    start = middle[0]

    def over(low: float, high: float) -> FloatImage:
        return width[start + int(low * length) : start + int(high * length) + 1]

    shoulders, armholes = over(*TUNING.sleeves_shoulders).max(), over(*TUNING.sleeves_armholes)
    cut_in = (
        armholes.min() < shoulders - TUNING.sleeves_dip and armholes.max() < shoulders + TUNING.sleeves_dip
    )
    straight = (
        width.argmax() - start < TUNING.sleeves_widest_above * length
        and width.max() - over(TUNING.sleeves_hem, TUNING.sleeves_hem)[0] < TUNING.sleeves_most_fall
    )
    return bool(cut_in or straight)


def sides_alike(lab: FloatImage, garment: BoolMask) -> bool:
    """Whether a garment's cloth at its sides, where sleeves lie, is that of its middle.

    Args:
        lab: ``(h, w, 3)`` Lab, the still-life.
        garment: ``(h, w)`` bool, the garment on it.
    """
    rows = np.flatnonzero(garment.any(axis=1))
    top, bottom = (int(rows[0] + share * (rows[-1] - rows[0])) for share in TUNING.sleeves_sleeve_rows)
    band = garment[top:bottom]
    if not band.any(axis=1).all():
        return False
    left, right = (row_spans(band) - (0, 1)).T[..., None]
    aside = np.abs(np.arange(band.shape[1]) - (left + right) / 2) / np.maximum((right - left) / 2, 1)
    side, middle = (
        lab[top:bottom][band & where]
        for where in (aside > TUNING.sleeves_side, aside < TUNING.sleeves_middle)
    )
    if min(len(side), len(middle)) < TUNING.sleeves_min_px:
        return False
    foreign = cost_under_parts(middle, side) - cost_under_parts(side, side)
    return bool(np.median(foreign) < TUNING.sleeves_foreign_side)


@dataclass(frozen=True, eq=False)
class ArmCloth:
    """Cloth on the arms that is another than that on the trunk.

    Attributes:
        likeness: ``(H, W)`` float32 from 0, how much each pixel is like it rather than like the trunk's: a
            log likelihood ratio.
        own: whether it is the garment's, by the still-life; else it is worn beneath.
    """

    likeness: FloatImage
    own: bool


def cloth_on_arms(
    body: Body, kind: Kind, still_life_lab: FloatImage, garment: BoolMask, hair: BoolMask | None = None
) -> ArmCloth | None:
    """The cloth on the arms, and whose it is; None if they are bare or of the trunk's own cloth.

    Args:
        body: who wears the garment.
        kind: where it is worn; one worn below has no sleeves to tell.
        still_life_lab: ``(h, w, 3)`` Lab.
        garment: ``(h, w)`` bool, the garment on the still-life.
        hair: ``(H, W)`` bool, hair that hangs over it.
    """
    aside = _aside(body)
    if kind == "lower" or body.head is None or aside is None:
        return None
    sleeveless = is_sleeveless(garment)
    own = not sleeveless and not sides_alike(still_life_lab, garment)
    if own and body.face is None:
        return None  # bare arms would look like sleeves
    first, last = (body.head.chin_row(heads) for heads in TUNING.sleeves_rows_in_heads[kind])
    cloth = body.person & ~body.near_face
    if hair is not None:
        cloth &= ~hair
    cloth[:first] = cloth[last:] = False
    arms, trunk = (
        cloth & (aside > TUNING.sleeves_arm),
        cloth & (aside < (TUNING.sleeves_chest if own else TUNING.sleeves_trunk)),
    )
    if own:  # below the chest they may lie before the trunk, and are the garment's there too
        above, below = (body.head.chin_row(heads) for heads in TUNING.sleeves_chest_in_heads)
        trunk[:above] = trunk[below:] = False
    beside = body.person & (aside > TUNING.sleeves_arm)
    bare = arms.sum() < TUNING.sleeves_least_covered * beside[first:last].sum()
    if bare or min(arms.sum(), trunk.sum()) < TUNING.sleeves_min_px:
        return None
    of_trunk, of_arms = (body.likeness_to_parts(body.lab[sample]) for sample in (trunk, arms))
    ratio = cv2.GaussianBlur(of_trunk - of_arms, (0, 0), 1.5)
    margin, share = TUNING.sleeves_distinct[sleeveless]
    if min((ratio[arms] > margin).mean(), (ratio[trunk] < -margin).mean()) < share:
        return None
    if sleeveless:  # what is so far aside is no gilet's, whatever its colour
        ratio[first : None if kind == "upper" else last] += np.clip(
            (aside - TUNING.sleeves_trunk_end) / TUNING.sleeves_end_softness, 0, TUNING.sleeves_most_aside
        )
    if own:
        ratio = np.where(cloth & (aside > TUNING.sleeves_trunk), ratio, 0)
    return ArmCloth(np.maximum(ratio, 0), own)


def _aside(body: Body) -> FloatImage | None:
    """How far each column is from the body's middle, in halves of the shoulders' width: ``(W,)``."""
    if body.head is None:
        return None
    rows = body.person[body.head.chin_row(0.4) : body.head.chin_row(0.65)]
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        return None
    left, right = np.median(row_spans(rows), axis=0) - (0, 1)
    offset = np.arange(body.person.shape[1]) - body.axis
    half_px = np.where(offset < 0, body.axis - left, right - body.axis)
    return np.abs(offset) / np.maximum(half_px, 4)
