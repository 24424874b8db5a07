"""What a toy base is worth: LoRAs trained on it as in the demo, measured on garments that nothing has seen.

``python -m benchmarks.toy_base.measure CHECKPOINT OUT`` prints the figures of the checkpoint's card.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.toy_base.autoencoder import to_tensor
from benchmarks.toy_base.lora import train_lora
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_builder.segmenters.choose import make_segmenter
from chromiq.evaluate.generate.images import GenerateOptions, generate, read_captions
from chromiq.evaluate.score.folders import ImageScore, find_images
from chromiq.evaluate.score.summary import bootstrap_interval
from chromiq.evaluate.side_by_side import evaluate_testset
from chromiq.evaluate.testset import read_testset
from chromiq.photos.images import read_photo, write_photo
from chromiq.sample_catalogue.catalogue import draw_pair, write_catalogue
from chromiq.toolkit_configs.smoke_engine.toy_base import TOY_CANVAS_WH, TOY_DENOISING_STEPS

_TRAINING_PAIRS = 24
_TEST_PAIRS, _TEST_SEED, _FIRST_TEST = 24, 77, 20  # the catalogue's first looks are the same for every seed
_PHOTO_WH = (448, 560)


def measure(checkpoint: Path, out: Path, *, seeds: int = 3, steps: int = 400) -> str:
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
    truth, control = trials[0].truth.parent, trials[0].control.parent
    generate(control, out / "base", read_captions(truth), generating)
    loras = [
        train_lora(checkpoint, out / "training", out / f"seed{seed}", steps=steps, seed=seed)
        for seed in range(seeds)
    ]
    _reconstruct(checkpoint, truth, out / "autoencoder")
    outputs = {"base": out / "base", "autoencoder": out / "autoencoder"}
    evaluations = [
        evaluate_testset(
            out / "test", out / f"report{seed}", make_segmenter("classic"),
            loras=[lora], outputs=outputs, options=generating,
        )
        for seed, lora in enumerate(loras)
    ]  # fmt: skip
    return _table([evaluation.scores for evaluation in evaluations], steps)


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


_COLUMNS = {
    "uncorrected": "control",
    "correction without a network": "transfer",
    "base, no LoRA": "base",
    "with LoRA": "lora",
    "hybrid": "lora-hybrid",
    "true picture through the autoencoder": "autoencoder",
}


def _table(runs: Sequence[Sequence[ImageScore]], steps: int) -> str:
    lines = [
        f"dE00 inside the garment on {len(runs[0])} drawn garments of seed {_TEST_SEED}, one picture each; "
        f"LoRAs of rank 16 trained {steps} steps on {_TRAINING_PAIRS} other garments, mean of {len(runs)} "
        "seeds, with 95 % bootstrap intervals over garments:",
        "",
        "| | of the mean colours | pixel by pixel |",
        "|---|---|---|",
    ]
    for title, column in _COLUMNS.items():
        values = np.mean([[_pair(score, column) for score in run] for run in runs], axis=0).T
        intervals = [bootstrap_interval(column_values) for column_values in values]
        cells = [
            f"{np.mean(v):.1f} ({low:.1f} to {high:.1f})"
            for v, (low, high) in zip(values, intervals, strict=True)
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    gains = [[_pair(score, "lora")[0] - _pair(score, "control")[0] for score in run] for run in runs]
    gain = np.mean(gains, axis=0)
    low, high = bootstrap_interval(gain)
    each = ", ".join(f"{np.mean([_pair(score, 'lora')[0] for score in run]):.1f}" for run in runs)
    lines += [
        "",
        f"Of the mean colours, the LoRA brings {np.mean(gain):+.1f} ({low:+.1f} to {high:+.1f}) and "
        f"{np.sum(gain < 0)} of {len(runs[0])} garments closer; by seed: {each}.",
    ]
    return "\n".join(lines)


def _pair(score: ImageScore, column: str) -> tuple[float, float]:
    found = score.differences[column]
    return found.of_means, found.mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    print(measure(asked.checkpoint.resolve(), asked.out, seeds=asked.seeds, steps=asked.steps))


if __name__ == "__main__":
    main()
