"""Whether the vendored trainer trains: two steps of a tiny checkpoint on drawn pairs."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import ChromiqError
from chromiq.files import write_text
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.toolkit_configs.launch import train_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.smoke_engine import tiny_checkpoint
from chromiq.toolkit_configs.trainer.checkout import bounded_environment

STEPS = 2


def smoke_test(python: Path, say: Callable[[str], None], steps: int = STEPS) -> None:
    """Train a few steps of a tiny checkpoint on drawn pairs, through the code that launches real runs.

    Raises:
        ChromiqError: if that fails.
    """
    with tempfile.TemporaryDirectory(prefix="chromiq-setup-") as name:
        root = Path(name)
        write_catalogue(root / "catalogue", pairs=2, size_wh=(224, 280))
        build(root / "catalogue", root / "dataset", BuildOptions(segmenter="classic"))
        # The core has no model libraries; the trainer's environment does.
        command = [str(python), "-I", str(tiny_checkpoint.__file__), str(root / "tiny")]
        done = subprocess.run(
            command, env=bounded_environment(), capture_output=True, text=True, check=False, cwd=root
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise ChromiqError(f"{python}: cannot build a tiny checkpoint: '{last}'. Run setup again.")
        overrides = {
            "model.name_or_path": str(root / "tiny"),
            "train.steps": str(steps),
            "save.save_every": "1",
        }
        text = render_job("kontext", root / "dataset", preset="smoke", name="smoke", overrides=overrides)
        write_text(root / "config.yaml", text)
        final = train_config(root / "config.yaml", "ai-toolkit")
        say(f"trained {steps} steps; its LoRA has {final.stat().st_size / 1e3:.0f} kB")
