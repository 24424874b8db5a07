"""How probably each pixel is the garment: a sum of named terms, in log odds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, partial

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.body import Body, Kind, place_prior, seed_box
from chromiq.dataset_builder.segmenters.classic.extent import Edges, Extent, find_extent, within_extent
from chromiq.dataset_builder.segmenters.classic.palette import (
    ColourGroups,
    Palette,
    local_shares,
    recolourings,
)
from chromiq.dataset_builder.segmenters.classic.sleeves import ArmCloth
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.records import BoolMask, FloatImage

TERMS = {
    "colour": "near the still-life's colours as they look on this photo",
    "place": "where such a garment is worn, between its two ends",
    "sleeves": "other cloth on the arms: the garment's, or worn beneath",
    "learned": "like the cloth between its ends, not like that beyond",
    "skin": "more like the face than like the cloth",
    "hair": "hair over the garment",
}
"""What speaks for and against each pixel, by name."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a mask was decided from.

    Attributes:
        probability: ``(H, W)`` float32, how probably each pixel is the garment.
        alike: ``(H, W)`` bool, what of the person has the garment's colours, wherever it lies.
        trust: 0..1, how far the still-life's colours were found on the photo.
        unsure_ends: 0..1, what share of the garment's length its ends are unsure by.
        between_ends: ``(H, W)`` bool, all cloth between those ends that is not known to be another garment's.
        terms: by their names in `TERMS`, ``(H, W)`` log odds whose sum, within 12 either way, is that of the
            probability; outside the person and under hair the probability is 0 whatever they say.
        mask_otherwise: finds the mask again without the still-life's proportions, if they count.
    """

    probability: FloatImage
    alike: BoolMask
    trust: float
    unsure_ends: float
    between_ends: BoolMask
    terms: dict[str, FloatImage]
    mask_otherwise: Callable[[], BoolMask] | None = None

    @cached_property
    def steadiness(self) -> float:
        """The overlap that is left when the mask is found without the still-life's proportions: 0..1."""
        if self.mask_otherwise is None:
            return 1.0
        found, again = self.probability > 0.5, self.mask_otherwise()
        return float((found & again).sum() / max((found | again).sum(), 1))


def weigh_evidence(
    body: Body,
    kind: Kind,
    garment: BoolMask,
    palette: Palette,
    arms: ArmCloth | None = None,
    over: BoolMask | None = None,
    without: Collection[str] = (),
    *,
    whole: bool = True,
) -> Evidence:
    """How probably each pixel is the garment, and what else tells how far to trust that.

    Args:
        body: the person on the photo.
        kind: where such a garment is worn.
        garment: ``(h, w)`` bool, the garment on the still-life.
        palette: the still-life garment's main colours.
        arms: other cloth than the trunk's on the arms, if there is any.
        over: ``(H, W)`` bool, hair that hangs over the garment.
        without: names of terms to leave out of the sum. Where the garment begins and ends is still found
            with its colours.
        whole: whether the still-life shows this garment and no other.
    """
    groups = ColourGroups.of(body.lab, body.person, TUNING.evidence_clusters)
    scene = _Scene(body, kind, garment, palette, arms, groups, Edges.of(body, kind))
    worn = _worn(scene, whole=whole)
    extent = worn.extent
    terms: dict[str, FloatImage] = {}
    logit = np.zeros(body.person.shape)

    def add(name: str, term: FloatImage) -> None:
        nonlocal logit
        if name not in without:
            terms[name] = terms.get(name, 0) + term
            logit = logit + term

    add("colour", worn.colour)
    add("place", worn.place)
    if arms and not arms.own:
        add("sleeves", -TUNING.evidence_arms_weight * np.minimum(arms.likeness, TUNING.evidence_most_arms))
    add("learned", TUNING.evidence_learned_weight * _learned_evidence(body, extent, kind, logit))
    if arms and arms.own:
        add("sleeves", np.where(arms.likeness > 1, np.maximum(TUNING.evidence_own_sleeves - logit, 0), 0))
    add("skin", np.minimum(_skin_limit(_probability(logit, body.person), body, kind, groups) - logit, 0))
    shown = body.person
    if over is not None and "hair" not in without:
        add("hair", np.where(over, np.minimum(-TUNING.evidence_most_log_odds - logit, 0), 0))
        shown = body.person & ~over
    between = body.person & ~body.like_skin & (extent.inside > 0.9)[:, None]
    if arms and not arms.own:
        between &= arms.likeness == 0
    return Evidence(
        _probability(logit, shown),
        worn.colour > 0,
        worn.trust,
        extent.unsure,
        between,
        terms,
        partial(_mask_without_proportions, scene, worn, logit, shown) if whole else None,
    )


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is known before it is decided where the garment begins and ends."""

    body: Body
    kind: Kind
    garment: BoolMask
    palette: Palette
    arms: ArmCloth | None
    groups: ColourGroups
    edges: Edges

    @cached_property
    def place(self) -> FloatImage:
        """``(H, W)`` where such garments are worn."""
        return place_prior(self.body, self.kind)

    @cached_property
    def middle(self) -> BoolMask:
        """``(H, W)`` the middle of that place."""
        return seed_box(self.body, self.kind)

    @cached_property
    def like(self) -> BoolMask:
        """``(H, W)`` what has the garment's colours as far as they are known before its ends are."""
        colour, _ = _colour_evidence(self, self.place)
        if not self.arms:
            return colour > 0
        if self.arms.own:
            return (colour > 0) | (self.arms.likeness > 1)
        return (colour > 0) & (self.arms.likeness == 0)


@dataclass(frozen=True, eq=False)
class _Worn:
    """Where a garment is worn, and the ``(H, W)`` terms that follow from it."""

    extent: Extent
    colour: FloatImage
    place: FloatImage
    trust: float


def _worn(scene: _Scene, *, whole: bool) -> _Worn:
    """The garment's ends by its proportions and colours, then its colours between them."""
    rows = scene.place.mean(axis=1)
    extent = find_extent(scene.body, scene.kind, scene.garment, scene.like, rows, scene.edges, whole=whole)
    place = within_extent(extent, scene.place, scene.kind)
    colour, trust = _colour_evidence(scene, place)
    groups = scene.groups
    of_group = groups.spread(TUNING.evidence_place_weight * _log_odds(groups.mean(place), 0.1))
    of_pixel = TUNING.evidence_pixel_place_weight if whole else TUNING.evidence_pixel_place_weight_in_set
    return _Worn(extent, colour, of_group + of_pixel * np.minimum(_log_odds(place, 0.005), 1.2), trust)


def _mask_without_proportions(scene: _Scene, worn: _Worn, logit: FloatImage, shown: BoolMask) -> BoolMask:
    """The mask without the still-life's proportions."""
    other = _worn(scene, whole=False)
    return shown & (logit - worn.colour - worn.place + other.colour + other.place > 0)


def _probability(logit: FloatImage, shown: BoolMask) -> FloatImage:
    odds = np.clip(logit, -TUNING.evidence_most_log_odds, TUNING.evidence_most_log_odds)
    return np.where(shown, 1 / (1 + np.exp(-odds)), 0).astype(np.float32)


def _learned_evidence(body: Body, extent: Extent, kind: Kind, logit: FloatImage) -> FloatImage:
    """What this photo itself teaches: is a pixel like the cloth within the extent, or like that beyond it."""
    rows = extent.inside[:, None]
    middle = body.person & body.trunk
    own = middle & (rows > 0.9) & (logit > 1)
    other = (body.person if kind == "lower" else middle) & (rows < 0.1) & ~body.near_face
    if kind != "lower":
        other[: extent.bottom] = False  # head and hair
    if min(own.sum(), other.sum()) < TUNING.evidence_min_learned_px:
        return np.zeros_like(logit)
    costs = [body.likeness_to_parts(body.lab[sample], 4) for sample in (own, other)]
    ratio = cv2.GaussianBlur((costs[1] - costs[0]).astype(np.float32), (0, 0), 1.5)
    # To be unlike the other cloth says little: skin and hair are so too.
    return np.clip(ratio, -TUNING.evidence_most_learned, TUNING.evidence_most_learned / 10)


def _colour_evidence(scene: _Scene, place: FloatImage) -> tuple[FloatImage, float]:
    """How far each pixel's colour supports the garment ``(H, W)``, and how far the still-life's was kept."""
    groups, body, palette = scene.groups, scene.body, scene.palette
    elsewhere = 1 - np.minimum(groups.mean(scene.middle) * TUNING.evidence_middle_is_own, 1)
    skin = body.skin_likeness(groups.medians) * elsewhere
    mass = groups.sizes * groups.mean(place) * (1 - skin)
    apart, trust = _match(groups.centres, mass / max(mass.sum(), 1e-9), palette)
    evidence = groups.spread(_evidence(apart.min(axis=1)))
    # A colour that the still-life shows in small spots only does not make up a whole skirt.
    nearest = np.append(apart.argmin(axis=1), -1)[groups.labels]
    rare = np.flatnonzero(palette.densest < 1 - TUNING.evidence_denser)
    parts = [nearest == index for index in rare]
    for index, here, share in zip(rare, parts, local_shares(parts, body.person), strict=True):
        excess = share[here] - palette.densest[index] - TUNING.evidence_denser
        crowded = np.clip(TUNING.evidence_crowded_weight * excess, 0, TUNING.evidence_most_crowded)
        evidence[here] -= crowded * elsewhere[groups.labels[here]]
    return evidence, trust


def _match(centres: FloatImage, mass: FloatImage, palette: Palette) -> tuple[FloatImage, float]:
    """How far each group is from each still-life colour as it looks here, and how far those were kept."""
    looks = recolourings(palette, centres[mass > 0.04])
    apart = np.linalg.norm(centres[None, :, None] - looks[:, None], axis=3)  # look, group, colour
    near = np.exp(-0.5 * (apart / TUNING.evidence_match_lab) ** 2)
    explained = (near.max(axis=2) * mass).sum(axis=1)
    found = (near * (mass > 0.01)[:, None]).max(axis=1) @ palette.shares
    moved = np.linalg.norm(looks - palette.colours, axis=2) @ palette.shares
    score = (
        explained
        + TUNING.evidence_cover_weight * found
        - TUNING.evidence_move_weight * np.minimum(moved / 30, 1)
    )
    best = int(score.argmax())
    return apart[best], float(np.exp(-0.5 * (max(moved[best] - 4, 0) / 12) ** 2))


def _evidence(distance: FloatImage) -> FloatImage:
    low, high = TUNING.evidence_evidence_range
    far = np.maximum(distance - TUNING.evidence_far_lab, 0)
    return np.clip(high - (distance + far) / TUNING.evidence_lab_per_evidence, low, high)


def _log_odds(probability: FloatImage, margin: float) -> FloatImage:
    clipped = np.clip(probability, margin, 1 - margin)
    odds: FloatImage = np.log(clipped / (1 - clipped))
    return odds


def _skin_limit(probability: FloatImage, body: Body, kind: Kind, groups: ColourGroups) -> FloatImage:
    """The most that each pixel's log odds may be: below 0 where it is skin rather than cloth.

    Pixel and group are compared with the face and with the garment so far; where a model has seen the skin,
    that counts as well. In the middle of where the garment is worn skin is rare and leather or a
    skin-coloured print is not: there it must be clear.
    """
    limit = np.full(body.person.shape, np.inf)
    seen = body.parts.skin if body.parts else None
    if body.face is None and seen is None:
        return limit
    middle = seed_box(body, kind)
    sure, like_skin = middle & (probability > 0.9), body.like_face
    if seen is not None:
        like_skin = like_skin & body.seen_skin
    if (sure & like_skin).sum() < TUNING.evidence_skin_coloured * sure.sum():
        sure &= ~like_skin
    if sure.sum() <= 60:
        return limit
    ratio = np.zeros(body.person.shape, np.float32)
    if body.face is not None:
        ratio = (body.face_cost - body.likeness_to_parts(body.lab[sure])).clip(-8, 8).astype(np.float32)
        ratio = (cv2.GaussianBlur(ratio, (0, 0), 1.2) + groups.spread(groups.mean(ratio))) / 2
    ratio += TUNING.evidence_middle_is_cloth[seen is not None] * cv2.GaussianBlur(
        middle.astype(np.float32), (0, 0), 4
    )
    if seen is not None:
        ratio -= TUNING.evidence_seen_skin_weight * _log_odds(seen, TUNING.evidence_seen_skin_margin)
    skin = body.person & (ratio < 0) & body.near_face
    return np.where(
        skin, np.maximum(TUNING.evidence_skin_slope * ratio, -TUNING.evidence_most_log_odds), limit
    )
