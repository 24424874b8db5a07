"""Which constants of the correction to use, chosen without what they are then judged on.

    python benchmarks/combination.py --source a=FOLDER --source b=FOLDER --draws 5 --trials trials.npz

Each pair is given the errors of `transfer.py`, and each error is corrected with every combination of the
constants in `GRID`. Then each source in turn is left out: the combination that does best on the others (mean
dE00 left over all errors, and as much weight on what it does to true photos) is compared on it with the one
in use. The same with each family of errors left out. Every draw of errors chooses by itself, so that the
number of different choices says how far chance decides. With ``--trials`` measured figures are kept in that
file and read again.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transfer import TRUE, Garment, add_options, chosen_garments, errors

from chromiq.colour import delta_e_lab, srgb_to_lab
from chromiq.correction.fitting import transfer, transport
from chromiq.correction.fitting.garment_look import Tolerances
from chromiq.correction.fitting.hypotheses import even_places, hypotheses
from chromiq.correction.options import MIN_GAIN
from chromiq.evaluate.score.scores import bootstrap_interval

# Tolerance of mean chroma; shares of `transport.combine`; dE00 that a correction must be expected to gain;
# whether it is then made in full, or as far as the hypotheses support it.
GRID = {
    "chroma": (1.0, 1.4, 1.9),
    "photo share": (0.0, 0.4, 0.8, 1.0),
    "transported": (0.0, 0.5, 1.0),
    "bar": (0.5, 1.0, 1.5, 2.0),
    "in full": (False, True),
}
COMBINATIONS = tuple(itertools.product(*GRID.values()))
IN_USE = COMBINATIONS.index(
    (Tolerances().chroma, transport.PHOTO_SHARE, transport.TRANSPORTED_SHARE, MIN_GAIN, False)
)
_WHO = ("source", "garment", "family", "draw")


def left(garment: Garment, off: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean dE00 to the truth after each combination: ``(len(COMBINATIONS),)``."""
    lab = srgb_to_lab(off[: garment.fitted]).astype(np.float64)
    truth = srgb_to_lab(garment.rgb[: garment.fitted]).astype(np.float64)[even_places(lab)]
    left_by: dict[tuple[float, ...], float] = {}
    for chroma in GRID["chroma"]:
        tolerances = Tolerances(chroma=chroma)
        found = hypotheses(garment.flat, lab, tolerances)
        parts = transport.proposals(found)
        untouched = float(delta_e_lab(found.seen, truth).mean())
        for share, weight in itertools.product(GRID["photo share"], GRID["transported"]):
            best = transport.combine(parts, weight, share)
            fit = transfer.judge(found, best, tolerances)
            for in_full in GRID["in full"]:
                corrected = float(delta_e_lab(best if in_full else fit.colours, truth).mean())
                for bar in GRID["bar"]:
                    made = corrected if fit.gain >= bar else untouched
                    left_by[chroma, share, weight, bar, in_full] = made
    return np.array([left_by[combination] for combination in COMBINATIONS])


def measure(
    garments: Sequence[Garment], draws: int
) -> tuple[list[tuple[str, str, str, int]], NDArray[np.float64]]:
    """Who was measured, as `_WHO` says, and what each combination left: ``(N, len(COMBINATIONS))``."""
    who, figures = [], []
    for done, garment in enumerate(garments, start=1):
        print(f"\r{done} of {len(garments)} garments", end="", file=sys.stderr, flush=True)
        for number, (_, family, off) in enumerate(errors(garment, draws)):
            # The true photo comes first and then each draw; it is in all of them.
            seen_before = [one[2] for one in who if one[:2] == (garment.source, garment.name)]
            who.append((garment.source, garment.name, family, seen_before.count(family) if number else -1))
            figures.append(left(garment, off))
    print(file=sys.stderr)
    return who, np.array(figures)


def cost(
    figures: NDArray[np.float64], true: NDArray[np.bool_], groups: NDArray[np.str_]
) -> NDArray[np.float64]:
    """What each combination costs: dE00 left over all errors, and that of true photos, groups alike."""
    costs = []
    for group in np.unique(groups):
        here = groups == group
        costs.append(sum(figures[here & kind].mean(axis=0) for kind in (true, ~true) if (here & kind).any()))
    return np.mean(costs, axis=0)


def left_out(held: int, name: str, who: NDArray[np.str_], figures: NDArray[np.float64], draws: int) -> str:
    """A row: one source or family, `name` in column `held` of `who`, left out, then judged on."""
    sources, garments, families, draw = who.T
    out = who[:, held] == name
    true = families == TRUE
    differences, choices = [], []
    for one in range(draws):
        others = (true | (draw == str(one))) & ~out
        chosen = int(np.argmin(cost(figures[others], true[others], sources[others])))
        judged = (true | (draw == str(one))) & out
        choices.append(chosen)
        for garment in np.unique(garments[judged]):
            these = judged & (garments == garment)
            differences.append((figures[these, chosen] - figures[these, IN_USE]).mean())
    low, high = bootstrap_interval(differences)
    cells = f"{figures[out & ~true, IN_USE].mean():>9.2f}"
    cells += f"{figures[out & true, IN_USE].mean():>9.2f}" if (out & true).any() else " " * 9
    names = ", ".join("/".join(f"{value:g}" for value in COMBINATIONS[one]) for one in dict.fromkeys(choices))
    return f"{name:<18}{cells}{np.mean(differences):>9.2f} ({low:+.2f} to {high:+.2f})  {names}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser)
    parser.add_argument("--draws", type=int, default=5, help="errors of each family a pair")
    parser.add_argument("--trials", type=Path, help="file to keep what was measured in")
    options = parser.parse_args()
    if options.trials and options.trials.is_file():
        with np.load(options.trials) as kept:
            who, figures = kept["who"], kept["figures"]
    else:
        measured, figures = measure(chosen_garments(options), options.draws)
        who = np.array(measured, dtype=str)
        if options.trials:
            np.savez(options.trials, who=who, figures=figures)
    print(f"in use: {'/'.join(f'{value:g}' for value in COMBINATIONS[IN_USE])} ({', '.join(GRID)})")
    print(f"{'left out':<18}{'in use':>9}{'true':>9}{'chosen without it, less in use':>34}  choices")
    for held in (_WHO.index("source"), _WHO.index("family")):
        for name in dict.fromkeys(who[:, held]):
            if name != TRUE:
                print(left_out(held, name, who, figures, options.draws))


if __name__ == "__main__":
    main()
