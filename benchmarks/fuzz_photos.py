"""Fuzz the reading and writing of photos: no crash, no hang, bounded memory.

    TMPDIR=/dev/shm nice -n 15 python benchmarks/fuzz_photos.py --inputs 100000

Results are synced to disk, so a temporary folder in memory is several times as fast.
The seeds are the files of the matrix (`tests/support/foreign_photos.py`) and an AVIF. Each input is a seed
with bytes flipped, overwritten, removed, repeated or cut off. It must be read, or refused with a finding,
within seconds, give the same pixels twice whatever uninitialised memory contains, and be written with part
of it changed. Inputs are tried in batches, each in its own process; if a process ends by a signal or without
a result, that is reported and its input is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SLOW_S = 60.0
MEMORY_BYTES = 6 << 30
M_PERTURB = -6
_SPECIAL = (0, 1, 2, 127, 128, 255)
_LAST = "last-input"


def seeds(folder: Path) -> list[Path]:
    """An AVIF and a file for each case of the matrix whose tool is installed."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from _pytest.outcomes import Skipped
    from foreign_photos import CASES, PHOTO
    from PIL import Image

    found = [folder / "seed.avif"]
    Image.fromarray(PHOTO).save(found[0])
    for number, case in enumerate(CASES):
        path = folder / f"seed{number}{case.suffix}"
        try:
            case.make(path)
        except Skipped:
            continue
        found.append(path)
    return found


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with one to eight faults, most of them near the start, where headers are."""
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


def tried(path: Path) -> str:
    """The outcome for one file: ``"read"``, ``"written"``, or the code of its finding."""
    from chromiq.errors import UnsoundError
    from chromiq.photos.images import read_mask, read_photo, read_small
    from chromiq.photos.originals import output_name, write_changed
    from chromiq.photos.soundness import verify_photo

    finding = verify_photo(path)
    with contextlib.suppress(UnsoundError):
        read_small(path, 24)
    with contextlib.suppress(UnsoundError):  # a photo is not a mask
        read_mask(path)
    try:
        photo = read_photo(path)
        _ = photo.rgb
        with fresh_memory(0xA5):
            assert np.array_equal(read_photo(path).values, photo.values), "pixels of uninitialised memory"
    except UnsoundError as error:
        return (finding or error.findings[0]).code
    if finding or photo.values.size > 3_000_000:
        return finding.code if finding else "read"
    part = photo.values[10:40, 20:50]
    box = (slice(10, 10 + len(part)), slice(20, 20 + part.shape[1]))
    try:
        write_changed(path.with_name(output_name(Path(f"written{path.suffix}"))), photo, part // 2, box)
    except UnsoundError as error:
        return error.findings[0].code
    return "written"


@contextlib.contextmanager
def fresh_memory(byte: int) -> Iterator[None]:
    """Fill memory allocated in the block with a byte, where the C library is glibc."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)
    set_option(M_PERTURB, byte)
    try:
        yield
    finally:
        set_option(M_PERTURB, 0)


def fuzz(sources: list[Path], inputs: int, seed: int, folder: Path) -> Counter[str]:
    """Try mutated files in this process.

    Args:
        sources: what to mutate.
        inputs: how many.
        seed: of the mutations.
        folder: for the files; the last input stays there as ``last-input``.

    Raises:
        AssertionError: if one takes longer than a minute.
    """
    rng, outcomes = np.random.default_rng(seed), Counter[str]()
    contents = [(source.suffix, source.read_bytes()) for source in sources]
    for number in range(inputs):
        suffix, data = contents[int(rng.integers(0, len(contents)))]
        data = mutated(data, rng)
        (folder / _LAST).write_bytes(suffix.encode().ljust(8) + data)
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        start = time.perf_counter()
        outcomes[tried(path)] += 1
        assert time.perf_counter() - start < SLOW_S, f"input {number} of seed {seed} took too long"
    return outcomes


def batch(sources: Path, inputs: int, seed: int, kept: Path) -> tuple[Counter[str], float]:
    """Run a batch in its own process; return the outcomes and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, __file__, "--one-batch", str(sources), "--folder", name]
        command += ["--inputs", str(inputs), "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            result = json.loads(done.stdout.splitlines()[-1])
            return Counter(result["outcomes"]), float(result["peak_mb"])
        except (IndexError, ValueError, KeyError):
            last = (Path(name) / _LAST).read_bytes()
            file = kept / f"crash-{seed}{last[:8].decode().strip()}"
            file.write_bytes(last[8:])
            (kept / f"crash-{seed}.txt").write_text(done.stderr)
            reason = done.stderr.strip().splitlines()[-1:] or [""]
            print(f"batch {seed} ended with {done.returncode}: {reason[0]}; input kept as {file}", flush=True)
            return Counter({f"ended with {done.returncode}": 1}), 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-inputs", type=int, default=1000)
    parser.add_argument(
        "--kept", type=Path, default=Path(tempfile.gettempdir()), help="for inputs that crash"
    )
    parser.add_argument("--one-batch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    faulthandler.enable()
    if options.one_batch:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        sources = sorted(options.one_batch.iterdir())
        outcomes = fuzz(sources, options.inputs, options.seed, options.folder)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"outcomes": outcomes, "peak_mb": peak_mb}))
        return
    options.kept.mkdir(parents=True, exist_ok=True)
    total, peak_mb = Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as name:
        sources = Path(name)
        seeds(sources)
        for start in range(0, options.inputs, options.batch_inputs):
            count = min(options.batch_inputs, options.inputs - start)
            outcomes, peak = batch(sources, count, options.seed + start, options.kept)
            total, peak_mb = total + outcomes, max(peak_mb, peak)
            print(f"{sum(total.values())} inputs, peak {peak_mb:.0f} MB, {dict(total)}", flush=True)


if __name__ == "__main__":
    main()
