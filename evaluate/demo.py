"""The whole workflow on drawn garments: pairs, dataset, config, LoRA, sweep, report, a batch corrected."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from chromiq.correction.batch import BatchInputs, correct_batch
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.degrade import degrade
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.evaluate.compare_methods import Evaluation, Methods, evaluate_testset
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.sweep import measure_checkpoints
from chromiq.files import ensure_output_folder, write_text
from chromiq.photos.images import write_photo
from chromiq.progress import Stage, Update
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import TOY_BASE, TOY_CANVAS_WH, TOY_DENOISING_STEPS

PAIRS = 40
SHOOT_PAIRS = 8
PHOTO_WH = (448, 560)
TRAIN_STEPS = 400
_CHECKPOINTS = 4
_HELD_OUT = 0.4
_VARIANTS = 2
_WORKERS = 2
_MODEL_LIBRARIES = ("torch", "diffusers", "transformers", "peft")
_NOTES = (
    "These garments were drawn, not photographed. None of them was trained on: they were held out.",
    "uncorrected: the photo with a simulated colour error; network-free: corrected without a network.",
)
_NOTES_ON_TOY = (
    "my LoRA: trained here, on a toy base model of 1.5 million weights; hybrid: its colour on the photo's "
    "own texture.",
    "The toy base was trained on drawn garments to copy its input under this caption, and to recolour "
    "garments under others; the LoRA brings the greater part of the colour match. It shows that "
    "training works. It says nothing about the quality of a full-size model, nor that a LoRA beats the "
    "correction without a network.",
)


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Attributes:
        lora: the trained LoRA, or None if the model libraries are missing.
        best_checkpoint: the sweep's verdict on the run's checkpoints, one line; None without a LoRA.
    """

    evaluation: Evaluation
    lora: Path | None
    best_checkpoint: str | None
    missing: tuple[str, ...]


def run_demo(out: Path, stage: Stage) -> Demo:
    """Run every stage in order into `out`; the same call again resumes where it stopped.

    Args:
        out: gets ``catalogue/``, ``dataset/``, ``config.yaml``, ``runs/``, ``sweep/``, the report, and
            ``shoot/`` with its photos ``corrected/``.
    """
    ensure_output_folder(out)
    with stage("1/6 draw the sample catalogue") as update:
        write_catalogue(out / "catalogue", pairs=PAIRS, size_wh=PHOTO_WH, on_progress=update)
    options = BuildOptions(segmenter="classic", held_out=_HELD_OUT, variants=_VARIANTS, size_wh=TOY_CANVAS_WH)
    catalogue, dataset = out / "catalogue", out / "dataset"
    build(catalogue, dataset, options, workers=_WORKERS, stage=lambda part: stage(f"2/6 dataset: {part}"))
    missing = tuple(name for name in _MODEL_LIBRARIES if find_spec(name) is None)
    lora, best, notes = None, None, list(_NOTES)
    generating = GenerateOptions(checkpoint=str(TOY_BASE), steps=TOY_DENOISING_STEPS)
    if not missing:
        with stage("3/6 train a LoRA on the toy base model") as update:
            lora = _train(out, update)
        with stage("4/6 measure its checkpoints on the held-out photos") as update:
            found = measure_checkpoints(
                lora.parent, out / "dataset", out / "sweep", generating, on_progress=update
            )
        best = found.summary
        notes += [*_NOTES_ON_TOY, f"{best} The curve is in sweep/report.html."]
    with stage("5/6 correct the held-out photos, score, report") as update:
        evaluation = evaluate_testset(
            out / "dataset",
            out,
            make_segmenter("classic"),
            Methods([lora], options=generating) if lora else None,
            title="chromiq demo",
            notes=tuple(notes),
            on_progress=update,
        )
    _correct_shoot(out, lambda part: stage(f"6/6 batch of photos: {part}"))
    return Demo(evaluation, lora, best, missing)


def _correct_shoot(out: Path, stage: Stage) -> None:
    """Photos of further garments, most with a simulated colour error, corrected as a batch."""
    for index in range(PAIRS, PAIRS + SHOOT_PAIRS):
        pair = draw_pair(index, size_wh=PHOTO_WH)
        rng = np.random.default_rng(index)
        photo, _ = degrade(pair.on_model, pair.on_model_mask, "perceptual", rng)
        is_right = index % 4 == 3
        write_photo(out / "shoot" / f"still-life{pair.key}.jpg", pair.still_life)
        write_photo(out / "shoot" / f"on_model{pair.key}.jpg", pair.on_model if is_right else photo)
    inputs, segmenter = BatchInputs(out / "shoot"), make_segmenter("classic")
    correct_batch(inputs, out / "corrected", segmenter, stage=stage)


def _train(out: Path, update: Update) -> Path:
    from chromiq.toolkit_configs.launch import train_config
    from chromiq.toolkit_configs.render.job import render_job

    config = out / "config.yaml"
    overrides = {
        "model.name_or_path": str(TOY_BASE),
        "train.steps": str(TRAIN_STEPS),
        "save.save_every": str(max(1, TRAIN_STEPS // _CHECKPOINTS)),
        "save.max_step_saves_to_keep": str(_CHECKPOINTS),
        "network.linear": "16",
    }
    text = render_job(
        "kontext",
        out / "dataset",
        preset="smoke",
        name="demo",
        training_folder=out / "runs",
        overrides=overrides,
    )
    write_text(config, text)
    resume = (out / "runs" / "demo").is_dir()
    return train_config(
        config, "smoke", resume=resume, on_status=lambda run: update(run.step, run.record.total_steps)
    )
