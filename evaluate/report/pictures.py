"""The pictures of a report: small images, dE00 maps in colours, the curve of dE00 against steps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from chromiq.colour import delta_e_map
from chromiq.imaging.report_pictures import data_uri
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image
from chromiq.records import FloatImage, RgbImage

MAP_FULL_SCALE = 20.0
"""dE00 that a map shows in its last colour."""
_SIDES_PX = (900, 760, 620, 500, 400, 320, 240, 160)
_QUALITY = 80
# A map of more pixels than this shows no more on a screen and takes seconds.
_MOST_MAP_SIDE_PX = 1600
Interval = tuple[float, float]
_CURVE_IN = (8.0, 4.2)
_CURVE_DPI = 150
_LINE, _BEST, _CONTROL = "#0a5bd0", "#0a7d43", "#8a8a90"


@dataclass(frozen=True)
class Shown:
    """One result of one image; `source` and `heat`, its dE00 map, are data URIs."""

    column: str
    source: str
    heat: str


@dataclass(frozen=True)
class Panel:
    """An image and its results, all shown at one size.

    Attributes:
        truth: as data URI.
        size_wh: width and height in pixels.
        cut_pct: where across the image the first result differs on either side alike; a slider starts there.
        results: in the order given.
    """

    truth: str
    size_wh: tuple[int, int]
    cut_pct: int
    results: tuple[Shown, ...]


def show(truth: RgbImage, images: Mapping[str, RgbImage], most_bytes: int) -> Panel:
    """An image and its results as they are shown: all of one size, none of more than `most_bytes` as JPEG.

    Args:
        truth: ``(H, W, 3)`` uint8 sRGB.
        images: column to an image of the same size.
        most_bytes: of a picture; kept as long as 160 pixels on its longer side allow it.
    """
    truth = fit_side(truth, _MOST_MAP_SIDE_PX)
    images = {column: fit_side(image, _MOST_MAP_SIDE_PX) for column, image in images.items()}
    # The map is made before it is shrunk: shrinking first would average differences away.
    maps = [delta_e_map(truth, image) for image in images.values()]
    pictures = [truth, *images.values(), *map(_colours, maps)]
    for side_px in _SIDES_PX:
        small = [fit_side(picture, side_px) for picture in pictures]
        encoded = [encode_image(picture, quality=_QUALITY) for picture in small]
        if max(len(data) for data in encoded) <= most_bytes:
            break
    uris = [data_uri(data, "image/jpeg") for data in encoded]
    count = len(images)
    shown = zip(images, uris[1 : 1 + count], uris[1 + count :], strict=True)
    height_px, width_px = small[0].shape[:2]
    return Panel(uris[0], (width_px, height_px), _centre_pct(maps[0]), tuple(Shown(*each) for each in shown))


def scale_bar() -> str:
    """The colours of a map from 0 to `MAP_FULL_SCALE`, left to right, as data URI."""
    ramp = np.linspace(0, MAP_FULL_SCALE, 256, dtype=np.float32)[None].repeat(12, axis=0)
    return data_uri(encode_image(_colours(ramp), "PNG"), "image/png")


def steps_curve(
    steps: Sequence[int],
    means: Sequence[float],
    intervals: Sequence[Interval],
    best: int,
    control: tuple[float, Interval],
) -> bytes:
    """Mean dE00 against training steps, as the bytes of a PNG.

    Args:
        steps: of each checkpoint, ascending.
        means: mean dE00 over images, one per checkpoint.
        intervals: their 95 % intervals.
        best: index of the checkpoint to mark.
        control: mean and interval of the uncorrected images.
    """
    # The object interface: pyplot would look for a display and keep figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_CURVE_IN, dpi=_CURVE_DPI, layout="constrained")
    axes = figure.add_subplot()
    level, (control_low, control_high) = control
    axes.axhspan(control_low, control_high, color=_CONTROL, alpha=0.12, linewidth=0)
    axes.axhline(level, color=_CONTROL, linestyle="--", linewidth=1.2, label=f"uncorrected, {level:.2f}")
    low, high = zip(*intervals, strict=True)
    axes.fill_between(steps, low, high, color=_LINE, alpha=0.15, linewidth=0)
    below = [mean - end for mean, end in zip(means, low, strict=True)]
    above = [end - mean for mean, end in zip(means, high, strict=True)]
    axes.errorbar(
        steps,
        means,
        yerr=(below, above),
        color=_LINE,
        marker="o",
        markersize=4,
        capsize=3,
        linewidth=1.6,
        elinewidth=0.8,
        label="checkpoints, with 95 % interval",
    )
    said = f"lowest: step {steps[best]:,}, {means[best]:.2f}"
    axes.plot(steps[best], means[best], "o", color=_BEST, markersize=9, label=said)
    axes.set(xlabel="training steps", ylabel="mean dE00 against the truth")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _centre_pct(delta_e: FloatImage) -> int:
    """The column, in percent of the width, that has half of all differences on its left."""
    weight = np.cumsum(delta_e.sum(axis=0, dtype=np.float64))
    if not weight[-1]:
        return 50
    return round(100 * (int(np.searchsorted(weight, weight[-1] / 2)) + 0.5) / len(weight))


def _colours(delta_e: FloatImage) -> RgbImage:
    """A dE00 map as colours: dark for no difference, yellow for `MAP_FULL_SCALE` and more."""
    grey = np.clip(delta_e / MAP_FULL_SCALE * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.uint8)
