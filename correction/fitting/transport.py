"""Chroma moved by regularised transport, and what it makes of the garment together with the hypotheses.

A hypothesis (`fitting.hypotheses`) undoes one kind of error that is known. Errors that no hypothesis
contains, such as those selective by hue, are met by transport: the garment's a*, b* move towards the
still-life's by as little as explains the difference, through a sparse basis of a few dyes.
Transport is unbalanced (dyes may have other shares on both photos) and debiased (what a distribution
transported to itself would move is subtracted), and it starts either from the photo as it is or from what the
hypotheses say. It moves chroma only; lightness comes from the hypotheses, or is as high as on the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chromiq.colour import delta_e_lab
from chromiq.correction.fitting.garment_look import TOLERANCES, lit_difference, look
from chromiq.correction.fitting.hypotheses import Hypotheses
from chromiq.records import FloatImage

_SEEN, _FLAT = 128, 192
_LIGHTNESS = 0.4
_WIDTHS = (90.0, 30.0)
_SLACK = 60.0
_ROUNDS = 12
_DYES = 8
_MAP_ROUNDS, _RIDGE_ROUNDS = 2, 6
_STIFFNESS = 0.02
_NEGLIGIBLE_WEIGHT = 1e-3
# Shares of the three proposals; that from the photo fades as the hypotheses move colours by so many dE00.
TRANSPORTED_SHARE, PHOTO_SHARE, _PHOTO_WITHIN = 0.5, 0.8, 10.0
# Rounds of the median, and the dE00 below which two garments are alike to it.
_MEDIAN_ROUNDS, _ALIKE = 6, 0.3


@dataclass(frozen=True, eq=False)
class Proposals:
    """What the garment's colours are, by three ways of finding them; each ``(P, 3)`` Lab.

    Attributes:
        median: the median of the hypotheses by weight.
        transported: that median with its chroma transported.
        from_photo: the photo with its chroma transported. Lightness is the median's, but where lit cloth is
            lighter than on the still-life it stays so: cloth is often lighter on a body and seldom darker.
        moved: mean dE00 by which `median` differs from the photo.
    """

    median: FloatImage
    transported: FloatImage
    from_photo: FloatImage
    moved: float


def proposals(found: Hypotheses) -> Proposals:
    """The garment's colours as the hypotheses and transport have them."""
    median = _median(found)
    from_photo = transport_chroma(found.seen, found.flat)
    from_photo[:, 0] = median[:, 0]
    worn = look(found.seen)
    lighter = np.clip(lit_difference(look(found.flat), worn) / TOLERANCES.lit_even, 0, 1)
    from_photo[:, 0] += lighter * np.median(worn.lit_worn - look(median).lit_worn)
    return Proposals(
        median=median,
        transported=transport_chroma(median, found.flat),
        from_photo=from_photo,
        moved=float(delta_e_lab(found.seen[::4], median[::4]).mean()),
    )


def _median(found: Hypotheses) -> FloatImage:
    """The colours ``(P, 3)`` about the least far from all hypotheses, in mean dE00 by weight (Weiszfeld)."""
    likely = found.weight > _NEGLIGIBLE_WEIGHT
    weight, labs = found.weight[likely], found.lab[likely].astype(np.float64)
    median: FloatImage = np.average(labs, axis=0, weights=weight)
    for _ in range(_MEDIAN_ROUNDS):
        away = delta_e_lab(median[None, ::4], labs[:, ::4]).mean(axis=1)
        median = np.average(labs, axis=0, weights=weight / np.maximum(away, _ALIKE))
    return median


def combine(
    parts: Proposals, transported_share: float = TRANSPORTED_SHARE, photo_share: float = PHOTO_SHARE
) -> FloatImage:
    """One proposal of three: ``(P, 3)`` Lab.

    Half is the median of the hypotheses, half that median with chroma transported. Where the hypotheses
    move the colours by little, up to four fifths are the photo with its chroma transported: small errors are
    seldom of a kind that is known. `benchmarks/combination.py` compares other shares.

    Args:
        transported_share: share of the transported median, 0..1, the untransported median being the rest.
        photo_share: share of `parts.from_photo` where the hypotheses move nothing, 0..1.
    """
    share = photo_share * np.exp(-((parts.moved / _PHOTO_WITHIN) ** 2))
    of_hypotheses = (1 - transported_share) * parts.median + transported_share * parts.transported
    return (1 - share) * of_hypotheses + share * parts.from_photo


def transport_chroma(base: FloatImage, flat: FloatImage) -> FloatImage:
    """``(P, 3)`` Lab with a*, b* transported towards the still-life's, lightness kept.

    Args:
        base: ``(P, 3)`` Lab, where to start.
        flat: ``(F, 3)`` Lab of the still-life.
    """
    chosen = np.linspace(0, len(base) - 1, min(_SEEN, len(base))).astype(int)
    there = flat[np.linspace(0, len(flat) - 1, min(_FLAT, len(flat))).astype(int)].copy()
    there[:, 0] += lit_difference(look(flat), look(base))
    basis = _dye_basis(base)
    result = base.astype(np.float64)
    for _ in range(_MAP_ROUNDS):
        move, confidence = _displacement(result[chosen], there)
        total = result[chosen, 1:] - base[chosen, 1:] + move
        result[:, 1:] = base[:, 1:] + basis @ _sparse_ridge(basis[chosen], total, confidence)
    return result


def _displacement(seen: FloatImage, flat: FloatImage) -> tuple[FloatImage, FloatImage]:
    """How far the a*, b* of ``(P, 3)`` are transported ``(P, 2)``, and how much of each pixel is ``(P,)``."""
    scale = np.array([_LIGHTNESS, 1, 1])
    here, there = seen * scale, flat * scale
    across, mass = _barycentres(here, there)
    itself, _ = _barycentres(here, here)
    return (across - itself)[:, 1:], np.minimum(mass * len(seen), 1.5)


def _barycentres(here: FloatImage, there: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Unbalanced entropic transport (Chizat et al. 2018): mean target ``(P, 3)`` and row mass ``(P,)``."""
    apart = np.square(here[:, None] - there).sum(axis=-1).astype(np.float32)
    rows = np.full(len(here), 1 / len(here), np.float32)
    columns = np.full(len(there), 1 / len(there), np.float32)
    left, right = np.ones_like(rows), np.ones_like(columns)
    for width in _WIDTHS:
        kernel = np.exp(-apart / width) + 1e-12
        exponent = _SLACK / (_SLACK + width)
        for _ in range(_ROUNDS):
            left = (rows / (kernel @ right)) ** exponent
            right = (columns / (kernel.T @ left)) ** exponent
    plan = left[:, None] * kernel * right
    mass = plan.sum(axis=1)
    centres: FloatImage = plan @ there / np.maximum(mass, 1e-12)[:, None]
    return centres, mass


def _sparse_ridge(basis: FloatImage, move: FloatImage, confidence: FloatImage) -> FloatImage:
    """Coefficients ``(K, 2)``, reweighted so that few columns act (Candès et al. 2008)."""
    weighted = basis * confidence[:, None]
    normal, right = basis.T @ weighted / len(basis), weighted.T @ move / len(basis)
    penalty = np.full(basis.shape[1], _STIFFNESS)
    for _ in range(_RIDGE_ROUNDS):
        coefficients = np.linalg.solve(normal + np.diag(penalty), right)
        penalty = 5 * _STIFFNESS / (np.linalg.norm(coefficients, axis=1) + 0.5)
    return coefficients


def _dye_basis(lab: FloatImage) -> FloatImage:
    """Normalised Gaussians at farthest-point colours."""
    points = lab * [_LIGHTNESS, 1, 1]
    centres = [points.mean(axis=0)]
    for _ in range(_DYES - 1):
        away = np.linalg.norm(points[:, None] - np.array(centres), axis=2).min(axis=1)
        centres.append(points[np.argsort(away)[int(0.97 * (len(points) - 1))]])
    apart = np.square(points[:, None] - np.array(centres)).sum(axis=-1)
    weights = np.exp(-0.5 * apart / 8.0**2) + 1e-9
    return weights / weights.sum(axis=1, keepdims=True)
