"""How good the masks of the classic segmenter are, and whether their confidence says so.

    python benchmarks/masks.py                                  on drawn pairs, exact masks
        --seeds 1 2 3        on as many catalogues, drawn from these seeds
    python benchmarks/masks.py --pairs PHOTOS --masks DIR       on your own pairs with masks on_modelN.png too
        --garments FILE      labels, as garments.json; without it the outline of the still-life says
        --known-bad 2 39     pairs whose reference mask is wrong; shown, but counted apart
        --pictures DIR       the worst five of each table: green the outline, red too much, blue too little
        --changed            also what other shops' photos differ by, and colour errors, one line each

IoU is intersection over union. A pair is flagged when its confidence is so low that a build
lays it out for review. CPU seconds are of the segmenter alone, on one thread, photos already read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import pearsonr, spearmanr

from chromiq.colour import linear_to_srgb, srgb_to_linear
from chromiq.dataset_builder.degrade.apply import Style, degrade
from chromiq.dataset_builder.inputs.labels import read_garments, silhouette_label
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.quality import DOUBTFUL_BELOW, LEFT_OUT_BELOW
from chromiq.dataset_builder.segmenters.classic.segmenter import segment_garment
from chromiq.photos.images import read_mask, read_photo, write_photo
from chromiq.records import BoolMask, RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair

BAD_BELOW_IOU = 0.75
_WORST = 5


@dataclass(frozen=True, eq=False)
class Case:
    """A pair and where the garment is."""

    name: str
    task: SegmentationTask
    truth: BoolMask


@dataclass(frozen=True, eq=False)
class Result:
    """What the segmenter made of a case."""

    case: Case
    mask: BoolMask
    iou: float
    confidence: float
    reasons: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        """The pair's."""
        return self.case.name

    @property
    def flagged(self) -> bool:
        """Whether a build would lay the pair out for review."""
        return self.confidence < DOUBTFUL_BELOW


def drawn(count: int, seed: int) -> Iterator[Case]:
    """Drawn pairs with exact masks."""
    for index in range(count):
        pair = draw_pair(index, seed=seed, size_wh=(448, 560))
        task = SegmentationTask(pair.still_life, pair.on_model, pair.garment)
        yield Case(str(index + 1), task, pair.on_model_mask)


def photographed(pairs: Path, masks: Path, garments: Path | None) -> Iterator[Case]:
    """Pairs of a folder whose on-model mask ``on_modelN.png`` is at hand."""
    labels = read_garments(garments) if garments else {}
    for pair in find_pairs(pairs).pairs:
        mask = masks / f"on_model{pair.key}.png"
        if mask.is_file():
            still_life, on_model = read_photo(pair.still_life).rgb, read_photo(pair.on_model).rgb
            label = labels.get(pair.still_life.name) or silhouette_label(still_life).name
            yield Case(pair.key, SegmentationTask(still_life, on_model, label), read_mask(mask))


Change = Callable[[Case], tuple[RgbImage, BoolMask]]
"""Gives another on-model photo and where the garment is on it."""


def mirrored(case: Case) -> tuple[RgbImage, BoolMask]:
    return np.ascontiguousarray(case.task.on_model[:, ::-1]), np.ascontiguousarray(case.truth[:, ::-1])


def resized(height_px: int, case: Case) -> tuple[RgbImage, BoolMask]:
    height, width = case.truth.shape
    size_wh = (round(width * height_px / height), height_px)
    photo = cv2.resize(case.task.on_model, size_wh, interpolation=cv2.INTER_AREA)
    return photo, cv2.resize(case.truth.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0


def turned(degrees: float, case: Case) -> tuple[RgbImage, BoolMask]:
    height, width = case.truth.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    photo = cv2.warpAffine(case.task.on_model, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return photo, cv2.warpAffine(case.truth.astype(np.uint8), matrix, (width, height)) > 0


def compressed(case: Case) -> tuple[RgbImage, BoolMask]:
    _, jpeg = cv2.imencode(".jpg", case.task.on_model[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:, :, ::-1]), case.truth


def exposed(gains: tuple[float, float, float], case: Case) -> tuple[RgbImage, BoolMask]:
    """Linear light times a gain of each channel."""
    linear = srgb_to_linear(case.task.on_model / np.float32(255)) * np.array(gains, np.float32)
    return (linear_to_srgb(np.clip(linear, 0, 1)) * 255).round().astype(np.uint8), case.truth


def put_off(style: Style, case: Case) -> tuple[RgbImage, BoolMask]:
    """A colour error on the garment, as `chromiq correct` meets it."""
    rng = np.random.default_rng([1, *case.name.encode()])
    return degrade(case.task.on_model, case.truth, style, rng)[0], case.truth


def without_head(case: Case) -> tuple[RgbImage, BoolMask]:
    """Cut a little above the garment."""
    first = max(0, int(np.flatnonzero(case.truth.any(axis=1))[0]) - len(case.truth) // 30)
    return case.task.on_model[first:].copy(), case.truth[first:].copy()


CHANGES: dict[str, Change] = {
    "mirrored": mirrored,
    "600 px high": partial(resized, 600),
    "3000 px high": partial(resized, 3000),
    "turned by 4 degrees": partial(turned, 4),
    "JPEG at quality 60": compressed,
    "0.7 stops darker": partial(exposed, (0.6, 0.6, 0.6)),
    "warm light": partial(exposed, (1.1, 1.0, 0.8)),
    "without a head": without_head,
    "published colour error": partial(put_off, "published"),
    "perceptual colour error": partial(put_off, "perceptual"),
}


def changed(case: Case, change: Change) -> Case:
    """The same pair with another on-model photo."""
    photo, truth = change(case)
    return Case(case.name, SegmentationTask(case.task.still_life, photo, case.task.label), truth)


def results(cases: Iterable[Case]) -> list[Result]:
    """Every case segmented and compared."""
    done = []
    for case in cases:
        start = time.process_time()
        found = segment_garment(case.task)
        seconds = time.process_time() - start
        union = (found.mask | case.truth).sum()
        iou = float((found.mask & case.truth).sum() / union) if union else 1.0
        done.append(Result(case, found.mask, iou, found.confidence, found.reasons, seconds))
    return done


def picture(case: Case, mask: BoolMask) -> RgbImage:
    """The two photos side by side, the second with what is too much in red and too little in blue."""
    drawn = case.task.on_model.copy()
    for wrong, rgb in ((mask & ~case.truth, (255, 0, 0)), (case.truth & ~mask, (0, 0, 255))):
        drawn[wrong] = (0.4 * drawn[wrong] + 0.6 * np.array(rgb)).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, (0, 220, 0), max(2, drawn.shape[0] // 400))
    height_px = drawn.shape[0]
    width_px = round(case.task.still_life.shape[1] * height_px / case.task.still_life.shape[0])
    still_life = cv2.resize(case.task.still_life, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.hstack([still_life, drawn])


def worst(rows: Sequence[Result]) -> list[Result]:
    """The five with the least overlap."""
    return sorted(rows, key=lambda row: row.iou)[:_WORST]


def report_changed(rows: Sequence[Result]) -> None:
    """Print one line for each change of these pairs' photos."""
    print(f"  {'changed':<26}mean    p10    bad  missed  flagged")
    for name, change in CHANGES.items():
        again = results(changed(row.case, change) for row in rows)
        iou = np.array([row.iou for row in again])
        bad = [row for row in again if row.iou < BAD_BELOW_IOU]
        missed, flagged = sum(not row.flagged for row in bad), sum(row.flagged for row in again)
        figures = f"{iou.mean():.3f}  {np.percentile(iou, 10):.3f}  {len(bad):4} {missed:6} {flagged:7}"
        print(f"    {name:<24}{figures}", flush=True)


def report(title: str, rows: Sequence[Result]) -> None:
    """Print the table of one set of pairs."""
    iou, confidence = (np.array([getattr(row, name) for row in rows]) for name in ("iou", "confidence"))
    print(f"\n{title}: {len(rows)} pairs")
    median, p10 = np.percentile(iou, [50, 10])
    print(f"  IoU        mean {iou.mean():.3f}   median {median:.3f}   p10 {p10:.3f}")
    for row in worst(rows):
        print(f"    {row.iou:.3f}  pair {row.name}, confidence {row.confidence:.2f} {', '.join(row.reasons)}")
    if len(rows) > 2:
        error = np.abs(iou - confidence).mean()
        print(
            f"  confidence Spearman {spearmanr(confidence, iou)[0]:.2f}   "
            f"Pearson {pearsonr(confidence, iou)[0]:.2f}   mean error {error:.3f}"
        )
    bad = {row.name for row in rows if row.iou < BAD_BELOW_IOU}
    flagged = {row.name for row in rows if row.flagged}
    left_out = sum(row.confidence < LEFT_OUT_BELOW for row in rows)
    print(
        f"  flagged    {len(flagged)} (confidence < {DOUBTFUL_BELOW}; left out {left_out}), bad {len(bad)} "
        f"(IoU < {BAD_BELOW_IOU}), both {len(bad & flagged)}: precision {_share(bad & flagged, flagged)}, "
        f"recall {_share(bad & flagged, bad)}; missed: {', '.join(sorted(bad - flagged)) or 'none'}"
    )
    seconds = np.array([row.seconds for row in rows])
    print(f"  CPU        mean {seconds.mean():.2f} s a photo, most {seconds.max():.2f} s")


def _share(part: set[str], whole: set[str]) -> str:
    return f"{len(part) / len(whole):.2f}" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of still-lifeN.jpg and on_modelN.jpg")
    parser.add_argument("--masks", type=Path, help="folder of on_modelN.png, white on the garment")
    parser.add_argument("--garments", type=Path, help="labels, as garments.json")
    parser.add_argument("--known-bad", nargs="*", default=[], metavar="N", help="reference masks that err")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the worst five")
    parser.add_argument("--drawn", type=int, default=28, help="how many drawn pairs of each seed")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], metavar="N", help="of drawn catalogues")
    parser.add_argument("--changed", action="store_true", help="also photos as other shops have them")
    options = parser.parse_args()
    if (options.pairs is None) != (options.masks is None):
        parser.error("--pairs and --masks go together")
    cv2.setNumThreads(1)
    for seed in options.seeds:
        show(f"drawn, seed {seed}", results(drawn(options.drawn, seed)), options)
    if options.pairs is None:
        return
    rows = results(photographed(options.pairs, options.masks, options.garments))
    if not rows:
        parser.error(f"{options.pairs}: no pair has a mask on_modelN.png in {options.masks}")
    sound = [row for row in rows if row.name not in options.known_bad]
    if len(sound) < len(rows):
        report(f"{options.pairs}, all", rows)
    without = f" without {', '.join(options.known_bad)}" if options.known_bad else ""
    show(f"{options.pairs}{without}", sound, options)


def show(title: str, rows: Sequence[Result], options: Any) -> None:
    """One set's tables, and pictures of its worst."""
    report(title, rows)
    if options.pictures:
        folder = options.pictures / (
            title.replace(", ", "-").replace(" ", "") if "drawn" in title else "pairs"
        )
        for row in worst(rows):
            write_photo(folder / f"on_model{row.name}.jpg", picture(row.case, row.mask))
        print(f"  pictures   {folder}")
    if options.changed:
        report_changed(rows)


if __name__ == "__main__":
    main()
