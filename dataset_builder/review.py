"""Pairs whose mask is doubtful, for the user to look at: ``review/on_modelN.jpg`` and ``.png``.

The picture shows the still-life beside the on-model photo with the mask's outline; the mask lies beside it,
to be corrected and used as a given mask.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chromiq.dataset_builder.segmenters.doubts import DOUBTFUL_BELOW, in_words, what_to_do
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding
from chromiq.files import sha256_file
from chromiq.imaging.contact_sheet import captioned, outlined
from chromiq.imaging.resize import fit_height, resize_mask
from chromiq.photos.images import write_mask, write_photo
from chromiq.records import GarmentMask, PhotoPair, RgbImage

_HEIGHT_PX = 900


def write_review(
    folder: Path, key: str, still_life: RgbImage, on_model: RgbImage, found: GarmentMask
) -> dict[str, str]:
    """Write the picture and the mask of a doubtful pair.

    Args:
        still_life: ``(h, w, 3)`` uint8 sRGB.
        on_model: ``(H, W, 3)`` uint8 sRGB, the photo at any size.
        found: the mask, of the photo's own size.

    Returns:
        Path within the dataset to SHA-256 of both files.
    """
    layout = DatasetLayout(folder)
    picture, mask = layout.review_picture(key), layout.review_mask(key)
    size_wh, thickness_px = on_model.shape[1::-1], max(2, on_model.shape[0] // 300)
    mask_there = resize_mask(found.mask, size_wh)
    marked = outlined(on_model, mask_there, thickness_px, text=f"{found.confidence:.2f}")
    both = np.hstack([fit_height(photo, _HEIGHT_PX) for photo in (still_life, marked)])
    lines = [what_to_do(found.reasons), in_words(found.reasons)]
    write_photo(picture, captioned(both, lines, doubtful=True), quality=88)
    write_mask(mask, found.mask)
    return {layout.relative(path): sha256_file(path) for path in (picture, mask)}


def remove_review(folder: Path, key: str) -> None:
    """Remove the picture and the mask of a pair that is no longer doubtful."""
    layout = DatasetLayout(folder)
    for path in (layout.review_picture(key), layout.review_mask(key)):
        path.unlink(missing_ok=True)


def doubt_finding(pair: PhotoPair, confidence: float, reasons: tuple[str, ...], *, kept: bool) -> Finding:
    """The report of a doubtful pair: a warning if it is kept, an error if it was left out."""
    picture = DatasetLayout(Path()).review_picture(pair.key).as_posix()
    message = f"mask confidence {confidence:.2f} is below {DOUBTFUL_BELOW}: {in_words(reasons)}"
    look = " ".join(filter(None, (f"Look at {picture}.", what_to_do(reasons))))
    hint = f"{look} Pass a better mask in the folder of masks"
    if kept:
        return Finding("mask.doubtful", str(pair.on_model), message, f"{hint}.", "warning")
    hint += ", or set keep_doubtful."
    return Finding("mask.doubtful", str(pair.on_model), f"left out: {message}", hint)
