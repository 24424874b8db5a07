"""Wrong photos, masks and pairs that `chromiq correct` delivers as corrected, and sound ones that it doubts.

    python benchmarks/plausibility.py                                   on the drawn catalogue, exact masks
    python benchmarks/plausibility.py --source mine=FOLDER --source ... on photo pairs, any number of sources
    ... --seed 7 --json FILE                                            other variants; every trial's evidence

A source is laid out as for `transfer.py`. Each pair gives sound variants (as it is, with another light on the
whole photo, with an error of colour on the garment) and wrong ones (masks that are inverted, full, halved or
of another photo, photos exchanged, without colour or of another garment). A sound variant should get no
doubt, and a wrong one should not be corrected without one. Some wrong variants do no harm, such as another
garment of the same colour, and some doubts about sound ones are right; so each count is followed by how many
results are more than 3 dE00 off. Photos are reduced to 480 pixels in height.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import known_pairs
import numpy as np
from error_families import FAMILIES, apply_family
from known_pairs import KnownPair

from chromiq.colour import delta_e_lab, linear_to_srgb, srgb_to_lab, srgb_to_linear
from chromiq.correction.judging.evidence import find_bodies
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.plan import Plan, plan_correction
from chromiq.correction.subject import Pixels, Subject
from chromiq.dataset_builder.segmenters.classic.body import Body, find_body
from chromiq.dataset_builder.segmenters.still_life import still_life_mask
from chromiq.records import BoolMask, GarmentMask, RgbImage
from chromiq.runtime.workers import map_in_processes

_HEIGHT_PX = 480
_OTHERS, _ERRORS, _LIGHTS = 4, 3, 2
_GAINS_STOPS = 0.25
_OFF, _LEFT_OUT = 3.0, 0.1


@dataclass(frozen=True, eq=False)
class Case:
    """What the correction is given, and what would be right; photos are ``(h, w, 3)`` uint8 sRGB.

    Attributes:
        still_life: the first photo.
        on_model: the second.
        mask: of the second.
        right: the second with its garment's true colours.
        garment: where the garment is on the second.
    """

    still_life: RgbImage
    on_model: RgbImage
    mask: BoolMask
    right: RgbImage
    garment: BoolMask


@dataclass(frozen=True, eq=False)
class Pair:
    """A true pair of a source with its garment's mask."""

    source: str
    name: str
    case: Case


@dataclass(frozen=True)
class Trial:
    """One variant and its answer.

    Attributes:
        source: name of the source.
        pair: its name there.
        variant: what was made of it.
        is_sound: whether it should be corrected without a doubt.
        answer: the plan's.
        codes: of the doubts.
        off: mean dE00 from what would be right, inside the mask or on the garment outside it if that is more.
        evidence: as the rules saw it.
    """

    source: str
    pair: str
    variant: str
    is_sound: bool
    answer: str
    codes: tuple[str, ...]
    off: float
    evidence: dict[str, object]

    @property
    def is_wrong(self) -> bool:
        """Whether a sound variant is doubted, or a wrong one is not."""
        return bool(self.codes) if self.is_sound else self.answer == "corrected"


def pair_of(known: KnownPair) -> Pair:
    """A pair, reduced."""
    there, here = (_reduced(photo) for photo in (known.still_life, known.on_model))
    mask = _reduced(known.mask.astype(np.uint8) * 255) > 127
    return Pair(known.source, known.name, _true_case(there, here, mask))


def _true_case(still_life: RgbImage, on_model: RgbImage, mask: BoolMask) -> Case:
    return Case(still_life, on_model, mask, right=on_model, garment=mask)


def _reduced(image: RgbImage) -> RgbImage:
    scale = min(1.0, _HEIGHT_PX / image.shape[0])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def sound(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """Variants that should be corrected, or left alone because little is to gain, without a doubt."""
    yield "as it is", case
    for _ in range(_LIGHTS):
        gains = 2 ** rng.uniform(-_GAINS_STOPS, _GAINS_STOPS, 3).astype(np.float32)
        yield "another light", replace(case, on_model=_lit(case.on_model, gains))
    for _ in range(_ERRORS):
        if (changed := _with_error(case, rng)) is not None:
            yield "garment off in colour", replace(case, on_model=changed)


def _lit(rgb: RgbImage, gains: np.ndarray) -> RgbImage:
    linear = srgb_to_linear(rgb / np.float32(255)) * gains
    return (linear_to_srgb(np.clip(linear, 0, 1)) * 255).round().astype(np.uint8)


def _with_error(case: Case, rng: np.random.Generator) -> RgbImage | None:
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    places = np.stack(np.nonzero(case.mask), axis=1) / case.mask.shape
    pixels = apply_family(family, case.on_model[case.mask], places, rng)
    if pixels is None:
        return None
    changed = case.on_model.copy()
    changed[case.mask] = pixels
    return changed


def wrong(case: Case, others: Sequence[Case], rng: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """Variants that should not be corrected without a doubt."""
    there, here, mask = case.still_life, case.on_model, case.mask
    off = _with_error(case, rng)
    off = here if off is None else off
    changed = replace(case, on_model=off)
    yield "mask inverted", replace(changed, mask=~mask)
    yield "mask full", replace(changed, mask=np.ones_like(mask))
    yield "mask of the whole person", replace(changed, mask=find_body(here).person | mask)
    # Half a garment is harmless where both halves are right, so the whole photo is off.
    lit = _lit(here, 2 ** rng.uniform(-0.5, 0.5, 3).astype(np.float32))
    for name, half in zip(("left", "right", "upper", "lower"), _halves(mask), strict=True):
        yield f"mask of the {name} half", replace(case, on_model=lit, mask=half)
    yield "photos exchanged", _true_case(off, there, still_life_mask(there))
    yield "still-life without colour", replace(changed, still_life=_drained(there))
    yield "photo without colour", replace(case, on_model=_drained(off))
    empty = np.broadcast_to(there[:1, :1], there.shape).copy()
    yield "still-life without a garment", replace(changed, still_life=empty)
    for other in others:
        size_wh = (mask.shape[1], mask.shape[0])
        theirs = cv2.resize(other.mask.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST) > 0
        if (theirs & mask).sum() < 0.7 * (theirs | mask).sum():
            yield "mask of another photo", replace(case, on_model=lit, mask=theirs)
        yield "another garment", replace(other, still_life=there)


def _halves(mask: BoolMask) -> Iterator[BoolMask]:
    for axis in (1, 0):
        middle = int(np.median(np.nonzero(mask)[axis]))
        first = np.zeros_like(mask)
        first[(slice(None),) * axis + (slice(None, middle),)] = True
        yield mask & first
        yield mask & ~first


def _drained(rgb: RgbImage) -> RgbImage:
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


Bodies = dict[bytes, Body]
"""The person on each photo: most variants of a pair share a photo, and finding it takes longest."""


def planned(case: Case, bodies: Bodies) -> Plan:
    """The answer of `chromiq correct` with a mask given."""
    photos = (case.still_life, case.on_model)
    keys = [photo.tobytes() for photo in photos]
    if not all(key in bodies for key in keys):
        bodies.update(zip(keys, find_bodies(*photos), strict=True))
    flat_mask = still_life_mask(case.still_life)
    subject = Subject(
        Pixels(case.still_life),
        flat_mask if flat_mask.any() else np.ones_like(flat_mask),
        Pixels(case.on_model),
        GarmentMask(case.mask, 1.0),
        [bodies[key] for key in keys],
    )
    return plan_correction(subject, CorrectionOptions())


def off_de00(case: Case, plan: Plan) -> float:
    """How far a result is from what would be right, as in `Trial`."""
    after = srgb_to_lab(case.on_model)
    wanted = np.where(case.garment[..., None], srgb_to_lab(case.right), after)
    if plan.colour_map is not None:
        after[case.mask] = plan.colour_map.apply(after[case.mask])
    left_out = case.garment & ~case.mask
    places = [case.mask, left_out] if left_out.sum() > _LEFT_OUT * case.garment.sum() else [case.mask]
    means = [delta_e_lab(after[place], wanted[place]).mean() for place in places if place.any()]
    return float(max(means, default=0.0))


def trials(pair_and_others: tuple[Pair, Sequence[Case]], seed: int) -> list[Trial]:
    """All variants of a pair."""
    pair, others = pair_and_others
    bodies: Bodies = {}
    rng = np.random.default_rng([seed, zlib.crc32(f"{pair.source}/{pair.name}".encode())])
    variants: list[tuple[bool, Callable[[], Iterator[tuple[str, Case]]]]] = [
        (True, lambda: sound(pair.case, rng)),
        (False, lambda: wrong(pair.case, others, rng)),
    ]
    done = []
    for is_sound, make in variants:
        for name, case in make():
            plan = planned(case, bodies)
            codes = tuple(doubt.code for doubt in plan.doubts)
            evidence = {} if plan.evidence is None else asdict(plan.evidence)
            off = off_de00(case, plan)
            done.append(Trial(pair.source, pair.name, name, is_sound, plan.answer, codes, off, evidence))
    return done


def with_others(pairs: Sequence[Pair], seed: int) -> list[tuple[Pair, list[Case]]]:
    """Each pair with a few others of its source."""
    rng = np.random.default_rng(seed)
    chosen = []
    for pair in pairs:
        same = [other.case for other in pairs if other.source == pair.source and other is not pair]
        picked = rng.permutation(len(same))[:_OTHERS]
        chosen.append((pair, [same[place] for place in picked]))
    return chosen


def print_table(done: Sequence[Trial]) -> None:
    sources = list(dict.fromkeys(trial.source for trial in done))
    print(f"{'':<32}" + "".join(f"{source:>18}" for source in [*sources, "all"]))
    for is_sound, title in ((True, "sound, but doubted"), (False, "wrong, but corrected without a doubt")):
        print(title)
        of_kind = [trial for trial in done if trial.is_sound is is_sound]
        for variant in [*dict.fromkeys(trial.variant for trial in of_kind), "all"]:
            cells = []
            for source in [*sources, "all"]:
                rows = [
                    trial
                    for trial in of_kind
                    if variant in (trial.variant, "all") and source in (trial.source, "all")
                ]
                found = [trial for trial in rows if trial.is_wrong]
                off = sum(trial.off > _OFF for trial in found)
                cells.append(f"{len(found)} ({off}) of {len(rows)}")
            print(f"  {variant:<30}" + "".join(f"{cell:>18}" for cell in cells))
    print("doubts of sound variants")
    codes = [code for trial in done if trial.is_sound for code in trial.codes]
    for code in sorted(set(codes), key=codes.count, reverse=True):
        print(f"  {code:<30}{codes.count(code):>14}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    known_pairs.add_options(parser, drawn=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every trial")
    options = parser.parse_args()
    sources = known_pairs.chosen(options, options.seed, size_wh=(384, 480))
    pairs = [pair_of(known) for source in sources for known in source]
    works, run = with_others(pairs, options.seed), partial(trials, seed=options.seed)
    done: list[Trial] = []
    finished = (
        map(run, works)
        if options.workers == 1
        else map_in_processes(run, works, options.workers, 4, start=partial(cv2.setNumThreads, 1))
    )
    for number, found in enumerate(finished, start=1):
        done += found
        print(f"\r{number} of {len(works)} pairs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print_table(done)
    if options.json:
        options.json.write_text(json.dumps([asdict(trial) for trial in done], default=float))


if __name__ == "__main__":
    main()
