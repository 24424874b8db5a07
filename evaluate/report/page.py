"""One self-contained HTML file: a summary, then every image under a slider beside its dE00 map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from chromiq.evaluate.report.pictures import MAP_FULL_SCALE, Panel, scale_bar, show
from chromiq.evaluate.score.crops import Crop
from chromiq.evaluate.score.difference import MEASURES, Difference
from chromiq.evaluate.score.folders import ImageScore, ImageSet, find_images
from chromiq.evaluate.score.summary import (
    Comparison,
    average,
    average_of,
    by_garment,
    column_title,
    compare,
)
from chromiq.files import write_text
from chromiq.imaging.registration import align
from chromiq.imaging.report_pictures import csp_hash, data_uri, outline_path
from chromiq.photos.images import read_mask, read_photo
from chromiq.progress import Update
from chromiq.templating import template_environment, template_text

# 100 images of four columns stay under 25 MB with room for the text.
_PICTURES_BYTES = 20_000_000
_LARGEST_PICTURE_BYTES = 90_000
_TICKS = tuple(MAP_FULL_SCALE * step / 4 for step in range(5))


@dataclass(frozen=True)
class Chart:
    """A picture of the summary.

    Attributes:
        png: its bytes.
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
        name: of the image.
        anchor: its id in the page, made of its position and never of its name.
        order: its position among the scores.
        panel: its pictures.
        outline: an SVG path around what was measured, in shown pixels; empty if all of it was.
        numbers: per column.
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
    titles: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    charts: Sequence[Chart] = (),
    on_progress: Update | None = None,
) -> None:
    """Write the report; it fetches nothing, and stays under 25 MB with 100 images of four columns.

    Args:
        path: the HTML file.
        scores: as `chromiq.evaluate.score.folders.score_folders` gives them.
        images: what was scored; its crops and masks are marked on the pictures.
        title: its heading; any text, shown as text.
        titles: what columns are called, as `column_title` takes it.
        notes: what a reader must know, one paragraph each.
        charts: pictures that belong to the summary.
        on_progress: called with images done and images in all.
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
        if on_progress:
            on_progress(order + 1, len(scores))
    methods = _methods(scores, names, cards)
    corrected = [row for row in methods if row.column != "control"] or methods
    judged = min(corrected, key=lambda row: row.mean)
    environment = template_environment(html=True)
    environment.filters["csp_hash"] = csp_hash
    environment.filters["titled"] = titled = partial(column_title, titles=titles)
    page = environment.get_template("report.html.j2").render(
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
        fields=[measure for measure in MEASURES if _is_known(measure.name, cards)],
        scale=scale_bar(),
        ticks=_TICKS,
        style=Markup(template_text("report.css")),  # noqa: S704 - our own file, no user's text
        script=Markup(template_text("report.js")),  # noqa: S704
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
    over = f"over {images} image{'s' if images != 1 else ''}"
    said = f"Lowest mean dE00 {over}: {titled(best.column)} with {best.mean:.2f}"
    if best.column == "control" and len(methods) > 1:
        return f"{said}; nothing did better than leaving the colour as it was."
    if best.comparison is None:
        return f"{said}."
    if images == 1:
        change = f"{best.comparison.mean_change:+.2f} against uncorrected"
        return f"{said}, {change}; one image says nothing about others."
    low, high = best.comparison.interval
    change = f"{best.comparison.mean_change:+.2f} against uncorrected"
    chance = "" if high < 0 else "; that could be chance"
    return f"{said}, {change} (95 % interval {low:+.2f} to {high:+.2f}){chance}."


def _of_means(methods: Sequence[MethodRow], titled: Callable[[str], str]) -> str:
    """The other headline figure: texture that a network redraws raises the mean dE00, but not this one."""
    known = [(titled(row.column), row.averages["of_means"] or 0.0) for row in methods]
    return f"dE00 of the mean colours: {', '.join(f'{name} {value:.2f}' for name, value in known)}."


def _is_known(name: str, cards: Sequence[Card]) -> bool:
    values = [getattr(number, name, None) for card in cards for number in card.numbers.values()]
    return any(value is not None for value in values)
