"""The person on a photo: outline, head, skin, and where on the body a kind of garment is worn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from chromiq.colour import srgb_to_lab
from chromiq.dataset_builder.segmenters.classic.head import Head, find_head, skin_hue
from chromiq.dataset_builder.segmenters.classic.palette import LAB_WEIGHTS, cluster
from chromiq.dataset_builder.segmenters.still_life import background_distance, fill_small_holes, foreground
from chromiq.records import BoolMask, FloatImage, RgbImage

Kind = Literal["upper", "lower", "full"]

LOWER_WORDS = frozenset({"trousers", "pants", "jeans", "shorts", "skirt", "leggings"})
FULL_WORDS = frozenset({"dress", "jumpsuit", "coat"})

# Where a kind is worn, in heads below the chin: from, to, and how softly each end is meant.
_PLACE_IN_HEADS: dict[Kind, tuple[float, float, float, float]] = {
    "upper": (-0.12, 2.5, 0.08, 0.3),
    "lower": (2.2, 6.7, 0.3, 0.2),
    "full": (-0.05, 6.6, 0.08, 0.2),
}
# The same as shares of the person's height, when the photo shows no head.
_PLACE_IN_SHARES: dict[Kind, tuple[float, float, float, float]] = {
    "upper": (-1.0, 0.75, 0.04, 0.06),
    "lower": (0.07, 0.93, 0.04, 0.06),
    "full": (-1.0, 0.93, 0.04, 0.06),
}
_WIDEST_GAP = 0.95
# Shorts may be parted over their last few centimetres only.
_PARTED_SHARE = 0.15
_SEED_IN_HEADS: dict[Kind, tuple[float, float]] = {
    "upper": (0.5, 1.7),
    "lower": (2.7, 4.2),
    "full": (0.5, 3.5),
}


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
        head: where the head is, or None when none is shown.
        face: the colours of the face, or None.
    """

    lab: FloatImage
    person: BoolMask
    head: Head | None
    face: ColourModel | None

    @cached_property
    def near_face(self) -> BoolMask:
        """Pixels of a skin colour near this face's: ``(H, W)`` bool."""
        if self.face is None:
            return np.zeros(self.person.shape, bool)
        return skin_hue(self.lab) & (self.face_cost - 0.5 * self.face.log_determinant < 4.5)

    @property
    def like_skin(self) -> BoolMask:
        """Pixels of a skin colour near this face's, or of any skin colour when there is no face to go by."""
        return skin_hue(self.lab) if self.face is None else self.near_face

    @property
    def like_face(self) -> BoolMask:
        """Pixels of very much the face's colours, of whatever hue: ``(H, W)`` bool."""
        if self.face is None:
            return np.zeros(self.person.shape, bool)
        return np.asarray(self.face_cost - 0.5 * self.face.log_determinant < 3)

    @cached_property
    def face_cost(self) -> FloatImage:
        """The cost of each pixel ``(H, W)`` as the face's; 0 when there is none."""
        return np.zeros(self.person.shape, np.float32) if self.face is None else self.face.cost(self.lab)

    def skin_likeness(self, lab: FloatImage) -> FloatImage:
        """How like skin some colours ``(N, 3)`` are: 0..1; with no face to go by, hardly ever sure."""
        if self.face is None:
            return 0.59 * skin_hue(lab)
        excess = self.face.cost(lab) - 0.5 * self.face.log_determinant - 1
        return np.exp(-np.maximum(excess, 0) / 2)

    @property
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
    labels, centres = cluster(sample * LAB_WEIGHTS, count)
    parts = [sample[labels == index] for index in range(len(centres))]
    models = [ColourModel.of(part, (20, 3, 3)) for part in parts if len(part) > 20]
    cost: FloatImage = np.min([model.cost(lab) for model in models], axis=0)
    return cost


def find_body(photo: RgbImage, kind: Kind = "upper") -> Body:
    """The person on a small photo with a plain background, of whom the head may be cut off.

    Args:
        photo: ``(H, W, 3)`` uint8 sRGB.
        kind: where the garment is worn; with one worn below, a photo without a head may begin anywhere.
    """
    lab = srgb_to_lab(photo)
    distance, threshold = background_distance(lab)
    # The outline is a pixel or two wide of the mark; the gaps between arm and body are background again.
    person = foreground(distance, threshold) & fill_small_holes(distance > 0.7 * threshold, 0.003)
    skin = person & skin_hue(lab)
    head = find_head(person, skin, cut_off=kind != "lower")
    face = None
    if head:
        region = skin.copy()
        region[: head.chin_row(-0.65)] = False
        region[head.chin + 1 :] = False
        if region.sum() >= 20:
            face = ColourModel.of(lab[region], (30, 4, 4))
    return Body(lab, person, head, face)


def garment_kind(still_life_mask: BoolMask, label: str) -> Kind:
    """Where a garment is worn, by its name if that tells, else by its outline.

    A long outline with a gap between two legs is worn below, a long one without is a dress, and
    everything else is worn above.
    """
    word = label.lower()
    if word in LOWER_WORDS:
        return "lower"
    if word in FULL_WORDS:
        return "full"
    rows, columns = np.nonzero(still_life_mask)
    height_px, width_px = np.ptp(rows) + 1, np.ptp(columns) + 1
    if height_px / width_px < 1.9:
        return "upper"
    return "lower" if has_legs(still_life_mask) else "full"


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
    return bool(((gap > 0) & (gap < _WIDEST_GAP)).mean() > _PARTED_SHARE)


def place_prior(body: Body, kind: Kind) -> FloatImage:
    """How probably a garment of a kind is worn at each height of this body: ``(H, W)`` float32, 0..1."""
    height_px, width_px = body.person.shape
    rows = np.arange(height_px)
    if body.head:
        position = (rows - body.head.chin) / max(body.head.chin - body.head.top, 8)
        start, end, start_softness, end_softness = _PLACE_IN_HEADS[kind]
    else:
        occupied = np.flatnonzero(body.person.any(axis=1))
        position = (rows - occupied[0]) / max(np.ptp(occupied), 1)
        start, end, start_softness, end_softness = _PLACE_IN_SHARES[kind]
    prior = _sigmoid((position - start) / start_softness) * _sigmoid((end - position) / end_softness)
    if body.head and kind != "lower":
        prior[: body.head.chin_row(-0.12)] = 0.001
    return np.repeat(prior[:, None], width_px, axis=1).astype(np.float32)


def seed_box(body: Body, kind: Kind) -> BoolMask:
    """The middle of the place where such a garment is worn: ``(H, W)`` bool."""
    rows, columns = np.nonzero(body.person)
    middle = int(np.median(columns))
    if body.head:
        above, below = _SEED_IN_HEADS[kind]
        top, bottom = body.head.chin_row(above), body.head.chin_row(below)
        half_px = (body.head.chin - body.head.top) // 2
    else:
        top, bottom = (int(rows.min() + share * np.ptp(rows)) for share in (0.25, 0.65))
        half_px = int(0.16 * body.person.shape[1])
    box = np.zeros(body.person.shape, bool)
    box[top:bottom, max(0, middle - half_px) : middle + half_px] = True
    box &= body.person
    return box


def _sigmoid(value: FloatImage) -> FloatImage:
    return 1 / (1 + np.exp(-value))
