"""Coverage-guided fuzzing of what users write, for a bounded time; not part of the suite.

    pip install atheris
    python tests/faults/fuzz.py pairs -max_total_time=60

Kinds: pairs, crops, garments, manifest, job, project. A crash that is not one of our own errors ends it
with the input that made it.
"""

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

with atheris.instrument_imports(include=["chromiq", "dataset_builder", "toolkit_configs", "evaluate"]):
    # Here, as the readers import them late, when nothing is instrumented any more.
    import user_texts


def main() -> None:
    kind = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        work, corpus = Path(folder) / "work", Path(folder) / "corpus"
        work.mkdir()
        corpus.mkdir()
        for number, seed in enumerate(user_texts.SEEDS[kind]):
            (corpus / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, str(corpus)], lambda data: user_texts.read(kind, data, work) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
