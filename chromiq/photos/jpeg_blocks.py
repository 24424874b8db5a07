"""Change part of a JPEG by adding the difference to its DCT coefficients; all others stay as stored.

Encoding a whole JPEG again changes pixels everywhere by a few levels. The transform of a block is linear, so
the transformed difference of its pixels is what its coefficients must change by. Blocks without a difference
stay bit-identical, with any sampling and any quantisation tables.

libvips and Pillow give no access to coefficients; jpegio does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from chromiq.photos.reader import stored_image
from chromiq.records import BoolMask, RgbImage
from chromiq.runtime.native import captured_stderr, return_freed_memory

_RGB, _YCBCR = 2, 3  # libjpeg's J_COLOR_SPACE
# JFIF; the rows give Y, Cb and Cr.
_YCBCR_FROM_RGB = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_LARGEST_COEFFICIENT = 1023
_MCU_ROWS_AT_ONCE = 16
# The starts of its JWRN messages, and of the caution about 16-bit quantisation tables.
_LIBJPEG_WARNINGS = (
    b"Corrupt JPEG", b"Premature end", b"Inconsistent progression", b"Invalid SOS", b"Invalid component",
    b"Unknown Adobe", b"Warning: unknown JFIF", b"Caution: quantization",
)  # fmt: skip


def changed_jpeg(source: Path, part: RgbImage, corner: tuple[int, int], notes: list[str]) -> bytes | None:
    """Change part of a JPEG.

    The coefficients take six times the memory of the pixels, so the pixels are decoded in strips as needed.

    Args:
        source: the JPEG.
        part: ``(rows, columns, 3)`` uint8, the new pixels of the part, in the stored orientation.
        corner: row and column of the part's first pixel.
        notes: a remark is appended if the source is damaged.

    Returns:
        The new file. Every pixel equals the source's except in changed blocks and those next to them, into
        which decoders interpolate subsampled colour. None if jpegio is not installed or does not support the
        file.
    """
    try:
        import jpegio  # has no wheels for ARM and Python 3.14
    except ImportError:
        return None
    with TemporaryDirectory(prefix="chromiq-") as folder:
        out = Path(folder) / "changed.jpg"
        try:
            return_freed_memory()
            with _libjpeg_warnings() as warnings:
                jpeg = jpegio.read(str(source))
            if warnings:
                notes.append("part of the JPEG data is damaged")
            if not all(np.all(table) for table in jpeg.quant_tables):
                return None
            if jpeg.jpeg_color_space not in {_RGB, _YCBCR}:
                return None
            block_hw = (8 * jpeg.max_v_samp_factor, 8 * jpeg.max_h_samp_factor)
            touched = _add_change(jpeg, stored_image(source, "JPEG"), part, corner, block_hw)
            # Huffman tables optimised for the source may lack codes for the new coefficients.
            jpeg.optimize_coding = 1
            return_freed_memory()
            with _libjpeg_warnings():  # it cautions against the tables of some JPEGs
                jpegio.write(jpeg, str(out))
            del jpeg
            data = out.read_bytes()
            return data if _same_elsewhere(data, source, touched, block_hw) else None
        except (OSError, RuntimeError, ValueError, IndexError, pyvips.Error):
            return None  # a kind of JPEG that one of the libraries does not support


@contextmanager
def _libjpeg_warnings() -> Iterator[list[bytes]]:
    """Collect what libjpeg prints to standard error; other lines are passed on."""
    found: list[bytes] = []
    lines: list[bytes] = []
    try:
        with captured_stderr() as lines:
            yield found
    finally:
        for line in lines:
            if line.startswith(_LIBJPEG_WARNINGS):
                found.append(line)
            else:
                os.write(2, line)


def _add_change(
    jpeg: Any, before: pyvips.Image, part: RgbImage, corner: tuple[int, int], block_hw: tuple[int, int]
) -> BoolMask:
    """Add the difference to a JPEG's coefficients in place; return which MCUs ``(rows, columns)`` changed."""
    touched = np.zeros((-(-before.height // block_hw[0]), -(-before.width // block_hw[1])), bool)
    for difference, first in _differences(before, part, corner, block_hw):
        there = np.any(difference, axis=(1, 2, 3))
        touched[first[0], first[1] : first[1] + len(there)] = there
        if not there.any():
            continue
        places = np.argwhere(there)
        blocks = difference[there].astype(np.float32)
        if jpeg.jpeg_color_space == _YCBCR:
            blocks = cv2.transform(blocks.reshape(-1, 1, 3), _YCBCR_FROM_RGB).reshape(blocks.shape)
        for channel, component in enumerate(jpeg.comp_info):
            table = np.asarray(jpeg.quant_tables[component.quant_tbl_no], np.float32)
            sampling = (component.v_samp_factor, component.h_samp_factor)
            at = np.hstack([np.full_like(places, first[0]), places + first[1]])
            _add(jpeg.coef_arrays[channel], blocks[..., channel], at, sampling, table)
    return touched


def _differences(
    before: pyvips.Image, part: RgbImage, corner: tuple[int, int], block_hw: tuple[int, int]
) -> Iterator[tuple[NDArray[np.int16], tuple[int, int]]]:
    """For each row of MCUs that the part covers: after minus before, and the row and column of its first MCU.

    The difference is ``(MCUs, rows, columns, 3)``. MCUs that extend past the image repeat its edge pixels.
    """
    (top, left), (height_px, width_px) = corner, part.shape[:2]
    first_column, last_column = left // block_hw[1], -(-(left + width_px) // block_hw[1])
    offset = left - first_column * block_hw[1]
    for strip_top, strip in _strips(before, block_hw[0], top // block_hw[0], top + height_px):
        for row_top in range(strip_top, strip_top + len(strip), block_hw[0]):
            band = np.zeros((block_hw[0], (last_column - first_column) * block_hw[1], 3), np.int16)
            start, stop = max(top, row_top), min(top + height_px, row_top + block_hw[0])
            inside = band[start - row_top : stop - row_top, offset : offset + width_px]
            inside[:] = part[start - top : stop - top]
            inside -= strip[start - strip_top : stop - strip_top, left : left + width_px]
            if stop == before.height:
                band[stop - row_top :] = band[stop - row_top - 1]
            if left + width_px == before.width:
                band[:, offset + width_px :] = band[:, offset + width_px - 1 : offset + width_px]
            blocks = band.reshape(block_hw[0], -1, block_hw[1], 3).swapaxes(0, 1)
            yield blocks, (row_top // block_hw[0], first_column)


def _strips(
    image: pyvips.Image, mcu_px: int, first_mcu: int = 0, stop_px: int | None = None
) -> Iterator[tuple[int, RgbImage]]:
    """Strips of whole MCUs, up to a row or the end of the image, each with its first row."""
    stop_px, step_px = image.height if stop_px is None else stop_px, _MCU_ROWS_AT_ONCE * mcu_px
    for top in range(first_mcu * mcu_px, stop_px, step_px):
        yield top, image.crop(0, top, image.width, min(step_px, stop_px - top)).numpy()


def _add(
    coefficients: NDArray[Any],
    difference: NDArray[np.float32],
    places: NDArray[np.intp],
    sampling: tuple[int, int],
    table: NDArray[np.float32],
) -> None:
    """Add one channel's difference to its coefficients in place.

    Args:
        coefficients: ``(h, w)`` integers, blocks side by side.
        difference: ``(N, rows, columns)``, whole MCUs at full resolution.
        places: row and column of each MCU.
        sampling: blocks per MCU, down and across.
        table: ``(8, 8)`` quantisation table.
    """
    down, across = sampling
    count, rows, columns = difference.shape
    if (rows, columns) != (8 * down, 8 * across):
        means = difference.reshape(count, 8 * down, rows // (8 * down), 8 * across, columns // (8 * across))
        difference = means.mean(axis=(2, 4))
    samples = np.ascontiguousarray(difference.reshape(count, down, 8, across, 8).swapaxes(2, 3))
    basis = _dct_basis()
    gained = basis @ samples @ basis.T / table
    grid = coefficients.reshape(coefficients.shape[0] // 8, 8, coefficients.shape[1] // 8, 8)
    for row in range(down):
        for column in range(across):
            y, x = places[:, 0] * down + row, places[:, 1] * across + column
            inside = (y < grid.shape[0]) & (x < grid.shape[2])  # MCUs may extend past the image
            y, x = y[inside], x[inside]
            new = np.rint(grid[y, :, x, :] + gained[inside, row, column])
            grid[y, :, x, :] = np.clip(new, -_LARGEST_COEFFICIENT - 1, _LARGEST_COEFFICIENT)


@cache
def _dct_basis() -> NDArray[np.float32]:
    """The matrix of the orthonormal DCT-II of 8 values."""
    u, i = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    basis = np.cos((2 * i + 1) * u * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _same_elsewhere(data: bytes, source: Path, touched: BoolMask, block_hw: tuple[int, int]) -> bool:
    """Whether a JPEG decodes to the source's pixels except in changed blocks and those next to them."""
    beside = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    before = stored_image(source, "JPEG")
    after = pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="error")
    if (after.width, after.height, after.bands) != (before.width, before.height, before.bands):
        return False
    columns = np.repeat(~beside, block_hw[1], axis=1)[:, : before.width].astype(np.uint8)
    strips = zip(_strips(before, block_hw[0]), _strips(after, block_hw[0]), strict=True)
    return all(
        cv2.norm(old, new, cv2.NORM_INF, columns[np.arange(top, top + len(old)) // block_hw[0]]) == 0
        for (top, old), (_, new) in strips
    )
