"""Fuzz the reading and writing of photos: no crash, no hang, bounded memory.

    TMPDIR=/dev/shm nice -n 15 python benchmarks/fuzz_photos.py --inputs 100000

Results are synced to disk, so a temporary folder in memory is several times as fast.
The seeds are the files of the matrix (`tests/support/foreign_photos.py`), an AVIF, and those of `--seeds`.
Each input is a seed with bytes flipped, overwritten, removed, repeated or cut off. It must be read, or
refused with a finding, within 10 seconds of CPU time and 1 GB of memory, give the same pixels twice whatever
uninitialised memory contains, and be written with part of it changed. Inputs are tried in batches, each in
its own process. Those that fail, and the last one of a process that ends by a signal, are kept and reported.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SLOW_S, HANGS_S = 10.0, 120.0
LARGE_MB, MEMORY_BYTES = 1024, 6 << 30
M_PERTURB = -6
_SPECIAL = (0, 1, 2, 127, 128, 255)
_LAST = "last-input"


def make_seeds(folder: Path) -> None:
    """Make an AVIF and a file for each case of the matrix whose tool is installed."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from _pytest.outcomes import Skipped
    from foreign_photos import CASES, PHOTO
    from PIL import Image

    Image.fromarray(PHOTO).save(folder / "seed.avif")
    for number, case in enumerate(CASES):
        with contextlib.suppress(Skipped):
            case.make(folder / f"seed{number}{case.suffix}")


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
    if finding and finding.severity != "error":
        finding = None  # a warning refuses nothing
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
    from chromiq.runtime.native import of_glibc

    of_glibc("mallopt", M_PERTURB, byte)
    try:
        yield
    finally:
        of_glibc("mallopt", M_PERTURB, 0)


def peak_mb() -> float:
    """The peak memory of this process since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def reset_peak() -> None:
    """Forget the peak memory of this process."""
    Path("/proc/self/clear_refs").write_text("5")


def fuzz(sources: list[Path], inputs: int, seed: int, folder: Path, kept: Path) -> tuple[Counter[str], float]:
    """Try mutated files in this process.

    Args:
        sources: what to mutate.
        inputs: how many.
        seed: of the mutations.
        folder: for the files; the last input stays there as ``last-input``.
        kept: for inputs that fail, take too long or too much memory.

    Returns:
        The outcomes, and the peak memory in MB.
    """
    rng, outcomes, most_mb = np.random.default_rng(seed), Counter[str](), 0.0
    contents = [(source.suffix, source.read_bytes()) for source in sources]
    for number in range(inputs):
        suffix, data = contents[int(rng.integers(0, len(contents)))]
        data = mutated(data, rng)
        (folder / _LAST).write_bytes(suffix.encode().ljust(8) + data)
        path = folder / f"input{suffix}"
        path.write_bytes(data)
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        reset_peak()
        start, fault = time.process_time(), ""
        try:
            outcomes[tried(path)] += 1
        except Exception:
            fault = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        taken_s, peak = time.process_time() - start, peak_mb()
        most_mb = max(most_mb, peak)
        if not fault and (taken_s > SLOW_S or peak > LARGE_MB):
            fault = f"took {taken_s:.1f} s and {peak:.0f} MB"
        if fault:
            outcomes["FAILED"] += 1
            keep(kept, f"{seed}-{number}", suffix, data, fault)
    return outcomes, most_mb


def keep(kept: Path, name: str, suffix: str, data: bytes, fault: str) -> None:
    """Keep an input that failed, and report it."""
    file = kept / f"input-{name}{suffix}"
    file.write_bytes(data)
    file.with_suffix(".txt").write_text(fault)
    print(f"{file}: {fault.strip().splitlines()[-1:]}", file=sys.stderr, flush=True)


def batch(sources: Path, inputs: int, seed: int, kept: Path) -> tuple[Counter[str], float]:
    """Run a batch in its own process; return the outcomes and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, __file__, "--one-batch", str(sources), "--folder", name]
        command += ["--inputs", str(inputs), "--seed", str(seed), "--kept", str(kept)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        try:
            result = json.loads(done.stdout.splitlines()[-1])
            return Counter(result["outcomes"]), float(result["peak_mb"])
        except (IndexError, ValueError, KeyError):
            last = (Path(name) / _LAST).read_bytes()
            keep(kept, str(seed), last[:8].decode().strip(), last[8:], f"ended with {done.returncode}")
            return Counter({f"ended with {done.returncode}": 1}), 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=Path, help="a folder with more files to mutate")
    parser.add_argument("--batch-inputs", type=int, default=1000)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()), help="for inputs that fail")
    parser.add_argument("--one-batch", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    faulthandler.enable()
    if options.one_batch:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        sources = sorted(options.one_batch.iterdir())
        outcomes, peak = fuzz(sources, options.inputs, options.seed, options.folder, options.kept)
        print(json.dumps({"outcomes": outcomes, "peak_mb": peak}))
        return
    options.kept.mkdir(parents=True, exist_ok=True)
    total, most_mb = Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as name:
        sources = Path(name)
        make_seeds(sources)
        for number, source in enumerate(sorted(options.seeds.iterdir()) if options.seeds else ()):
            shutil.copyfile(source, sources / f"more{number}{source.suffix}")
        for start in range(0, options.inputs, options.batch_inputs):
            count = min(options.batch_inputs, options.inputs - start)
            outcomes, peak = batch(sources, count, options.seed + start, options.kept)
            total, most_mb = total + outcomes, max(most_mb, peak)
            print(f"{sum(total.values())} inputs, peak {most_mb:.0f} MB, {dict(total)}", flush=True)


if __name__ == "__main__":
    main()
