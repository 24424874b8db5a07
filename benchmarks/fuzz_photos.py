"""Mutated photos of every format, read as chromiq reads them: no crash, no hang, bounded memory.

    python benchmarks/fuzz_photos.py --inputs 100000

The seeds are the files of the matrix (`tests/support/foreign_photos.py`). Each input is a seed with bytes
flipped, overwritten, cut out, repeated or cut off. It must be read, or refused with a finding, within
seconds. A process that ends by a signal would show here as an aborted run, with its input kept as
``chromiq-fuzz-SEED-last`` in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SLOW_S = 20.0
_SPECIAL = (0, 1, 2, 127, 128, 255)


def seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Suffix and bytes of each file of the matrix whose tool is here."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from _pytest.outcomes import Skipped
    from foreign_photos import CASES

    found = []
    for case in CASES:
        path = folder / f"seed{case.suffix}"
        try:
            case.make(path)
        except Skipped:
            continue
        found.append((case.suffix, path.read_bytes()))
    return found


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with one to eight faults; most of them near the start, where headers are."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        reach = len(out) if rng.random() < 0.4 else min(len(out), 1500)
        at = int(rng.integers(0, max(1, reach)))
        kind = rng.integers(0, 6)
        if kind == 0 and out:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1 and out:
            out[at] = _SPECIAL[int(rng.integers(0, len(_SPECIAL)))]
        elif kind == 2:
            out[at : at + 4] = rng.bytes(4)
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 40))]
        elif kind == 4:
            out[at:at] = out[at : at + int(rng.integers(1, 200))]
        elif rng.random() < 0.2:
            del out[at:]
    return bytes(out)


def read(path: Path) -> str:
    """What becomes of one file: ``"read"``, or the code of its finding."""
    from chromiq.errors import UnsoundError
    from chromiq.photos.images import read_mask, read_photo, read_small
    from chromiq.photos.soundness import verify_photo

    finding = verify_photo(path)
    for reader in (lambda: read_photo(path, least_wh=(32, 32)).rgb, lambda: read_small(path, 24)):
        try:
            reader()
        except UnsoundError as error:
            finding = finding or error.findings[0]
    with contextlib.suppress(UnsoundError):  # a photo is not a mask
        read_mask(path)
    return finding.code if finding else "read"


def fuzz(inputs: int, seed: int = 0, *, report_every: int = 5000) -> Counter[str]:
    """Read that many mutated files.

    Raises:
        AssertionError: if one takes longer than 20 s.
    """
    rng, outcomes = np.random.default_rng(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        sources = seeds(Path(name))
        last = Path(tempfile.gettempdir()) / f"chromiq-fuzz-{seed}-last"
        for number in range(inputs):
            suffix, data = sources[int(rng.integers(0, len(sources)))]
            path = Path(name) / f"input{suffix}"
            path.write_bytes(mutated(data, rng))
            last.write_bytes(path.read_bytes())
            start = time.perf_counter()
            try:
                outcomes[read(path)] += 1
            except Exception:
                kept = Path(tempfile.gettempdir()) / f"chromiq-fuzz-{seed}-{number}{suffix}"
                kept.write_bytes(path.read_bytes())
                print(f"input {number}, kept as {kept}", file=sys.stderr)
                raise
            assert time.perf_counter() - start < SLOW_S, f"input {number} of seed {seed} took too long"
            if report_every and number % report_every == report_every - 1:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(f"{number + 1} inputs, peak {peak:.0f} MB, {dict(outcomes)}", flush=True)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    print(dict(fuzz(options.inputs, options.seed)))


if __name__ == "__main__":
    main()
