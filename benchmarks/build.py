"""Pairs per second of a build, segmentation apart, against the published notebook's way, in one run.

    python benchmarks/build.py

60 drawn pairs of 896x1120 with exact masks, the same linked under 300 names, and 8 of 2400x3000, nearer to
what shops have, under 24 names; two workers; three rounds, as other work on the machine makes figures swing.
What a build does once, that is starting its workers and drawing the sheets of up to 96 examples, weighs on
few pairs and not on many: `--pairs 1000` takes 15 minutes.

The notebook's way is one process, photo after photo: PIL reads, OpenCV's HSV shifts the hue of the whole
photo, numpy lays it into the mask, PIL stitches both canvases at their own scale and brings them to height
800 by Lanczos, PIL writes two JPEGs of quality 95 and a loss mask. It checks nothing, resumes nothing and
keeps no record. `floor` is one process that decodes the two photos and the mask and encodes the two pictures
and the loss mask, in the sizes and with the colour resolution of that way, and does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from linked_pairs import link_pairs
from PIL import Image, JpegImagePlugin

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.sample_catalogue.catalogue import write_catalogue

CANVAS_WH = (1328, 800)
OVERLAP_PX = 15
RIVAL = "notebook, 1 process"
FLOORS = {RIVAL: "notebook", "build, published": "published", "build, perceptual": "perceptual"}


def notebook_stitch(left: Image.Image, right: Image.Image) -> Image.Image:
    """Side by side at their own scale, then to height 800, then padded to width 1328."""
    height_px = max(left.height, right.height)
    canvas = Image.new("RGB", (left.width + right.width, height_px), (255, 255, 255))
    canvas.paste(left, (0, (height_px - left.height) // 2))
    canvas.paste(right, (left.width, (height_px - right.height) // 2))
    scale = CANVAS_WH[1] / height_px
    canvas = canvas.resize((round(canvas.width * scale), CANVAS_WH[1]), Image.Resampling.LANCZOS)
    pixels = np.array(canvas)
    padded = np.empty((CANVAS_WH[1], CANVAS_WH[0], 3), np.uint8)
    padded[:, : pixels.shape[1]] = pixels
    padded[:, pixels.shape[1] :] = pixels[:, -1].mean(axis=0).astype(np.uint8)
    return Image.fromarray(padded)


def notebook_degrade(photo: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The published hue shift or tint, inside the mask."""
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + rng.integers(0, 180)) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.7, 1.3), 0, 255)
        hsv[..., 2] = np.clip(hsv[..., 2] * rng.uniform(0.9, 1.1), 0, 255)
        changed = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    else:
        alpha = rng.uniform(0.35, 0.65)
        changed = np.clip(photo * (1 - alpha) + rng.integers(0, 256, 3) * alpha, 0, 255).astype(np.uint8)
    return np.where(mask[..., None] > 127, changed, photo)


def notebook(catalogue: Path, masks: Path, out: Path, keys: list[str]) -> None:
    """Every pair, one after the other."""
    for name in ("gt", "control", "masks"):
        (out / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for key in keys:
        still_life = Image.open(catalogue / f"still-life{key}.jpg").convert("RGB")
        on_model = Image.open(catalogue / f"on_model{key}.jpg").convert("RGB")
        mask = np.array(Image.open(masks / f"on_model{key}.png").convert("L"))
        degraded = Image.fromarray(notebook_degrade(np.array(on_model), mask, rng))
        notebook_stitch(still_life, on_model).save(out / "gt" / f"pair{key}.jpg", quality=95)
        notebook_stitch(still_life, degraded).save(out / "control" / f"pair{key}.jpg", quality=95)
        loss = np.zeros((CANVAS_WH[1], CANVAS_WH[0]), np.uint8)
        loss[:, CANVAS_WH[0] // 2 - OVERLAP_PX :] = 255
        Image.fromarray(loss).save(out / "masks" / f"pair{key}.png")
        (out / "gt" / f"pair{key}.txt").write_text(
            "chromiq Change the jacket color on the right to match the left"
        )


def floor(catalogue: Path, masks: Path, out: Path, keys: list[str], made: Path) -> None:
    """Read what a build reads once, write the pictures it writes, nothing between."""
    names = ("gt", "control", "masks")
    pictures = {name: next((made / name).glob("pair*.*g")) for name in names}
    loaded = {name: Image.open(path) for name, path in pictures.items()}
    for name, picture in loaded.items():
        picture.load()
        (out / name).mkdir(parents=True)
    subsampling = JpegImagePlugin.get_sampling(loaded["gt"])
    for key in keys:
        for path in (
            catalogue / f"still-life{key}.jpg",
            catalogue / f"on_model{key}.jpg",
            masks / f"on_model{key}.png",
        ):
            Image.open(path).load()
        for name in ("gt", "control"):
            loaded[name].copy().save(out / name / f"pair{key}.jpg", quality=95, subsampling=subsampling)
        loaded["masks"].copy().save(out / "masks" / f"pair{key}.png", compress_level=1)


Taken = tuple[float, float]
"""Wall seconds, and seconds of processor time over all processes."""


def timed(work: Callable[[], object]) -> Taken:
    """How long it takes."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - before


def one_round(root: Path, inputs: Path, keys: list[str], workers: int) -> dict[str, Taken]:
    """How long every way takes for all pairs, once."""
    catalogue, masks = inputs / "pairs", inputs / "masks"
    given = {"garments": inputs / "garments.json", "masks": masks, "workers": workers}
    published = BuildOptions(segmenter="classic", degradation="published", geometry="published")
    perceptual = replace(published, degradation="perceptual", geometry="exact")
    seconds = {
        RIVAL: timed(lambda: notebook(catalogue, masks, root / "notebook", keys)),
        "build, published": timed(lambda: build(catalogue, root / "published", published, **given)),
        "build, perceptual": timed(lambda: build(catalogue, root / "perceptual", perceptual, **given)),
        "build, all finished": timed(lambda: build(catalogue, root / "perceptual", perceptual, **given)),
    }
    for way in FLOORS.values():
        seconds[f"floor, {way}"] = timed(
            lambda way=way: floor(catalogue, masks, root / f"floor {way}", keys, root / way)
        )
    return seconds


def compare(drawn: Path, size_wh: tuple[int, int], pairs: int, workers: int, rounds: int) -> None:
    """Build `pairs` pairs in every way, some times over, and print how long each took."""
    taken = []
    with tempfile.TemporaryDirectory(dir=drawn.parent) as folder:
        link_pairs(drawn, Path(folder) / "inputs", pairs)
        keys = [str(number + 1) for number in range(pairs)]
        for number in range(rounds):
            root = Path(folder) / f"round {number}"
            taken.append(one_round(root, Path(folder) / "inputs", keys, workers))
            shutil.rmtree(root)
    print(
        f"\n{pairs} pairs of {size_wh[0]}x{size_wh[1]}, {workers} workers; medians of {rounds} rounds, "
        "each with ratios of its own"
    )
    print(
        f"{'':<22}{'s':>8}{'pairs/s':>10}{'ratio':>8}{'least':>8}{'most':>8}{'cpu ms/pair':>13}{'ratio':>8}"
    )
    for name in taken[0]:
        wall_s, cpu_s = (median(one[name][kind] for one in taken) for kind in (0, 1))
        faster, leaner = (sorted(one[RIVAL][kind] / one[name][kind] for one in taken) for kind in (0, 1))
        print(
            f"{name:<22}{wall_s:>8.1f}{pairs / wall_s:>10.2f}{median(faster):>7.2f}x{faster[0]:>7.2f}x"
            f"{faster[-1]:>7.2f}x{1000 * cpu_s / pairs:>13.0f}{median(leaner):>7.2f}x"
        )
    for name, way in FLOORS.items():
        share = median(one[f"floor, {way}"][1] / one[name][1] for one in taken)
        print(f"decoding and encoding what it reads and writes takes {share:.0%} of the cpu of '{name}'")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="*", default=[60, 300], help="of 896x1120")
    parser.add_argument("--large-pairs", type=int, nargs="*", default=[24], help="of 2400x3000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--drawn", type=Path, help="where drawings are kept for another run; drawing takes its time"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, size_wh, drawings, counts in (
            ("usual", (896, 1120), 60, options.pairs),
            ("large", (2400, 3000), 8, options.large_pairs),
        ):
            drawn = (options.drawn or Path(folder)) / name
            if counts and not drawn.is_dir():
                write_catalogue(drawn, pairs=drawings, size_wh=size_wh)
            for pairs in counts:
                compare(drawn, size_wh, pairs, options.workers, options.rounds)


if __name__ == "__main__":
    main()
