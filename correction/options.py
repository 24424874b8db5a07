"""What a correction is to do, chosen for a whole run or for one photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chromiq.errors import UsageError

MAX_STRENGTH = 1.5
MIN_GAIN = 0.5
"""dE00; a correction expected to remove less is not made. At 1.0 fewer photos that were right change by over
1 dE00, and 0.1 dE00 more is left of errors of all kinds."""
Method = Literal["transfer", "lora", "hybrid"]
ExportName = Literal["cube", "layers"]


@dataclass(frozen=True)
class CorrectionOptions:
    """What a correction is to do.

    Attributes:
        method: how the colour is found: from the two photos, by a LoRA, or by both.
        strength: 0 leaves the photo as it is, 1 corrects all the way, up to 1.5 overshoots.
        min_gain: dE00; a correction that is expected to remove less is not made.
        force: correct even a photo that would be left alone.
        target_lab: CIE Lab (D50, as Photoshop and most instruments give it) that the garment is to have, in
            place of the still-life's colour.
        alike: correct all photos of one garment by one map where they are lit alike.
        exports: what else to write beside each corrected photo.

    Raises:
        UsageError: if a value is out of range.
    """

    method: Method = "transfer"
    strength: float = 1.0
    min_gain: float = MIN_GAIN
    force: bool = False
    target_lab: tuple[float, float, float] | None = None
    alike: bool = True
    exports: tuple[ExportName, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= MAX_STRENGTH:
            raise UsageError(f"strength {self.strength:g} is not between 0 and {MAX_STRENGTH:g}")
        if not 0 <= self.min_gain <= 100:
            raise UsageError(f"min_gain {self.min_gain:g} is not between 0 and 100 dE00")
        if self.method == "lora" and "cube" in self.exports:
            raise UsageError(
                "a .cube holds a colour map, and the method lora uses none. Export layers, or choose hybrid."
            )
        if self.target_lab is None:
            return
        lightness, a, b = self.target_lab
        if not (0 <= lightness <= 100 and abs(a) <= 128 and abs(b) <= 128):
            raise UsageError(
                f"target {lightness:g},{a:g},{b:g} is not a Lab colour: L is 0 to 100, a and b -128 to 128"
            )
        if self.method != "transfer":
            raise UsageError(f"a target colour cannot be combined with method {self.method!r}")
