"""How good a segmenter's masks are, by source, and whether their confidence says so.

    python benchmarks/masks.py                          on drawn pairs, exact masks
    python benchmarks/masks.py FOLDER...                on pairs that have masks, each folder a source
        --segmenter classic      or mediapipe, grounded-sam2, sam3: see `chromiq build --help`
        --unlabelled             ignore FOLDER/garments.json: the segmenter names the garments
        --known-bad real/2       pairs whose reference mask is wrong, left out
        --pictures DIR           the worst ten of all: green the outline, red too much, blue too little
        --changed                the same pairs under other light, sizes, compression; one line each
        --json FILE              every pair's IoU, confidence and reasons, of changed photos as well

A FOLDER holds the photos as `chromiq build` takes them (in it, or in FOLDER/pairs) and FOLDER/masks with
``NAME.png`` or ``on_modelNAME.png`` of the on-model photo's size, white on the garment. IoU is intersection
over union; intervals are 95 % bootstrap intervals over garments. A mask is flagged when its confidence is
below the line under which `build` puts a pair into review and `correct` asks to look at the result. CPU
seconds are those of label and mask, on one thread, photos already read.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from known_pairs import KnownPair, drawn, photographed

from chromiq.colour import lab_to_srgb, linear_to_srgb, srgb_to_lab, srgb_to_linear
from chromiq.dataset_builder.degrade import Style, degrade
from chromiq.dataset_builder.segmenters import SegmentationTask, Segmenter
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.dataset_builder.segmenters.doubts import DOUBTFUL_BELOW, with_doubt_of_label
from chromiq.dataset_builder.segmenters.still_life import background_distance, foreground
from chromiq.evaluate.score.scores import bootstrap_interval
from chromiq.imaging.masks import skin_hue
from chromiq.photos.images import write_photo
from chromiq.records import BoolMask, GarmentLabel, RgbImage

BAD_BELOW_IOU = 0.75
_WORST = 10
_CONFIDENCE_BINS = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, eq=False)
class Result:
    """What the segmenter made of a case."""

    case: KnownPair
    label: str
    mask: BoolMask
    iou: float
    confidence: float
    reasons: tuple[str, ...]
    seconds: float

    @property
    def flagged(self) -> bool:
        """Whether `build` and `correct` ask the user to look at the mask."""
        return self.confidence < DOUBTFUL_BELOW

    @property
    def bad(self) -> bool:
        """Whether the mask is so wrong that a correction through it harms."""
        return self.iou < BAD_BELOW_IOU


Change = Callable[[KnownPair], tuple[RgbImage, BoolMask]]
"""Gives another on-model photo and where the garment is on it."""


def mirrored(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    return np.ascontiguousarray(case.on_model[:, ::-1]), np.ascontiguousarray(case.mask[:, ::-1])


def resized(height_px: int, case: KnownPair) -> tuple[RgbImage, BoolMask]:
    height, width = case.mask.shape
    size_wh = (round(width * height_px / height), height_px)
    photo = cv2.resize(case.on_model, size_wh, interpolation=cv2.INTER_AREA)
    return photo, cv2.resize(case.mask.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0


def turned(degrees: float, case: KnownPair) -> tuple[RgbImage, BoolMask]:
    height, width = case.mask.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    photo = cv2.warpAffine(case.on_model, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return photo, cv2.warpAffine(case.mask.astype(np.uint8), matrix, (width, height)) > 0


def compressed(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    _, jpeg = cv2.imencode(".jpg", case.on_model[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    return np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:, :, ::-1]), case.mask


def exposed(gains: tuple[float, float, float], case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """Linear light times a gain of each channel."""
    linear = srgb_to_linear(case.on_model / np.float32(255)) * np.array(gains, np.float32)
    return (linear_to_srgb(np.clip(linear, 0, 1)) * 255).round().astype(np.uint8), case.mask


def with_falloff(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """Light that falls off from the middle of the photo, to two thirds in its corners."""
    height, width = case.mask.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    linear = srgb_to_linear(case.on_model / np.float32(255)) * (1 - (x**2 + y**2)[..., None] / 6)
    return (linear_to_srgb(linear) * 255).round().astype(np.uint8), case.mask


def hues_turned(degrees: float, case: KnownPair) -> tuple[RgbImage, BoolMask]:
    lab = srgb_to_lab(case.on_model)
    turned = (lab[..., 1] + 1j * lab[..., 2]) * np.exp(1j * np.radians(degrees))
    return lab_to_srgb(np.stack([lab[..., 0], turned.real, turned.imag], axis=-1)), case.mask


def with_coloured_wall(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """A pink wall in white light: what looks like a cast and is none."""
    lab = srgb_to_lab(case.on_model)
    person = foreground(*background_distance(lab)) | case.mask
    pink = lab_to_srgb(lab + np.array([-4, 14, 8], np.float32))
    return np.where(person[..., None], case.on_model, pink), case.mask


def colour_error(style: Style, case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """A colour error on the garment, as `chromiq correct` meets it."""
    rng = np.random.default_rng([1, *case.name.encode()])
    return degrade(case.on_model, case.mask, style, rng)[0], case.mask


def without_head(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """Cut a little above the garment."""
    first = max(0, int(np.flatnonzero(case.mask.any(axis=1))[0]) - len(case.mask) // 30)
    return case.on_model[first:].copy(), case.mask[first:].copy()


def with_wall_shadow(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """A shadow of the person beside them on the wall, which loses up to 40 % of its light."""
    height, width = case.mask.shape
    person = foreground(*background_distance(srgb_to_lab(case.on_model)))
    shift = np.array([[1, 0, 0.05 * width], [0, 1, 0.015 * height]], np.float32)
    moved = cv2.warpAffine(person.astype(np.float32), shift, (width, height))
    depth = 0.4 * cv2.GaussianBlur(moved, (0, 0), 0.012 * height) * ~(person | case.mask)
    linear = srgb_to_linear(case.on_model / np.float32(255)) * (1 - depth[..., None])
    return (linear_to_srgb(linear) * 255).round().astype(np.uint8), case.mask


def with_arm_before_it(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """A bare arm from the garment's side to its middle, of the colour of the skin that is seen."""
    height, width = case.mask.shape
    rows, columns = np.nonzero(case.mask)
    origin, size = (columns.min(), rows.min()), (np.ptp(columns), np.ptp(rows))
    skin = skin_hue(srgb_to_lab(case.on_model)) & ~case.mask
    rgb = np.median(case.on_model[skin], axis=0) if skin.any() else np.array([205, 160, 135])
    arm = np.zeros((height, width), np.uint8)
    points = np.array([origin + np.multiply(at, size) for at in ((1.04, 0.5), (0.75, 0.55), (0.45, 0.45))])
    cv2.polylines(arm, [points.astype(np.int32)], False, 1, int(0.1 * size[0]))
    depth = cv2.distanceTransform(arm, cv2.DIST_L2, 3)
    shade = 0.72 + 0.33 * np.sqrt(depth / depth.max())
    cover = cv2.GaussianBlur(arm.astype(np.float32), (0, 0), max(0.7, height / 1500))[..., None]
    photo = case.on_model + cover * (shade[..., None] * rgb - case.on_model)
    return np.rint(np.clip(photo, 0, 255)).astype(np.uint8), case.mask & (arm == 0)


def with_bars(case: KnownPair) -> tuple[RgbImage, BoolMask]:
    """Grey bars at its sides, as to make it square."""
    bar_px = len(case.mask) // 8
    photo = cv2.copyMakeBorder(
        case.on_model, 0, 0, bar_px, bar_px, cv2.BORDER_CONSTANT, value=(128, 128, 128)
    )
    return photo, np.pad(case.mask, ((0, 0), (bar_px, bar_px)))


CHANGES: dict[str, Change] = {
    "mirrored": mirrored,
    "600 px high": partial(resized, 600),
    "3000 px high": partial(resized, 3000),
    "turned by 4 degrees": partial(turned, 4),
    "JPEG at quality 60": compressed,
    "0.7 stops darker": partial(exposed, (0.6, 0.6, 0.6)),
    "0.6 stops lighter": partial(exposed, (1.5, 1.5, 1.5)),
    "light that falls off": with_falloff,
    "hues turned by 30 degrees": partial(hues_turned, 30),
    "hues turned by -30 degrees": partial(hues_turned, -30),
    "warm light": partial(exposed, (1.1, 1.0, 0.8)),
    "tungsten light": partial(exposed, (1.0, 0.74, 0.46)),
    "blue light": partial(exposed, (0.65, 0.77, 1.0)),
    "green light": partial(exposed, (0.86, 1.0, 0.88)),
    "a pink wall": with_coloured_wall,
    "without a head": without_head,
    "a shadow on the wall": with_wall_shadow,
    "an arm before the garment": with_arm_before_it,
    "grey bars": with_bars,
    "published colour error": partial(colour_error, "published"),
    "perceptual colour error": partial(colour_error, "perceptual"),
}


def changed(case: KnownPair, change: Change) -> KnownPair:
    """The same pair with another on-model photo."""
    photo, mask = change(case)
    return replace(case, on_model=photo, mask=mask)


def result(segmenter: Segmenter, case: KnownPair) -> Result:
    """A case segmented and compared."""
    start = time.process_time()
    label = (
        GarmentLabel(case.label, "given")
        if case.label
        else segmenter.label([(case.still_life, case.on_model)])[0]
    )
    found = segmenter.segment([SegmentationTask(case.still_life, case.on_model, label.name)])[0]
    found = with_doubt_of_label(found, label)
    seconds = time.process_time() - start
    union = (found.mask | case.mask).sum()
    iou = float((found.mask & case.mask).sum() / union) if union else 1.0
    return Result(case, label.name, found.mask, iou, found.confidence, found.reasons, seconds)


def picture(case: KnownPair, mask: BoolMask) -> RgbImage:
    """The two photos side by side, the second with what is too much in red and too little in blue."""
    drawn = case.on_model.copy()
    for wrong, rgb in ((mask & ~case.mask, (255, 0, 0)), (case.mask & ~mask, (0, 0, 255))):
        drawn[wrong] = (0.4 * drawn[wrong] + 0.6 * np.array(rgb)).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, (0, 220, 0), max(2, drawn.shape[0] // 400))
    height_px = drawn.shape[0]
    width_px = round(case.still_life.shape[1] * height_px / case.still_life.shape[0])
    still_life = cv2.resize(case.still_life, (width_px, height_px), interpolation=cv2.INTER_AREA)
    return np.hstack([still_life, drawn])


def worst(rows: Iterable[Result]) -> list[Result]:
    """The ten with the least overlap."""
    return sorted(rows, key=lambda row: row.iou)[:_WORST]


def line(title: str, rows: Sequence[Result]) -> str:
    """One source's figures."""
    iou = np.array([row.iou for row in rows], np.float64)
    (low, high), (p10, median) = bootstrap_interval(iou.tolist()), np.percentile(iou, [10, 50])
    bad = [row for row in rows if row.bad]
    flagged = sum(row.flagged for row in rows)
    seconds = np.mean([row.seconds for row in rows])
    return (
        f"{title:<24}{len(rows):5}  {iou.mean():.3f} [{low:.3f}, {high:.3f}]  {median:.3f}  {p10:.3f}"
        f"  {len(bad):4}  {sum(row.flagged for row in bad):11}  {flagged:7}  {seconds:.2f}"
    )


def report(by_source: dict[str, list[Result]]) -> None:
    """Print the table by source, the reliability of the confidence, and the worst masks."""
    bad = f"<{BAD_BELOW_IOU}"
    print(
        f"{'source':<24}pairs  mean IoU [95 %]       median p10    {bad:>5}  of those flagged  flagged  CPU s"
    )
    for title, rows in by_source.items():
        print(line(title, rows))
    rows = [row for some in by_source.values() for row in some]
    if len(by_source) > 1:
        print(line("all", rows))
    print(f"\nconfidence   pairs  mean IoU  {bad}")
    for low, high in itertools.pairwise(_CONFIDENCE_BINS):
        part = [row for row in rows if low <= row.confidence < high or (high == 1 and row.confidence == 1)]
        if part:
            mean = np.mean([row.iou for row in part])
            print(f"{low:.2f}..{high:.2f}  {len(part):6}  {mean:8.3f}  {sum(row.bad for row in part):5}")
    flagged_bad = sum(row.flagged and row.bad for row in rows)
    flagged_sound = sum(row.flagged and not row.bad for row in rows)
    bad_count = sum(row.bad for row in rows)
    print(
        f"\nline at {DOUBTFUL_BELOW}: flagged are {flagged_bad} of {bad_count} masks {bad}, "
        f"and {flagged_sound} of the {len(rows) - bad_count} others"
    )
    print("\nworst")
    for row in worst(rows):
        print(
            f"  {row.iou:.3f}  {row.case.source} {row.case.name}: {row.label}, confidence "
            f"{row.confidence:.2f} {', '.join(row.reasons)}"
        )


def figures(rows: Iterable[Result]) -> list[dict[str, Any]]:
    """What is written of results."""
    return [
        {
            "name": row.case.name,
            "label": row.label,
            "iou": row.iou,
            "confidence": row.confidence,
            "reasons": row.reasons,
            "seconds": row.seconds,
        }
        for row in rows
    ]


def report_changed(segmenter: Segmenter, title: str, rows: Sequence[Result]) -> dict[str, Any]:
    """Print one line for each change of these pairs' photos; returns their figures by source and change."""
    print(f"\n{title}, changed")
    found = {}
    for name, change in CHANGES.items():
        again = [result(segmenter, changed(row.case, change)) for row in rows]
        print(line(f"  {name}", again), flush=True)
        found[f"{title}, {name}"] = figures(again)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="photos and masks/")
    parser.add_argument("--segmenter", default="classic", help="as `chromiq build --segmenter`")
    parser.add_argument("--unlabelled", action="store_true", help="ignore garments.json")
    parser.add_argument("--known-bad", nargs="*", default=[], metavar="FOLDER/NAME", help="left out")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the worst ten")
    parser.add_argument("--drawn", type=int, default=28, help="how many drawn pairs of each seed")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], metavar="N", help="of drawn catalogues")
    parser.add_argument("--changed", action="store_true", help="also photos as other shops have them")
    parser.add_argument("--json", type=Path, help="write every pair's figures here")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    segmenter = make_segmenter(options.segmenter)
    sources = [drawn(options.drawn, seed, source=f"drawn, seed {seed}") for seed in options.seeds]
    for folder in options.folders:
        pairs = photographed(folder, folder.name)
        sources.append((replace(pair, label=None) for pair in pairs) if options.unlabelled else pairs)
    by_source: dict[str, list[Result]] = {}
    for pair in itertools.chain.from_iterable(sources):
        if f"{pair.source}/{pair.name}" not in options.known_bad:
            by_source.setdefault(pair.source, []).append(result(segmenter, pair))
    report(by_source)
    if options.pictures:
        for place, row in enumerate(worst(row for rows in by_source.values() for row in rows), start=1):
            write_photo(options.pictures / f"{place:02}_{row.case.name}.jpg", picture(row.case, row.mask))
    document = {title: figures(rows) for title, rows in by_source.items()}
    if options.changed:
        for title, rows in by_source.items():
            document |= report_changed(segmenter, title, rows)
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
