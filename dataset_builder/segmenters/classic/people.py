"""Several people on one photo: where each stands, and which of them wears the garment."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters.classic.body import Body, Kind, seed_box
from chromiq.dataset_builder.segmenters.small.person import SeenPerson
from chromiq.dataset_builder.segmenters.still_life import background_distance, foreground
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement
from chromiq.records import BoolMask, RgbImage

# A second person is so large beside the first; what is less is an arm, a bag or a prop.
_LEAST_AREA, _LEAST_HEIGHT = 0.35, 0.6
_LEAST_HEIGHT_OF_PHOTO = 0.5
_LEAST_ASPECT = 1.3
_PERSON_FROM = 0.5
_CLOSING_PX = 5
_PLACES: tuple[Kind, ...] = ("upper", "lower", "full")


def columns_of_people(photo: RgbImage, seen: SeenPerson | None = None) -> list[int]:
    """Where the people on a small photo begin and end, from left to right, if they stand apart.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        seen: what the person models saw on it.

    Returns:
        The columns at which the people begin and end: 0, those between them, and the photo's width. People
        who touch count as one.
    """
    persons = [foreground(*background_distance(srgb_to_lab(photo)))]
    if seen is not None:  # which may leave out a second person
        persons.append(seen.probability > _PERSON_FROM)
    return max(([0, *_gaps(person), photo.shape[1]] for person in persons), key=len)


def _gaps(person: BoolMask) -> list[int]:
    """The columns that part the people of an outline ``(H, W)``."""
    closed = cv2.morphologyEx(person.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((_CLOSING_PX,) * 2, np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    left, _, width, height, area = stats[1:].T
    if len(area) < 2:
        return []
    tall = height > max(_LEAST_HEIGHT * height[area.argmax()], _LEAST_HEIGHT_OF_PHOTO * len(person))
    large = (area > _LEAST_AREA * area.max()) & tall & (height > _LEAST_ASPECT * width)
    order = np.flatnonzero(large)[np.argsort(left[large])]
    between = [(left[one] + width[one], left[other]) for one, other in pairwise(order)]
    return [int(end + start) // 2 for end, start in between] if all(e < s for e, s in between) else []


def likeness_of_clothes(still_life: RgbImage, garment: BoolMask, photo: RgbImage, body: Body) -> float:
    """How like the still-life's the colours are that somebody wears, where they are most so: 0..1.

    Args:
        still_life: ``(h, w, 3)`` uint8 sRGB.
        garment: ``(h, w)`` bool, the garment on it.
        photo: ``(H, W, 3)`` uint8 sRGB, one person.
        body: this person.
    """
    if not body.person.any():
        return 0.0
    places = [seed_box(body, kind) & ~body.near_face for kind in _PLACES]
    return max(colour_agreement(still_life, garment, photo, place) for place in places)
