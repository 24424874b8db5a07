"""Where a mask reaches, so that no more of a picture is worked on than is needed."""

from __future__ import annotations

import numpy as np

from chromiq.records import BoolMask


def bounding_box(mask: BoolMask, margin_px: int = 0) -> tuple[slice, slice]:
    """The rows and columns that hold all of a mask, and a margin around them as far as the mask's array goes.

    Args:
        mask: ``(H, W)`` bool, True somewhere.
        margin_px: 0 or more.

    >>> mask = np.zeros((9, 9), bool)
    >>> mask[2:4, 5:9] = True
    >>> bounding_box(mask, margin_px=1)
    (slice(1, 5, None), slice(4, 10, None))
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    first_row, first_column = (max(0, int(found[0]) - margin_px) for found in (rows, columns))
    return (
        slice(first_row, int(rows[-1]) + 1 + margin_px),
        slice(first_column, int(columns[-1]) + 1 + margin_px),
    )
