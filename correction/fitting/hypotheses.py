"""What may have happened to a garment's colours, each hypothesis with its believability.

Nothing; any kind of error (`fitting.error_kinds`) at any strength; one dye of a print off and the others
true. And each of these either with all pixels of both garments compared or without one of their dyes, as a
mask may leak into what is worn beneath, and a still-life shows its lining.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromiq.colour import ENCODED_REC2020, ENCODED_SRGB, EncodedRgb, delta_e_lab, lab_to_srgb_float
from chromiq.correction.fitting import dyes
from chromiq.correction.fitting.error_kinds import (
    ERROR_CHROMA_SPREAD,
    ERROR_KINDS,
    ONE_WAY_KINDS,
    log_chroma_density,
)
from chromiq.correction.fitting.garment_look import (
    TOLERANCES,
    Look,
    Tolerances,
    lit_difference,
    log_chroma,
    log_likelihood,
    look,
)
from chromiq.records import BoolMask, FloatImage

# How far in dE00 errors that go one way take the garment.
_ERROR_DELTA_E = 10.0
# Lightness of lit cloth, against the still-life's: what is tried.
_LIGHTNESS_STEPS = np.arange(-12, 12.1, 2)
_STRENGTHS = np.arange(1, 13) / 12
_OUT_OF_GAMUT_COST, _OUT_OF_GAMUT_FREE = 8.0, 0.02
_PALETTE_SPREAD = 5.0
# One dye off is as believable as a kind of error; a dye that only one of the garments has is not common.
_DYE_LOG_PRIOR, _LEFT_OUT_LOG_PRIOR = -0.5, -4.0
_MOST_LEFT_OUT = 0.45
_MOVED_SHARES = (0.05, 0.75)
# A dye's share differs by what of the garment is seen, but not by more than threefold.
_MOST_SHARE_RATIO = 3.0
_DYE_LIGHTNESS_STEPS = np.array([-10.0, -4.0, 2.0])
_FLAT_PIXELS, _SEEN_PIXELS = 512, 256


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """The garment as it truly is, if one thing or another happened to it.

    Attributes:
        seen: ``(P, 3)`` Lab, a few pixels that stand for all.
        lab: ``(H, P, 3)`` float32 Lab, what they are by each hypothesis.
        log_weight: ``(H,)``.
        flat: ``(F, 3)`` Lab, a few pixels that stand for all of the still-life's.
    """

    seen: FloatImage
    lab: FloatImage
    log_weight: FloatImage
    flat: FloatImage

    @property
    def weight(self) -> FloatImage:
        """``(H,)``, adding up to 1."""
        weights = np.exp(self.log_weight - self.log_weight.max())
        return weights / weights.sum()


def _encoding_of(*labs: FloatImage) -> EncodedRgb:
    """The RGB in which errors are undone: sRGB, unless it cannot hold a garment of a wider gamut."""
    outside = max(float(_gamut_cost(lab_to_srgb_float(lab)[None])[0]) for lab in labs)
    return ENCODED_REC2020 if outside > 0 else ENCODED_SRGB


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Pixels of a garment: Lab ``(P, 3)`` and the dye of each ``(P,)``."""

    lab: FloatImage
    labels: NDArray[np.intp]

    def part(self, kept: BoolMask) -> _Pixels:
        return _Pixels(self.lab[kept], np.unique(self.labels[kept], return_inverse=True)[1])


def hypotheses(
    wanted_lab: FloatImage, seen_lab: FloatImage, tolerances: Tolerances = TOLERANCES
) -> Hypotheses:
    """All that may have happened.

    Args:
        wanted_lab: ``(P, 3)`` Lab pixels of the garment on the still-life.
        seen_lab: ``(Q, 3)`` Lab pixels of the garment on the on-model photo.
        tolerances: how much alike the two truly look.
    """
    flat, seen = _pixels(wanted_lab, _FLAT_PIXELS), _pixels(seen_lab, _SEEN_PIXELS)
    encoding = _encoding_of(flat.lab, seen.lab)
    found = []
    for kept_flat, kept_seen, log_prior in _readings(flat, seen):
        for lab, log_weight in _whole_garment(flat.part(kept_flat), seen, kept_seen, tolerances, encoding):
            found.append((lab, log_weight + log_prior))
    moved, log_weight = _one_dye(flat, seen, tolerances, encoding)
    return Hypotheses(
        seen=seen.lab,
        lab=np.concatenate([*(lab for lab, _ in found), moved]),
        log_weight=np.concatenate([*(log_weight for _, log_weight in found), log_weight]),
        flat=flat.lab,
    )


def _pixels(lab: FloatImage, count: int) -> _Pixels:
    """A few pixels that stand for all, from the darkest to the lightest."""
    even = lab[even_places(lab, count)].astype(np.float64)
    return _Pixels(even, dyes.find_dyes(even))


def even_places(lab: FloatImage, count: int = _SEEN_PIXELS) -> NDArray[np.intp]:
    """Which of the pixels ``(P, 3)`` stand for all: at most `count`, from the darkest to the lightest."""
    order = np.argsort(lab[:, 0], kind="stable")
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]


def _readings(flat: _Pixels, seen: _Pixels) -> list[tuple[BoolMask, BoolMask, float]]:
    """Which pixels of both to compare, and how believable that is: all, or but one small dye of either.

    Not without a dye of each: that would be a dye that is off.
    """
    all_flat, all_seen = (np.ones(len(garment.labels), bool) for garment in (flat, seen))
    small_flat, small_seen = (
        [
            garment.labels != dye
            for dye, share in enumerate(dyes.shares(garment.labels))
            if share < _MOST_LEFT_OUT
        ]
        for garment in (flat, seen)
    )
    return [
        (all_flat, all_seen, 0.0),
        *((kept, all_seen, _LEFT_OUT_LOG_PRIOR) for kept in small_flat),
        *((all_flat, kept, _LEFT_OUT_LOG_PRIOR) for kept in small_seen),
    ]


def _whole_garment(
    flat: _Pixels, seen: _Pixels, kept: BoolMask, tolerances: Tolerances, encoding: EncodedRgb
) -> Iterator[tuple[FloatImage, FloatImage]]:
    """Lab ``(H, P, 3)`` and log weights ``(H,)`` of errors of the whole garment undone.

    Judged by the pixels kept.
    """
    there, here = look(flat.lab), look(seen.lab[kept])
    labels = seen.part(kept).labels

    def likelihood(lab: FloatImage) -> tuple[Look, FloatImage]:
        worn = look(lab[:, kept])
        palette = _palette_likelihood(flat, there, lab[:, kept], labels, worn)
        return worn, log_likelihood(there, worn, tolerances) + palette

    unchanged = seen.lab[None].astype(np.float32)
    worn, alike = likelihood(unchanged)
    yield unchanged, alike + log_chroma(there, worn, tolerances)

    rgb, mean = encoding.from_lab(seen.lab), encoding.from_lab(here.mean)
    wanted = _wanted_means(there, here, encoding)
    undone = np.array([kind.undo(rgb, mean, to, encoding) for kind in ERROR_KINDS for to in wanted])
    priors = np.array([kind.log_prior(mean, to, encoding) for kind in ERROR_KINDS for to in wanted])
    lab = encoding.to_lab(np.clip(undone, 0, 1))
    lab[..., 1:] += (there.mean - look(lab[:, kept]).mean)[:, None, 1:].astype(np.float32)
    off = (here.mean - there.mean)[1:]
    of_chroma = [kind.log_chroma_prior(off, there.mean[1:]) for kind in ERROR_KINDS]
    yield lab, likelihood(lab)[1] + priors + np.repeat(of_chroma, len(wanted)) - _gamut_cost(undone)

    undone, priors = _one_way(rgb, seen.lab, encoding)
    lab = encoding.to_lab(np.clip(undone, 0, 1))
    worn, alike = likelihood(lab)
    yield lab, alike + log_chroma(there, worn, tolerances) + priors - _gamut_cost(undone)


def _wanted_means(there: Look, here: Look, encoding: EncodedRgb) -> FloatImage:
    """Mean colours ``(S, 3)``, encoded RGB: the still-life's a*, b* at every lightness tried."""
    lightness = np.clip(here.mean[0] - lit_difference(there, here) + _LIGHTNESS_STEPS, 3, 97)
    lab = np.concatenate([lightness[:, None], np.tile(there.mean[1:], (len(lightness), 1))], axis=1)
    return np.clip(encoding.from_lab(lab), 0.003, 0.997)


def _one_way(rgb: FloatImage, seen: FloatImage, encoding: EncodedRgb) -> tuple[FloatImage, FloatImage]:
    """Encoded RGB ``(H, P, 3)`` by every strength of every such kind, and log priors ``(H,)``."""
    undone, priors = [], []
    for kind in ONE_WAY_KINDS:
        for way in (-1, 1):
            these = np.array(
                [kind.change(rgb, way * kind.most * strength, encoding) for strength in _STRENGTHS]
            )
            size = delta_e_lab(seen[::4], encoding.to_lab(np.clip(these[:, ::4], 0, 1))).mean(axis=1)
            # Each strength stands for the sizes halfway to its neighbours'.
            stands_for = np.abs(np.gradient(np.concatenate([[0.0], size]))[1:])
            density = np.exp(-size / _ERROR_DELTA_E) / _ERROR_DELTA_E
            priors.append(np.log(kind.share * np.maximum(stands_for, 1e-6) * density))
            undone.append(these)
    return np.concatenate(undone), np.concatenate(priors)


def _one_dye(
    flat: _Pixels, seen: _Pixels, tolerances: Tolerances, encoding: EncodedRgb
) -> tuple[FloatImage, FloatImage]:
    """Lab ``(H, P, 3)`` and log weights ``(H,)``: one dye moved to the still-life's."""
    count = seen.labels.max() + 1
    flat_shares, seen_shares = dyes.shares(flat.labels), dyes.shares(seen.labels)
    flat_means, seen_means = dyes.means(flat.lab, flat.labels), dyes.means(seen.lab, seen.labels)
    shifts, priors = [], []
    for dye in range(count) if count > 1 and len(flat_shares) > 1 else ():
        for like in range(len(flat_shares)):
            ratio = abs(float(np.log(seen_shares[dye] / flat_shares[like])))
            if (
                ratio > np.log(_MOST_SHARE_RATIO)
                or not _MOVED_SHARES[0] < seen_shares[dye] < _MOVED_SHARES[1]
            ):
                continue
            off = flat_means[like] - seen_means[dye]
            for lightness in (0.0, *(off[0] + _DYE_LIGHTNESS_STEPS)):
                shifts.append(np.zeros((count, 3)))
                shifts[-1][dye] = [lightness, *off[1:]]
                # The dye's own chroma then is the still-life's exactly.
                exact = np.log(2 * np.pi * tolerances.chroma**2)
                priors.append(
                    log_chroma_density(off[1:], ERROR_CHROMA_SPREAD) + exact - ratio + _DYE_LOG_PRIOR
                )
    if not shifts:
        return np.empty((0, *seen.lab.shape), np.float32), np.empty(0)
    moves = np.array(shifts)
    belongs = dyes.belonging(seen.lab, seen_means, dyes.spreads(seen.lab, seen.labels))
    lab = (seen.lab + belongs @ moves).astype(np.float32)
    there, worn = look(flat.lab), look(lab)
    alike = log_likelihood(there, worn, tolerances) + log_chroma(there, worn, tolerances)
    palette = _palette_likelihood(flat, there, lab, seen.labels, worn)
    return lab, alike + palette + np.array(priors) - _gamut_cost(encoding.from_lab(lab))


def _palette_likelihood(
    flat: _Pixels, there: Look, lab: FloatImage, labels: NDArray[np.intp], worn: Look
) -> FloatImage:
    """How likely two prints have the same dyes, ``(H,)``; 0 at best, and for plain cloth."""
    if flat.labels.max() == 0 or labels.max() == 0:
        return np.zeros(len(lab))
    lit_alike = lab - lit_difference(there, worn)[:, None, None] * np.array([1.0, 0, 0])
    distance = dyes.palette_distance(flat.lab, flat.labels, lit_alike, labels)
    return -0.5 * distance / _PALETTE_SPREAD**2


def _gamut_cost(rgb: FloatImage) -> FloatImage:
    """``(H,)`` for what lies clearly outside 0..1 of ``(H, P, 3)``."""
    outside = ((rgb < -0.02) | (rgb > 1.02)).any(axis=2).mean(axis=1)
    return np.asarray(_OUT_OF_GAMUT_COST * np.maximum(0, outside - _OUT_OF_GAMUT_FREE))
