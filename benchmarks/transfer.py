"""How near the network-free correction comes to the true photo, against simpler rules.

    python benchmarks/transfer.py                                     on the drawn catalogue, exact masks
    python benchmarks/transfer.py --source mine=FOLDER --source ...   on photo pairs, any number of sources
    ... --draws 3 --families                                          more errors a pair; a row per family

A source is a folder of photos with masks, as for `masks.py`.

Each true on-model photo gets a colour error inside its mask, is corrected, and is compared with itself: dE00
over the garment. The families of error are in two halves (`error_families`): those that the dataset builder
draws and the corrector may know, and those that it does not know. Photos are reduced to 0.3 megapixels
and a few thousand pixels of each are measured. Intervals are 95 % bootstrap intervals over garments.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import known_pairs
import numpy as np
from error_families import FAMILIES, apply_family, degrade_as_published
from known_pairs import KnownPair
from PIL import Image

from chromiq.colour import delta_e_lab, lab_to_srgb, srgb_to_lab
from chromiq.correction.fitting.transfer import ColourFit, fit_colours, garment_sample
from chromiq.correction.options import MIN_GAIN
from chromiq.evaluate.score.scores import bootstrap_interval
from chromiq.records import BoolMask, FloatImage, RgbImage

Rule = Callable[[FloatImage, FloatImage], FloatImage]
"""(still-life's Lab ``(P, 3)``, on-model Lab ``(Q, 3)``) -> corrected Lab ``(Q, 3)``."""

_PIXELS = 300_000
_MEASURED, _FITTED = 1000, 2000
_OFF, _RIGHT, _WORSE = 5.0, 1.0, 1.0
_ANGLES, _ROUNDS = 8, 10
TRUE, PUBLISHED, KNOWN, UNKNOWN = "true photo", "published", "known families", "unknown families"


@dataclass(frozen=True, eq=False)
class Garment:
    """Pixels of a true pair.

    Attributes:
        source: name of the source.
        name: of the pair.
        flat: ``(P, 3)`` Lab of the still-life.
        rgb: ``(Q, 3)`` uint8 sRGB of the true on-model photo, those to fit to and then those to measure.
        places: ``(Q, 2)`` their row and column in 0..1.
        fitted: how many of them are there to fit to: these are away from the garment's edge.
    """

    source: str
    name: str
    flat: FloatImage
    rgb: RgbImage
    places: FloatImage
    fitted: int


@dataclass(frozen=True)
class Trial:
    """One error on one garment.

    Attributes:
        source: of the garment.
        garment: its name.
        half: `TRUE`, `PUBLISHED`, `KNOWN` or `UNKNOWN`.
        family: of the error.
        mean: mean dE00 to the truth by rule.
        off: the same over the pixels that were off by more than 5; None if there are few.
        right: mean dE00 moved by rule over pixels that were right within 1; None if there are few.
        gain: dE00 that chromiq expected to remove.
        interval: in which it expected the gain to be.
        applied: whether chromiq corrected the photo.
    """

    source: str
    garment: str
    half: str
    family: str
    mean: dict[str, float]
    off: dict[str, float] | None
    right: dict[str, float] | None
    gain: float
    interval: tuple[float, float]
    applied: bool


def mean_lab(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """Move the mean."""
    return seen + wanted.mean(axis=0) - seen.mean(axis=0)


def reinhard_ab(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """Mean and standard deviation of a* and b* (Reinhard et al. 2001), lightness kept."""
    moved = (seen - seen.mean(axis=0)) * wanted.std(axis=0) / seen.std(axis=0) + wanted.mean(axis=0)
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


def chroma_transport(wanted: FloatImage, seen: FloatImage) -> FloatImage:
    """a*, b* distributed as the still-life's by sliced optimal transport (Rabin et al., SSVM 2011)."""
    moved = seen.copy()
    ranks, there = np.linspace(0, 1, len(seen)), np.linspace(0, 1, len(wanted))
    for turn in range(_ROUNDS):
        step = np.zeros((len(seen), 2))
        angles = np.pi * (np.arange(_ANGLES) + turn / _ROUNDS) / _ANGLES
        for axis in np.stack([np.cos(angles), np.sin(angles)], axis=1):
            along = moved[:, 1:] @ axis
            order = np.argsort(along)
            target = np.interp(ranks, there, np.sort(wanted[:, 1:] @ axis))
            step[order] += (target - along[order])[:, None] * axis
        moved[:, 1:] += 2 * step / _ANGLES
    return moved


RULES: dict[str, Rule] = {
    "mean Lab": mean_lab,
    "Reinhard ab": reinhard_ab,
    "MKL": mkl,
    "chroma transport": chroma_transport,
}
METHODS = ("none", *RULES, "chromiq")


def garment_of(pair: KnownPair) -> Garment:
    """Pixels of a pair, reduced."""
    still_life, on_model = _reduced(pair.still_life), _reduced(pair.on_model)
    there, here = (_reduced(np.uint8(255) * mask) > 127 for mask in (pair.still_life_mask, pair.mask))
    inner, measured = _inner(here), np.flatnonzero(here)
    fitted = inner[:: max(1, len(inner) // _FITTED)]
    chosen = np.concatenate([fitted, measured[:: max(1, len(measured) // _MEASURED)]])
    places = np.stack(np.unravel_index(chosen, here.shape), axis=1) / here.shape
    flat = garment_sample(still_life, there)
    flat = flat[:: max(1, len(flat) // _FITTED)]
    return Garment(pair.source, pair.name, flat, on_model.reshape(-1, 3)[chosen], places, len(fitted))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the user choose garments."""
    known_pairs.add_options(parser, drawn=16)
    parser.add_argument("--catalogue", type=int, default=0, help="seed of the drawn catalogue")
    parser.add_argument("--every", type=int, default=1, help="only every so many pairs of each source")
    parser.add_argument("--first", type=int, default=0, help="which pair to start from, 0 the first")


def chosen_garments(options: argparse.Namespace) -> list[Garment]:
    """The garments that the user chose."""
    return [
        garment_of(pair)
        for pairs in known_pairs.chosen(options, options.catalogue)
        for pair in itertools.islice(pairs, options.first, None, options.every)
    ]


def _inner(mask: BoolMask) -> FloatImage:
    """Flat indices of the pixels that `garment_sample` takes: it is asked by a photo of numbers."""
    numbers = np.arange(mask.size, dtype=np.int64)
    coded = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=1).astype(np.uint8)
    lab = garment_sample(coded.reshape(*mask.shape, 3), mask)
    decoded = lab_to_srgb(lab[None])[0].astype(np.int64)
    return decoded[:, 0] << 16 | decoded[:, 1] << 8 | decoded[:, 2]


def _reduced(image: RgbImage) -> RgbImage:
    factor = max(1, round(np.sqrt(image.shape[0] * image.shape[1] / _PIXELS)))
    return np.array(Image.fromarray(image).reduce(factor))


def seed_of(*parts: object) -> np.random.Generator:
    """Random numbers that depend on these and on nothing else."""
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


def errors(garment: Garment, draws: int) -> Iterator[tuple[str, str, RgbImage]]:
    """(half, family, the garment's pixels with an error); the true photo first."""
    yield TRUE, TRUE, garment.rgb
    for draw in range(draws):
        rng = seed_of(garment.source, garment.name, PUBLISHED, draw)
        yield PUBLISHED, PUBLISHED, degrade_as_published(garment.rgb, rng)
        for family in FAMILIES:
            rng = seed_of(garment.source, garment.name, family.name, draw)
            off = apply_family(family, garment.rgb, garment.places, rng)
            if off is not None:
                yield KNOWN if family.known else UNKNOWN, family.name, off


def tried(garment: Garment, half: str, family: str, off: RgbImage, min_gain: float = MIN_GAIN) -> Trial:
    """One error corrected by every rule."""
    truth = srgb_to_lab(garment.rgb[garment.fitted :])
    lab = srgb_to_lab(off).astype(np.float64)
    seen = lab[garment.fitted :]
    fit = fit_colours(garment.flat, lab[: garment.fitted])
    applied = fit.gain >= min_gain
    results = {"none": seen}
    for name, rule in RULES.items():
        results[name] = rule(garment.flat.astype(np.float64), seen.copy())
    results["chromiq"] = mapped(fit, seen) if applied else seen
    shown = {name: srgb_to_lab(lab_to_srgb(result[None])[0]) for name, result in results.items()}
    left = {name: delta_e_lab(truth, result) for name, result in shown.items()}
    moved = {name: delta_e_lab(shown["none"], result) for name, result in shown.items()}
    far, right = left["none"] > _OFF, left["none"] < _RIGHT

    def means(of: dict[str, FloatImage], where: BoolMask) -> dict[str, float] | None:
        if where.mean() < 0.05:
            return None
        return {name: float(values[where].mean()) for name, values in of.items()}

    everywhere = {name: float(values.mean()) for name, values in left.items()}
    return Trial(
        garment.source,
        garment.name,
        half,
        family,
        everywhere,
        means(left, far),
        means(moved, right) if half != TRUE else None,
        fit.gain,
        fit.gain_interval,
        applied,
    )


def mapped(fit: ColourFit, lab: FloatImage) -> FloatImage:
    """Lab ``(P, 3)`` corrected."""
    return fit.colour_map.apply(lab)


def interval_over_garments(trials: Sequence[Trial], values: Sequence[float]) -> tuple[float, float]:
    """Bootstrap interval of a mean, garments resampled."""
    found: dict[tuple[str, str], list[float]] = {}
    for trial, value in zip(trials, values, strict=True):
        found.setdefault((trial.source, trial.garment), []).append(value)
    return bootstrap_interval([float(np.mean(one)) for one in found.values()])


def table(trials: Sequence[Trial], by_family: bool) -> str:
    """What to print."""
    sources = list(dict.fromkeys(trial.source for trial in trials))
    lines = [
        f"{'':<34}{'n':>5}"
        + "".join(f"{method:>17}" for method in METHODS)
        + f"{'lead over MKL':>22}{'worse by 1: chromiq MKL':>26}"
    ]
    for half in (TRUE, PUBLISHED, KNOWN, UNKNOWN):
        for source in [*sources, "all"] if len(sources) > 1 else sources:
            chosen = [one for one in trials if one.half == half and source in (one.source, "all")]
            lines += [_row(f"{half}, {source}", chosen)] if chosen else []
    if by_family:
        for family in dict.fromkeys(trial.family for trial in trials):
            lines.append(_row(f"  {family}", [one for one in trials if one.family == family]))
    off = [one for one in trials if one.half != TRUE]
    for title, part in (("pixels off by over 5, left", "off"), ("pixels right within 1, moved", "right")):
        chosen = [one for one in off if getattr(one, part)]
        if chosen:
            cells = (np.mean([getattr(one, part)[method] for one in chosen]) for method in METHODS)
            lines.append(f"{title:<34}{len(chosen):>5}" + "".join(f"{cell:>17.2f}" for cell in cells))
    return "\n".join([*lines, *_gate(off)])


def _row(title: str, trials: Sequence[Trial]) -> str:
    cells = "".join(f"{np.mean([one.mean[method] for one in trials]):>17.2f}" for method in METHODS)
    leads = [one.mean["MKL"] - one.mean["chromiq"] for one in trials]
    low, high = interval_over_garments(trials, leads)
    lead = f"{np.mean(leads):.2f} ({low:.2f} to {high:.2f})"
    worse = (
        f"{np.mean([one.mean[method] > one.mean['none'] + _WORSE for one in trials]):.1%}"
        for method in ("chromiq", "MKL")
    )
    return f"{title:<34}{len(trials):>5}{cells}{lead:>22}{'  '.join(worse):>26}"


def _gate(trials: Sequence[Trial]) -> list[str]:
    """The expected gain against the gain that came; both ways to be wrong."""
    done = [one for one in trials if one.applied]
    if not done:
        return []
    came = [one.mean["none"] - one.mean["chromiq"] for one in done]
    intervals = [one.interval for one in done]
    within = np.mean([low <= gain <= high for gain, (low, high) in zip(came, intervals, strict=True)])
    left = [one for one in trials if not one.applied and one.mean["none"] > _OFF]
    harmed = [one for one in done if one.mean["chromiq"] > one.mean["none"] + _WORSE]
    return [
        f"gate: expected gain {np.mean([one.gain for one in done]):.2f}, came {np.mean(came):.2f}; "
        f"{within:.0%} within the interval (80 % wanted)",
        f"harm done: {len(harmed)} of {len(trials)} made worse by over 1; "
        f"help withheld: {len(left)} of {sum(one.mean['none'] > _OFF for one in trials)} "
        "off by over 5 left alone",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser)
    parser.add_argument("--draws", type=int, default=1, help="errors of each family a pair")
    parser.add_argument("--min-gain", type=float, default=MIN_GAIN, help="dE00 from which to correct")
    parser.add_argument("--families", action="store_true", help="a row for each family too")
    parser.add_argument("--json", type=Path, help="write every trial to this file")
    options = parser.parse_args()
    garments = chosen_garments(options)
    trials = []
    for done, garment in enumerate(garments, start=1):
        print(f"\r{done} of {len(garments)} garments", end="", file=sys.stderr, flush=True)
        trials += [tried(garment, *error, options.min_gain) for error in errors(garment, options.draws)]
    print(file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps([asdict(trial) for trial in trials]), encoding="utf-8")
    print(table(trials, options.families))


if __name__ == "__main__":
    main()
