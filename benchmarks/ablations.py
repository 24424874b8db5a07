"""What each training setting changes, on the toy base: one setting at a time, several seeds, on a CPU.

    python -m benchmarks.ablations OUT
        --only "rank 4" "garment mask"   some of the settings; the default is always trained
        --seeds 3 --steps 300 --pairs 40

Every setting trains its LoRAs on its own dataset of the same drawn pairs, and all are measured on the same
held-out pairs. A figure is the mean over the garments of a setting's mean over seeds; the interval is the
95 % bootstrap interval, over garments, of its difference from the default. The base is a toy: what holds
here is a hint for a full-size model, no more. The same command resumes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.toy_base.measure import train_lora
from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.score.scores import ImageSet, bootstrap_interval, score_folders
from chromiq.evaluate.testset import read_testset
from chromiq.files import safe_stem
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import TOY_BASE, TOY_CANVAS_WH, TOY_DENOISING_STEPS

_DEFAULT = "default"
_PHOTO_WH = (448, 560)
_OPTIONS = BuildOptions(segmenter="classic", held_out=0.4, variants=2, size_wh=TOY_CANVAS_WH)
_GENERATE = GenerateOptions(checkpoint=str(TOY_BASE), steps=TOY_DENOISING_STEPS)


@dataclass(frozen=True)
class Setting:
    """What differs from the default: of the dataset and of the training config."""

    build: dict[str, Any] = field(default_factory=dict)
    config: dict[str, str] = field(default_factory=dict)


SETTINGS = {
    _DEFAULT: Setting(),
    "half mask": Setting({"loss_mask": "half"}),
    "garment mask": Setting({"loss_mask": "garment"}),
    "minimum 0": Setting(config={"dataset.mask_min_value": "0"}),
    "minimum 0.5": Setting(config={"dataset.mask_min_value": "0.5"}),
    "published errors": Setting({"degradation": "published"}),
    "identity share 0.2": Setting({"identity_share": 0.2}),
    "1 variant": Setting({"variants": 1}),
    "4 variants": Setting({"variants": 4}),
    "rank 4": Setting(config={"network.linear": "4"}),
    "rank 64": Setting(config={"network.linear": "64"}),
}

Figures = dict[str, tuple[float, float]]
"""By garment: dE00 of the mean colours and mean dE00, both averaged over the garment's images."""


def dataset_of(setting: Setting, out: Path) -> Path:
    """Build the setting's dataset from the catalogue in `out`, unless it is there."""
    name = "-".join(f"{key}_{value}" for key, value in setting.build.items()) or "default"
    build(out / "catalogue", out / "datasets" / name, replace(_OPTIONS, **setting.build))
    return out / "datasets" / name


def measure(testset: Path, lora: Path | None, out: Path) -> Figures:
    """Generate the held-out pairs of a dataset with a LoRA and score them; without one, the controls."""
    trials = read_testset(testset)
    images = trials.controls
    if lora:
        images = out / "images"
        trials.generate(images, _GENERATE, lora)
    scores = score_folders(ImageSet(trials.truths, {"x": images}, masks=trials.write_masks(out / "masks")))
    by_garment: dict[str, list[tuple[float, float]]] = {}
    for score in scores:
        found = score.differences["x"]
        by_garment.setdefault(score.name.split("-v")[0], []).append((found.of_means, found.mean))
    return {garment: tuple(np.mean(rows, axis=0).tolist()) for garment, rows in by_garment.items()}


def table(results: dict[str, list[Figures]], controls: Figures) -> str:
    """A Markdown table of the settings, each against the default."""
    means = {name: _mean_over_seeds(runs) for name, runs in results.items()}
    default = means[_DEFAULT]
    lines = [
        f"{len(controls)} held-out garments, {len(results[_DEFAULT])} seeds.",
        "",
        "| setting | of means, each seed | of means | against the default | mean dE00 |",
        "|---|---|---|---|---|",
    ]
    rows = {"not corrected": [controls], **results}
    for name, runs in rows.items():
        garments = _mean_over_seeds(runs)
        seeds = ", ".join(f"{np.mean([run[g][0] for g in run]):.2f}" for run in runs)
        difference = [garments[g][0] - default[g][0] for g in default]
        low, high = bootstrap_interval(difference)
        against = "" if name == _DEFAULT else f"{np.mean(difference):+.2f} ({low:+.2f} to {high:+.2f})"
        of_means, mean = np.mean(list(garments.values()), axis=0)
        lines.append(f"| {name} | {seeds} | {of_means:.2f} | {against} | {mean:.2f} |")
    return "\n".join(lines)


def _mean_over_seeds(runs: list[Figures]) -> Figures:
    return {g: tuple(np.mean([run[g] for run in runs], axis=0).tolist()) for g in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(SETTINGS)[1:], help="settings to train")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=40)
    asked = parser.parse_args()
    out: Path = asked.out
    write_catalogue(out / "catalogue", pairs=asked.pairs, size_wh=_PHOTO_WH)
    testset = dataset_of(SETTINGS[_DEFAULT], out)
    names = [_DEFAULT, *(asked.only if asked.only is not None else list(SETTINGS)[1:])]
    results: dict[str, list[Figures]] = {}
    controls = measure(testset, None, out / "control")
    for name in names:
        dataset = dataset_of(SETTINGS[name], out)
        for seed in range(asked.seeds):
            run = out / "runs" / f"{safe_stem(name)}-{seed}"
            lora = train_lora(
                TOY_BASE, dataset, run, steps=asked.steps, seed=seed, config=SETTINGS[name].config
            )
            results.setdefault(name, []).append(measure(testset, lora, run))
        print(table(results, controls), flush=True)
    (out / "ablations.json").write_text(json.dumps({"controls": controls, "settings": results}, indent=1))
    (out / "ablations.md").write_text(table(results, controls) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
