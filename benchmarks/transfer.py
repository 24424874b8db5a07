"""How near the network-free correction comes to the true photo, against simpler rules, in one run.

    python benchmarks/transfer.py                            on the drawn catalogue, exact masks
    python benchmarks/transfer.py --pairs PHOTOS --masks DIR   on your own pairs with masks on_modelN.png
    ... --found                                                 corrected by the classic segmenter's masks
    ... --seeds 3 --half odd                                    more errors a pair; every second pair only

Each true on-model photo is put off inside its mask, corrected, and compared with itself: mean dE00 over
the garment. `left true` is the photo as it was: there, the best that can be done is nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromiq.colour import delta_e_map, lab_to_srgb, srgb_to_lab
from chromiq.images import read_mask, read_photo
from chromiq.records import BoolMask, FloatImage, RgbImage
from dataset_builder.degrade import degrade
from dataset_builder.pairs import find_pairs
from dataset_builder.sample_catalogue import draw_pair
from dataset_builder.segmenters import SegmentationTask
from dataset_builder.segmenters.classic import ClassicSegmenter
from dataset_builder.segmenters.still_life import still_life_mask
from evaluate.transfer import transfer

Rule = Callable[[FloatImage, FloatImage], FloatImage]
ERRORS = ("published", "perceptual", "left true")


@dataclass(frozen=True, eq=False)
class Case:
    """A pair with its masks; the on-model photo is the truth."""

    name: str
    still_life: RgbImage
    still_life_mask: BoolMask
    on_model: RgbImage
    mask: BoolMask


def mean_lab(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """Move the mean."""
    return seen + wanted.mean(axis=0) - seen.mean(axis=0)


def reinhard(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """Mean and spread per channel (Reinhard et al. 2001)."""
    return (seen - seen.mean(axis=0)) * wanted.std(axis=0) / seen.std(axis=0) + wanted.mean(axis=0)


def reinhard_chroma(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """The same for a* and b* only."""
    moved = reinhard(wanted, seen)
    moved[:, 0] = seen[:, 0]
    return moved


def mkl(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """Mean and covariance, moving least: Monge-Kantorovich (Pitié and Kokaram, CVMP 2007).

    ``T = C^-1/2 (C^1/2 W C^1/2)^1/2 C^-1/2`` with ``C`` the covariance seen and ``W`` the one wanted.
    """
    root = _root(np.cov(seen.T))
    inverse = np.linalg.inv(root)
    matrix = inverse @ _root(root @ np.cov(wanted.T) @ root) @ inverse
    return (seen - seen.mean(axis=0)) @ matrix.T + wanted.mean(axis=0)


def _root(matrix: FloatImage) -> FloatImage:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 1e-9))) @ vectors.T


RULES: dict[str, Rule] = {
    "mean Lab": mean_lab,
    "Reinhard": reinhard,
    "Reinhard, chroma only": reinhard_chroma,
    "Monge-Kantorovich": mkl,
}


def drawn(count: int) -> Iterator[Case]:
    """Drawn pairs with exact masks."""
    for index in range(count):
        pair = draw_pair(index, size_wh=(448, 560))
        yield Case(str(index + 1), pair.still_life, pair.still_life_mask, pair.on_model, pair.on_model_mask)


def photographed(pairs: Path, masks: Path) -> Iterator[Case]:
    """Pairs of a folder whose on-model mask ``on_modelN.png`` is at hand."""
    for pair in find_pairs(pairs).pairs:
        mask = masks / f"on_model{pair.key}.png"
        if mask.is_file():
            still_life = read_photo(pair.still_life).rgb
            on_model = read_photo(pair.on_model).rgb
            yield Case(pair.key, still_life, still_life_mask(still_life), on_model, read_mask(mask))


def results(case: Case, error: str, seed: int = 0, *, found: bool = False) -> dict[str, float]:
    """Mean dE00 over the garment after each rule, for one case and one kind of error.

    With `found` what is corrected is the classic segmenter's mask; what is measured stays the given one.
    """
    off = case.on_model
    if error != "left true":
        rng = np.random.default_rng([seed, *case.name.encode()])
        off, _ = degrade(case.on_model, case.mask, error, rng)  # type: ignore[arg-type]
    truth, seen = case.on_model[case.mask], off[case.mask]
    mask = _found_mask(case, off) if found else case.mask
    wanted_lab = srgb_to_lab(case.still_life[case.still_life_mask][None])[0].astype(float)
    seen_lab = srgb_to_lab(off[mask][None])[0].astype(float)
    pictures = {"none": seen}
    for name, rule in RULES.items():
        picture = off.copy()
        picture[mask] = lab_to_srgb(rule(wanted_lab, seen_lab))
        pictures[name] = picture[case.mask]
    pictures["chromiq"] = transfer(case.still_life, case.still_life_mask, off, mask).rgb[case.mask]
    return {name: float(delta_e_map(truth[None], here[None]).mean()) for name, here in pictures.items()}


def _found_mask(case: Case, off: RgbImage) -> BoolMask:
    segmenter = ClassicSegmenter()
    label = segmenter.label([(case.still_life, off)])[0].name
    mask = segmenter.segment([SegmentationTask(case.still_life, off, label)])[0].mask
    return mask if mask.any() else case.mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of still-lifeN.jpg and on_modelN.jpg")
    parser.add_argument("--masks", type=Path, help="folder of on_modelN.png, white on the garment")
    parser.add_argument("--drawn", type=int, default=14, help="how many drawn pairs without --pairs")
    parser.add_argument("--found", action="store_true", help="correct by masks that the segmenter finds")
    parser.add_argument("--seeds", type=int, default=1, help="errors of each style a pair")
    parser.add_argument("--half", choices=("odd", "even"), help="every second pair only")
    options = parser.parse_args()
    if (options.pairs is None) != (options.masks is None):
        parser.error("--pairs and --masks go together")
    cases = list(photographed(options.pairs, options.masks) if options.pairs else drawn(options.drawn))
    if options.half:
        cases = cases[options.half == "even" :: 2]
    if not cases:
        parser.error(f"{options.pairs}: no pair has a mask on_modelN.png in {options.masks}")
    print(f"{len(cases)} pairs, mean dE00 over the garment (worse by over 1 than doing nothing)")
    print(f"{'':<24}" + "".join(f"{error:>18}" for error in ERRORS))
    table = {
        error: [
            results(case, error, seed, found=options.found)
            for case in cases
            for seed in range(options.seeds if error != "left true" else 1)
        ]
        for error in ERRORS
    }
    for name in table[ERRORS[0]][0]:
        cells = []
        for error in ERRORS:
            rows = table[error]
            worse = sum(row[name] > row["none"] + 1 for row in rows)
            cells.append(f"{np.mean([row[name] for row in rows]):.2f} ({worse})")
        print(f"{name:<24}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
