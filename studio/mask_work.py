"""A photo whose mask is edited: small enough to look at and to correct again in part of a second.

SAM 2 helps where its weights are on this machine; it is loaded at the first click.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike

from chromiq.correction.judging.evidence import find_bodies, look_at_photos
from chromiq.correction.judging.plausibility import Judgement, judge
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.plan import Plan, plan_correction
from chromiq.correction.subject import Pixels, Subject
from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.network.hub import HubModel, weights_available
from chromiq.dataset_builder.segmenters.network.hub_models import SAM_2
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.imaging.resize import resize_mask
from chromiq.photos.images import photo_size_wh, read_mask
from chromiq.records import BoolMask, GarmentMask, PhotoPair
from chromiq.studio.live import corrected_pixels
from chromiq.studio.previews import BoundedCache, decode_shown, encoded, preview_size_wh, stamp

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.network.clicks import ClickModel, EncodedPhoto

_CACHE_BYTES = 60_000_000
_BYTES_PER_PX = 12
_KEPT_RESULTS = 4


@dataclass(frozen=True, eq=False)
class Editable:
    """A pair whose mask is edited, reduced; the rest is computed once, when it is asked for.

    Attributes:
        size_wh: of the on-model photo itself.
    """

    still_life: Pixels
    on_model: Pixels
    size_wh: tuple[int, int]

    @cached_property
    def _still_life_mask(self) -> BoolMask:
        return still_life_mask(self.still_life.rgb)

    @cached_property
    def _bodies(self) -> Sequence[Body]:
        return find_bodies(self.still_life.rgb, self.on_model.rgb)

    def _subject(self, mask: BoolMask, source: str) -> Subject:
        found = GarmentMask(resize_mask(mask, self.on_model.size_wh), 1.0, source=source)
        return Subject(self.still_life, self._still_life_mask, self.on_model, found, self._bodies)

    def judged(self, mask: BoolMask, source: str) -> Judgement:
        """What speaks against a mask of any size: where it lies and what the photos show there."""
        return judge(look_at_photos(self._subject(mask, source)))

    def corrected(self, mask: BoolMask, source: str, options: CorrectionOptions) -> tuple[Plan, bytes | None]:
        """What the correction makes of the photo with a mask, and a preview; None if it stays as it is."""
        subject = self._subject(mask, source)
        plan = plan_correction(subject, options)
        return plan, encoded(corrected_pixels(subject, plan)) if plan.colour_map else None


def read_editable(pair: PhotoPair) -> Editable:
    """Read a pair at the size of a preview.

    Raises:
        UnsoundError: if one of the photos cannot be used.
    """
    still_life, on_model = (
        decode_shown(path, preview_size_wh(path)) for path in (pair.still_life, pair.on_model)
    )
    return Editable(still_life, on_model, photo_size_wh(pair.on_model))


def mask_of(data: bytes, size_wh: tuple[int, int]) -> BoolMask:
    """The mask in a PNG that was sent.

    Args:
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


class EditingCache:
    """The pairs that were edited last, and the newest result of each."""

    def __init__(self) -> None:
        self._pairs: BoundedCache[Editable] = BoundedCache(
            _CACHE_BYTES,
            lambda each: _BYTES_PER_PX * (each.on_model.values.size + each.still_life.values.size) // 3,
        )
        self._results: dict[tuple[Path, str], bytes] = {}
        self._guard = threading.Lock()

    def editable(self, pair: PhotoPair) -> Editable:
        """A pair, read again if its files have changed."""
        stamps = (stamp(pair.still_life), stamp(pair.on_model))
        return self._pairs.get(stamps, lambda: read_editable(pair))

    def keep_result(self, folder: Path, key: str, picture: bytes | None) -> None:
        """Keep the newest result of a photo, or none."""
        with self._guard:
            self._results.pop((folder, key), None)
            if picture is not None:
                self._results[folder, key] = picture
                while len(self._results) > _KEPT_RESULTS:
                    del self._results[next(iter(self._results))]

    def result(self, folder: Path, key: str) -> bytes | None:
        """The newest result of a photo."""
        with self._guard:
            return self._results.get((folder, key))


class Clicks:
    """Masks from clicks on the photo that is being edited; one request at a time.

    Args:
        masker: SAM 2 or 2.1, by hub name or folder.
    """

    def __init__(self, masker: HubModel = SAM_2) -> None:
        self._masker = masker
        self._guard = threading.Lock()
        self._model: ClickModel | None = None
        self._seen: tuple[Editable, EncodedPhoto] | None = None

    @property
    def is_available(self) -> bool:
        """Whether the libraries and the weights are on this machine; asks no network."""
        return find_spec("torch") is not None and weights_available(self._masker)

    @property
    def how_to_get(self) -> str:
        """What to do so that it is available, as a sentence."""
        name = self._masker.name_or_path
        return (
            f"SAM 2 is not on this machine. Run pip install 'chromiq[models]' and hf download {name}, then "
            "reload this page; or start the studio with --masker FOLDER."
        )

    def mask(self, photo: Editable, points_xy: ArrayLike, is_inside: ArrayLike) -> BoolMask:
        """The mask of what was clicked on, at the size of the photo's preview.

        Args:
            photo: the pair whose on-model photo was clicked on.
            points_xy: ``(N, 2)`` in pixels of the preview.
            is_inside: ``(N,)``, whether each point is on the garment or beside it.

        Raises:
            UsageError: if SAM 2 is not available.
            AccessError: if its weights cannot be used.
        """
        if not self.is_available:
            raise UsageError(self.how_to_get.removesuffix("."))
        from chromiq.dataset_builder.segmenters.network.clicks import load_click_model

        with self._guard:
            self._model = self._model or load_click_model(self._masker)
            if self._seen is None or self._seen[0] is not photo:
                self._seen = photo, self._model.encode(photo.on_model.rgb)
            return self._model.mask(self._seen[1], points_xy, is_inside)
