"""A pair of photos that was read, with the garment on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.correction.fitting.colour_map import MapsColours, Recoloured, apply_colour_map
from chromiq.correction.fitting.transfer import garment_sample
from chromiq.dataset_builder.inputs.mask_files import empty_mask_fault, mask_size_fault
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.doubts import with_doubt_of_label
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError, raise_findings
from chromiq.imaging.masks import with_rim, without_rim
from chromiq.photos.colour_space import SRGB, ColourSpace
from chromiq.photos.images import Photo, read_mask, read_photo
from chromiq.records import BoolMask, FloatImage, GarmentMask, RgbImage


@dataclass(frozen=True, eq=False)
class Pixels:
    """A picture that is no file.

    Attributes:
        values: ``(H, W, 3)`` uint8 or uint16 in `space`.
    """

    values: NDArray[Any]
    space: ColourSpace = SRGB

    @cached_property
    def rgb(self) -> RgbImage:
        """``(H, W, 3)`` uint8 sRGB."""
        return self.space.to_bytes(self.values)

    @property
    def size_wh(self) -> tuple[int, int]:
        """In pixels."""
        return self.values.shape[1], self.values.shape[0]


@dataclass(frozen=True, eq=False)
class Subject:
    """A pair of photos with the garment on both.

    Attributes:
        still_life: the photo whose colour is right.
        still_life_mask: ``(h, w)`` bool, the garment on it.
        on_model: the photo to correct.
        found: the garment on it.
        bodies: the person on each of the two, as `judging.evidence.find_bodies` finds them, which takes
            longest of all that is judged; None to look when it is needed.
    """

    still_life: Photo | Pixels
    still_life_mask: BoolMask
    on_model: Photo | Pixels
    found: GarmentMask
    bodies: Sequence[Body] | None = None

    @cached_property
    def still_life_lab(self) -> FloatImage:
        """``(P, 3)`` Lab of garment pixels on the still-life."""
        return garment_sample(self.still_life.values, self.still_life_mask, self.still_life.space)

    @cached_property
    def cloth(self) -> BoolMask:
        """The garment on the on-model photo without the rim that a found mask has."""
        return cloth_of(self.found)

    @cached_property
    def on_model_lab(self) -> FloatImage:
        """``(Q, 3)`` Lab of garment pixels on the on-model photo; empty if no garment was found."""
        return self.sample(self.on_model.values)

    def sample(self, values: NDArray[Any]) -> FloatImage:
        """The same pixels as `on_model_lab`, of another version of the on-model photo."""
        if not self.cloth.any():
            return np.empty((0, 3), np.float32)
        return garment_sample(values, self.cloth, self.on_model.space)

    def recoloured(self, colour_map: MapsColours) -> Recoloured:
        """The on-model photo with a colour map on its garment."""
        photo, found = self.on_model, self.found
        return apply_colour_map(photo.values, found.mask, colour_map, photo.space, has_rim=found.has_rim)


def cloth_of(found: GarmentMask) -> BoolMask:
    """A mask ``(H, W)`` without the rim that it has if it was found."""
    return without_rim(found.mask) if found.has_rim else found.mask


@dataclass(frozen=True, eq=False)
class FileSubject(Subject):
    """A subject whose two photos are files."""

    still_life: Photo
    on_model: Photo


def read_subject(
    still_life: Path,
    on_model: Path,
    segmenter: Segmenter,
    mask: Path | None,
    found: GarmentMask | None = None,
) -> FileSubject:
    """Read a pair and find its garment on both photos.

    Args:
        segmenter: finds the garment if neither `mask` nor `found` is given.
        mask: a mask file of the on-model photo's size.
        found: the garment, if it is known already.

    Raises:
        UnsoundError: if a photo or the mask cannot be used.
    """
    photos: dict[Path, Photo] = {}
    faults: list[Finding] = []
    for path in dict.fromkeys((still_life, on_model)):
        try:
            photos[path] = read_photo(path)
        except UnsoundError as error:
            faults += error.findings
    raise_findings(faults, "the photos")
    right, photo = photos[still_life], photos[on_model]
    found = found or find_garment(right.rgb, photo.rgb, segmenter, mask)
    return FileSubject(right, still_life_mask(right.rgb), photo, found)


def find_garment(
    still_life: RgbImage, on_model: RgbImage, segmenter: Segmenter, mask: Path | None = None
) -> GarmentMask:
    """The garment on the on-model photo: as a mask file says, or as the segmenter finds it, with its rim.

    Raises:
        UnsoundError: if the mask file cannot be read or has another size than the photo.
    """
    if mask is None:
        label = segmenter.label([(still_life, on_model)])[0]
        found = segmenter.segment([SegmentationTask(still_life, on_model, label.name)])[0]
        source = "found" if found.is_given else found.source  # a segmenter need not name itself
        return with_doubt_of_label(replace(found, mask=with_rim(found.mask), source=source), label)
    given = read_mask(mask)
    if fault := mask_size_fault(given, mask, on_model.shape[1::-1]):
        raise UnsoundError.of(fault)
    return GarmentMask(np.asarray(given), 1.0)


def require_garment(found: GarmentMask, mask: Path | None) -> None:
    """Refuse a mask file that shows nothing; that nothing was found is for the judgement to say.

    Raises:
        UnsoundError: if `found` was read from `mask` and is empty.
    """
    if mask is not None and (fault := empty_mask_fault(found.mask, mask)):
        raise UnsoundError.of(fault)
