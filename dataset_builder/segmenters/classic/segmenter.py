"""The weight-free segmenter: person from background, cloth from skin, this garment from the others.

It works on a small copy of the photo. The person is what differs from the plain background; head and skin
come from its outline and the face; the person's colours are clustered, and each cluster is judged by its
likeness to the still-life, by its likeness to the cloth in the middle of the place where such a garment is
worn, and by how much of it lies in that place: first where such garments are worn at all, then between the
two ends that this one's proportions and hems suggest. When nothing on the photo has the still-life's colour,
as on a photo whose colour is yet to be corrected, the still-life's colour loses its vote. GrabCut refines.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import cv2
import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.body import (
    KINDS,
    Body,
    Kind,
    find_body,
    hair,
    seed_box,
    with_head,
)
from chromiq.dataset_builder.segmenters.classic.evidence import Evidence, weigh_evidence
from chromiq.dataset_builder.segmenters.classic.kind import (
    KindChoice,
    decide_kind,
    kind_of_word,
    label_of_kind,
)
from chromiq.dataset_builder.segmenters.classic.palette import (
    LAB_WEIGHTS,
    Palette,
    cluster,
)
from chromiq.dataset_builder.segmenters.classic.quality import judge_mask
from chromiq.dataset_builder.segmenters.classic.sleeves import cloth_on_arms
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.doubts import limited
from chromiq.dataset_builder.segmenters.small.person import PersonModels, SeenPerson
from chromiq.dataset_builder.segmenters.still_life import (
    find_on_still_life,
    grab_cut,
    keep_large_parts,
    without_cast,
)
from chromiq.dataset_builder.segmenters.still_life_match import colour_agreement
from chromiq.imaging.masks import closed, dilated, eroded, opened
from chromiq.imaging.picture_frame import inside_frame
from chromiq.records import BoolMask, FloatImage, GarmentLabel, GarmentMask, RgbImage


class ClassicSegmenter:
    """Finds the garment by colour, place and outline; needs no weights, but sees more with the small ones.

    Args:
        person_models: the small weights, if they are here.
        part: where the garment is worn, whatever it is called; None leaves that to its name and the photos.
    """

    def __init__(self, person_models: PersonModels | None = None, part: Kind | None = None) -> None:
        self.name = (person_models.name if person_models else "classic") + (f":{part}" if part else "")
        self._person_models = person_models
        self._part = part
        self._last: Look | None = None

    def label(self, photo_pairs: Sequence[tuple[RgbImage, RgbImage]]) -> list[GarmentLabel]:
        """What outline, colours and place of each garment suggest."""
        return [look.label for look in (self._look(*photos) for photos in photo_pairs)]

    def segment(self, tasks: Sequence[SegmentationTask]) -> list[GarmentMask]:
        """Masks of a batch of tasks, one after the other.

        Where a task's label tells where the garment is worn, that holds; else the photo decides.
        """
        return [self._mask(self._look(task.still_life, task.on_model), task.label) for task in tasks]

    def _mask(self, look: Look, label: str) -> GarmentMask:
        found = find_garment(look, label)
        if found is None:
            return GarmentMask(np.zeros(look.on_model.shape[:2], bool), 0.0, ("nobody_found",), self.name)
        return GarmentMask(look.at_full_size(found.mask), found.confidence, found.reasons, self.name)

    def _look(self, still_life: RgbImage, on_model: RgbImage) -> Look:
        """A pair is looked at once, though it is labelled first and segmented then."""
        last = self._last
        if last is None or last.still_life is not still_life or last.on_model is not on_model:
            last = self._last = Look(still_life, on_model, self._person_models, self._part)
        return last


class Look:
    """A pair of photos, made small, with the garment found on one and the person on the other.

    Attributes:
        still_life, on_model: the photos as given.
        small_still_life, small: the same, 320 px high; the on-model photo without a frame, without the cast
            of its light and, of several people, only the one who wears the garment.
        several_wear_it: whether another person wears much the same colours.
        garment: ``(h, w)`` bool, the garment on the small still-life.
        still_life_unclear: whether that is hard to tell from the background.
        palette: its main colours.
        body: the person on the small on-model photo.
        part: where the garment is worn, if that is known whatever its name is.
    """

    def __init__(
        self,
        still_life: RgbImage,
        on_model: RgbImage,
        person_models: PersonModels | None = None,
        part: Kind | None = None,
    ) -> None:
        self.part = part
        self.still_life, self.on_model = still_life, on_model
        self.small_still_life = _at_work_size(still_life)
        rows, columns = inside_frame(on_model)
        self.small = without_cast(_at_work_size(on_model[rows, columns]))
        self.garment, self.still_life_unclear = find_on_still_life(self.small_still_life)
        self.still_life_lab = srgb_to_lab(self.small_still_life)
        self.palette = Palette.of(self.still_life_lab, _inside(self.garment))
        seen = person_models.see(self.small) if person_models else None
        self.body = self._find_body(self.small, seen)
        people = list(pairwise(columns_of_people(self.body)))
        best = 0
        self.several_wear_it = False
        if len(people) > 1:
            photos = [np.ascontiguousarray(self.small[:, slice(*columns)]) for columns in people]
            bodies = [
                self._find_body(photo, person_models.see(photo) if person_models else None)
                for photo in photos
            ]
            garment_lab = self.still_life_lab[self.garment]
            likeness = [likeness_of_clothes(garment_lab, body) for body in bodies]
            best = int(np.argmax(likeness))
            self.several_wear_it = sum(other > TUNING.also_alike * likeness[best] for other in likeness) > 1
            self.body = bodies[best]
        scale = (columns.stop - columns.start) / self.small.shape[1]
        self._place = rows, slice(*(columns.start + round(column * scale) for column in people[best]))
        self.small = np.ascontiguousarray(self.small[:, slice(*people[best])])

    def _find_body(self, photo: RgbImage, seen: SeenPerson | None) -> Body:
        return find_body(photo, seen, light_cloth=_like_background(self.palette, photo))

    def at_full_size(self, mask: BoolMask) -> BoolMask:
        """A mask of the small photo, of the size of the on-model photo."""
        full = np.zeros(self.on_model.shape[:2], bool)
        full[self._place] = _full_size(mask, self.on_model[self._place])
        return full

    @cached_property
    def kind(self) -> KindChoice:
        """Where the garment is worn: as is known, else by outline, frame and colours."""
        if self.part:
            return KindChoice(self.part, float("inf"), {})
        return decide_kind(self.garment, self.still_life_lab, self.body)

    @property
    def label(self) -> GarmentLabel:
        """A word for the garment, with its doubt."""
        return label_of_kind(self.garment, self.kind)


def _like_background(palette: Palette, photo: RgbImage) -> bool:
    """Whether a garment has a colour near that of a photo's border."""
    border = np.concatenate([photo[0], photo[:, 0], photo[:, -1]])
    wall = np.median(srgb_to_lab(border[None])[0], axis=0) * LAB_WEIGHTS
    near = np.linalg.norm(palette.colours - wall, axis=1) < TUNING.near_wall_lab
    return bool(palette.shares[near].sum() > TUNING.near_wall_share)


def columns_of_people(body: Body) -> list[int]:
    """Where the people on a small photo begin and end, from left to right, if they stand apart.

    Args:
        body: what was found on the photo when it was taken for that of one person.

    Returns:
        The columns at which the people begin and end: 0, those between them, and the photo's width. People
        who touch count as one.
    """
    persons = [body.differs]
    if body.seen is not None:  # which may leave out a second person
        persons.append(body.seen.probability > TUNING.people_person_from)
    return max(([0, *_gaps(person), person.shape[1]] for person in persons), key=len)


def _gaps(person: BoolMask) -> list[int]:
    """The columns that part the people of an outline ``(H, W)``."""
    parts = closed(person, TUNING.people_closing_px).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(parts)
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


def likeness_of_clothes(garment_lab: FloatImage, body: Body) -> float:
    """How like the still-life's the colours are that somebody wears, where they are most so: 0..1.

    Args:
        garment_lab: ``(P, 3)`` Lab, the garment on the still-life.
        body: this person.
    """
    if not body.person.any():
        return 0.0
    places = [seed_box(body, kind) & ~body.near_face for kind in KINDS]
    return max(colour_agreement(garment_lab, body.lab[place]) for place in places)


@dataclass(frozen=True, eq=False)
class FoundGarment:
    """A garment on a small photo, and why it is thought to be there.

    Attributes:
        kind: where it is worn.
        body: who wears it.
        evidence: what speaks for each pixel.
        mask: ``(H, W)`` bool.
        confidence, reasons: as `judge_mask` gives them.
    """

    kind: Kind
    body: Body
    evidence: Evidence
    mask: BoolMask
    confidence: float
    reasons: tuple[str, ...]


def find_garment(look: Look, label: str, without: Collection[str] = ()) -> FoundGarment | None:
    """The garment on the small photo, or None if there is nobody on it.

    Args:
        look: what was found on the two photos.
        label: the garment's name.
        without: names of `TERMS` of the evidence to leave out.
    """
    body = look.body
    if not body.person.any():
        return None
    kind = look.part or kind_of_word(label) or look.kind.kind
    if kind != "lower":
        body = with_head(body)
    over = hair(body, seed_box(body, kind), look.palette) if kind != "lower" else None
    inside = _inside(look.garment)
    arms = cloth_on_arms(body, kind, look.still_life_lab, inside, over)
    evidence = weigh_evidence(
        body, kind, look.garment, look.palette, arms, over, without, whole=look.part is None
    )
    mask = _refine(look.small, body, evidence.probability)
    if evidence.trust > TUNING.least_trust_of_trims:
        found = trims(body, mask, look.still_life_lab, inside, look.palette)
        mask = _with_trims(mask, found, evidence.alike, body)
    confidence, reasons = judge_mask(mask, body, kind, evidence)
    if look.several_wear_it:
        confidence, reasons = confidence * TUNING.several_penalty, (*reasons, "several_people")
    if look.still_life_unclear:
        reasons = (*reasons, "still_life_unclear")
        confidence = limited(confidence, reasons)
    return FoundGarment(kind, body, evidence, mask, confidence, reasons)


def _refine(small: RgbImage, body: Body, probability: FloatImage) -> BoolMask:
    trimap = np.full(body.person.shape, cv2.GC_BGD, np.uint8)
    trimap[body.person] = cv2.GC_PR_BGD
    trimap[probability > 0.5] = cv2.GC_PR_FGD
    if (probability > 0.5).sum() < 20:
        return probability > 0.5
    trimap[eroded(probability > 0.8, 7)] = cv2.GC_FGD
    trimap[eroded((probability < 0.1) & body.person, 5)] = cv2.GC_BGD
    trimap[probability == 0] = cv2.GC_BGD
    mask = grab_cut(small, trimap, rounds=2) & body.person
    mask = opened(mask, 3)
    mask = keep_large_parts(mask, 0.15)
    mask |= _own_holes(mask, body)
    if body.parts:  # wherever the head was thought to be, as upside down
        mask &= body.parts.face < TUNING.body_seen
    return mask


def trims(
    body: Body, mask: BoolMask, still_life_lab: FloatImage, garment: BoolMask, palette: Palette
) -> BoolMask:
    """What touches a mask and has a colour that the still-life shows on small parts only.

    Args:
        body: the person on the photo.
        mask: ``(H, W)`` bool, the garment found.
        still_life_lab: ``(h, w, 3)`` Lab.
        garment: ``(h, w)`` bool, the garment on the still-life without its rim.
        palette: its main colours, among which those of trims are not.

    Returns:
        ``(H, W)`` bool, outside the mask and inside the person's outline.
    """
    nothing = np.zeros_like(mask)
    pixels = still_life_lab[garment] * LAB_WEIGHTS
    rare = pixels[_to_nearest(pixels, palette.colours) > TUNING.trims_other_lab]
    if body.head is None or not mask.any() or len(rare) < TUNING.trims_least_share * len(pixels):
        return nothing
    _, colours = cluster(rare, 3, steady=True)
    # Along the outline cloth and wall mix to any colour.
    inner = eroded(body.person, 5)
    found = inner & ~mask & ~body.like_skin
    head_px = body.head.chin - body.head.top
    # Below the hem other clothes may have a trim's colour.
    end = int(np.flatnonzero(mask.any(axis=1))[-1] - TUNING.trims_above_hem_heads * head_px)
    found[: max(body.head.chin, 0)] = found[max(end, 0) :] = False
    found[found] = _to_nearest(body.lab[found] * LAB_WEIGHTS, colours) < TUNING.trims_same_lab
    count, parts = cv2.connectedComponents(found.astype(np.uint8))
    wide = opened(found, 2 * round(TUNING.trims_half_width_heads * head_px) + 1)
    beside = found & dilated(mask, 5)
    size, wide_px, beside_px = (np.bincount(parts[part], minlength=count) for part in (found, wide, beside))
    found &= ((size >= TUNING.trims_least_px) & (wide_px == 0) & (beside_px > 0))[parts]
    enough = found.sum() <= TUNING.trims_most_share * len(rare) / len(pixels) * mask.sum()
    return found if enough else nothing


def _to_nearest(lab: FloatImage, colours: FloatImage) -> FloatImage:
    """From each of ``(P, 3)`` colours to the nearest of others ``(N, 3)``."""
    distance: FloatImage = np.linalg.norm(lab[:, None] - colours, axis=2).min(axis=1)
    return distance


def _with_trims(mask: BoolMask, found: BoolMask, alike: BoolMask, body: Body) -> BoolMask:
    """A mask with its trims, and with the cloth that lies between them."""
    if not found.any():
        return mask
    both = mask | found
    both |= closed(both, 9) & body.person & alike & ~body.like_skin
    return np.asarray(both | _own_holes(both, body))


def _own_holes(mask: BoolMask, body: Body) -> BoolMask:
    """What a mask wholly encloses: a print, a button or a pocket; but neither a hand nor the background."""
    count, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    size = np.bincount(labels.ravel(), minlength=count)
    cloth = np.bincount(labels[body.person & ~body.near_face & ~body.seen_bare], minlength=count)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[mask]]))
    own = ((cloth > TUNING.own_hole_share * size) | (size < TUNING.small_hole_px)) & (
        size < TUNING.largest_hole * mask.sum()
    )
    own[outside] = False
    return own[labels] & body.person & ~body.seen_bare


def _at_work_size(photo: RgbImage) -> RgbImage:
    scale = TUNING.work_height_px / photo.shape[0]
    width_px = max(16, round(photo.shape[1] * scale))
    return cv2.resize(photo, (width_px, TUNING.work_height_px), interpolation=cv2.INTER_AREA)


def _full_size(mask: BoolMask, photo: RgbImage) -> BoolMask:
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return cv2.resize(soft, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_CUBIC) > 0.5


def _inside(mask: BoolMask) -> BoolMask:
    inner = eroded(mask, 3)
    return inner if inner.any() else mask
