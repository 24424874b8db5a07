"""A JPEG changed in part keeps the coefficients of every block that was not touched.

A JPEG is stored in blocks of 8 to 16 pixels a side. Encoding all of it anew moves pixels everywhere by a
step or two; copying the untouched blocks as they are stored moves none.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from PIL import Image

from chromiq.records import BoolMask, RgbImage

_LAYOUT = ("image_width", "image_height", "jpeg_color_space", "num_components")


def restore_blocks(path: Path, source: Path, before: RgbImage, changed: RgbImage) -> bool:
    """Put a JPEG's own blocks back into the file that was encoded anew, wherever nothing was changed.

    The outcome is decoded and compared before it replaces anything. Where the library is not installed,
    or the two files differ in tables, sampling or size, the file stays as it is.

    Args:
        path: the file encoded anew, with the source's tables and sampling; replaced on success.
        source: the JPEG it was made of.
        before: ``(h, w, 3)`` uint8, the source's pixels as they are stored.
        changed: ``(h, w, 3)`` uint8, what was encoded.

    Returns:
        Whether every pixel is the source's, but for the blocks that were touched and those beside them, into
        which a decoder smooths colour that is stored at half resolution.
    """
    if find_spec("jpegio") is None:
        return False
    import jpegio

    with TemporaryDirectory(prefix="chromiq-") as folder:
        merged = Path(folder) / "merged.jpg"
        try:
            kept, new = jpegio.read(str(source)), jpegio.read(str(path))
            if not _alike(kept, new):
                return False
            block_hw = (8 * kept.max_v_samp_factor, 8 * kept.max_h_samp_factor)
            touched = _touched(before, changed, block_hw)
            for own, anew, part in zip(kept.coef_arrays, new.coef_arrays, kept.comp_info, strict=True):
                blocks = _spread(touched, (8 * part.v_samp_factor, 8 * part.h_samp_factor), own.shape)
                np.copyto(own, anew, where=blocks)
            # Code tables that were made for the source alone know no codes for what is new.
            kept.optimize_coding = 1
            jpegio.write(kept, str(merged))
        except (OSError, RuntimeError, ValueError):
            return False  # a kind of JPEG that the library does not know
        beside = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        within = cv2.erode(touched.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
        with Image.open(path) as image, Image.open(merged) as result:
            anew, after = np.asarray(image), np.asarray(result)
        outside, inside = (_spread(where, block_hw, before.shape[:2]) for where in (~beside, within))
        if _differ(after, before, outside) or _differ(after, anew, inside):
            return False
        path.write_bytes(merged.read_bytes())
    return True


def _alike(first: Any, second: Any) -> bool:
    """Whether coefficients of one JPEG mean in another what they mean at home."""
    tables = [
        [np.asarray(each.quant_tables[part.quant_tbl_no]).tolist() for part in each.comp_info]
        for each in (first, second)
    ]
    shapes = [[coefficients.shape for coefficients in each.coef_arrays] for each in (first, second)]
    layouts = [[getattr(each, name) for name in _LAYOUT] for each in (first, second)]
    return tables[0] == tables[1] and shapes[0] == shapes[1] and layouts[0] == layouts[1]


def _touched(before: RgbImage, changed: RgbImage, block_hw: tuple[int, int]) -> BoolMask:
    """Which blocks hold a pixel that was changed: ``(rows, columns)`` bool."""
    rows, columns = (-(-side // block) for side, block in zip(before.shape, block_hw, strict=False))
    padded = np.zeros((rows * block_hw[0], columns * block_hw[1], 3), bool)
    np.not_equal(before, changed, out=padded[: before.shape[0], : before.shape[1]])
    in_blocks = padded.reshape(rows, block_hw[0], columns, 3 * block_hw[1])
    return np.asarray(np.any(np.any(in_blocks, axis=1), axis=2))


def _differ(first: RgbImage, second: RgbImage, where: BoolMask) -> bool:
    return cv2.norm(first, second, cv2.NORM_INF, where.astype(np.uint8)) > 0


def _spread(blocks: BoolMask, block_hw: tuple[int, int], shape: tuple[int, ...]) -> BoolMask:
    """A value for each block as one for each pixel of an array of that shape."""
    pixels: BoolMask = np.repeat(np.repeat(blocks, block_hw[0], axis=0), block_hw[1], axis=1)
    return pixels[: shape[0], : shape[1]]
