"""A pair as read, and what its examples share: the target, and the photo that colour errors are applied to.

Photos that are stitched exactly are brought to the canvas' scale first: the error is then drawn, solved for
and measured on the pixels that the trainer sees. As published, it is applied at the photo's own scale.

Photos that are stitched and changed at the canvas' scale are read no larger than it shows: a large JPEG is
decoded to half, a quarter or an eighth of its sides, in half the time and a quarter of the memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chromiq.dataset_builder.canvas.stitch import (
    Scaling,
    cut_on_model,
    exact_geometry,
    published_geometry,
    stitch,
    with_on_model,
)
from chromiq.dataset_builder.options import BuildOptions
from chromiq.imaging.masks import bounding_box
from chromiq.imaging.resize import SMOOTHED_FROM, coverage, resize, resize_mask, shrink
from chromiq.models import find_model
from chromiq.photos.images import photo_size_wh, read_photo
from chromiq.records import BoolMask, Box, FloatImage, GarmentMask, Geometry, PhotoPair, RgbImage

_LEAST_HEIGHT_PX = 1024  # what segmenters look at; masks are reviewed at a little less


@dataclass(frozen=True, eq=False)
class PairPhotos:
    """A pair's photos and what is known of them.

    Attributes:
        still_life: ``(h, w, 3)`` uint8 sRGB.
        on_model: ``(H, W, 3)`` uint8 sRGB.
        on_model_wh: the width and height of the on-model photo's file, and so of its mask.
        geometry: how the two lie on the canvas; None if the model sees them apart.
        drawn: the mask that was given, if any.
    """

    still_life: RgbImage
    on_model: RgbImage
    on_model_wh: tuple[int, int]
    geometry: Geometry | None
    drawn: GarmentMask | None

    def at_file_size(self, found: GarmentMask) -> GarmentMask:
        """A mask found on `on_model`, of the file's size."""
        if found.mask.shape == self.on_model_wh[::-1]:
            return found
        return replace(found, mask=resize_mask(found.mask, self.on_model_wh))


def read_pair(pair: PhotoPair, given_mask: BoolMask | None, options: BuildOptions) -> PairPhotos:
    """Read a pair.

    Args:
        given_mask: ``(H, W)``, the user's, of the on-model photo's size, if any.

    Raises:
        UnsoundError: if a file cannot be read, or the two photos do not fit the canvas.
    """
    still_life_wh, on_model_wh = photo_size_wh(pair.still_life), photo_size_wh(pair.on_model)
    geometry = geometry_of(options, still_life_wh, on_model_wh)

    def pixels(path: Path, panel: Box) -> RgbImage:
        return read_photo(path, least_wh=_least_wh(panel)).rgb

    if geometry is not None and is_degraded_on_canvas(options):
        still_life = pixels(pair.still_life, geometry.still_life_xyxy)
        on_model = pixels(pair.on_model, geometry.on_model_xyxy)
    else:
        still_life, on_model = read_photo(pair.still_life).rgb, read_photo(pair.on_model).rgb
    drawn = None if given_mask is None else GarmentMask(given_mask, 1.0, (), "given")
    return PairPhotos(still_life, on_model, on_model_wh, geometry, drawn)


@dataclass(frozen=True, eq=False)
class Scene:
    """What the examples of one pair share.

    Attributes:
        photo: ``(H, W, 3)`` uint8 sRGB, the on-model photo at the scale at which errors are applied.
        garment: ``(H, W)``, how much of each of its pixels is garment: bool, or 0..1 float32.
        target: the picture without an error.
        reference: the still-life, when the model sees it apart.
        geometry: of the target; None if nothing is stitched.
        scaling: with which it was stitched.
    """

    photo: RgbImage
    garment: BoolMask | FloatImage
    target: RgbImage
    reference: RgbImage | None = None
    geometry: Geometry | None = None
    scaling: Scaling = resize


def scene_of(options: BuildOptions, photos: PairPhotos, mask: BoolMask) -> Scene:
    """The scene of a pair.

    Args:
        mask: the garment, of the size of the on-model photo's file.
    """
    geometry, on_model = photos.geometry, photos.on_model
    if geometry is None:
        return Scene(on_model, mask, on_model, reference=photos.still_life)
    scaling = resize if options.geometry == "published" else shrink
    target = stitch(photos.still_life, on_model, geometry, scaling)
    if not is_degraded_on_canvas(options):
        return Scene(on_model, mask, target, None, geometry, scaling)
    panel = np.ascontiguousarray(cut_on_model(target, geometry))
    garment = coverage(mask, (panel.shape[1], panel.shape[0]))
    return Scene(panel, garment, target, None, geometry, scaling)


def control_of(scene: Scene, degraded: RgbImage) -> RgbImage:
    """The picture with a colour error.

    Args:
        degraded: its photo with the error; the same outside the garment.
    """
    if scene.geometry is None:
        return degraded
    changed = bounding_box(scene.garment >= 0.5)
    return with_on_model(scene.target, degraded, scene.geometry, scene.scaling, changed)


def geometry_of(
    options: BuildOptions, still_life_wh: tuple[int, int], on_model_wh: tuple[int, int]
) -> Geometry | None:
    """How two photos of these widths and heights lie on the canvas; None if the model sees them apart.

    Raises:
        UnsoundError: if they do not fit it.
    """
    if find_model(options.model).has_reference:
        return None
    if options.geometry == "published":
        return published_geometry(still_life_wh, on_model_wh)
    return exact_geometry(still_life_wh, on_model_wh, options.size_wh)


def is_degraded_on_canvas(options: BuildOptions) -> bool:
    """Whether errors are applied at the canvas' scale, and not at that of the photos."""
    return "published" not in (options.geometry, options.degradation)


def _least_wh(panel: Box) -> tuple[int, int]:
    """The width and height of a photo that show all a panel can."""
    width_px, height_px = panel[2] - panel[0], panel[3] - panel[1]
    scale = max(SMOOTHED_FROM, _LEAST_HEIGHT_PX / height_px)
    return math.ceil(scale * width_px), math.ceil(scale * height_px)
