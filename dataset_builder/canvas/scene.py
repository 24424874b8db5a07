"""What the examples of one pair share: the true picture, and the photo that errors are put into.

Photos that are stitched exactly are brought to the canvas' scale first: the error is then drawn, solved for
and measured on the pixels that the trainer sees. As published, it is put in at the photo's own scale.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from chromiq.imaging.resize import coverage, resize, shrink
from chromiq.models import find_model
from chromiq.records import BoolMask, FloatImage, Geometry, RgbImage


@dataclass(frozen=True, eq=False)
class Scene:
    """What the examples of one pair share.

    Attributes:
        photo: ``(H, W, 3)`` uint8 sRGB, the on-model photo at the scale at which errors are put in.
        garment: ``(H, W)``, how much of each of its pixels is garment: bool, or 0..1 float32.
        target: the true picture.
        reference: the still-life, when the model sees it apart.
        geometry: where the photos lie on the target; None if nothing is stitched.
        scaling: how they came there.
    """

    photo: RgbImage
    garment: BoolMask | FloatImage
    target: RgbImage
    reference: RgbImage | None = None
    geometry: Geometry | None = None
    scaling: Scaling = resize


def scene_of(
    options: BuildOptions,
    geometry: Geometry | None,
    still_life: RgbImage,
    on_model: RgbImage,
    mask: BoolMask,
) -> Scene:
    """The scene of two photos.

    Args:
        options: of the build.
        geometry: as `geometry_of` gives it for the photos' files.
        still_life: ``(h, w, 3)`` uint8 sRGB.
        on_model: ``(H, W, 3)`` uint8 sRGB.
        mask: the garment on the on-model photo; of that photo's size, unless `is_degraded_on_canvas`.
    """
    if geometry is None:
        return Scene(on_model, mask, on_model, reference=still_life)
    scaling = resize if options.geometry == "published" else shrink
    target = stitch(still_life, on_model, geometry, scaling)
    if not is_degraded_on_canvas(options):
        return Scene(on_model, mask, target, None, geometry, scaling)
    panel = np.ascontiguousarray(cut_on_model(target, geometry))
    garment = coverage(mask, (panel.shape[1], panel.shape[0]))
    return Scene(panel, garment, target, None, geometry, scaling)


def control_of(scene: Scene, degraded: RgbImage) -> RgbImage:
    """The picture with a colour error.

    Args:
        scene: as `scene_of` gives it.
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
    """Whether errors are put into photos that are stitched at the canvas' scale, and not at their own."""
    return "published" not in (options.geometry, options.degradation)
