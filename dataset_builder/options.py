"""What decides the bytes of a dataset, apart from the photos."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from chromiq.dataset_builder.canvas.captions import check_templates
from chromiq.dataset_builder.degrade import Style
from chromiq.dataset_builder.segmenters.choose import ModelOptions, SegmenterName, label_faults
from chromiq.dataset_builder.segmenters.classic.body import Kind
from chromiq.errors import OptionError, UsageError
from chromiq.models import DEFAULT_MODEL, find_model

_MIN_CANVAS_PX, _MAX_CANVAS_PX = 64, 8192
GeometryName = Literal["published", "exact"]
LossMaskName = Literal["auto", "half", "panel", "garment"]


@dataclass(frozen=True)
class BuildOptions:
    """What decides the bytes of a dataset, apart from the photos.

    Attributes:
        model: the model to train; it decides whether photos are stitched, and the captions.
        segmenter: which one finds the garment.
        models: how, for a segmenter that has models.
        degradation: which colour errors are applied.
        geometry: how photos are laid out when stitched.
        loss_mask: which pixels train: ``"half"`` the published right half, ``"panel"`` the on-model photo,
            ``"garment"`` mostly the garment. ``"auto"`` is half for the published geometry, panel for the
            exact one, and no mask where the on-model photo is the whole image.
        size_wh: the canvas of the exact geometry, or None for the Kontext size that loses least.
        variants: how many different errors each pair gets.
        identity_share: share of training examples whose colours are left true, 0..1, so that the model
            learns to leave them alone.
        held_out: share of garments kept out of training, 0..1.
        seed: of everything that is drawn.
        captions: templates with ``{trigger}``, ``{garment}`` and, for stitched images, ``{side}``; each
            example draws one. The published sentence if empty.
        part: where the garments are worn, ``"upper"``, ``"lower"`` or ``"full"``, whatever they are called,
            for still-lifes that show a set; None leaves that to their names and the photos.
    """

    model: str = DEFAULT_MODEL
    segmenter: SegmenterName = "auto"
    degradation: Style = "perceptual"
    geometry: GeometryName = "exact"
    loss_mask: LossMaskName = "auto"
    size_wh: tuple[int, int] | None = None
    variants: int = 1
    identity_share: float = 0.0
    held_out: float = 0.0
    seed: int = 0
    captions: tuple[str, ...] = ()
    part: Kind | None = None
    models: ModelOptions = field(default_factory=ModelOptions)

    @property
    def loss_mask_style(self) -> str | None:
        """``"half"``, ``"panel"`` or ``"garment"``; None if no mask is written."""
        if self.loss_mask != "auto":
            return self.loss_mask
        if find_model(self.model).has_reference:
            return None
        return "half" if self.geometry == "published" else "panel"

    def label_faults(self, labels: Collection[str]) -> dict[str, str]:
        """Which garment names the segmenter cannot be asked for, each with why, as a clause.

        Raises:
            AccessError: if its tokenizer cannot be fetched.
        """
        return label_faults(self.segmenter, labels, self.models)


def check_options(options: BuildOptions) -> None:
    """Refuse options that make no dataset.

    Raises:
        UsageError: naming the one that is wrong.
    """
    model = find_model(options.model)
    if options.variants < 1 or not 0 <= options.held_out < 1 or not 0 <= options.identity_share <= 1:
        raise UsageError(
            "`variants` must be at least 1, `held_out` from 0 to below 1 and `identity_share` from 0 to 1"
        )
    check_templates(model, options.captions)
    if options.loss_mask == "half" and model.has_reference:
        raise UsageError(
            f"`loss_mask` half is for stitched images, and {model.name} takes the still-life separately. "
            "Use garment or panel."
        )
    if options.size_wh is None:
        return
    width_px, height_px = options.size_wh
    step_px = model.divisible_by_px
    reason = "the published geometry has its own" if options.geometry == "published" else None
    if model.has_reference:
        reason = f"{options.model} sees photos as they are"
    if reason:
        raise OptionError("size", f"cannot be set, because {reason}. Leave it out.")
    if width_px % step_px or height_px % step_px:
        fitting = f"{width_px // step_px * step_px}x{height_px // step_px * step_px}"
        message = f"{width_px}x{height_px} are not multiples of {step_px}, and the trainer cuts off the rest."
        raise OptionError("size", f"{message} Use {fitting}.")
    if not _MIN_CANVAS_PX <= min(options.size_wh) <= max(options.size_wh) <= _MAX_CANVAS_PX:
        message = f"{width_px}x{height_px} is not between {_MIN_CANVAS_PX} and {_MAX_CANVAS_PX} px a side."
        raise OptionError("size", message)
