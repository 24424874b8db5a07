"""A pair at the size of a preview, with what judging and correcting it again take from its photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chromiq.correction.fitting.transfer import garment_sample
from chromiq.correction.judging.evidence import find_bodies
from chromiq.dataset_builder.segmenters.classic.body import Body
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.studio.previews import Decoded


@dataclass(frozen=True, eq=False)
class PreviewPair:
    """A still-life and an on-model photo, reduced; the rest is computed once, when it is asked for.

    Attributes:
        still_life: reduced.
        on_model: reduced.
    """

    still_life: Decoded
    on_model: Decoded

    @cached_property
    def rgb(self) -> tuple[RgbImage, RgbImage]:
        """Both photos ``(h, w, 3)`` uint8 sRGB."""
        flat, worn = (shown.space.to_bytes(shown.values) for shown in (self.still_life, self.on_model))
        return flat, worn

    @cached_property
    def still_life_mask(self) -> BoolMask:
        """``(h, w)`` bool, the garment on the still-life."""
        return still_life_mask(self.rgb[0])

    @cached_property
    def flat_lab(self) -> FloatImage:
        """``(P, 3)`` Lab of the garment on the still-life."""
        return garment_sample(self.still_life.values, self.still_life_mask, self.still_life.space)

    @cached_property
    def bodies(self) -> Sequence[Body]:
        """The person on each of the two photos."""
        return find_bodies(*self.rgb)
