"""chromiq's CIEDE2000 map against scikit-image and colour-science, time and memory, in one run.

    python benchmarks/ciede2000.py --size 4000x5000 --rounds 3

Each method runs in a process of its own, in turn with the others, on the same two images; what its peak
memory exceeds a process that does nothing with them is its own. The figure to quote is the ratio. Of
colour-science nothing is claimed unless it is installed (`pip install '.[benchmarks]'`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

METHODS = ("nothing", "chromiq", "skimage float64", "colour-science float64")
RIVAL = "skimage float64"


def images(size_wh: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two uint8 images ``(H, W, 3)``: smooth colour with noise, and the same with its colours changed."""
    width_px, height_px = size_wh
    rng = np.random.default_rng(7)
    ramp = np.linspace(0, 255, width_px, dtype=np.float32)[None, :, None]
    truth = np.empty((height_px, width_px, 3), np.uint8)
    for top in range(0, height_px, 256):
        rows = truth[top : top + 256]
        rows[:] = np.clip(ramp + rng.normal(0, 25, rows.shape), 0, 255)
    off = truth // 8 * 7 + np.array([9, 3, 0], np.uint8)
    return truth, off


def method(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The map of dE00 ``(H, W)`` of two images, by a method's name."""
    if name == "chromiq":
        from chromiq.colour import delta_e_map

        return delta_e_map
    if name == "skimage float64":
        from skimage import color

        return lambda a, b: color.deltaE_ciede2000(color.rgb2lab(a / 255.0), color.rgb2lab(b / 255.0))
    if name == "colour-science float64":
        import colour

        def whole(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            labs = (colour.XYZ_to_Lab(colour.sRGB_to_XYZ(image / 255.0)) for image in (a, b))
            return colour.delta_E(*labs, method="CIE 2000")

        return whole
    return lambda a, _: np.zeros(a.shape[:2], np.float32)


def measure(name: str, size_wh: tuple[int, int]) -> dict[str, float]:
    """Seconds and peak memory of one method, in this process."""
    a, b = images(size_wh)
    run = method(name)
    run(a[:64], b[:64])
    start = time.perf_counter()
    mean = float(run(a, b).mean(dtype=np.float64))
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "mean": mean,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="4000x5000", help="width x height in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", choices=METHODS, help="measure this one here and print JSON")
    options = parser.parse_args()
    width_px, height_px = (int(side) for side in options.size.split("x"))
    if options.method:
        print(json.dumps(measure(options.method, (width_px, height_px))))
        return
    names = [name for name in METHODS if "colour-science" not in name or find_spec("colour")]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            call = [sys.executable, __file__, "--size", options.size, "--method", name]
            done = subprocess.run(call, capture_output=True, text=True, check=True)
            rounds[name].append(json.loads(done.stdout))
    idle_mb = min(result["peak_mb"] for result in rounds.pop("nothing"))
    print(f"{options.size}, {os.cpu_count()} cores, median of {options.rounds} rounds in turn")
    print(f"{'method':<24}{'ns/px':>8}{'own peak MB':>13}{'mean dE00':>12}{RIVAL + ' / it':>26}")
    for name, results in rounds.items():
        seconds = statistics.median(result["seconds"] for result in results)
        ratio = statistics.median(
            theirs["seconds"] / ours["seconds"] for theirs, ours in zip(rounds[RIVAL], results, strict=True)
        )
        own_mb = max(result["peak_mb"] for result in results) - idle_mb
        per_pixel = seconds / (width_px * height_px) * 1e9
        print(f"{name:<24}{per_pixel:>8.0f}{own_mb:>13.0f}{results[0]['mean']:>12.5f}{ratio:>25.1f}x")


if __name__ == "__main__":
    main()
