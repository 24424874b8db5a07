"""What a report shows of an image: small pictures, dE00 maps in colours, the outline of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import delta_e_map
from chromiq.imaging.report_pictures import data_uri
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image
from chromiq.records import FloatImage, RgbImage

MAP_FULL_SCALE = 20.0
"""dE00 that a map shows in its last colour."""
_SIDES_PX = (900, 760, 620, 500, 400, 320, 240, 160)
_QUALITY = 80
# A map of more pixels than this shows no more on a screen and takes seconds.
_MOST_MAP_SIDE_PX = 1600


@dataclass(frozen=True)
class Shown:
    """One result of one image; `source` and `heat`, its dE00 map, are data URIs."""

    column: str
    source: str
    heat: str


@dataclass(frozen=True)
class Panel:
    """An image and its results, all shown at one size.

    Attributes:
        truth: as data URI.
        size_wh: width and height in pixels.
        cut_pct: where across the image the first result differs on either side alike; a slider starts there.
        results: in the order given.
    """

    truth: str
    size_wh: tuple[int, int]
    cut_pct: int
    results: tuple[Shown, ...]


def show(truth: RgbImage, images: Mapping[str, RgbImage], most_bytes: int) -> Panel:
    """An image and its results as they are shown: all of one size, none of more than `most_bytes` as JPEG.

    Args:
        truth: ``(H, W, 3)`` uint8 sRGB.
        images: column to an image of the same size.
        most_bytes: of a picture; kept as long as 160 pixels on its longer side allow it.
    """
    truth = fit_side(truth, _MOST_MAP_SIDE_PX)
    images = {column: fit_side(image, _MOST_MAP_SIDE_PX) for column, image in images.items()}
    # The map is made before it is shrunk: shrinking first would average differences away.
    maps = [delta_e_map(truth, image) for image in images.values()]
    pictures = [truth, *images.values(), *map(_colours, maps)]
    for side_px in _SIDES_PX:
        small = [fit_side(picture, side_px) for picture in pictures]
        encoded = [encode_image(picture, quality=_QUALITY) for picture in small]
        if max(len(data) for data in encoded) <= most_bytes:
            break
    uris = [data_uri(data, "image/jpeg") for data in encoded]
    count = len(images)
    shown = zip(images, uris[1 : 1 + count], uris[1 + count :], strict=True)
    height_px, width_px = small[0].shape[:2]
    return Panel(uris[0], (width_px, height_px), _centre_pct(maps[0]), tuple(Shown(*each) for each in shown))


def scale_bar() -> str:
    """The colours of a map from 0 to `MAP_FULL_SCALE`, left to right, as data URI."""
    ramp = np.linspace(0, MAP_FULL_SCALE, 256, dtype=np.float32)[None].repeat(12, axis=0)
    return data_uri(encode_image(_colours(ramp), "PNG"), "image/png")


def _centre_pct(delta_e: FloatImage) -> int:
    """The column, in percent of the width, that has half of all differences on its left."""
    weight = np.cumsum(delta_e.sum(axis=0, dtype=np.float64))
    if not weight[-1]:
        return 50
    return round(100 * (int(np.searchsorted(weight, weight[-1] / 2)) + 0.5) / len(weight))


def _colours(delta_e: FloatImage) -> RgbImage:
    """A dE00 map as colours: dark for no difference, yellow for `MAP_FULL_SCALE` and more."""
    grey = np.clip(delta_e / MAP_FULL_SCALE * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.uint8)
