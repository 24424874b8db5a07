"""One photo of 20 megapixels corrected, whole processes from start to end: time, processor time, peak memory.

    python benchmarks/correct.py --size 4000x5000 --rounds 3 --garment 0.3

The pair is drawn, its garment degraded in colour, its mask given. The rival does the least that could be
called a correction the usual way: scikit-image's Lab of the whole picture, mean and spread of the garment
moved to the still-life's (Reinhard et al. 2001), back, saved by Pillow. Runs take turns; the figure to
quote is the ratio. The hybrid starts from a picture that stands for a network's output.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

RIVAL = "skimage Lab, whole picture"
RUNS = {
    "transfer, JPEG": ("transfer", ".jpg"),
    "hybrid, JPEG": ("hybrid", ".jpg"),
    f"{RIVAL}, JPEG": ("rival", ".jpg"),
    "transfer, PNG": ("transfer", ".png"),
    "hybrid, PNG": ("hybrid", ".png"),
    f"{RIVAL}, PNG": ("rival", ".png"),
}


def draw(folder: Path, size_wh: tuple[int, int], garment: float) -> None:
    """A still-life, an on-model photo that is off in colour with a camera's grain, as JPEG and PNG, its mask,
    and what a network would make of it. The garment fills at least this share of the photo."""
    from chromiq.dataset_builder.degrade import degrade
    from chromiq.photos.images import write_mask, write_photo
    from chromiq.sample_catalogue.catalogue import draw_pair

    pair = draw_pair(1, size_wh=(800, 1000))
    off, _ = degrade(pair.on_model, pair.on_model_mask, "published", np.random.default_rng(1))
    box = _close_up(pair.on_model_mask, garment)
    grain = np.random.default_rng(2).normal(0, 3, (size_wh[1], size_wh[0], 1)).astype(np.float32)
    large = cv2.resize(off[box], size_wh, interpolation=cv2.INTER_CUBIC)
    photo = np.clip(large + grain, 0, 255).astype(np.uint8)
    mask = cv2.resize(pair.on_model_mask[box].astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST)
    write_photo(folder / "still-life.jpg", pair.still_life)
    for suffix in (".jpg", ".png"):
        write_photo(folder / f"on_model{suffix}", photo)
    write_photo(folder / "generated.png", np.ascontiguousarray(pair.on_model[box]))
    write_mask(folder / "mask.png", mask > 0)


def _close_up(mask: np.ndarray, share: float) -> tuple[slice, slice]:
    """The largest box around the garment of which it fills a share; all of the picture, if it does that."""
    (height, width), centre = mask.shape, np.argwhere(mask).mean(axis=0)
    for scale in np.linspace(1, 0.2, 81):
        sides = int(height * scale), int(width * scale)
        top, left = (
            int(np.clip(at - side / 2, 0, most - side))
            for at, side, most in zip(centre, sides, mask.shape, strict=True)
        )
        box = slice(top, top + sides[0]), slice(left, left + sides[1])
        if mask[box].mean() >= share:
            return box
    raise SystemExit(f"no part of the drawn photo is garment to a share of {share}")


def correct(folder: Path, method: str, suffix: str) -> None:
    """One run, in this process."""
    photos = (folder / "still-life.jpg", folder / f"on_model{suffix}")
    out, mask = folder / f"out{suffix}", folder / "mask.png"
    if method == "rival":
        rival(*photos, mask, out)
    elif method == "transfer":
        from chromiq_cli.verbs import app

        app(["correct", *map(str, photos), "--mask", str(mask), "--force", "--out", str(out)])
    else:
        from chromiq.correction.options import CorrectionOptions
        from chromiq.correction.photo import correct_file
        from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
        from chromiq.photos.images import read_photo

        generated = read_photo(folder / "generated.png").rgb
        options = CorrectionOptions(method="hybrid")
        correct_file(*photos, out, ClassicSegmenter(), mask=mask, options=options, generated=generated)


def rival(still_life: Path, on_model: Path, mask: Path, out: Path) -> None:
    """Reinhard's transfer in Lab, as it is usually written."""
    from PIL import Image
    from skimage import color

    from chromiq.dataset_builder.segmenters.still_life import still_life_mask

    flat = np.asarray(Image.open(still_life))
    wanted = color.rgb2lab(flat)[still_life_mask(flat)]
    image, inside = Image.open(on_model), np.asarray(Image.open(mask)) > 127
    lab = color.rgb2lab(np.asarray(image))
    seen = lab[inside]
    lab[inside] = (seen - seen.mean(axis=0)) * wanted.std(axis=0) / seen.std(axis=0) + wanted.mean(axis=0)
    rgb = np.rint(color.lab2rgb(lab) * 255).astype(np.uint8)
    options = {"quality": 95} if out.suffix == ".jpg" else {}
    Image.fromarray(rgb).save(out, icc_profile=image.info.get("icc_profile"), **options)


def measure(folder: Path, method: str, suffix: str) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of processor, peak MB of one run in a process of its own."""
    call = [sys.executable, __file__, "--run", str(folder), method, suffix]
    start = time.perf_counter()
    child = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{method}, {suffix}: ended with status {status}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="4000x5000", help="width x height in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--garment", type=float, default=0, help="share of the photo that it fills, 0..1")
    parser.add_argument("--run", nargs=3, metavar=("FOLDER", "METHOD", "SUFFIX"), help="one run, here")
    parser.add_argument("--draw", metavar="FOLDER", help="draw the photos, no more")
    options = parser.parse_args()
    if options.run:
        correct(Path(options.run[0]), *options.run[1:])
        return
    if options.draw:
        width_px, height_px = (int(side) for side in options.size.split("x"))
        draw(Path(options.draw), (width_px, height_px), options.garment)
        return
    with tempfile.TemporaryDirectory() as name:
        # Drawn in a process of its own: a child's peak memory is never reported as less than its parent's.
        drawing = ["--draw", name, "--size", options.size, "--garment", str(options.garment)]
        subprocess.run([sys.executable, __file__, *drawing], check=True)
        rounds = [
            {label: measure(Path(name), *run) for label, run in RUNS.items()} for _ in range(options.rounds)
        ]
    print(f"{options.size}, {os.cpu_count()} cores, best of {options.rounds} rounds in turn")
    print(f"{'':<34}{'s':>8}{'processor s':>14}{'peak MB':>10}{'rival / it':>12}")
    for label, (_, suffix) in RUNS.items():
        theirs = next(other for other, run in RUNS.items() if run == ("rival", suffix))
        seconds, processor, peak_mb = (min(each[label][i] for each in rounds) for i in range(3))
        ratio = statistics.median(each[theirs][0] / each[label][0] for each in rounds)
        print(f"{label:<34}{seconds:>8.1f}{processor:>14.1f}{peak_mb:>10.0f}{ratio:>11.1f}x")


if __name__ == "__main__":
    main()
