"""What is worn beneath a garment: sleeves on the photo of a cloth that the still-life does not show."""

from __future__ import annotations

import cv2
import numpy as np

from chromiq.records import BoolMask, FloatImage
from dataset_builder.segmenters.body import Body, cost_under_parts

# At these shares of its length an outline without sleeves is no wider at the armholes than at the shoulders;
# or it is widest below them and hangs nearly straight from there. Long sleeves widen it down to their cuffs,
# and short ones end at once.
_SHOULDERS, _ARMHOLES, _DIP = (0.05, 0.16), (0.16, 0.38), 0.015
_WIDEST_ABOVE, _HEM, _MOST_FALL = 0.6, 0.8, 0.1
# As shares of half the width of the shoulders: what is surely trunk, where it ends, what is surely arm.
_TRUNK, _TRUNK_END, _ARM = 0.6, 0.8, 0.9
_END_SOFTNESS = 0.04
_ROWS_IN_HEADS = (0.3, 2.6)
_MIN_PX = 200
# What share of arms and trunk must be how much more like itself than like the other.
_DISTINCT = {True: (0.0, 0.8), False: (0.5, 0.85)}
_MOST_ASIDE = 6.0
# On a still-life: rows, and shares of half the width, where sleeves would lie and where the body lies.
_SLEEVE_ROWS, _SIDE, _MIDDLE = (0.25, 0.85), 0.8, 0.45
# Cloth of one kind differs by under 1 there, sleeves of another colour by 18 and more.
_FOREIGN_SIDE = 3.0


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
    width = np.array([np.ptp(np.flatnonzero(row)) + 1 if row.any() else 0 for row in outline]) / length
    start = middle[0]

    def over(low: float, high: float) -> FloatImage:
        return width[start + int(low * length) : start + int(high * length) + 1]

    shoulders, armholes = over(*_SHOULDERS).max(), over(*_ARMHOLES)
    cut_in = armholes.min() < shoulders - _DIP and armholes.max() < shoulders + _DIP
    straight = (
        width.argmax() - start < _WIDEST_ABOVE * length and width.max() - over(_HEM, _HEM)[0] < _MOST_FALL
    )
    return bool(cut_in or straight)


def sides_alike(lab: FloatImage, garment: BoolMask) -> bool:
    """Whether a garment's cloth at its sides, where sleeves lie, is that of its middle.

    Args:
        lab: ``(h, w, 3)`` Lab, the still-life.
        garment: ``(h, w)`` bool, the garment on it.
    """
    rows = np.flatnonzero(garment.any(axis=1))
    top, bottom = (int(rows[0] + share * (rows[-1] - rows[0])) for share in _SLEEVE_ROWS)
    band = garment[top:bottom]
    if not band.any(axis=1).all():
        return False
    left = band.argmax(axis=1)[:, None]
    right = band.shape[1] - 1 - band[:, ::-1].argmax(axis=1)[:, None]
    aside = np.abs(np.arange(band.shape[1]) - (left + right) / 2) / np.maximum((right - left) / 2, 1)
    side, middle = (lab[top:bottom][band & where] for where in (aside > _SIDE, aside < _MIDDLE))
    if min(len(side), len(middle)) < _MIN_PX:
        return False
    foreign = cost_under_parts(middle, side) - cost_under_parts(side, side)
    return bool(np.median(foreign) < _FOREIGN_SIDE)


def cloth_beneath(body: Body, *, sleeveless: bool) -> FloatImage | None:
    """How much each pixel is like the cloth on the arms rather than like that on the trunk.

    Args:
        body: who wears a garment of one cloth.
        sleeveless: whether its outline shows that it has no sleeves; else the cloths must differ clearly.

    Returns:
        ``(H, W)`` float32, a log likelihood ratio, above 0 for what is worn beneath; for a sleeveless
        garment high on the arms in any case. None if the arms are bare or of the trunk's own cloth.
    """
    aside = _aside(body)
    if body.head is None or aside is None:
        return None
    first, last = (body.head.chin_row(heads) for heads in _ROWS_IN_HEADS)
    cloth = body.person & ~body.near_face
    cloth[:first] = cloth[last:] = False
    arms, trunk = cloth & (aside > _ARM), cloth & (aside < _TRUNK)
    if min(arms.sum(), trunk.sum()) < _MIN_PX:
        return None
    of_trunk, of_arms = (body.likeness_to_parts(body.lab[sample]) for sample in (trunk, arms))
    ratio = cv2.GaussianBlur((of_trunk - of_arms).astype(np.float32), (0, 0), 1.5)
    margin, share = _DISTINCT[sleeveless]
    if min((ratio[arms] > margin).mean(), (ratio[trunk] < -margin).mean()) < share:
        return None
    if sleeveless:
        ratio[first:] += np.clip((aside - _TRUNK_END) / _END_SOFTNESS, 0, _MOST_ASIDE)
    return ratio


def _aside(body: Body) -> FloatImage | None:
    """How far each column is from the body's middle, in halves of the shoulders' width: ``(W,)``."""
    if body.head is None:
        return None
    rows = body.person[body.head.chin_row(0.4) : body.head.chin_row(0.65)]
    ends = [np.flatnonzero(row)[[0, -1]] for row in rows if row.any()]
    if not ends:
        return None
    left, right = np.median(ends, axis=0)
    offset = np.arange(body.person.shape[1]) - body.axis
    half_px = np.where(offset < 0, body.axis - left, right - body.axis)
    return np.abs(offset) / np.maximum(half_px, 4)
