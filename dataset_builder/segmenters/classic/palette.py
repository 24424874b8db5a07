"""The few colours that a piece of cloth or a photo is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from chromiq.dataset_builder.segmenters.classic.tuning import TUNING
from chromiq.records import BoolMask, FloatImage

LAB_WEIGHTS = np.array([TUNING.palette_lightness_weight, 1, 1], np.float32)
_SAMPLE = 20_000
_KMEANS_SAMPLE = 5_000


@dataclass(frozen=True, eq=False)
class Palette:
    """A still-life garment's main colours.

    Attributes:
        colours: ``(N, 3)`` weighted Lab.
        shares: ``(N,)`` the share of the garment that each makes up; they sum to 1.
        densest: ``(N,)`` the largest share that each makes up of a neighbourhood: 1 for the ground of the
            cloth or for a plain sleeve, little for the dots of a print.
    """

    colours: FloatImage
    shares: FloatImage
    densest: FloatImage

    @staticmethod
    def of(lab: FloatImage, garment: BoolMask, count: int = 6) -> Palette:
        """Up to `count` colours of a garment.

        Args:
            lab: ``(h, w, 3)`` Lab, the still-life.
            garment: ``(h, w)`` bool, the garment without its rim.
            count: at most so many; colours of under 4 % of the garment are left out.
        """
        pixels = lab[garment] * LAB_WEIGHTS
        sample = pixels[:: max(1, len(pixels) // _SAMPLE)]
        labels, centres = cluster(sample, count, steady=True)
        share = np.bincount(labels, minlength=len(centres)) / len(labels)
        kept = share >= min(TUNING.palette_min_share, share.max())
        colours, shares = centres[kept], share[kept] / share[kept].sum()
        nearest = np.full(garment.shape, -1)
        nearest[garment] = ((colours**2).sum(axis=1) - 2 * pixels @ colours.T).argmin(axis=1)
        parts = [nearest == index for index in range(len(colours))]
        densest = [
            np.percentile(share[part], TUNING.palette_densest_percentile) if part.any() else 1.0
            for part, share in zip(parts, local_shares(parts, garment), strict=True)
        ]
        return Palette(colours, shares, np.array(densest))


def local_shares(parts: Iterable[BoolMask], whole: BoolMask) -> Iterator[FloatImage]:
    """What share each of some parts makes up of the whole about each pixel: ``(H, W)``, 0..1."""

    def near(mask: BoolMask) -> FloatImage:  # at a quarter of the size: the neighbourhood is wide
        small = cv2.resize(mask.astype(np.float32), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(small, (0, 0), TUNING.palette_neighbourhood_px / 4)

    around = np.maximum(near(whole), 0.05)
    for part in parts:
        yield cv2.resize(near(part) / around, whole.shape[::-1], interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True, eq=False)
class ColourGroups:
    """A person's pixels grouped by colour and, less, by height and distance from the middle.

    Attributes:
        labels: ``(H, W)`` int32, the group of each pixel, -1 outside the person.
        centres: ``(N, 3)`` the groups' mean colours in weighted Lab.
        medians: ``(N, 3)`` their median colours in Lab.
    """

    labels: NDArray[np.int32]
    centres: FloatImage
    medians: FloatImage

    @staticmethod
    def of(lab: FloatImage, person: BoolMask, count: int) -> ColourGroups:
        """Groups of a photo's Lab pixels ``(H, W, 3)`` where a person is."""
        (rows, columns), (height_px, width_px) = np.nonzero(person), person.shape
        aside = np.abs(columns - columns.mean()) / width_px
        places = np.stack(
            [rows / height_px * TUNING.palette_row_weight, aside * TUNING.palette_side_weight], axis=1
        )
        pixels = lab[person]
        of_pixel, centres = cluster(np.concatenate([pixels * LAB_WEIGHTS, places], axis=1), count)
        labels = np.full(person.shape, -1, np.int32)
        labels[person] = of_pixel
        medians = [np.median(pixels[of_pixel == group], axis=0) for group in range(len(centres))]
        return ColourGroups(labels, centres[:, :3], np.array(medians))

    @cached_property
    def grouped(self) -> tuple[BoolMask, NDArray[np.int32]]:
        """Where the person is ``(H, W)``, and the groups of the pixels there ``(P,)``."""
        person = self.labels >= 0
        return person, self.labels[person]

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """``(N,)`` how many pixels each group has."""
        return np.bincount(self.grouped[1], minlength=len(self.centres))

    def mean(self, image: FloatImage | BoolMask) -> FloatImage:
        """``(N,)`` the mean of an image ``(H, W)`` over each group."""
        person, groups = self.grouped
        total = np.bincount(groups, image[person], len(self.centres))
        result: FloatImage = total / self.sizes
        return result

    def spread(self, values: FloatImage) -> FloatImage:
        """``(H, W)`` each pixel's group's value; 0 outside the person."""
        return np.append(values, 0)[self.labels]


def recolourings(palette: Palette, targets: FloatImage) -> FloatImage:
    """How a palette may look on another photo: as it is, or turned, paled and moved onto a target colour.

    Args:
        palette: the colours.
        targets: ``(T, 3)`` colours in weighted Lab that the commonest of the palette may have become.

    Returns:
        ``(R, N, 3)`` palettes; the first is the palette itself.
    """
    main = palette.colours[palette.shares.argmax()]
    spread = palette.colours - main
    moved = []
    for turn in np.radians(TUNING.palette_turns_deg):
        turned = spread.copy()
        turned[:, 1] = np.cos(turn) * spread[:, 1] - np.sin(turn) * spread[:, 2]
        turned[:, 2] = np.sin(turn) * spread[:, 1] + np.cos(turn) * spread[:, 2]
        moved += [target + contrast * turned for contrast in TUNING.palette_contrasts for target in targets]
    return np.stack([palette.colours, *moved])


def cluster(
    features: FloatImage, count: int, *, steady: bool = False
) -> tuple[NDArray[np.int32], FloatImage]:
    """Rows ``(P, F)`` in at most `count` groups: each row's group ``(P,)``, the groups' means ``(N, F)``.

    The groups are found on an even sample; every row then goes to the nearest centre. `steady` ones change
    little with a few rows more or less: the best of more starts, each followed for longer, which takes time.
    """
    cv2.setRNGSeed(0)
    rows = np.ascontiguousarray(features, np.float32)
    sample = np.ascontiguousarray(rows[:: max(1, len(rows) // _KMEANS_SAMPLE)])
    starts, rounds, least_move = (5, 100, 0.05) if steady else (2, 20, 0.5)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, rounds, least_move)
    _, _, centres = cv2.kmeans(sample, min(count, len(sample)), None, criteria, starts, cv2.KMEANS_PP_CENTERS)
    nearest = ((centres**2).sum(axis=1)[:, None] - 2 * centres @ rows.T).argmin(axis=0)
    kept = np.bincount(nearest, minlength=len(centres)) > 0
    return (np.cumsum(kept) - 1)[nearest].astype(np.int32), centres[kept]
