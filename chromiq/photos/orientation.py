"""The eight EXIF orientations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def turned_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation to stored pixels ``(h, w, ...)``.

    >>> turned_upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels[:, ::-1] if orientation in {2, 3, 6, 7} else pixels)


def turned_back(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of `turned_upright`.

    >>> turned_back(turned_upright(np.array([[1, 2, 3], [4, 5, 6]]), 8), 8).tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    return turned_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))
