"""A correction for other programs: a .cube LUT, and a layered TIFF of original, correction and mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromiq.correction.fitting.colour_map import MapsColours, Recoloured
from chromiq.correction.options import ExportName
from chromiq.files import atomic_path, write_text
from chromiq.photos.colour_space import ColourSpace, srgb_profile
from chromiq.photos.images import Photo
from chromiq.records import BoolMask

CUBE_POINTS = 33
# Some programs that apply a table to 8 bits cut the decimals off, as ffmpeg does, others round. A quarter
# of a level more halves what cutting costs, and rounding hardly shows it.
_LEVELS_ADDED = 0.25 / 255


def export_paths(out: Path, exports: Sequence[ExportName]) -> dict[ExportName, Path]:
    """Where the exports of a corrected photo belong, beside it."""
    known: dict[ExportName, Path] = {
        "cube": out.with_suffix(".cube"),
        "layers": out.with_name(f"{out.stem}.layers.tif"),
    }
    return {name: known[name] for name in exports}


def write_exports(
    out: Path,
    photo: Photo,
    changed: Recoloured,
    mask: BoolMask,
    colour_map: MapsColours | None,
    exports: Sequence[ExportName],
) -> tuple[str, ...]:
    """Write what is asked for beside a corrected photo.

    Args:
        out: the corrected photo.
        photo: as it came.
        mask: ``(H, W)`` bool.
        colour_map: what was applied; None if it was no map.

    Returns:
        Their paths.
    """
    paths = export_paths(out, exports)
    if "cube" in paths:
        assert colour_map is not None  # CorrectionOptions refuses it with the method that has none
        write_text(paths["cube"], cube_text(colour_map, photo.space, out.stem))
    if "layers" in paths:
        with atomic_path(paths["layers"]) as temporary:
            write_layers(temporary, photo.values, changed.within(photo.values), mask, photo.space)
    return tuple(map(str, paths.values()))


def cube_text(colour_map: MapsColours, space: ColourSpace, title: str) -> str:
    """A colour map as an Adobe/Iridas ``.cube`` table of RGB in a photo's own space, red changing fastest.

    Args:
        colour_map: takes Lab to Lab.
        space: what the photo's numbers mean; the table is right for photos of this space only.
        title: shown by some programs.
    """
    safe = "".join(letter for letter in title if letter.isascii() and letter.isprintable() and letter != '"')
    steps = np.rint(np.linspace(0, 65535, CUBE_POINTS)).astype(np.uint16)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    grid = np.stack([red, green, blue], axis=-1).reshape(-1, 3)
    values, _ = space.from_lab(colour_map.apply(space.to_lab(grid)), grid.dtype)
    rows = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in np.minimum(values / 65535 + _LEVELS_ADDED, 1))
    return f'TITLE "{safe}"\nLUT_3D_SIZE {CUBE_POINTS}\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1 1 1\n{rows}\n'


def write_layers(
    path: Path, before: NDArray[Any], after: NDArray[Any], mask: BoolMask, space: ColourSpace
) -> None:
    """Write a layered TIFF as Photoshop, Affinity Photo and Krita read it; others see the corrected photo.

    Its layers are the original and, above it, the correction with the garment as its layer mask.

    Args:
        before: ``(H, W, 3)`` uint8 or uint16.
        after: the same shape and type.
        mask: ``(H, W)`` bool.
        space: what both mean.
    """
    import psdtags
    import tifffile

    height_px, width_px = mask.shape
    whole = psdtags.PsdRectangle(0, 0, height_px, width_px)
    full = np.iinfo(before.dtype).max

    def channel(number: int, values: NDArray[Any]) -> Any:
        return psdtags.PsdChannel(psdtags.PsdChannelId(number), psdtags.PsdCompressionType.ZIP, values)

    def layer(name: str, rgb: NDArray[Any], layer_mask: NDArray[Any] | None = None) -> Any:
        channels = [channel(-1, np.full(mask.shape, full, rgb.dtype))]
        channels += [channel(number, np.ascontiguousarray(rgb[..., number])) for number in range(3)]
        described = None
        if layer_mask is not None:
            channels.append(channel(-2, layer_mask))
            described = psdtags.PsdLayerMask(rectangle=whole)
        return psdtags.PsdLayer(name, channels, whole, mask=described)

    covered = np.where(mask, full, 0).astype(before.dtype)
    layers = [layer("original", before), layer("correction", after, covered)]
    key = psdtags.PsdKey.LAYER_16 if before.dtype == np.uint16 else psdtags.PsdKey.LAYER
    data = psdtags.TiffImageSourceData(
        psdtags.PsdFormat.LE32BIT, psdtags.PsdLayers(key, layers), psdtags.PsdUserMask()
    )
    tifffile.imwrite(
        path,
        after,
        photometric="rgb",
        compression="zlib",
        metadata=None,
        byteorder="<",
        iccprofile=space.profile or srgb_profile(),
        extratags=[data.tifftag(maxworkers=1)],
    )
