"""The weight-free segmenter: person from background, cloth from skin, this garment from the others.

It works on a small copy of the photo. The person is what differs from the plain background; head and skin
come from its outline and the face; the person's colours are clustered, and each cluster is judged by its
likeness to the still-life, by its likeness to the cloth in the middle of the place where such a garment is
worn, and by how much of it lies in that place: first where such garments are worn at all, then between the
two ends that this one's proportions and hems suggest. When nothing on the photo has the still-life's colour,
as on a photo whose colour is yet to be corrected, the still-life's colour loses its vote. GrabCut refines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import (
    Body,
    Kind,
    find_body,
    place_prior,
    seed_box,
    with_head,
)
from chromiq.dataset_builder.segmenters.classic.extent import Extent, find_extent, within_extent
from chromiq.dataset_builder.segmenters.classic.hair import hair
from chromiq.dataset_builder.segmenters.classic.kind import (
    KindChoice,
    decide_kind,
    kind_of_word,
    label_of_kind,
)
from chromiq.dataset_builder.segmenters.classic.palette import (
    LAB_WEIGHTS,
    ColourGroups,
    Palette,
    main_colours,
    recolourings,
)
from chromiq.dataset_builder.segmenters.classic.quality import Evidence, judge_mask
from chromiq.dataset_builder.segmenters.classic.sleeves import ArmCloth, cloth_on_arms
from chromiq.dataset_builder.segmenters.small.person import PersonModels
from chromiq.dataset_builder.segmenters.still_life import grab_cut, keep_large_parts, still_life_mask
from chromiq.records import BoolMask, FloatImage, GarmentLabel, GarmentMask, RgbImage

WORK_HEIGHT_PX = 320
_CLUSTERS = 12
# White cloth before a white wall; lightness counts 0.6 of chroma.
_NEAR_WALL_LAB, _NEAR_WALL_SHARE = 12.0, 0.15
_PLACE_WEIGHT = 1.4
_PIXEL_PLACE_WEIGHT = 1.0
_MATCH_LAB = 8.0
_LEARNED_WEIGHT = 1.0
_MOST_LEARNED = 5.0
_ARMS_WEIGHT, _MOST_ARMS = 2.0, 5.0
_OWN_SLEEVES = 3.0
_MIN_LEARNED_PX = 200
_MIDDLE_IS_CLOTH = 4.0
# A group of colours of which a third or more lies in the middle is no skin.
_MIDDLE_IS_OWN = 3.0
_SKIN_COLOURED = 0.3
_OWN_HOLE_SHARE = 0.6
_LARGEST_HOLE = 0.2
_SMALL_HOLE_PX = 200
_COVER_WEIGHT = 0.5
_MOVE_WEIGHT = 0.3
_EVIDENCE_RANGE = (-10.0, 3.0)
_LAB_PER_EVIDENCE = 4.0
# No light moves a colour so far from all of the garment's that place may outvote it easily.
_FAR_LAB = 14.0


class ClassicSegmenter:
    """Finds the garment by colour, place and outline; needs no weights, but sees more with the small ones."""

    def __init__(self, person_models: PersonModels | None = None) -> None:
        self.name = "mediapipe" if person_models else "classic"
        self._person_models = person_models
        self._last: Look | None = None

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What outline, colours and place of each garment suggest."""
        return [look.label for look in (self._look(*photos) for photos in photo_pairs)]

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks, one after the other."""
        return [
            segment_garment(task, self._look(task.still_life, task.on_model), self.name) for task in tasks
        ]

    def _look(self, still_life: RgbImage, on_model: RgbImage) -> Look:
        """A pair is looked at once, though it is labelled first and segmented then."""
        last = self._last
        if last is None or last.still_life is not still_life or last.on_model is not on_model:
            last = self._last = Look(still_life, on_model, self._person_models)
        return last


class Look:
    """A pair of photos, made small, with the garment found on one and the person on the other.

    Attributes:
        still_life, on_model: the photos as given.
        small_still_life, small: the same, 320 px high.
        garment: ``(h, w)`` bool, the garment on the small still-life.
        palette: its main colours.
        body: the person on the small on-model photo.
    """

    def __init__(
        self, still_life: RgbImage, on_model: RgbImage, person_models: PersonModels | None = None
    ) -> None:
        self.still_life, self.on_model = still_life, on_model
        self.small_still_life, self.small = _at_work_size(still_life), _at_work_size(on_model)
        self.garment = still_life_mask(self.small_still_life)
        self.still_life_lab = srgb_to_lab(self.small_still_life)
        self.palette = main_colours(self.still_life_lab[_inside(self.garment)])
        seen = person_models.see(self.small) if person_models else None
        self.body = find_body(self.small, seen, light_cloth=_like_background(self.palette, self.small))

    @cached_property
    def kind(self) -> KindChoice:
        """Where the garment is worn, by outline, frame and colours."""
        return decide_kind(self.garment, self.small_still_life, self.small, self.body)

    @property
    def label(self) -> GarmentLabel:
        """A word for the garment, with its doubt."""
        return label_of_kind(self.garment, self.kind)


def _like_background(palette: Palette, photo: RgbImage) -> bool:
    """Whether a garment has a colour near that of a photo's border."""
    lab = srgb_to_lab(photo)
    wall = np.median(np.concatenate([lab[0], lab[:, 0], lab[:, -1]]), axis=0) * LAB_WEIGHTS
    near = np.linalg.norm(palette.colours - wall, axis=1) < _NEAR_WALL_LAB
    return bool(palette.shares[near].sum() > _NEAR_WALL_SHARE)


def segment_garment(task: SegmentationTask, look: Look | None = None, source: str = "classic") -> GarmentMask:
    """The garment's mask on the on-model photo, of that photo's size, with a confidence.

    Args:
        task: the two photos and the garment's name; where the name tells where the garment is worn, that
            holds, else the photo decides.
        look: what was found on the two photos already.
        source: the segmenter's name.
    """
    look = look or Look(task.still_life, task.on_model)
    body = look.body
    if not body.person.any():
        empty = np.zeros(look.on_model.shape[:2], bool)
        return GarmentMask(empty, 0.0, ("nobody_found",), source)
    kind = kind_of_word(task.label) or look.kind.kind
    if kind != "lower":
        body = with_head(body)
    over = hair(body, seed_box(body, kind), look.palette) if kind != "lower" else None
    arms = cloth_on_arms(body, kind, look.still_life_lab, _inside(look.garment), over)
    evidence = weigh_evidence(body, kind, look.garment, look.palette, arms, over)
    mask = _refine(look.small, body, kind, evidence.probability)
    confidence, reasons = judge_mask(mask, body, kind, evidence)
    return GarmentMask(_full_size(mask, look.on_model), confidence, reasons, source)


def weigh_evidence(
    body: Body,
    kind: Kind,
    garment: BoolMask,
    palette: Palette,
    arms: ArmCloth | None = None,
    over: BoolMask | None = None,
) -> Evidence:
    """How probably each pixel is the garment, and what else tells how far to trust that.

    Args:
        body: the person on the photo.
        kind: where such a garment is worn.
        garment: ``(h, w)`` bool, the garment on the still-life.
        palette: the still-life garment's main colours as `main_colours` gives them.
        arms: other cloth than the trunk's on the arms, if there is any.
        over: ``(H, W)`` bool, hair that hangs over the garment.
    """
    groups = ColourGroups.of(body.lab, body.person, _CLUSTERS)
    place, middle = place_prior(body, kind), seed_box(body, kind)
    colour, _ = _colour_evidence(groups, body, place, middle, palette)
    like = groups.spread(colour) > 0
    if arms:
        like = like | (arms.likeness > 1) if arms.own else like & (arms.likeness == 0)
    extent = find_extent(body, kind, garment, like, place.mean(axis=1))
    place = within_extent(extent, place, kind)
    colour, trust = _colour_evidence(groups, body, place, middle, palette)
    logit = groups.spread(
        colour + _PLACE_WEIGHT * _log_odds(groups.mean(place), 0.1)
    ) + _PIXEL_PLACE_WEIGHT * np.minimum(_log_odds(place, 0.005), 1.2)
    if arms and not arms.own:
        logit -= _ARMS_WEIGHT * np.minimum(arms.likeness, _MOST_ARMS)
    logit += _LEARNED_WEIGHT * _learned_evidence(body, extent, kind, logit)
    if arms and arms.own:
        logit = np.where(arms.likeness > 1, np.maximum(logit, _OWN_SLEEVES), logit)
    probability = np.where(body.person, 1 / (1 + np.exp(-np.clip(logit, -12, 12))), 0).astype(np.float32)
    probability = _without_skin(probability, body, kind, groups)
    if over is not None:
        probability = np.where(over, np.float32(0), probability)
    between = body.person & ~body.like_skin & (extent.inside > 0.9)[:, None]
    if arms and not arms.own:
        between &= arms.likeness == 0
    return Evidence(probability, groups.spread(colour) > 0, trust, extent.unsure, between)


def _learned_evidence(body: Body, extent: Extent, kind: Kind, logit: FloatImage) -> FloatImage:
    """What this photo itself teaches: is a pixel like the cloth within the extent, or like that beyond it."""
    rows = extent.inside[:, None]
    middle = body.person & body.trunk
    own = middle & (rows > 0.9) & (logit > 1)
    other = (body.person if kind == "lower" else middle) & (rows < 0.1) & ~body.near_face
    if kind != "lower":
        other[: extent.bottom] = False  # head and hair
    if min(own.sum(), other.sum()) < _MIN_LEARNED_PX:
        return np.zeros_like(logit)
    costs = [body.likeness_to_parts(body.lab[sample], 4) for sample in (own, other)]
    ratio = cv2.GaussianBlur((costs[1] - costs[0]).astype(np.float32), (0, 0), 1.5)
    # To be unlike the other cloth says little: skin and hair are so too.
    return np.clip(ratio, -_MOST_LEARNED, _MOST_LEARNED / 10)


def _colour_evidence(
    groups: ColourGroups, body: Body, place: FloatImage, middle: BoolMask, palette: Palette
) -> tuple[FloatImage, float]:
    """How far each group's colour speaks for the garment ``(N,)``, and how far the still-life's was kept."""
    skin = body.skin_likeness(groups.medians) * (1 - np.minimum(groups.mean(middle) * _MIDDLE_IS_OWN, 1))
    mass = groups.sizes * groups.mean(place) * (1 - skin)
    distance, trust = _match(groups.centres, mass / max(mass.sum(), 1e-9), palette)
    return _evidence(distance), trust


def _match(centres: FloatImage, mass: FloatImage, palette: Palette) -> tuple[FloatImage, float]:
    """How far each group of colours is from the still-life's as it looks here, and how far that is kept."""
    looks = recolourings(palette, centres[mass > 0.04])
    apart = np.linalg.norm(centres[None, :, None] - looks[:, None], axis=3)  # look, group, colour
    near = np.exp(-0.5 * (apart / _MATCH_LAB) ** 2)
    explained = (near.max(axis=2) * mass).sum(axis=1)
    found = (near * (mass > 0.01)[:, None]).max(axis=1) @ palette.shares
    moved = np.linalg.norm(looks - palette.colours, axis=2) @ palette.shares
    score = explained + _COVER_WEIGHT * found - _MOVE_WEIGHT * np.minimum(moved / 30, 1)
    best = int(score.argmax())
    return apart[best].min(axis=1), float(np.exp(-0.5 * (max(moved[best] - 4, 0) / 12) ** 2))


def _evidence(distance: FloatImage) -> FloatImage:
    low, high = _EVIDENCE_RANGE
    far = np.maximum(distance - _FAR_LAB, 0)
    return np.clip(high - (distance + far) / _LAB_PER_EVIDENCE, low, high)


def _log_odds(probability: FloatImage, margin: float) -> FloatImage:
    clipped = np.clip(probability, margin, 1 - margin)
    odds: FloatImage = np.log(clipped / (1 - clipped))
    return odds


def _without_skin(probability: FloatImage, body: Body, kind: Kind, groups: ColourGroups) -> FloatImage:
    """Where a pixel and its group of colours are more like the face than like the cloth, it is skin.

    In the middle of where the garment is worn skin is rare and leather or a skin-coloured print is not:
    there the likeness must be great.
    """
    if body.face is None:
        return probability
    middle = seed_box(body, kind)
    sure = middle & (probability > 0.9)
    if (sure & body.like_face).sum() < _SKIN_COLOURED * sure.sum():
        sure &= ~body.like_face
    if sure.sum() <= 60:
        return probability
    ratio = (body.face_cost - body.likeness_to_parts(body.lab[sure])).clip(-8, 8).astype(np.float32)
    ratio = (cv2.GaussianBlur(ratio, (0, 0), 1.2) + groups.spread(groups.mean(ratio))) / 2
    ratio += _MIDDLE_IS_CLOTH * cv2.GaussianBlur(middle.astype(np.float32), (0, 0), 4)
    skin = body.person & (ratio < 0) & body.near_face
    capped = 1 / (1 + np.exp(-np.clip(1.5 * ratio, -12, 0)))
    return np.where(skin, np.minimum(probability, capped), probability).astype(np.float32)


def _refine(small: RgbImage, body: Body, kind: Kind, probability: FloatImage) -> BoolMask:
    trimap = np.full(body.person.shape, cv2.GC_BGD, np.uint8)
    trimap[body.person] = cv2.GC_PR_BGD
    trimap[probability > 0.5] = cv2.GC_PR_FGD
    if (probability > 0.5).sum() < 20:
        return probability > 0.5
    trimap[_eroded(probability > 0.8, 7)] = cv2.GC_FGD
    trimap[_eroded((probability < 0.1) & body.person, 5)] = cv2.GC_BGD
    trimap[probability == 0] = cv2.GC_BGD
    mask = grab_cut(small, trimap, rounds=2) & body.person
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    mask = keep_large_parts(mask, 0.15)
    mask |= _own_holes(mask, body)
    if body.head and kind != "lower":
        mask[: body.head.chin_row(-0.2)] = False
    return mask


def _own_holes(mask: BoolMask, body: Body) -> BoolMask:
    """What a mask wholly encloses: a print, a button or a pocket; but neither a hand nor the background."""
    count, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    size = np.bincount(labels.ravel(), minlength=count)
    cloth = np.bincount(labels[body.person & ~body.near_face], minlength=count)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[mask]]))
    own = ((cloth > _OWN_HOLE_SHARE * size) | (size < _SMALL_HOLE_PX)) & (size < _LARGEST_HOLE * mask.sum())
    own[outside] = False
    return own[labels] & body.person


def _at_work_size(photo: RgbImage) -> RgbImage:
    scale = WORK_HEIGHT_PX / photo.shape[0]
    width_px = max(16, round(photo.shape[1] * scale))
    return cv2.resize(photo, (width_px, WORK_HEIGHT_PX), interpolation=cv2.INTER_AREA)


def _full_size(mask: BoolMask, photo: RgbImage) -> BoolMask:
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return cv2.resize(soft, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_CUBIC) > 0.5


def _inside(mask: BoolMask) -> BoolMask:
    inner = _eroded(mask, 3)
    return inner if inner.any() else mask


def _eroded(mask: BoolMask, side_px: int) -> BoolMask:
    return cv2.erode(mask.astype(np.uint8), np.ones((side_px, side_px), np.uint8)) > 0
