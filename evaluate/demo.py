"""The whole way on the drawn sample catalogue: pairs, dataset, config, LoRA, corrected photos, report."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.score.folders import ImageScore
from chromiq.evaluate.side_by_side import evaluate_testset
from chromiq.files import ensure_output_folder, write_text
from chromiq.progress import Update
from chromiq.sample_catalogue.catalogue import write_catalogue

PAIRS = 12
_HELD_OUT = 0.45
_WORKERS = 2
_GENERATE_STEPS = 4
_MODEL_LIBRARIES = ("torch", "diffusers", "transformers", "peft")
_NOTES = (
    "These garments were drawn, not photographed. None of them was trained on: they were held out.",
    "control is the photo with its colour put off; transfer is chromiq's correction without a network.",
)
_NOTE_ON_TINY = (
    "generated comes from a tiny random checkpoint, trained for a few seconds on a CPU. It proves that the "
    "way from photos to pictures holds together and says nothing about what a full-size LoRA can do."
)


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Attributes:
        scores: of the held-out pictures.
        report: the HTML file.
        lora: the tiny LoRA, or None if the model libraries are missing.
        missing: the model libraries that are not installed.
    """

    scores: tuple[ImageScore, ...]
    report: Path
    lora: Path | None
    missing: tuple[str, ...]


def run_demo(out: Path, stage: Callable[[str], AbstractContextManager[Update]]) -> Demo:
    """Run every stage in its order into `out`; the same call again goes on where it stopped.

    Args:
        out: gets ``catalogue/``, ``dataset/``, ``tiny_checkpoint/``, ``config.yaml``, ``runs/``, results.
        stage: called with a stage's name; shows how far it is.
    """
    ensure_output_folder(out)
    with stage("1/4 draw the sample catalogue") as update:
        write_catalogue(out / "catalogue", pairs=PAIRS, on_progress=update)
    with stage("2/4 build the dataset") as update:
        options = BuildOptions(segmenter="classic", held_out=_HELD_OUT)
        catalogue, show = out / "catalogue", nullcontext(update)
        build(catalogue, out / "dataset", options, workers=_WORKERS, stage=lambda _: show)
    missing = tuple(name for name in _MODEL_LIBRARIES if find_spec(name) is None)
    lora, generating = None, None
    if not missing:
        checkpoint = out / "tiny_checkpoint"
        with stage("3/4 render and check the config, train a tiny LoRA") as update:
            lora = _train(out, checkpoint, update)
        generating = GenerateOptions(checkpoint=str(checkpoint), steps=_GENERATE_STEPS)
    with stage("4/4 correct the held-out photos, score, report") as update:
        evaluation = evaluate_testset(
            out / "dataset",
            out,
            make_segmenter("classic"),
            loras=[lora] if lora else [],
            options=generating,
            title="chromiq demo",
            notes=(*_NOTES, *((_NOTE_ON_TINY,) if lora else ())),
            on_progress=update,
        )
    return Demo(evaluation.scores, evaluation.report, lora, missing)


def _train(out: Path, checkpoint: Path, update: Update) -> Path:
    from chromiq.toolkit_configs.launch import launch
    from chromiq.toolkit_configs.render.job import render_job
    from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext

    if not (checkpoint / "model_index.json").is_file():
        build_tiny_kontext(checkpoint)
    config = out / "config.yaml"
    overrides = {"model.name_or_path": str(checkpoint.resolve())}
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
    return launch(
        config, "smoke", resume=resume, on_status=lambda run: update(run.step, run.record.total_steps)
    )
