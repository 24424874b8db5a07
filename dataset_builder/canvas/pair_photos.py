"""A pair's photos and its given mask, read no larger than its examples need them.

Photos that are stitched and changed in colour at the canvas' scale need no more pixels than it shows: a large
JPEG is decoded to half, a quarter or an eighth of its sides, in half the time and a quarter of the memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from chromiq.dataset_builder.canvas.scene import geometry_of, is_degraded_on_canvas
from chromiq.dataset_builder.mask_files import MaskSource, read_given_mask
from chromiq.dataset_builder.options import BuildOptions
from chromiq.imaging.resize import SMOOTHED_FROM, resize_mask
from chromiq.photos.images import photo_size_wh, read_photo
from chromiq.records import Box, GarmentMask, Geometry, PhotoPair, RgbImage

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


def read_pair(pair: PhotoPair, given_mask: MaskSource | None, options: BuildOptions) -> PairPhotos:
    """Read a pair.

    Args:
        pair: two photos.
        given_mask: where a mask of the user's is, if any.
        options: of the build.

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
    drawn = GarmentMask(read_given_mask(given_mask), 1.0, (), "given") if given_mask else None
    return PairPhotos(still_life, on_model, on_model_wh, geometry, drawn)


def _least_wh(panel: Box) -> tuple[int, int]:
    """The width and height of a photo that show all a panel can."""
    width_px, height_px = panel[2] - panel[0], panel[3] - panel[1]
    scale = max(SMOOTHED_FROM, _LEAST_HEIGHT_PX / height_px)
    return math.ceil(scale * width_px), math.ceil(scale * height_px)
