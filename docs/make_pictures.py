"""Draws the pictures of the docs from the sample catalogue: python docs/make_pictures.py"""

import tempfile
from pathlib import Path

import cv2
import numpy as np

from chromiq.correction.photo import correct_file
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.dataset_builder.segmenters.classic.explain import explanation_picture, found_and_doubted
from chromiq.dataset_builder.segmenters.classic.segmenter import Look
from chromiq.photos.images import read_photo, write_mask, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue

PICTURES = Path(__file__).parent / "pictures"
SHOWN = (10, 7)
WIDTH_PX = 1200


def before_after(folder: Path) -> np.ndarray:
    """Still-life, on-model photo with a colour error, and the same corrected, of two garments."""
    rows = []
    for index in SHOWN:
        pair = draw_pair(index, seed=5, size_wh=(448, 560))
        still_life, on_model, mask = (folder / f"{name}{index}.png" for name in ("flat", "model", "mask"))
        rng = np.random.default_rng(index)
        off, _ = degrade(pair.on_model, pair.on_model_mask, "perceptual", rng)
        write_photo(still_life, pair.still_life)
        write_photo(on_model, off)
        write_mask(mask, pair.on_model_mask)
        out = folder / f"out{index}.png"
        correct_file(still_life, on_model, out, make_segmenter("classic"), mask=mask)
        gap = np.full((560, 8, 3), 255, np.uint8)
        rows.append(np.hstack([pair.still_life, gap, off, gap, read_photo(out).rgb]))
    first, second = rows
    return np.hstack([first, np.full((560, 32, 3), 255, np.uint8), second])


def contact_sheet(folder: Path) -> np.ndarray:
    """The contact sheet of a small drawn dataset."""
    write_catalogue(folder / "photos", pairs=6, size_wh=(448, 560))
    build(folder / "photos", folder / "dataset", BuildOptions(segmenter="classic"), keep_doubtful=True)
    return read_photo(folder / "dataset" / "contact_sheet.jpg").rgb


def explain_mask(_: Path) -> np.ndarray:
    """The evidence for a mask, as `chromiq explain-mask` draws it."""
    pair = draw_pair(SHOWN[0], seed=5, size_wh=(448, 560))
    look = Look(pair.still_life, pair.on_model)
    return explanation_picture(look, found_and_doubted(look, ""))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for drawn in (before_after, contact_sheet, explain_mask):
            rgb = drawn(Path(name))
            height_px = round(rgb.shape[0] * WIDTH_PX / rgb.shape[1])
            shown = cv2.resize(rgb, (WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
            write_photo(PICTURES / f"{drawn.__name__}.jpg", shown, quality=85)
