"""A LoRA on a toy base, trained by the smoke engine from a rendered config, as a user trains one."""

from __future__ import annotations

from pathlib import Path

from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.smoke_engine.engine import train


def train_lora(
    checkpoint: Path, dataset: Path, run: Path, *, steps: int, seed: int, config: dict[str, str] | None = None
) -> Path:
    """Train a LoRA into the folder `run`; the same call again resumes.

    Args:
        checkpoint: the base model's folder.
        dataset: a dataset of chromiq's.
        run: gets ``config.yaml`` and the checkpoints.
        steps: of training.
        seed: of the LoRA's start, the order of the examples and the noise.
        config: values of the config that differ from the preset's, by key.

    Returns:
        The LoRA's file.
    """
    overrides = {
        "model.name_or_path": str(checkpoint),
        "train.steps": str(steps),
        "save.save_every": str(steps),
        "network.linear": "16",
        **(config or {}),
    }
    run.mkdir(parents=True, exist_ok=True)
    text = render_job(
        "kontext", dataset, preset="smoke", name="lora", training_folder=run, overrides=overrides
    )
    (run / "config.yaml").write_text(text, encoding="utf-8")
    return train(read_job(run / "config.yaml"), seed=seed, resume=True)
