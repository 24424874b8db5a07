"""What speaks for or against a correction, measured on the two photos, the mask and the result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting import dyes
from chromiq.correction.fitting.garment_look import TOLERANCES, Tolerances, log_likelihood, look
from chromiq.correction.subject import Subject
from chromiq.dataset_builder.segmenters.classic.body import Body, find_body
from chromiq.dataset_builder.segmenters.classic.head import Head
from chromiq.dataset_builder.segmenters.still_life import background_distance
from chromiq.imaging.masks import dilated, eroded, opened, skin_hue
from chromiq.imaging.resize import resize_fast, resize_mask
from chromiq.records import BoolMask, FloatImage, RgbImage

_COLOURLESS = 1.5
_ONE_COLOUR = 2.0
_LEAST_DYE_SHARE = 0.08
_WORK_HEIGHT_PX = 320
_LEAST_PATTERN_PX = 50
_SAMPLE = 1500
# Of the face's colours, below the face beside within it: on people 0.69 at most in 95 %, on prints 0.8 to 1.
_MOST_LIKE_FACE = 0.7
_NEAREST_PERCENT = 6
# A pattern is what remains of Lab beside its mean over this share of the garment's size.
_LIGHTNESS_PATTERN_SIZE, _CHROMA_PATTERN_SIZE = 0.05, 0.12
# The cloth just inside the mask's edge, and how alike what lies beyond it must be to be the same cloth.
_EDGE_PX, _RIM_PX = 3, 8
_SAME_LIGHTNESS, _SAME_CHROMA, _SAME_LAB = 10.0, 5.0, 4.0
# Another garment may have other folds: light may differ as much as beside many of them.
_TOLERANCES = Tolerances(lit_even=TOLERANCES.lit_most)


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against a correction, in numbers; the defaults speak against nothing.

    Attributes:
        mask_share: 0..1, the mask's share of the photo.
        mask_confidence: 0..1, as the segmenter gives it; 1 for a mask that was drawn.
        mask_reasons: the segmenter's doubts.
        frame_share: share of the background along the photo's border that the mask covers.
        background_share: share of the photo's background that the mask covers.
        face_share: share of the face that the mask covers; 0 without a face.
        person_share: share of the person that the mask covers.
        skin_share: share of the mask that has the colour of skin, beyond what the still-life has.
        left_out_share: cloth of the same colour beside the mask, as a share of the mask.
        cut_share: share of the mask's outline that runs through cloth instead of along an edge.
        loose_share: share of the mask's outline that runs along no edge, in cloth or in the background.
        shape_ratio: height over width of the mask, over that of the garment on the still-life.
        lightness_pattern: spread of lightness beside shade on the still-life, over that on the photo.
        chroma_pattern: the same of a* and b*.
        is_cropped: whether the mask touches the photo's border.
        is_same: whether both photos are the same picture.
        still_life_empty: whether the still-life is of one colour all over.
        exchanged: whether the still-life shows a person and the on-model photo shows none.
        still_life_colourless: whether the still-life is a black-and-white photo.
        on_model_colourless: whether the on-model photo is one.
        still_life_chroma: mean chroma of the garment's pixels on the still-life.
        on_model_chroma: the same on the on-model photo.
        gain: mean dE00 that the correction is expected to remove; None if it was not computed, or if somebody
            chose the colour.
        target_move: dE00 by which the garment's mean colour moves towards a target that the user chose.
        likelihood: log likelihood that the corrected garment and the still-life's are one, 0 at best.
        dye_change: the largest growth in distance of a dye of the still-life to the garment, Lab.
        mean_change: by how much the dE00 between the mean colours grows; below 0 is better.
        gamut_loss: dE00 by which the mean colour misses the wanted one, as the file's space cannot hold it.
        reached_lab: the garment's mean colour as written, Lab D50.
    """

    mask_share: float
    mask_confidence: float
    mask_reasons: tuple[str, ...]
    frame_share: float = 0.0
    background_share: float = 0.0
    face_share: float = 0.0
    person_share: float = 0.0
    skin_share: float = 0.0
    left_out_share: float = 0.0
    cut_share: float = 0.0
    loose_share: float = 0.0
    shape_ratio: float = 1.0
    lightness_pattern: float = 1.0
    chroma_pattern: float = 1.0
    is_cropped: bool = False
    is_same: bool = False
    still_life_empty: bool = False
    exchanged: bool = False
    still_life_colourless: bool = False
    on_model_colourless: bool = False
    still_life_chroma: float = 0.0
    on_model_chroma: float = 0.0
    gain: float | None = None
    target_move: float = 0.0
    likelihood: float = 0.0
    dye_change: float = 0.0
    mean_change: float = 0.0
    gamut_loss: float = 0.0
    reached_lab: tuple[float, float, float] = (0.0, 0.0, 0.0)


def look_at_photos(subject: Subject) -> Evidence:
    """All evidence that needs no correction: where the mask lies, and what the two photos show."""
    still_life, on_model, found = subject.still_life.rgb, subject.on_model.rgb, subject.found
    still_life_mask = resize_mask(subject.still_life_mask, _small_wh(still_life))
    mask = resize_mask(found.mask, _small_wh(on_model))
    if not mask.any():
        return Evidence(0.0, 0.0, found.reasons)
    if not still_life_mask.any():
        still_life_mask = np.ones_like(still_life_mask)
    bodies = subject.bodies or find_bodies(still_life, on_model)
    there, here = map(_without_cloth_face, bodies, (still_life_mask, mask))
    background = _background(here.lab)
    left_out, cut, loose = _same_cloth_outside(here.lab, mask, background)
    still_life_pattern, on_model_pattern = _pattern(there.lab, still_life_mask), _pattern(here.lab, mask)
    return Evidence(
        mask_share=float(mask.mean()),
        mask_confidence=found.confidence,
        mask_reasons=found.reasons,
        frame_share=_share(mask, background & _frame(mask)),
        background_share=_share(mask, background),
        face_share=_share(mask, _face(here)),
        person_share=_share(mask, here.person),
        skin_share=_share(skin_hue(here.lab), mask) - _share(skin_hue(there.lab), still_life_mask),
        left_out_share=left_out,
        cut_share=cut,
        loose_share=loose,
        shape_ratio=_aspect(mask) / _aspect(still_life_mask),
        lightness_pattern=still_life_pattern[0] / on_model_pattern[0],
        chroma_pattern=still_life_pattern[1] / on_model_pattern[1],
        is_cropped=bool((mask & _frame(mask)).any()),
        is_same=np.array_equal(still_life, on_model),
        still_life_empty=float(np.ptp(np.percentile(there.lab, (1, 99), axis=(0, 1)), axis=0).max())
        < _ONE_COLOUR,
        exchanged=_are_exchanged(there, here),
        still_life_colourless=_is_colourless(still_life),
        on_model_colourless=_is_colourless(on_model),
        still_life_chroma=_chroma(there.lab[still_life_mask]),
        on_model_chroma=_chroma(here.lab[mask]),
    )


def find_bodies(still_life: RgbImage, on_model: RgbImage) -> list[Body]:
    """The person on each of two photos, or what looks like one."""
    return [find_body(resize_fast(photo, _small_wh(photo))) for photo in (still_life, on_model)]


def look_at_result(
    evidence: Evidence, wanted_lab: FloatImage, seen_lab: FloatImage, after_lab: FloatImage
) -> Evidence:
    """The evidence with what a correction adds: ``likelihood``, ``dye_change`` and ``mean_change``.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
        after_lab: ``(Q, 3)`` the same pixels corrected.
    """
    wanted, seen, after = (_thinned(lab) for lab in (wanted_lab, seen_lab, after_lab))
    labels = dyes.find_dyes(wanted)
    frequent = dyes.shares(labels) > _LEAST_DYE_SHARE
    centres = dyes.means(wanted, labels)[frequent]
    growth = _distances(centres, after) - _distances(centres, seen)
    there, here, then = look(wanted), look(seen), look(after)
    before, now = (float(delta_e_lab(there.mean[None], each.mean[None])[0]) for each in (here, then))
    return replace(
        evidence,
        likelihood=float(log_likelihood(there, then, _TOLERANCES)),
        dye_change=float(growth.max(initial=0.0)),
        mean_change=now - before,
    )


def _small_wh(photo: RgbImage) -> tuple[int, int]:
    scale = min(1.0, _WORK_HEIGHT_PX / photo.shape[0])
    return max(8, round(photo.shape[1] * scale)), max(8, round(photo.shape[0] * scale))


def _background(lab: FloatImage) -> BoolMask:
    """``(H, W)`` bool: what has the background's colour and is joined to the photo's border."""
    distance, threshold = background_distance(lab)
    near = (cv2.GaussianBlur(distance, (0, 0), 1) <= threshold).astype(np.uint8)
    _, labels = cv2.connectedComponents(near)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.setdiff1d(border, [0]))


def _frame(mask: BoolMask) -> BoolMask:
    frame = np.ones(mask.shape, bool)
    frame[2:-2, 2:-2] = False
    return frame


def _face(body: Body) -> BoolMask:
    face = np.zeros(body.person.shape, bool)
    if body.head is not None and body.face is not None:
        box = _face_box(body.head)
        face[box] = (body.person & body.like_face)[box]
    return face


def _face_box(head: Head) -> tuple[slice, slice]:
    """Rows and columns of a face."""
    columns = slice(max(head.left or 0, 0), None if head.right is None else max(head.right, 0))
    return slice(max(0, head.top), head.chin_row(-0.3)), columns


def _without_cloth_face(body: Body, garment: BoolMask) -> Body:
    """The body without its head if that is cloth: if the face's colours are as common below it."""
    if body.head is None or body.face is None:
        return body
    head, below = np.zeros_like(garment), garment.copy()
    head[_face_box(body.head)] = True
    below[: max(0, body.head.chin)] = False
    like_face = _share(body.like_face, below), _share(body.like_face, head & body.person)
    as_common = like_face[1] > 0 and like_face[0] > _MOST_LIKE_FACE * like_face[1]
    is_cloth = as_common and below.sum() > _face(body).sum()
    return replace(body, head=None, face=None) if is_cloth else body


def _are_exchanged(there: Body, here: Body) -> bool:
    """Whether the still-life shows somebody and the on-model photo nobody; a head may be cut off."""
    has_head = there.head is not None and here.head is None
    return has_head or (bool(_face(there).any()) and not _face(here).any())


def _same_cloth_outside(lab: FloatImage, mask: BoolMask, background: BoolMask) -> tuple[float, float, float]:
    """Cloth beyond the mask that looks like that just inside its edge, as a share of the mask, and the share
    of the outline across which nothing changes, without the background and with it.

    Each pixel outside is compared with the rim of cloth that is nearest to it. Only cloth that is joined to
    the mask counts as left out.
    """
    smooth = cv2.GaussianBlur(lab, (0, 0), 1)
    inner = eroded(mask, 2 * _EDGE_PX + 1)
    rim = inner & ~eroded(mask, 2 * _RIM_PX + 1)
    if not rim.any() or mask.all():
        return 0.0, 0.0, 0.0
    _, nearest = cv2.distanceTransformWithLabels(
        (~rim).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(rim)
    places = np.zeros(nearest.max() + 1, np.intp)
    places[nearest[rows, columns]] = np.arange(len(rows))
    off = smooth - smooth[rows, columns][places[nearest]]
    outside = ~mask & ~background
    chroma_off = np.hypot(off[..., 1], off[..., 2])
    alike = outside & (np.abs(off[..., 0]) < _SAME_LIGHTNESS) & (chroma_off < _SAME_CHROMA)
    alike = opened(alike, 5)
    _, parts = cv2.connectedComponents((alike | mask).astype(np.uint8))
    joined = np.isin(parts, np.unique(parts[mask])) & alike
    ring = dilated(mask, 9) & ~dilated(mask, 5)
    loose = ring & (np.hypot(0.5 * off[..., 0], chroma_off) < _SAME_LAB)
    return float(joined.sum() / mask.sum()), _share(loose & ~background, ring), _share(loose, ring)


def _aspect(mask: BoolMask) -> float:
    rows, columns = np.nonzero(mask)
    return float((np.ptp(rows) + 1) / (np.ptp(columns) + 1))


def _pattern(lab: FloatImage, mask: BoolMask) -> tuple[float, float]:
    """The spread of lightness and of a*, b* beside their local means; 1 dE is added, as noise has as much."""
    inside = eroded(mask, 5)
    if inside.sum() < _LEAST_PATTERN_PX:
        return 1.0, 1.0
    spreads = []
    weight = mask.astype(np.float32)
    for size in (_LIGHTNESS_PATTERN_SIZE, _CHROMA_PATTERN_SIZE):
        sigma_px = max(1.0, size * float(np.sqrt(mask.sum())))
        total = cv2.GaussianBlur(weight, (0, 0), sigma_px)
        local = (
            cv2.GaussianBlur(lab * weight[..., None], (0, 0), sigma_px) / np.maximum(total, 1e-3)[..., None]
        )
        spreads.append((lab - local)[inside].std(axis=0))
    return float(spreads[0][0] + 1), float(np.hypot(*spreads[1][1:]) + 1)


def _is_colourless(photo: RgbImage) -> bool:
    step = max(1, min(photo.shape[:2]) // 400)
    spread = np.ptp(photo[::step, ::step], axis=2)
    return float(np.percentile(spread, 99.9)) <= _COLOURLESS


def _chroma(lab: FloatImage) -> float:
    return float(np.hypot(lab[:, 1], lab[:, 2]).mean())


def _share(part: BoolMask, whole: BoolMask) -> float:
    return float(part[whole].mean()) if whole.any() else 0.0


def _thinned(lab: FloatImage) -> FloatImage:
    return lab[:: max(1, len(lab) // _SAMPLE)].astype(np.float64)


def _distances(centres: FloatImage, pixels: FloatImage) -> FloatImage:
    """From each of ``(K, 3)`` Lab to the nearest few of ``(P, 3)``, lightness counting less: ``(K,)``."""
    apart = (centres[:, None] - pixels) * np.array([0.4, 1.0, 1.0])
    return np.percentile(np.linalg.norm(apart, axis=2), _NEAREST_PERCENT, axis=1)
