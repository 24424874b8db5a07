"""The person on a photo: outline, head, skin, hair, and where on the body a kind of garment is worn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters.classic.head import (
    Head,
    completed_head,
    cut_off,
    find_head,
    head_by_landmarks,
)
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS, Palette, cluster
from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.dataset_builder.segmenters.small.person import SHOULDERS, SeenParts, SeenPerson
from chromiq.dataset_builder.segmenters.still_life import (
    apart_from_surface,
    background_distance,
    fill_small_holes,
    foreground,
    keep_large_parts,
    row_spans,
)
from chromiq.imaging.masks import dilated, eroded, opened, skin_hue
from chromiq.records import BoolMask, FloatImage, RgbImage

Kind = Literal["upper", "lower", "full"]
"""Where a garment is worn: above, below, or both."""
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class ColourModel:
    """A Gaussian in Lab: mean ``(3,)``, inverse covariance ``(3, 3)``, log determinant."""

    mean: FloatImage
    precision: FloatImage
    log_determinant: float

    @classmethod
    def of(cls, lab: FloatImage, floor: tuple[float, float, float]) -> ColourModel:
        """The model of ``(P, 3)`` Lab pixels, the furthest fifth left out, with a least variance."""
        mean = np.median(lab, axis=0)
        distance = np.linalg.norm(lab - mean, axis=1)
        kept = lab[distance <= np.percentile(distance, 80)]
        covariance = (np.cov(kept.T) if len(kept) > 1 else np.zeros((3, 3))) * 1.6 + np.diag(floor)
        return cls(mean, np.linalg.inv(covariance), float(np.linalg.slogdet(covariance)[1]))

    def cost(self, lab: FloatImage) -> FloatImage:
        """Negative log likelihood, up to a constant, of Lab colours of shape ``(..., 3)``."""
        whitened = (lab - self.mean.astype(np.float32)) @ np.linalg.cholesky(self.precision).astype(
            np.float32
        )
        squared = np.einsum("...i,...i->...", whitened, whitened)
        cost: FloatImage = np.float32(0.5) * (squared + np.float32(self.log_determinant))
        return cost


@dataclass(frozen=True, eq=False)
class Body:
    """The person on a photo.

    Attributes:
        lab: ``(H, W, 3)`` float32, the photo.
        person: ``(H, W)`` bool, what is not background.
        differs: ``(H, W)`` bool, what has another colour than the background; several people, if there are.
        head: where the head is, or None when none is shown.
        face: the colours of the face, or None.
        seen: what the person models saw, or None without them.
        filled: what share of the person was filled in, as cloth of the background's colour.
    """

    lab: FloatImage
    person: BoolMask
    head: Head | None
    face: ColourModel | None
    seen: SeenPerson | None = None
    filled: float = 0.0
    differs: BoolMask = field(kw_only=True)

    @property
    def parts(self) -> SeenParts | None:
        """What a model has seen of the person to be bare; None without it."""
        return self.seen.parts if self.seen else None

    @cached_property
    def near_face(self) -> BoolMask:
        """Pixels of a skin colour near this face's, or seen to be skin: ``(H, W)`` bool."""
        near = np.zeros(self.person.shape, bool)
        if self.face is not None:
            near = skin_hue(self.lab) & (self.face_cost - 0.5 * self.face.log_determinant < 4.5)
        if self.parts is None:
            return near
        return self.person & (self.seen_skin | (near & (self.parts.skin > TUNING.body_seen_perhaps)))

    @cached_property
    def seen_hair(self) -> BoolMask:
        """Pixels that a model has seen to be hair: ``(H, W)`` bool; none without it."""
        return self._seen_as(self.parts.hair if self.parts else None)

    @cached_property
    def seen_skin(self) -> BoolMask:
        """Pixels that a model has seen to be skin: ``(H, W)`` bool; none without it."""
        return self._seen_as(self.parts.skin if self.parts else None)

    @cached_property
    def seen_bare(self) -> BoolMask:
        """Pixels that a model has seen to be hair or skin: ``(H, W)`` bool; none without it."""
        return self.seen_hair | self.seen_skin

    def _seen_as(self, probability: FloatImage | None) -> BoolMask:
        if probability is None:
            return np.zeros(self.person.shape, bool)
        return probability > TUNING.body_seen

    @property
    def like_skin(self) -> BoolMask:
        """Pixels near the face, or of any skin colour when there is neither a face nor a model to go by."""
        return skin_hue(self.lab) if self.parts is None and self.face is None else self.near_face

    @cached_property
    def like_face(self) -> BoolMask:
        """Pixels of very much the face's colours, of whatever hue: ``(H, W)`` bool."""
        if self.face is None:
            return np.zeros(self.person.shape, bool)
        return np.asarray(self.face_cost - 0.5 * self.face.log_determinant < 3)

    @cached_property
    def face_cost(self) -> FloatImage:
        """The cost of each pixel ``(H, W)`` as the face's; 0 without a face."""
        return np.zeros(self.person.shape, np.float32) if self.face is None else self.face.cost(self.lab)

    def skin_likeness(self, lab: FloatImage) -> FloatImage:
        """How like skin some colours ``(N, 3)`` are: 0..1; with no face to go by, hardly ever sure."""
        if self.face is None:
            return 0.59 * skin_hue(lab)
        excess = self.face.cost(lab) - 0.5 * self.face.log_determinant - 1
        return np.exp(-np.maximum(excess, 0) / 2)

    @cached_property
    def axis(self) -> int:
        """The column that parts the person in two halves."""
        return int(np.median(np.nonzero(self.person)[1]))

    @property
    def trunk(self) -> BoolMask:
        """The columns of the body without its arms, roughly: ``(W,)`` bool."""
        columns = np.arange(self.person.shape[1])
        half_px = 0.6 * (self.head.chin - self.head.top) if self.head else 0.16 * len(columns)
        return np.abs(columns - self.axis) <= half_px

    def likeness_to_parts(self, sample: FloatImage, count: int = 3) -> FloatImage:
        """The cost of each pixel of the person under the best of up to `count` models of a sample ``(P, 3)``.

        Returns:
            ``(H, W)`` float32, 0 outside the person.
        """
        cost = np.zeros(self.person.shape, np.float32)
        cost[self.person] = cost_under_parts(sample, self.lab[self.person], count)
        return cost


def cost_under_parts(sample: FloatImage, lab: FloatImage, count: int = 3) -> FloatImage:
    """The cost of Lab colours ``(..., 3)`` under the best of up to `count` models of a sample ``(P, 3)``."""
    sample = sample[:: max(1, len(sample) // TUNING.body_sample_px)]
    labels, centres = cluster(sample * LAB_WEIGHTS, count)
    parts = [sample[labels == index] for index in range(len(centres))]
    models = [ColourModel.of(part, (20, 3, 3)) for part in parts if len(part) > 20]
    cost: FloatImage = np.min([model.cost(lab) for model in models], axis=0)
    return cost


def find_body(photo: RgbImage, seen: SeenPerson | None = None, *, light_cloth: bool = False) -> Body:
    """The person on a small photo, of whom the head may be cut off.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        seen: what the person models saw on it; without them the background must be plain.
        light_cloth: whether the garment may be of the background's colour, so that only `seen` can tell them.
    """
    lab = srgb_to_lab(photo)
    if light_cloth and seen is None:
        distance, threshold = background_distance(lab, degree=2, least_lab=TUNING.body_light_cloth_lab)
    else:
        distance, threshold = background_distance(lab)
    # The outline is a pixel or two wide of the mark; the gaps between arm and body are background again.
    differs = foreground(distance, threshold)
    person = differs & fill_small_holes(distance > 0.7 * threshold, 0.003)
    if seen:
        person = _without_shadow(lab, person, person & (seen.probability < TUNING.body_no_person))
    elif not light_cloth:
        person = _without_shadow(lab, person, person)
    head = head_by_landmarks(seen) if seen else None
    if seen and head:  # the outline is reliable only of a person with a face
        person = _likely_person(person, seen, light_cloth)
    if not person.any():
        head = None  # the models give landmarks of any photo
    skin = person & skin_hue(lab)
    if head is None:
        face_shown = seen is None or seen.parts is None or bool((seen.parts.face > TUNING.body_seen).any())
        head = find_head(photo, person, skin, face_shown=face_shown)
    filled = 0.0
    if seen is None and light_cloth and head:
        before, person = person, _closed_over_cloth(person, head)
        filled = float((person & ~before).sum() / max(person.sum(), 1))
    return Body(lab, person, head, _face_colours(lab, skin, head, seen), seen, filled, differs=differs)


def _without_shadow(lab: FloatImage, person: BoolMask, possible: BoolMask) -> BoolMask:
    """A person's outline without the shadow on the wall: the wall's hue, only darker, with a soft edge.

    Args:
        lab: ``(H, W, 3)`` Lab.
        person: ``(H, W)`` bool.
        possible: ``(H, W)`` bool, where a shadow may lie.
    """
    wall = eroded(~person, 9)
    if wall.sum() < TUNING.body_least_wall_px:
        return person
    apart = cv2.GaussianBlur(apart_from_surface(lab, wall, degree=1).astype(np.float32), (0, 0), 1)
    lighter, hue = apart[..., 0], np.hypot(apart[..., 1], apart[..., 2])
    slope = np.hypot(*(cv2.Sobel(lighter, cv2.CV_32F, *axis) / 8 for axis in ((1, 0), (0, 1))))
    shadow = possible & (hue < TUNING.body_shadow_hue_lab) & (slope < TUNING.body_shadow_slope_lab)
    shadow &= (lighter < -TUNING.body_palest_shadow_lab) & (lighter > -TUNING.body_darkest_shadow_lab)
    _, parts = cv2.connectedComponents(shadow.astype(np.uint8), connectivity=4)
    beside_wall = dilated(~person, 3)
    shadow &= np.isin(parts, parts[beside_wall & shadow])
    if shadow.sum() < TUNING.body_least_shadow_px:
        return person
    return keep_large_parts(opened(person & ~shadow, 3), 0.1)


def _closed_over_cloth(person: BoolMask, head: Head) -> BoolMask:
    """A person in a garment of the background's colour: filled from one side of the outline to the other."""
    rows = slice(head.chin_row(0.1), min(head.chin_row(TUNING.body_light_cloth_heads), len(person)))
    band = person[rows]
    filled = person.copy()
    if not len(band) or not band.any(axis=1).all():
        return person
    # The outline of light cloth is seen in most rows: between them it runs smoothly.
    size = TUNING.body_smooth_outline_rows
    spans = np.pad(row_spans(band), ((size // 2, size // 2), (0, 0)), mode="edge")
    left, right = np.median(sliding_window_view(spans, size, axis=0), axis=-1).T[..., None]
    columns = np.arange(band.shape[1])
    filled[rows] |= (columns >= left) & (columns < right)
    return filled


def with_head(body: Body) -> Body:
    """A body whose head the photo cuts off, with the head placed above the shoulders that are seen."""
    if body.head or not cut_off(body.person):
        return body
    head = completed_head(None, body.person)
    skin = body.person & skin_hue(body.lab)
    return replace(body, head=head, face=_face_colours(body.lab, skin, head, body.seen))


def _face_colours(
    lab: FloatImage, skin: BoolMask, head: Head | None, seen: SeenPerson | None = None
) -> ColourModel | None:
    """The colours of what has a colour of skin in the face, or else of what a model has seen to be skin."""
    if head is None:
        return None
    face = np.zeros_like(skin)
    columns = slice(0, None)
    if head.left is not None and head.right is not None:
        columns = slice(max(head.left, 0), max(head.right + 1, 0))
    face[head.chin_row(-0.65) : max(head.chin + 1, 0), columns] = True
    region = face & skin
    if seen is not None and seen.parts is not None:
        seen_face = face & (seen.parts.skin > TUNING.body_seen)
        if region.sum() < TUNING.body_least_skin_coloured * seen_face.sum():
            region = seen_face
    return ColourModel.of(lab[region], (30, 4, 4)) if region.sum() >= 20 else None


def _likely_person(differs: BoolMask, seen: SeenPerson, light_cloth: bool) -> BoolMask:
    """What differs from the background near a person, and with light cloth, what surely is one."""
    sure = seen.probability > TUNING.body_sure_person
    if not sure.any():
        return differs
    far_px = cv2.distanceTransform((~sure).astype(np.uint8), cv2.DIST_L2, 3)
    likely = differs & (far_px < TUNING.body_near_person * len(differs))
    # In a room or before a structured wall nearly all differs, or nearly nothing.
    plain = (sure & differs).sum() > 0.5 * sure.sum() and (differs & ~sure).sum() < 0.5 * sure.sum()
    if not plain:
        return sure
    return likely | sure if light_cloth else likely


def place_prior(body: Body, kind: Kind) -> FloatImage:
    """How probably a garment of a kind is worn at each height of this body: ``(H, W)`` float32, 0..1."""
    height_px, width_px = body.person.shape
    rows = np.arange(height_px)
    if body.head:
        position = (rows - body.head.chin) / max(body.head.chin - body.head.top, 8)
        start, end, start_softness, end_softness = TUNING.body_place_in_heads[kind]
    else:
        occupied = np.flatnonzero(body.person.any(axis=1))
        position = (rows - occupied[0]) / max(np.ptp(occupied), 1)
        start, end, start_softness, end_softness = TUNING.body_place_in_shares[kind]
    prior = _sigmoid((position - start) / start_softness) * _sigmoid((end - position) / end_softness)
    if body.head and kind != "lower":
        prior[: body.head.chin_row(-0.12)] = 0.001
    return np.repeat(prior[:, None], width_px, axis=1).astype(np.float32)


def seed_box(body: Body, kind: Kind) -> BoolMask:
    """What of the person is in the middle of the place where such a garment is worn: ``(H, W)`` bool."""
    return middle_box(body, kind) & body.person


def middle_box(body: Body, kind: Kind) -> BoolMask:
    """The middle of the place where such a garment is worn, whatever is seen there: ``(H, W)`` bool."""
    rows, columns = np.nonzero(body.person)
    middle = int(np.median(columns))
    if body.head:
        above, below = TUNING.body_seed_in_heads[kind]
        top, bottom = body.head.chin_row(above), body.head.chin_row(below)
        half_px = (body.head.chin - body.head.top) // 2
    else:
        top, bottom = (int(rows.min() + share * np.ptp(rows)) for share in (0.25, 0.65))
        half_px = int(0.16 * body.person.shape[1])
    box = np.zeros(body.person.shape, bool)
    box[top:bottom, max(0, middle - half_px) : middle + half_px] = True
    return box


def _sigmoid(value: FloatImage) -> FloatImage:
    return 1 / (1 + np.exp(-value))


def hair(body: Body, cloth: BoolMask, palette: Palette) -> BoolMask:
    """Where hair lies, ``(H, W)`` bool; nowhere if no face was found and no model has seen it.

    Args:
        body: the person on the photo.
        cloth: ``(H, W)`` bool, where the garment surely is; hair must be less like it than like hair.
        palette: the garment's colours on the still-life, which are not taken for hair.
    """
    if body.parts is not None:
        return body.person & body.seen_hair
    head = body.head
    if head is None or head.left is None or head.right is None:
        return np.zeros(body.person.shape, bool)
    height_px, middle = head.chin - head.top, (head.left + head.right) / 2
    rows, columns = np.indices(body.person.shape)
    aside = np.abs(columns - middle) / height_px
    found = _beside_neck(body, head, middle) & body.person
    on_head = eroded(body.person, 5) & ~body.near_face & (rows < head.chin - 0.55 * height_px) & (aside < 0.8)
    around = (
        body.person
        & (aside < TUNING.body_hair_reach)
        & (rows < head.chin + TUNING.body_hair_length * height_px)
    )
    cloth = cloth & ~body.near_face
    if min(on_head.sum(), cloth.sum()) >= TUNING.body_hair_min_hair_px:
        of_hair, of_cloth = (body.likeness_to_parts(body.lab[part], 2) for part in (on_head, cloth))
        ratio = cv2.GaussianBlur(of_cloth - of_hair, (0, 0), 1.2)
        own = palette.colours[palette.shares > TUNING.body_hair_own_share]
        apart = np.linalg.norm((body.lab * LAB_WEIGHTS)[:, :, None] - own, axis=3).min(axis=2, initial=np.inf)
        like_hair = (
            around
            & ~body.near_face
            & (ratio > TUNING.body_hair_more_like_hair)
            & (apart > TUNING.body_hair_own_colour_lab)
        )
        _, parts = cv2.connectedComponents((like_hair | (on_head & around)).astype(np.uint8))
        found |= np.isin(parts, parts[on_head & around]) & like_hair
    return np.asarray(found)


def _beside_neck(body: Body, head: Head, middle: float) -> BoolMask:
    """What lies above the shoulders beside the neck, where only hair and hoods are: ``(H, W)`` bool."""
    height_px = head.chin - head.top
    rows, columns = np.indices(body.person.shape)
    above = np.zeros(body.person.shape, bool)
    aside = TUNING.body_hair_shoulder * height_px
    joint = head.chin + TUNING.body_hair_joint_below_chin * height_px
    joints = np.array([(middle - aside, joint), (middle + aside, joint)])
    if body.seen is not None and body.seen.visible(SHOULDERS):
        joints = body.seen.landmarks_xy[list(SHOULDERS)]
        joints = joints[joints[:, 0].argsort()]
    for side, (x, y) in zip((-1, 1), joints.tolist(), strict=True):
        far = side * (x - middle)
        near = TUNING.body_hair_neck * height_px
        if far * TUNING.body_hair_joint_share <= near:
            continue
        offset = side * (columns - middle)
        slope = (offset - near) / (far - near)
        line = head.chin + slope * (y - TUNING.body_hair_cloth_over_joint * height_px - head.chin)
        above |= (offset > near) & (offset < TUNING.body_hair_joint_share * far) & (rows < line)
    return above
