"""Fixed crops to measure on, declared once on the truth image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chromiq.dataset_layout import DatasetLayout
from chromiq.documents import read_text, validation_findings
from chromiq.errors import Finding, raise_findings
from chromiq.files import by_composed_name
from chromiq.imaging.masks import bounding_box
from chromiq.photos.images import read_mask_share
from chromiq.records import BoolMask, Box


class Crop(BaseModel):
    """A rectangle on the truth image, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    @property
    def xyxy(self) -> Box:
        """Left, top, right, bottom; right and bottom exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)

    @property
    def box(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


# The rest may be a button or the edge of a mask.
_MIN_GARMENT_SHARE = 0.98
_CROPS = TypeAdapter(dict[str, Crop])


def read_crops(path: Path) -> dict[str, Crop]:
    """The crops of a ``crops.json``: ``{"pair1": {"x": 700, "y": 310, "width": 160, "height": 160}}``.

    Returns:
        Crop by composed stem.

    Raises:
        UnsoundError: with all that is wrong in the file.
    """
    hint = "Suggest some with chromiq crops suggest."
    try:
        crops = _CROPS.validate_json(read_text(path))
        if crops:
            return by_composed_name(crops.items(), path, "crops.twice")
        found = [Finding("crops.empty", str(path), "no crops in the file", hint)]
    except ValidationError as error:
        found = validation_findings(error, "crops.form", path.name, "Correct the entry.")
    except (OSError, ValueError) as error:
        message = f"cannot be read as crops ({error})"
        found = [Finding("crops.unreadable", str(path), message, "Check the path.")]
    raise_findings(found, str(path))
    raise AssertionError  # the findings above are errors


def crop_findings(crop: Crop, size_wh: tuple[int, int], name: str) -> list[Finding]:
    """Whether a crop lies within its truth image."""
    _, _, right, bottom = crop.xyxy
    if right <= size_wh[0] and bottom <= size_wh[1]:
        return []
    message = f"the crop ends at {right},{bottom}, outside the image of {size_wh[0]}x{size_wh[1]}"
    return [Finding("crops.bounds", name, message, "Move the crop.")]


def crop_mask_findings(crop: Crop, mask: BoolMask, name: str) -> list[Finding]:
    """Whether a crop lies on the garment.

    Args:
        crop: inside the truth image.
        mask: ``(H, W)`` bool, True on the garment, of the truth image's size.
    """
    share = float(np.mean(mask[crop.box]))
    if share >= _MIN_GARMENT_SHARE:
        return []
    message = f"{share:.0%} of the crop is garment, less than {_MIN_GARMENT_SHARE:.0%}"
    return [Finding("crops.mask", name, message, "Move it, or use chromiq crops suggest.")]


def is_panel_mask(mask: BoolMask, path: Path) -> bool:
    """Whether a mask is that of a whole photo, as loss masks are, and not of a garment.

    A rectangle that spans the picture from edge to edge is one. So is any rectangle among a dataset's loss
    masks: that of a padded photo need not reach the edges.

    Args:
        mask: ``(H, W)`` bool.
        path: the mask's file.
    """
    if not mask.any():
        return False
    rows, columns = box = bounding_box(mask)
    spans = mask.shape[0] == rows.stop - rows.start or mask.shape[1] == columns.stop - columns.start
    return bool(mask[box].all()) and (spans or _is_plain_loss_mask(path, mask))


def panel_mask_finding(paths: Sequence[Path]) -> Finding:
    """Masks of whole photos, at least one: usually all of a folder are."""
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} masks, the first {paths[0]}"
    message = "white on a whole photo, as a default loss mask is, not on its garment"
    hint = (
        "Give masks that are white on the garment alone, such as the masks of a dataset built with "
        "`loss_mask` garment."
    )
    return Finding("crops.panel_mask", where, message, hint)


def _is_plain_loss_mask(path: Path, mask: BoolMask) -> bool:
    """Whether a file is among a dataset's loss masks, and black around its white: garment masks are grey."""
    folder = path.absolute().parent
    layouts = [DatasetLayout(root) for root in folder.parents[:2]]
    built = any(
        layout.manifest.is_file() and folder in (layout.loss_masks, layout.held_out.loss_masks)
        for layout in layouts
    )
    return built and bool(np.isclose(read_mask_share(path), mask.mean()))


def crop_seam_findings(crop: Crop, on_model: Box, name: str) -> list[Finding]:
    """Whether a crop lies on the on-model photo of a stitched picture, clear of seam and padding."""
    left, top, right, bottom = crop.xyxy
    if left >= on_model[0] and top >= on_model[1] and right <= on_model[2] and bottom <= on_model[3]:
        return []
    message = f"the crop {crop.xyxy} is not inside the on-model photo {on_model}"
    return [Finding("crops.seam", name, message, "Move the crop.")]


def unknown_crop_finding(name: str, truth: Path) -> Finding:
    """A crop whose image is missing."""
    return Finding("crops.image", name, f"no such image in {truth}", "Correct the name in crops.json.")
