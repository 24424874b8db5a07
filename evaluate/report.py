"""The report, one self-contained HTML file: a summary, then each image under a slider beside its dE00 map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from chromiq.colour import delta_e_map
from chromiq.evaluate.score.crops import Crop
from chromiq.evaluate.score.difference import MEASURES, Difference
from chromiq.evaluate.score.scores import (
    Comparison,
    ImageScore,
    ImageSet,
    average,
    average_of,
    by_garment,
    column_title,
    compare,
    find_images,
)
from chromiq.files import write_text
from chromiq.imaging.masks import outline_path
from chromiq.imaging.registration import align
from chromiq.imaging.resize import fit_side
from chromiq.photos.images import encode_image, read_mask, read_photo
from chromiq.progress import Update, silent
from chromiq.records import FloatImage, RgbImage
from chromiq.templating import data_uri, render_page
from chromiq.wording import counted, interval_text

# 100 images of four columns stay under 25 MB with room for the text.
_PICTURES_BYTES = 20_000_000
_LARGEST_PICTURE_BYTES = 90_000
MAP_FULL_SCALE = 20.0
"""dE00 that a map shows in its last colour."""
_TICKS = tuple(MAP_FULL_SCALE * step / 4 for step in range(5))
_SIDES_PX = (900, 760, 620, 500, 400, 320, 240, 160)
_QUALITY = 80
# A map of more pixels than this shows no more on a screen and takes seconds.
_MOST_MAP_SIDE_PX = 1600


@dataclass(frozen=True)
class Chart:
    """A picture of the summary.

    Attributes:
        caption: what it shows, in words; also what is read aloud.
    """

    png: bytes
    caption: str

    @property
    def source(self) -> str:
        """It as a data URI."""
        return data_uri(self.png, "image/png")


@dataclass(frozen=True)
class Card:
    """One image of the gallery; pictures are data URIs.

    Attributes:
        anchor: its id in the page, made of its position and never of its name.
        order: its position among the scores.
        outline: an SVG path around what was measured, in shown pixels; empty if all of it was.
    """

    name: str
    anchor: str
    order: int
    panel: Panel
    outline: str
    numbers: dict[str, Difference]


@dataclass(frozen=True)
class MethodRow:
    """One column's row in the summary."""

    column: str
    mean: float
    comparison: Comparison | None
    worst: Card
    best: bool
    averages: dict[str, float | None]


def write_report(
    path: Path,
    scores: Sequence[ImageScore],
    images: ImageSet,
    *,
    title: str = "Colour report",
    notes: Sequence[str] = (),
    charts: Sequence[Chart] = (),
    on_progress: Update = silent,
) -> None:
    """Write the report; it fetches nothing, and stays under 25 MB with 100 images of four columns.

    Args:
        scores: as `chromiq.evaluate.score.scores.score_folders` gives them.
        notes: what a reader must know, one paragraph each.
        charts: pictures that belong to the summary.
    """
    names = list(images.columns)
    found = {name: find_images(folder) for name, folder in images.columns.items()}
    truths, mask_paths = find_images(images.truth), find_images(images.masks) if images.masks else {}
    pictures = max(1, len(scores) * (1 + 2 * len(names)))
    most_bytes = min(_LARGEST_PICTURE_BYTES, _PICTURES_BYTES * 3 // 4 // pictures)
    cards = []
    for order, score in enumerate(scores):
        paths = {column: found[column][score.name] for column in names}
        crop, mask = (images.crops or {}).get(score.name), mask_paths.get(score.name)
        cards.append(_card(order, score, truths[score.name], paths, crop, mask, most_bytes))
        on_progress(order + 1, len(scores))
    methods = _methods(scores, names, cards)
    corrected = [row for row in methods if row.column != "control"] or methods
    judged = min(corrected, key=lambda row: row.mean)
    titled = partial(column_title, titles=images.titles)
    page = render_page(
        "report",
        title=title,
        notes=notes,
        headline=f"{_headline(methods, len(scores), titled)} {_of_means(methods, titled)}",
        charts=charts,
        columns=names,
        compared=any(row.comparison for row in methods),
        methods=methods,
        cards=sorted(cards, key=lambda card: -card.numbers[judged.column].mean),
        judged=judged.column,
        kinds={
            kind: (len(found), {name: average(found, name) for name in names})
            for kind, found in by_garment(scores).items()
        },
        outlined=any(card.outline for card in cards),
        fields=[
            measure for measure in MEASURES if any(row.averages[measure.name] is not None for row in methods)
        ],
        scale=scale_bar(),
        ticks=_TICKS,
        titled=titled,
    )
    write_text(path, page)


def _card(
    order: int,
    score: ImageScore,
    truth: Path,
    paths: Mapping[str, Path],
    crop: Crop | None,
    mask: Path | None,
    most_bytes: int,
) -> Card:
    true_rgb = read_photo(truth, min_side_px=1).rgb
    images = {column: read_photo(path, min_side_px=1).rgb for column, path in paths.items()}
    for column, path in paths.items():
        # What was registered to be measured is shown as it was measured.
        if score.differences[column].dx_px is not None:
            images[column] = align(images[column], true_rgb, path).rgb
    panel = show(true_rgb, images, most_bytes)
    measured = crop.xyxy if crop else read_mask(mask) if mask else None
    scale = panel.size_wh[0] / true_rgb.shape[1]
    return Card(
        name=score.name,
        anchor=f"image-{order + 1}",
        order=order,
        panel=panel,
        outline=outline_path(measured, scale) if measured is not None else "",
        numbers=score.differences,
    )


def _methods(scores: Sequence[ImageScore], names: Sequence[str], cards: Sequence[Card]) -> list[MethodRow]:
    means = {name: average(scores, name) for name in names}
    return [
        MethodRow(
            column=name,
            mean=means[name],
            comparison=compare(scores, name) if name != "control" and "control" in names else None,
            worst=max(cards, key=lambda card: card.numbers[name].mean),
            best=means[name] == min(means.values()),
            averages={measure.name: average_of(scores, name, measure.name) for measure in MEASURES},
        )
        for name in names
    ]


def _headline(methods: Sequence[MethodRow], images: int, titled: Callable[[str], str]) -> str:
    """What the summary says first, in one sentence.

    Only an interval that leaves out 0 is called better or worse: on few images chance does the rest.
    """
    best = min(methods, key=lambda row: row.mean)
    over = f"over {counted(images, 'image')}"
    said = f"Lowest mean dE00 {over}: {titled(best.column)} with {best.mean:.2f}"
    if best.column == "control" and len(methods) > 1:
        return f"{said}; nothing did better than leaving the colour as it was."
    if best.comparison is None:
        return f"{said}."
    interval = best.comparison.interval
    change = f"{best.comparison.mean_change:+z.2f} against uncorrected"
    bounds = interval_text(interval, images, "+.2f", title="95 % interval ")
    chance = "" if interval and interval[1] < 0 else "; that could be chance"
    return f"{said}, {change} ({bounds}){chance}."


def _of_means(methods: Sequence[MethodRow], titled: Callable[[str], str]) -> str:
    """The other headline figure: texture that a network redraws raises the mean dE00, but not this one."""
    known = [(titled(row.column), row.averages["of_means"] or 0.0) for row in methods]
    return f"dE00 of the mean colours: {', '.join(f'{name} {value:.2f}' for name, value in known)}."


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
        cut_pct: where across the image the first result differs on either side alike; a slider starts there.
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
