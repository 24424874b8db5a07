"""One self-contained HTML file: the table, and every image beside the truth with its dE map."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from chromiq.colour import delta_e_map
from chromiq.files import write_text
from chromiq.images import encode_image, read_photo
from chromiq.records import FloatImage, RgbImage
from chromiq.templating import template_environment
from evaluate.score import Difference, ImageScore, average, compare, find_images

_MAP_FULL_SCALE = 20.0
_MAX_SIDE_PX = 760
_JPEG_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """One result of one image, as the report shows it; `source` and `heat` are data URIs."""

    column: str
    source: str
    heat: str
    difference: Difference


@dataclass(frozen=True)
class Card:
    """One image of the gallery; `cut_pct` is where across it the sliders stand first."""

    name: str
    truth: str
    cut_pct: int
    pictures: tuple[Picture, ...]
    worst: float


def write_report(
    path: Path,
    scores: Sequence[ImageScore],
    truth: Path,
    columns: Mapping[str, Path],
    *,
    title: str = "Colour report",
    notes: Sequence[str] = (),
) -> None:
    """Write the report.

    Args:
        path: the HTML file.
        scores: as `evaluate.score.score_folders` gives them.
        truth: folder of the true images.
        columns: name to folder, in the order to show; ``"control"`` is the uncorrected photo.
        title: its heading; any text, shown as text.
        notes: what a reader must know, one paragraph each.
    """
    names = list(columns)
    truths, found = find_images(truth), {name: find_images(folder) for name, folder in columns.items()}
    cards = [_card(score, truths, found) for score in scores]
    text = (
        template_environment(html=True)
        .get_template("report.html.j2")
        .render(
            title=title,
            notes=notes,
            columns=names,
            cards=sorted(cards, key=lambda card: -card.worst),
            averages={name: average(scores, name) for name in names},
            comparisons={
                name: compare(scores, name) for name in names if name != "control" and "control" in names
            },
            rows=scores,
            full_scale=_MAP_FULL_SCALE,
            scale=_uri(_colours(np.linspace(0, _MAP_FULL_SCALE, 256, dtype=np.float32)[None].repeat(12, 0))),
        )
    )
    write_text(path, text)


def _card(score: ImageScore, truths: Mapping[str, Path], found: Mapping[str, Mapping[str, Path]]) -> Card:
    truth = _small(read_photo(truths[score.name], min_side_px=1).rgb)
    pictures, cuts_pct = [], []
    for column, difference in score.differences.items():
        image = _small(read_photo(found[column][score.name], min_side_px=1).rgb)
        delta_e = delta_e_map(truth, image)
        cuts_pct.append(_centre_pct(delta_e))
        pictures.append(Picture(column, _uri(image), _uri(_colours(delta_e)), difference))
    last = list(score.differences)[-1]
    return Card(score.name, _uri(truth), cuts_pct[0], tuple(pictures), score.differences[last].mean)


def _centre_pct(delta_e: FloatImage) -> int:
    """Where across the image its differences have their middle: a slider there shows both sides of it."""
    weight = delta_e.sum(axis=0)
    if not weight.any():
        return 50
    return round(100 * float(np.average(np.arange(len(weight)) + 0.5, weights=weight)) / len(weight))


def _small(image: RgbImage) -> RgbImage:
    scale = min(1.0, _MAX_SIDE_PX / max(image.shape[:2]))
    if scale == 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _colours(delta_e: FloatImage) -> RgbImage:
    """A dE00 map as colours, dark for none to yellow for 20 and more."""
    grey = np.clip(delta_e / _MAP_FULL_SCALE * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.uint8)


def _uri(image: RgbImage) -> str:
    data = base64.b64encode(encode_image(image, quality=_JPEG_QUALITY)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"
