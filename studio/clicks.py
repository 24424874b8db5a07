"""SAM 2 for the mask editor: loaded at the first click, and only if its weights are on this machine."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from chromiq.dataset_builder.segmenters.network.hub import HubModel, weights_available
from chromiq.dataset_builder.segmenters.network.hub_models import SAM_2
from chromiq.errors import UsageError
from chromiq.records import BoolMask
from chromiq.studio.mask_work import Editable

if TYPE_CHECKING:
    from chromiq.dataset_builder.segmenters.network.clicks import ClickModel, EncodedPhoto


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
