"""Where a garment is worn: by its name, else by its outline and by where the photo shows its colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import KINDS, Body, Kind, seed_box
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.still_life import row_spans
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement
from chromiq.records import BoolMask, FloatImage, GarmentLabel

UPPER_WORDS = frozenset(
    (
        *("shirt", "t-shirt", "tee", "top", "tank", "camisole", "blouse", "tunic", "bodysuit", "polo"),
        *("jumper", "sweater", "pullover", "sweatshirt", "hoodie", "cardigan", "knitwear"),
        *("jacket", "blazer", "bomber", "parka", "gilet", "vest", "waistcoat"),
    )
)
LOWER_WORDS = frozenset(
    ("trousers", "pants", "jeans", "chinos", "shorts", "skirt", "leggings", "joggers", "culottes")
)
FULL_WORDS = frozenset(
    ("dress", "jumpsuit", "playsuit", "dungarees", "overalls", "coat", "gown", "robe", "kaftan")
)

_WORDS: dict[Kind, frozenset[str]] = {"upper": UPPER_WORDS, "lower": LOWER_WORDS, "full": FULL_WORDS}


@dataclass(frozen=True)
class KindChoice:
    """A kind, and by how much more speaks for it than for the next one.

    Attributes:
        kind: where the garment is worn.
        margin: log odds against the runner-up; 0 is a toss-up, infinite is a word that tells.
        terms: what speaks for each kind, in log odds: name to kind to value.
    """

    kind: Kind
    margin: float
    terms: dict[str, dict[Kind, float]]


@dataclass(frozen=True)
class Outline:
    """What the outline of a flat garment shows.

    Attributes:
        aspect: height over width.
        waist: its width at the upper edge over that a little below.
        legs: whether its lower part is parted.
    """

    aspect: float
    waist: float
    legs: bool

    @classmethod
    def of(cls, still_life_mask: BoolMask) -> Outline:
        """The outline of a still-life's mask ``(h, w)``."""
        mask = _cut_out(still_life_mask)
        height_px, width_px = mask.shape
        waist = _width(mask, 0.03) / max(_width(mask, 0.1), 1.0)
        return cls(height_px / width_px, waist, has_legs(still_life_mask))


def kind_of_word(label: str) -> Kind | None:
    """Where a garment of a name is worn; None if the name does not tell. The last word that tells rules.

    >>> kind_of_word("Shirt dress"), kind_of_word("N.Y. jacket, blue"), kind_of_word("two-piece")
    ('full', 'upper', None)
    """
    for word in reversed(re.findall(r"[\w-]+", label.lower())):
        for kind, known in _WORDS.items():
            if word in known or word.removesuffix("s") in known:
                return kind
    return None


_WORD_OF_PART: dict[Kind, str] = {"upper": "top", "lower": "trousers", "full": "dress"}


def words_of_part(vocabulary: Sequence[str], part: Kind | None) -> tuple[str, ...]:
    """The words of a vocabulary for what is worn on a part of the body, or one, if it has none.

    >>> words_of_part(("shirt", "trousers", "gilet"), "upper"), words_of_part(("shirt",), "full")
    (('shirt', 'gilet'), ('dress',))
    """
    if part is None:
        return tuple(vocabulary)
    return tuple(word for word in vocabulary if kind_of_word(word) == part) or (_WORD_OF_PART[part],)


def word_of_part(label: str, part: Kind | None) -> str:
    """What to look for on a part of the body: the label, unless it is worn elsewhere.

    >>> word_of_part("blazer", "upper"), word_of_part("suit", "lower"), word_of_part("suit", None)
    ('blazer', 'trousers', 'suit')
    """
    return label if part is None or kind_of_word(label) == part else _WORD_OF_PART[part]


def decide_kind(garment: BoolMask, still_life_lab: FloatImage, body: Body) -> KindChoice:
    """Where the garment is worn on a photo.

    Three things speak, each in log odds: the outline; how much of the place where such a garment is worn
    is on the photo at all; and where the still-life's colours are found.

    Args:
        garment: ``(h, w)`` bool, the garment on the still-life.
        still_life_lab: ``(h, w, 3)`` Lab.
        body: the person on the photo.
    """
    terms = {
        "outline": _by_outline(Outline.of(garment)),
        "frame": _by_frame(body),
        "colour": _by_colour(still_life_lab[garment], body),
    }
    total = {kind: sum(term[kind] for term in terms.values()) for kind in KINDS}
    first, second, _ = sorted(KINDS, key=lambda kind: -total[kind])
    return KindChoice(first, total[first] - total[second], terms)


def label_of_kind(garment: BoolMask, choice: KindChoice) -> GarmentLabel:
    """A word for a garment that nobody named, with its doubt: the kind is sure, the word much less.

    The score is 0, that of a guess, if the kind is a toss-up.

    Args:
        garment: ``(h, w)`` bool, the garment on the still-life.
        choice: where it is worn.
    """
    outline = Outline.of(garment)
    sure = 1 / (1 + np.exp(-choice.margin)) if choice.margin >= TUNING.kind_least_margin else 0.0

    def label(name: str, runner_up: str, score: float) -> GarmentLabel:
        return GarmentLabel(name, "silhouette", round(float(score * sure), 4), runner_up)

    if choice.kind == "full":
        return label("dress", "coat", 0.6)
    if choice.kind == "lower":
        if outline.aspect > (1.8 if outline.legs else 2.2):
            return label("trousers", "skirt", 0.8 if outline.legs else 0.5)
        return label("shorts", "trousers", 0.6) if outline.legs else label("skirt", "shorts", 0.6)
    mask = _cut_out(garment)
    upper = max(_width(mask, share) for share in np.arange(0.2, 0.5, 0.02))
    if _width(mask, 0.7) < TUNING.kind_short_sleeves * upper:
        return label("T-shirt", "shirt", 0.5)
    return label("shirt", "jacket", 0.4)


def has_legs(still_life_mask: BoolMask) -> bool:
    """Whether the lower part of an outline is parted about its middle."""
    rows, columns = np.nonzero(still_life_mask)
    top, height_px = rows.min(), np.ptp(rows) + 1
    left, width_px = columns.min(), np.ptp(columns) + 1
    band = still_life_mask[
        top + int(0.7 * height_px) : top + int(0.97 * height_px),
        left + int(0.38 * width_px) : left + int(0.62 * width_px) + 1,
    ]
    # Between legs the gap is narrow; below a jumper's hem, between its sleeves, it is as wide as the band.
    gap = (~band).mean(axis=1) if band.size else np.zeros(1)
    return bool(((gap > 0) & (gap < TUNING.kind_widest_gap)).mean() > TUNING.kind_parted_share)


def _by_outline(outline: Outline) -> dict[Kind, float]:
    waist = outline.waist > TUNING.kind_waist
    if outline.aspect > TUNING.kind_long:
        return (
            {"upper": -3.0, "lower": 3.0, "full": -1.0}
            if outline.legs
            else {"upper": 0.0, "lower": 1.5 if waist else -2.0, "full": 0.0 if waist else 2.0}
        )
    if outline.legs and waist:
        return {"upper": 0.0, "lower": 3.0, "full": -2.0}
    return {"upper": 2.0, "lower": 1.5 if waist else -2.0, "full": -1.0}


def _by_frame(body: Body) -> dict[Kind, float]:
    """Who photographs a garment has it in the picture."""
    if body.head is None:
        return {"upper": -1.5, "lower": 1.5, "full": -1.5}
    heads_below = (len(body.person) - body.head.chin) / max(body.head.chin - body.head.top, 1)
    lower = float(np.clip(2.0 * (heads_below - 5.2), -3, 0))
    return {"upper": 0.0, "lower": lower, "full": lower / 2}


def _by_colour(garment_lab: FloatImage, body: Body) -> dict[Kind, float]:
    if body.head is None:
        return {"upper": 0.0, "lower": 0.0, "full": 0.0}
    found = []
    for kind in ("upper", "lower"):
        box = seed_box(body, kind) & ~body.near_face
        seen = box.sum() >= TUNING.kind_min_seed_px
        found.append(colour_agreement(garment_lab, body.lab[box]) if seen else np.nan)
    upper, lower = found
    if not np.isfinite(upper + lower):
        return {"upper": 0.0, "lower": 0.0, "full": 0.0}
    most = TUNING.kind_most_colour
    apart = float(np.clip(8 * (upper - lower), -most, most))
    return {"upper": apart, "lower": -apart, "full": 0.5 - abs(apart)}


def _cut_out(mask: BoolMask) -> BoolMask:
    rows, columns = np.nonzero(mask)
    return mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _width(mask: BoolMask, height_share: float) -> float:
    """From edge to edge at a share of the height, over a fiftieth of it."""
    top = int(height_share * len(mask))
    band = mask[top : top + max(2, len(mask) // 50)]
    return float(np.diff(row_spans(band)).mean())
