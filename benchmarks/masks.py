"""How good the masks of the classic segmenter are, and whether their confidence says so.

    python benchmarks/masks.py                                  on drawn pairs, exact masks
    python benchmarks/masks.py --pairs PHOTOS --masks DIR       on your own pairs with masks on_modelN.png too
        --garments FILE      labels, as garments.json; without it the outline of the still-life says
        --known-bad 2 39     pairs whose reference mask is wrong; shown, but counted apart
        --pictures DIR       writes on_modelN.jpg: green the mask's outline, red too much, blue too little

IoU is intersection over union. A pair is flagged when its confidence is so low that a build
lays it out for review. CPU seconds are of the segmenter alone, on one thread, photos already read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import pearsonr, spearmanr

from chromiq.images import read_mask, read_photo, write_photo
from chromiq.records import BoolMask, RgbImage
from dataset_builder.labels import read_garments, silhouette_label
from dataset_builder.mask_quality import DOUBTFUL_BELOW, LEFT_OUT_BELOW
from dataset_builder.pairs import find_pairs
from dataset_builder.sample_catalogue import draw_pair
from dataset_builder.segmenters import SegmentationTask
from dataset_builder.segmenters.classic import segment_garment

BAD_BELOW_IOU = 0.75
_WORST = 5


@dataclass(frozen=True, eq=False)
class Case:
    """A pair and where the garment is."""

    name: str
    task: SegmentationTask
    truth: BoolMask


@dataclass(frozen=True)
class Result:
    """What the segmenter made of a case."""

    name: str
    iou: float
    confidence: float
    reasons: tuple[str, ...]
    seconds: float

    @property
    def flagged(self) -> bool:
        """Whether a build would lay the pair out for review."""
        return self.confidence < DOUBTFUL_BELOW


def drawn(count: int) -> Iterator[Case]:
    """Drawn pairs with exact masks."""
    for index in range(count):
        pair = draw_pair(index, size_wh=(448, 560))
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


def results(cases: Iterable[Case], pictures: Path | None = None) -> list[Result]:
    """Every case segmented and compared; with `pictures`, drawn there."""
    done = []
    for case in cases:
        start = time.process_time()
        found = segment_garment(case.task)
        seconds = time.process_time() - start
        union = (found.mask | case.truth).sum()
        iou = float((found.mask & case.truth).sum() / union) if union else 1.0
        done.append(Result(case.name, iou, found.confidence, found.reasons, seconds))
        if pictures:
            write_photo(pictures / f"on_model{case.name}.jpg", picture(case, found.mask))
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


def report(title: str, rows: Sequence[Result]) -> None:
    """Print the table of one set of pairs."""
    iou, confidence = (np.array([getattr(row, name) for row in rows]) for name in ("iou", "confidence"))
    print(f"\n{title}: {len(rows)} pairs")
    median, p10 = np.percentile(iou, [50, 10])
    print(f"  IoU        mean {iou.mean():.3f}   median {median:.3f}   p10 {p10:.3f}")
    for row in sorted(rows, key=lambda row: row.iou)[:_WORST]:
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
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each pair")
    parser.add_argument("--drawn", type=int, default=28, help="how many drawn pairs")
    options = parser.parse_args()
    if (options.pairs is None) != (options.masks is None):
        parser.error("--pairs and --masks go together")
    cv2.setNumThreads(1)
    folder = options.pictures
    report("drawn", results(drawn(options.drawn), folder / "drawn" if folder else None))
    if options.pairs is None:
        return
    cases = photographed(options.pairs, options.masks, options.garments)
    rows = results(cases, folder / "pairs" if folder else None)
    if not rows:
        parser.error(f"{options.pairs}: no pair has a mask on_modelN.png in {options.masks}")
    report(str(options.pairs), rows)
    if options.known_bad:
        rest = [row for row in rows if row.name not in options.known_bad]
        report(f"the same without {', '.join(options.known_bad)}", rest)


if __name__ == "__main__":
    main()
