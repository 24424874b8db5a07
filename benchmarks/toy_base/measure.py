"""What a toy base is worth: LoRAs trained on it as in the demo, measured on garments that nothing has seen.

``python -m benchmarks.toy_base.measure CHECKPOINT OUT`` prints the figures of the checkpoint's card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.toy_base.autoencoder import to_tensor
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.evaluate.compare_methods import evaluate_testset
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.score.scores import ImageScore, ImageSet, bootstrap_interval, find_images, score_folders
from chromiq.evaluate.testset import read_testset
from chromiq.photos.images import read_photo, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_job import read_job
from chromiq.toolkit_configs.smoke_engine.engine import train
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import TOY_CANVAS_WH, TOY_DENOISING_STEPS

_TRAINING_PAIRS = 24
_TEST_PAIRS, _TEST_SEED, _FIRST_TEST = 24, 77, 20  # the catalogue's first looks are the same for every seed
_PHOTO_WH = (448, 560)


def measure(checkpoint: Path, out: Path, *, seeds: int = 3, steps: int = 300) -> str:
    """Train a LoRA per seed on `checkpoint` and return the figures as Markdown; the same call resumes.

    Args:
        checkpoint: folder of a toy base.
        out: for the datasets, the LoRAs and the images.
        seeds: LoRAs to train.
        steps: of each.
    """
    write_catalogue(out / "training_photos", pairs=_TRAINING_PAIRS, size_wh=_PHOTO_WH)
    options = BuildOptions(segmenter="classic", size_wh=TOY_CANVAS_WH, variants=2)
    build(out / "training_photos", out / "training", options)
    _write_test_photos(out / "test_photos")
    build(out / "test_photos", out / "test", BuildOptions(segmenter="classic", size_wh=TOY_CANVAS_WH, seed=5))
    generating = GenerateOptions(checkpoint=str(checkpoint), steps=TOY_DENOISING_STEPS)
    trials = read_testset(out / "test")
    trials.generate(out / "base", generating)
    _reconstruct(checkpoint, trials.truths, out / "autoencoder")
    evaluate_testset(out / "test", out / "network_free", make_segmenter("classic"))
    columns = {
        "control": trials.controls,
        "transfer": out / "network_free" / "transfer",
        "base": out / "base",
        "autoencoder": out / "autoencoder",
    }
    for seed in range(seeds):
        lora = train_lora(checkpoint, out / "training", out / f"seed{seed}", steps=steps, seed=seed)
        columns[f"{_LORA}{seed}"] = out / f"seed{seed}" / "images"
        trials.generate(columns[f"{_LORA}{seed}"], generating, lora)
    scores = score_folders(ImageSet(trials.truths, columns, masks=trials.write_masks(out / "masks")))
    return table(scores, steps)


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


def _write_test_photos(folder: Path) -> None:
    for index in range(_FIRST_TEST, _FIRST_TEST + _TEST_PAIRS):
        pair = draw_pair(index, seed=_TEST_SEED, size_wh=_PHOTO_WH)
        write_photo(folder / f"still-life{pair.key}.jpg", pair.still_life)
        write_photo(folder / f"on_model{pair.key}.jpg", pair.on_model)


def _reconstruct(checkpoint: Path, truth: Path, out: Path) -> None:
    """Write what the autoencoder alone makes of the true pictures."""
    import torch
    from diffusers import AutoencoderKL

    model = AutoencoderKL.from_pretrained(checkpoint / "vae", torch_dtype=torch.float32)
    for name, path in find_images(truth).items():
        with torch.no_grad():
            decoded = model.decode(
                model.encode(to_tensor(read_photo(path).rgb[None])).latent_dist.mean
            ).sample
        rgb = ((decoded[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        write_photo(out / f"{name}.png", rgb)


_LORA = "lora"
_TITLES = {
    "control": "uncorrected",
    "transfer": "correction without a network",
    "base": "base, no LoRA",
    _LORA: "with LoRA",
    "autoencoder": "the true picture through the autoencoder",
}


def table(scores: Sequence[ImageScore], steps: int) -> str:
    """The figures as Markdown.

    Args:
        scores: with the columns control, transfer, base, autoencoder, and lora0, lora1 ... of each seed.
        steps: that the LoRAs were trained.
    """
    loras = [column for column in scores[0].differences if column.startswith(_LORA)]
    figures = {column: _figures(scores, [column]) for column in _TITLES if column != _LORA}
    figures[_LORA] = _figures(scores, loras)
    lines = [
        f"dE00 inside the garment on {len(scores)} drawn garments of seed {_TEST_SEED}, one picture each. "
        f"LoRAs of rank 16, {steps} steps on {_TRAINING_PAIRS} other garments; mean of {len(loras)} seeds. "
        "In brackets, 95 % bootstrap intervals over garments.",
        "",
        "| | of the mean colours | pixel by pixel |",
        "|---|---|---|",
    ]
    for column, title in _TITLES.items():
        cells = [f"{np.mean(values):.1f} ({_interval(values, '.1f')})" for values in figures[column].T]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    gains = (figures[_LORA] - figures["control"]).T
    each = ", ".join(f"{_figures(scores, [lora])[:, 0].mean():.1f}" for lora in loras)
    lines += [
        "",
        f"The LoRA changes the dE00 of the mean colours by {gains[0].mean():+.1f} "
        f"({_interval(gains[0], '+.1f')}), {np.sum(gains[0] < 0)} of {len(scores)} garments are better; "
        f"pixel by pixel by {gains[1].mean():+.1f} ({_interval(gains[1], '+.1f')}), {np.sum(gains[1] < 0)} "
        f"better. Of the mean colours, by seed: {each}.",
    ]
    return "\n".join(lines)


def _figures(scores: Sequence[ImageScore], columns: Sequence[str]) -> Any:
    """``(N, 2)``: dE00 of the mean colours and mean dE00 of each picture, averaged over columns."""
    found = [[score.differences[column] for column in columns] for score in scores]
    return np.array([np.mean([(d.of_means, d.mean) for d in picture], axis=0) for picture in found])


def _interval(values: Any, style: str) -> str:
    low, high = bootstrap_interval(values.tolist())
    return f"{low:{style}} to {high:{style}}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    asked = parser.parse_args()
    print(measure(asked.checkpoint.resolve(), asked.out, seeds=asked.seeds, steps=asked.steps))


if __name__ == "__main__":
    main()
