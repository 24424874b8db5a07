"""A garment that sRGB cannot hold, corrected in the photo's own space: the table of docs/photo_formats.md.

    python benchmarks/wide_gamut.py

A drawn garment is painted in one Lab colour on both photos, the on-model one off by (-9, +10, +8), stored as
TIFF and corrected with its mask given. The distance from the truth is measured in the file's space, as it is
and with the true lightness.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import tifffile

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.correction.photo import correct_file
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.photos.colour_space import SRGB, icc_space
from chromiq.photos.images import write_mask
from chromiq.records import BoolMask, RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair

PAIR = draw_pair(1, size_wh=(400, 500))
INNER = cv2.erode(PAIR.on_model_mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
ADOBE_RGB = imagecodecs.cms_profile("adobergb")
BEYOND_SRGB, INSIDE_SRGB = (61, -88, 45), (61, -50, 35)
ERROR_LAB = (-9, 10, 8)
PHOTOS = {
    "Adobe RGB, 8 bit, garment beyond sRGB": (np.uint8, BEYOND_SRGB, ADOBE_RGB),
    "Adobe RGB, 16 bit, garment beyond sRGB": (np.uint16, BEYOND_SRGB, ADOBE_RGB),
    "Adobe RGB, 16 bit, garment inside sRGB": (np.uint16, INSIDE_SRGB, ADOBE_RGB),
    "sRGB, 16 bit, the same garment": (np.uint16, INSIDE_SRGB, None),
}


def measure(
    folder: Path, dtype: type, colour: tuple[int, int, int], profile: bytes | None
) -> tuple[float, float, float]:
    """Mean dE00 from the truth before the correction, after it, and after it with the true lightness."""
    space = icc_space(profile, "rgb") if profile else SRGB

    def painted(rgb: RgbImage, mask: BoolMask, off: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
        lab = srgb_to_lab(rgb)
        encoded = np.rint(space.from_lab(lab.reshape(-1, 3), np.dtype(np.uint8))[0]).reshape(rgb.shape)
        values = np.rint(encoded / 255 * np.iinfo(dtype).max).astype(dtype)
        shade = (lab[mask][:, :1] - lab[mask][:, :1].mean()) * np.float32([0.2, 0, 0])
        wanted = np.float32(colour) + np.float32(off) + shade
        values[mask] = np.rint(space.from_lab(wanted, np.dtype(dtype))[0])
        return values

    truth = painted(PAIR.on_model, PAIR.on_model_mask)
    off = painted(PAIR.on_model, PAIR.on_model_mask, ERROR_LAB)
    still_life = painted(PAIR.still_life, PAIR.still_life_mask)
    for name, values in (("still-life.tif", still_life), ("on_model.tif", off)):
        tifffile.imwrite(folder / name, values, photometric="rgb", iccprofile=profile)
    write_mask(folder / "mask.png", PAIR.on_model_mask)
    photos, out = (folder / "still-life.tif", folder / "on_model.tif"), folder / "out.tif"
    correct_file(*photos, out, ClassicSegmenter(), mask=folder / "mask.png")
    before, after, right = (space.to_lab(values[INNER]) for values in (off, tifffile.imread(out), truth))
    level = np.concatenate([right[:, :1], after[:, 1:]], axis=1)
    was, left, without_lightness = (float(delta_e_lab(lab, right).mean()) for lab in (before, after, level))
    return was, left, without_lightness


def main() -> None:
    print("| photo | before | after | after, with the true lightness |\n|---|---|---|---|")
    for name, photo in PHOTOS.items():
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), *photo)
        print(f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
