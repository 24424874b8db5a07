"""Several people on one photo: where each stands, and which of them wears the garment."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters.classic.body import Body, Kind, seed_box
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.small.person import SeenPerson
from chromiq.dataset_builder.segmenters.still_life import background_distance, foreground
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement
from chromiq.records import BoolMask, RgbImage

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
        persons.append(seen.probability > TUNING.people_person_from)
    return max(([0, *_gaps(person), photo.shape[1]] for person in persons), key=len)


def _gaps(person: BoolMask) -> list[int]:
    """The columns that part the people of an outline ``(H, W)``."""
    closed = cv2.morphologyEx(
        person.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((TUNING.people_closing_px,) * 2, np.uint8)
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    left, _, width, height, area = stats[1:].T
    if len(area) < 2:
        return []
    tall = height > max(
        TUNING.people_least_height * height[area.argmax()], TUNING.people_least_height_of_photo * len(person)
    )
    large = (
        (area > TUNING.people_least_area * area.max()) & tall & (height > TUNING.people_least_aspect * width)
    )
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
