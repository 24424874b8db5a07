"""How near the network-free correction comes to the true photo, against simpler rules, in one run.

    python benchmarks/transfer.py                            on the drawn catalogue, exact masks
    python benchmarks/transfer.py --pairs PHOTOS --masks DIR   on your own pairs with masks on_modelN.png
    ... --refit 6        tolerances measured anew on five sixths of the garments, tried on the others
    ... --found                          corrected by the classic segmenter's masks
    ... --seeds 3 --half odd --reduce 3  more errors a pair; every second pair only; photos at a third
    ... --kinds                          chromiq's figures by kind of error too

Each true on-model photo is put off inside its mask, corrected, and compared with itself: mean dE00 over
the garment. `one dye` is an error of one dye of a print alone, on the garments that have several; `left
true` is the photo as it was: there, the best that can be done is nothing. Intervals are over garments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chromiq.colour import delta_e_map, lab_to_srgb, srgb_to_lab
from chromiq.correction.garment_look import Tolerances, look, measured_tolerances
from chromiq.correction.transfer import garment_sample, transfer
from chromiq.dataset_builder.degrade.apply import degrade
from chromiq.dataset_builder.degrade.colour_errors import KINDS
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.segmenters import SegmentationTask
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.errors import UsageError
from chromiq.evaluate.score.intervals import bootstrap_interval
from chromiq.photos.images import read_mask, read_photo
from chromiq.records import BoolMask, FloatImage, RgbImage
from chromiq.sample_catalogue.catalogue import draw_pair

Rule = Callable[[FloatImage, FloatImage], FloatImage]
_DRAWS = 8
ERRORS = ("published", "perceptual", "one dye", "left true")


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


def drawn(count: int, seed: int) -> Iterator[Case]:
    """Drawn pairs with exact masks."""
    for index in range(count):
        pair = draw_pair(index, seed=seed, size_wh=(448, 560))
        yield Case(str(index + 1), pair.still_life, pair.still_life_mask, pair.on_model, pair.on_model_mask)


def photographed(pairs: Path, masks: Path, reduce: int) -> Iterator[Case]:
    """Pairs of a folder whose on-model mask ``on_modelN.png`` is at hand."""
    for pair in find_pairs(pairs).pairs:
        mask = masks / f"on_model{pair.key}.png"
        if mask.is_file():
            still_life = read_photo(pair.still_life).rgb
            there, here = still_life_mask(still_life), read_mask(mask)
            on_model = read_photo(pair.on_model).rgb
            still_life, on_model = (_reduced(photo, reduce) for photo in (still_life, on_model))
            there, here = (_reduced(np.uint8(255) * part, reduce) > 127 for part in (there, here))
            yield Case(pair.key, still_life, there, on_model, here)


def _reduced(image: RgbImage, factor: int) -> RgbImage:
    return np.array(Image.fromarray(image).reduce(factor))


def put_off(case: Case, error: str, seed: int) -> tuple[RgbImage, str] | None:
    """The on-model photo with an error, and the error's kind; None if there is none such for that garment."""
    if error == "left true":
        return case.on_model, error
    style = "published" if error == "published" else "perceptual"
    # Kinds used already are taken last, and others where one dye alone can't be off by what was drawn.
    used = [kind for kind in KINDS if kind != "one_dye"] if error == "one dye" else []
    for draw in range(_DRAWS if used else 1):
        rng = np.random.default_rng([seed, *case.name.encode(), *[draw] * bool(draw)])
        try:
            off, made = degrade(case.on_model, case.mask, style, rng, used)  # type: ignore[arg-type]
        except UsageError:
            continue
        if not used or made.kind == "one_dye":
            return off, f"{error}: {made.kind}"
    return None


@dataclass(frozen=True)
class Trial:
    """One photo: its garment, what befell it, mean dE00 over the garment after each rule."""

    name: str
    kind: str
    delta_e: dict[str, float]


def tried(case: Case, error: str, seed: int, found: bool, tolerances: Tolerances | None) -> Trial | None:
    """One photo put off and corrected by every rule.

    With `found` what is corrected is the classic segmenter's mask; what is measured stays the given one.
    """
    made = put_off(case, error, seed)
    if made is None:
        return None
    off, kind = made
    truth, seen = case.on_model[case.mask], off[case.mask]
    mask = _found_mask(case, off) if found else case.mask
    wanted_lab = srgb_to_lab(case.still_life[case.still_life_mask][None])[0].astype(float)
    seen_lab = srgb_to_lab(off[mask][None])[0].astype(float)
    pictures = {"none": seen}
    for name, rule in RULES.items():
        picture = off.copy()
        picture[mask] = lab_to_srgb(rule(wanted_lab, seen_lab))
        pictures[name] = picture[case.mask]
    result = transfer(case.still_life, case.still_life_mask, off, mask, tolerances=tolerances)
    pictures["chromiq"] = result.rgb[case.mask]
    return Trial(
        case.name,
        kind,
        {name: float(delta_e_map(truth[None], here[None]).mean()) for name, here in pictures.items()},
    )


def _found_mask(case: Case, off: RgbImage) -> BoolMask:
    segmenter = ClassicSegmenter()
    label = segmenter.label([(case.still_life, off)])[0].name
    mask = segmenter.segment([SegmentationTask(case.still_life, off, label)])[0].mask
    return mask if mask.any() else case.mask


def refitted(cases: Sequence[Case], folds: int) -> list[Tolerances]:
    """For each case the tolerances that the garments of the other folds show."""
    looks = [
        (
            look(garment_sample(case.still_life, case.still_life_mask)),
            look(garment_sample(case.on_model, case.mask)),
        )
        for case in cases
    ]
    return [
        measured_tolerances([pair for other, pair in enumerate(looks) if (other - index) % folds])
        for index in range(len(cases))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder of still-lifeN.jpg and on_modelN.jpg")
    parser.add_argument("--masks", type=Path, help="folder of on_modelN.png, white on the garment")
    parser.add_argument("--drawn", type=int, default=14, help="how many drawn pairs without --pairs")
    parser.add_argument("--catalogue", type=int, default=0, help="seed of the drawn catalogue")
    parser.add_argument("--found", action="store_true", help="correct by masks that the segmenter finds")
    parser.add_argument("--seeds", type=int, default=1, help="errors of each style a pair")
    parser.add_argument("--half", choices=("odd", "even"), help="every second pair only")
    parser.add_argument("--reduce", type=int, default=1, help="photos and masks smaller by this factor")
    parser.add_argument(
        "--refit", type=int, metavar="FOLDS", help="cross-validate what was measured on pairs"
    )
    parser.add_argument("--kinds", action="store_true", help="by kind of error too")
    options = parser.parse_args()
    if (options.pairs is None) != (options.masks is None):
        parser.error("--pairs and --masks go together")
    cases = list(
        photographed(options.pairs, options.masks, options.reduce)
        if options.pairs
        else drawn(options.drawn, options.catalogue)
    )
    if options.half:
        cases = cases[options.half == "even" :: 2]
    if not cases:
        parser.error(f"{options.pairs}: no pair has a mask on_modelN.png in {options.masks}")
    if options.refit is not None and not 2 <= options.refit <= len(cases):
        parser.error(f"--refit: wanted 2 to {len(cases)} folds, got {options.refit}")
    fitted = refitted(cases, options.refit) if options.refit else [None] * len(cases)
    table: dict[str, list[Trial]] = {error: [] for error in ERRORS}
    for done, (case, tolerances) in enumerate(zip(cases, fitted, strict=True)):
        print(f"\r{done + 1} of {len(cases)} garments", end="", file=sys.stderr, flush=True)
        for error in ERRORS:
            for seed in range(options.seeds if error != "left true" else 1):
                trial = tried(case, error, seed, options.found, tolerances)
                table[error] += [trial] if trial else []
    print(file=sys.stderr)
    _print(table, len(cases), kinds=options.kinds)


def _print(table: dict[str, list[Trial]], count: int, *, kinds: bool) -> None:
    print(f"{count} pairs, mean dE00 over the garment (worse by over 1 than doing nothing)")
    shown = {error: trials for error, trials in table.items() if trials}
    print(f"{'':<24}" + "".join(f"{f'{error}, {len(trials)}':>18}" for error, trials in shown.items()))
    for name in shown["left true"][0].delta_e:
        cells = (f"{_mean(trials, name):.2f} ({_worse(trials, name)})" for trials in shown.values())
        print(f"{name:<24}" + "".join(f"{cell:>18}" for cell in cells))
    intervals = (bootstrap_interval(_by_garment(trials)) for trials in shown.values())
    print(f"{'chromiq, 95 %':<24}" + "".join(f"{f'{low:.2f} to {high:.2f}':>18}" for low, high in intervals))
    if kinds:
        found = sorted({trial.kind for trials in shown.values() for trial in trials})
        for kind in found:
            trials = [trial for trials in shown.values() for trial in trials if trial.kind == kind]
            before, after = (_mean(trials, name) for name in ("none", "chromiq"))
            print(f"{kind:<30}{len(trials):>5}{before:>8.2f} -> {after:.2f} ({_worse(trials, 'chromiq')})")


def _mean(trials: Sequence[Trial], name: str) -> float:
    return float(np.mean([trial.delta_e[name] for trial in trials]))


def _worse(trials: Sequence[Trial], name: str) -> int:
    return sum(trial.delta_e[name] > trial.delta_e["none"] + 1 for trial in trials)


def _by_garment(trials: Sequence[Trial]) -> list[float]:
    names = dict.fromkeys(trial.name for trial in trials)
    return [_mean([trial for trial in trials if trial.name == name], "chromiq") for name in names]


if __name__ == "__main__":
    main()
