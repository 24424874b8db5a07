"""The pictures of one correction for the report, kept on disk so that a rerun need not make them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.files import write_bytes, write_json
from chromiq.imaging.masks import bounding_box
from chromiq.imaging.report_pictures import outline_path
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image
from chromiq.records import BoolMask, RgbImage

_SIDE_PX = 1000
_CLOSE_UP_PX = 420
_MARGIN_SHARE = 0.04
_QUALITY = 84
PICTURES = ("still_life", "before", "after", "close_up_before", "close_up_after")


@dataclass(frozen=True)
class Panel:
    """Pictures of a correction.

    Attributes:
        folder: where they lie, as JPEG.
        size_wh: of the two on-model pictures, in pixels.
        outline: SVG path of the mask in their pixels.
    """

    folder: Path
    size_wh: tuple[int, int]
    outline: str

    def picture(self, name: str) -> bytes:
        """One of the pictures: ``"still_life"``, ``"before"``, ``"after"`` or a close-up of the last two."""
        return (self.folder / f"{name}.jpg").read_bytes()


def write_panel(
    folder: Path,
    still_life: RgbImage,
    still_life_mask: BoolMask,
    before: RgbImage,
    after: RgbImage,
    mask: BoolMask,
) -> None:
    """Write the pictures of a correction: both photos cut to the garment, and its cloth pixel for pixel.

    Args:
        folder: of this photo alone.
        still_life: ``(h, w, 3)`` uint8 sRGB.
        still_life_mask: ``(h, w)`` bool.
        before: ``(H, W, 3)`` uint8 sRGB, the photo as it came.
        after: the same as it is written.
        mask: ``(H, W)`` bool.
    """
    box = _around(mask)
    cut = mask[box]
    pictures = {"still_life": fit_side(np.ascontiguousarray(still_life[_around(still_life_mask)]), _SIDE_PX)}
    for name, photo in (("before", before), ("after", after)):
        pictures[name] = fit_side(np.ascontiguousarray(photo[box]), _SIDE_PX)
        pictures[f"close_up_{name}"] = np.ascontiguousarray(photo[_middle_of(mask)])
    for name in PICTURES:
        write_bytes(folder / f"{name}.jpg", encode_image(pictures[name], quality=_QUALITY))
    height_px, width_px = pictures["before"].shape[:2]
    panel = Panel(folder, (width_px, height_px), outline_path(cut, height_px / cut.shape[0]))
    write_json(folder / "panel.json", {**asdict(panel), "folder": ""})


def read_panel(folder: Path) -> Panel | None:
    """The pictures that were written to a folder; None if they are not all there."""
    try:
        document: dict[str, Any] = json.loads((folder / "panel.json").read_text(encoding="utf-8"))
        width_px, height_px = document["size_wh"]
        panel = Panel(folder, (int(width_px), int(height_px)), str(document["outline"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return panel if all((folder / f"{name}.jpg").is_file() for name in PICTURES) else None


def _around(mask: BoolMask) -> tuple[slice, slice]:
    if not mask.any():
        return slice(None), slice(None)
    return bounding_box(mask, margin_px=round(_MARGIN_SHARE * max(mask.shape)))


def _middle_of(mask: BoolMask) -> tuple[slice, slice]:
    """A square of the photo's own pixels about the middle of the garment."""
    if mask.any():
        rows, columns = np.nonzero(mask)
        row = int(np.median(rows))
        column = int(np.median(columns[np.abs(rows - row) <= 2]))
    else:
        row, column = mask.shape[0] // 2, mask.shape[1] // 2
    starts = (
        max(0, min(middle - _CLOSE_UP_PX // 2, size - _CLOSE_UP_PX))
        for middle, size in zip((row, column), mask.shape, strict=True)
    )
    top, left = starts
    return slice(top, top + _CLOSE_UP_PX), slice(left, left + _CLOSE_UP_PX)
