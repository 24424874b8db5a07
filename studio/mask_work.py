"""A photo whose mask is edited: small enough to look at and to correct again in part of a second."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from chromiq.correction.decide import Plan, plan_correction
from chromiq.correction.fitting.colour_map import apply_colour_map
from chromiq.correction.fitting.transfer import garment_sample
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.plausibility import Judgement, judge, look_at_photos
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError
from chromiq.photos.images import Photo, encode_lossless, photo_size_wh, read_mask, read_photo, vips_image
from chromiq.records import BoolMask, FloatImage, GarmentMask, PhotoPair

PREVIEW_PX = 2_000_000
_KEPT = 4
TILE_PX = 512


@dataclass(frozen=True, eq=False)
class Editable:
    """A pair at the size of a preview.

    Attributes:
        pair: the photos.
        size_wh: of the on-model photo itself.
        still_life: reduced.
        still_life_mask: ``(h, w)`` bool, the garment on it.
        on_model: reduced.
        flat_lab: ``(P, 3)`` Lab of the garment on the still-life.
    """

    pair: PhotoPair
    size_wh: tuple[int, int]
    still_life: Photo
    still_life_mask: BoolMask
    on_model: Photo
    flat_lab: FloatImage

    def looks_unlike(self, mask: BoolMask) -> Judgement:
        """What speaks against a mask of any size: where it lies and what the photos show there."""
        return judge(
            look_at_photos(self.still_life.rgb, self.still_life_mask, self.on_model.rgb, self._found(mask))
        )

    def corrected(self, mask: BoolMask, options: CorrectionOptions) -> tuple[Plan, bytes | None]:
        """What the correction makes of the photo with a mask, and a preview; None if it stays as it is."""
        photo, found = self.on_model, self._found(mask)
        seen = (
            garment_sample(photo.values, found.mask, photo.space)
            if found.mask.any()
            else np.empty((0, 3), np.float32)
        )
        plan = plan_correction(
            self.still_life.rgb, self.still_life_mask, photo.rgb, found, self.flat_lab, seen, options
        )
        if plan.colour_map is None:
            return plan, None
        after = apply_colour_map(photo.values, found.mask, plan.colour_map, space=photo.space)
        return plan, encoded(replace(photo, values=after.values))

    def _found(self, mask: BoolMask) -> GarmentMask:
        size_wh = self.on_model.values.shape[1::-1]
        small = cv2.resize(mask.astype(np.uint8) * 255, size_wh, interpolation=cv2.INTER_AREA)
        return GarmentMask(small > 127, 1.0)


def read_editable(pair: PhotoPair) -> Editable:
    """Read a pair at the size of a preview.

    Raises:
        UnsoundError: if one of the photos cannot be used.
    """
    still_life, on_model = read_preview(pair.still_life), read_preview(pair.on_model)
    flat_mask = still_life_mask(still_life.rgb)
    flat_lab = garment_sample(still_life.values, flat_mask, still_life.space)
    return Editable(pair, photo_size_wh(pair.on_model), still_life, flat_mask, on_model, flat_lab)


def read_preview(path: Path) -> Photo:
    """A photo of at most `PREVIEW_PX` pixels, its numbers in its own space."""
    width_px, height_px = photo_size_wh(path)
    scale = min(1.0, (PREVIEW_PX / (width_px * height_px)) ** 0.5)
    size_wh = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    photo = read_photo(path, min_side_px=1, least_wh=size_wh)
    if photo.values.shape[1::-1] == size_wh:
        return photo
    values, alpha = (
        None if part is None else cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA)
        for part in (photo.values, photo.alpha)
    )
    assert values is not None
    return replace(photo, values=values, alpha=alpha)


def encoded(photo: Photo) -> bytes:
    """A photo as PNG of 8 bits, lossless, with its profile."""
    import pyvips

    values = photo.values
    if values.dtype == np.uint16:
        values = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    image = vips_image(values)
    if photo.space.profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", photo.space.profile)
    return encode_lossless(image, "PNG")


def mask_of(data: bytes, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a PNG that was sent.

    Args:
        data: the file's bytes.
        size_wh: that it has to have; nothing larger is decoded.

    Raises:
        UnsoundError: if it is no such file.
    """
    wanted = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size_wh[0].to_bytes(4, "big") + size_wh[1].to_bytes(4, "big")
    if not data.startswith(wanted + b"\x08\0\0\0\0"):
        message = f"is not an 8-bit grey PNG of {size_wh[0]}x{size_wh[1]} pixels"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if levels is None or levels.shape != size_wh[::-1]:
        message = "cannot be decoded"
        raise UnsoundError(message, [Finding("mask.form", "the mask that was sent", message)])
    return np.asarray(levels >= 128)


def mask_on_disk(path: Path, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a file; an empty one if the file is missing or has another size."""
    if path.is_file():
        mask = read_mask(path)
        if mask.shape == size_wh[::-1]:
            return mask
    return np.zeros(size_wh[::-1], bool)


@dataclass
class EditingCache:
    """The pairs that were edited last, the newest photo at its full size, and the newest result of each."""

    _pairs: OrderedDict[tuple[object, ...], Editable] = field(default_factory=OrderedDict)
    _results: dict[tuple[Path, str], bytes] = field(default_factory=dict)
    _whole: tuple[tuple[object, ...], Photo] | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def editable(self, pair: PhotoPair) -> Editable:
        """A pair, read again if its files have changed."""
        key = (pair.key, *_stamp(pair.still_life), *_stamp(pair.on_model))
        with self._guard:
            if key not in self._pairs:
                self._pairs[key] = read_editable(pair)
                while len(self._pairs) > _KEPT:
                    self._pairs.popitem(last=False)
            self._pairs.move_to_end(key)
            return self._pairs[key]

    def tile(self, pair: PhotoPair, column: int, row: int) -> bytes | None:
        """A square of a photo at its full size as PNG; None beyond its edges."""
        key = _stamp(pair.on_model)
        with self._guard:
            if self._whole is None or self._whole[0] != key:
                self._whole = None  # two at once may be too much
                self._whole = (key, read_photo(pair.on_model, min_side_px=1))
            photo = self._whole[1]
        top, left = row * TILE_PX, column * TILE_PX
        part = photo.values[top : top + TILE_PX, left : left + TILE_PX]
        return encoded(replace(photo, values=part, alpha=None)) if part.size else None

    def keep_result(self, folder: Path, key: str, picture: bytes | None) -> None:
        """Keep the newest result of a photo, or none."""
        with self._guard:
            self._results.pop((folder, key), None)
            if picture is not None:
                self._results[folder, key] = picture
                while len(self._results) > _KEPT:
                    del self._results[next(iter(self._results))]

    def result(self, folder: Path, key: str) -> bytes | None:
        """The newest result of a photo."""
        with self._guard:
            return self._results.get((folder, key))


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except OSError:
        return path, None, None  # reading it reports why
    return path, status.st_mtime_ns, status.st_size
