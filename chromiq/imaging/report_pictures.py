"""Images in self-contained HTML reports: data URIs and outlines."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from chromiq.records import BoolMask, Box

_OUTLINE_TOLERANCE_PX = 1.0


def data_uri(data: bytes, media_type: str) -> str:
    """Bytes as a ``data:`` URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def outline_path(measured: Box | BoolMask, scale: float) -> str:
    """The outline of a box or a mask as an SVG path; empty for an empty mask.

    Args:
        measured: a box or mask in full-size pixels.
        scale: displayed pixels per full-size pixel.

    >>> outline_path((10, 20, 30, 40), 0.5)
    'M5,10 L15,10 L15,20 L5,20 Z'
    """
    if isinstance(measured, tuple):
        left, top, right, bottom = measured
        corners = [np.array([[left, top], [right, top], [right, bottom], [left, bottom]])]
    else:
        found, _ = cv2.findContours(measured.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        tolerance = _OUTLINE_TOLERANCE_PX / scale
        near = [cv2.approxPolyDP(contour, tolerance, closed=True)[:, 0] for contour in found]
        corners = [polygon for polygon in near if len(polygon) > 2]
    return " ".join(
        "M" + " L".join(f"{x * scale:.4g},{y * scale:.4g}" for x, y in polygon) + " Z" for polygon in corners
    )
