"""A test set corrected every way there is: control, transfer, and each LoRA alone and as a hybrid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.errors import raise_findings
from chromiq.files import ensure_output_folder, safe_stem
from chromiq.images import read_photo, write_photo
from chromiq.progress import Update
from dataset_builder.segmenters import Segmenter
from evaluate.crops import crop_seam_findings
from evaluate.generate import GenerateOptions, generate, read_captions
from evaluate.lora_files import require_lora_files
from evaluate.report import write_report
from evaluate.score import ImageScore, score_folders
from evaluate.score_files import write_scores
from evaluate.testset import (
    correct_trial,
    crops_file,
    find_trial_garment,
    read_testset,
    read_trial_crops,
    references_folder,
    write_canvas_masks,
)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        scores: per picture; columns ``control``, ``transfer`` and two for each LoRA.
        left_alone: by column and picture, what a correction did not touch, and why.
        report: the HTML file.
    """

    scores: tuple[ImageScore, ...]
    left_alone: dict[str, dict[str, str]]
    report: Path


def lora_columns(loras: Sequence[Path]) -> dict[str, Path]:
    """The LoRAs by their column: ``generated`` for a single one, else their names, numbered where equal.

    >>> list(lora_columns([Path("a.safetensors")])), list(lora_columns([Path("x/a.st"), Path("y/a.st")]))
    (['generated'], ['a', 'a-2'])
    """
    if len(loras) == 1:
        return {"generated": loras[0]}
    columns: dict[str, Path] = {}
    for lora in loras:
        stem, number = safe_stem(lora.stem), 1
        name = stem
        while name in {*columns, "control", "transfer"}:
            number += 1
            name = f"{stem}-{number}"
        columns[name] = lora
    return columns


def evaluate_testset(
    folder: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    loras: Sequence[Path] = (),
    options: GenerateOptions | None = None,
    title: str = "Colour report",
    notes: tuple[str, ...] = (),
    on_progress: Update | None = None,
) -> Evaluation:
    """Correct every control with and without a network, score all of it, and write a report.

    Inside the garment is measured: its crop when the test set has a ``crops.json``, its mask when a
    dataset knows it, else the whole picture.

    Args:
        folder: as `evaluate.testset.read_testset` takes it.
        out: gets a folder for each column, ``scores.json``, ``scores.csv`` and ``report.html``.
        segmenter: finds the garment for the corrections, which never see the truth's mask.
        loras: each generates, and corrects as a hybrid: its colour on the control's own texture.
        options: how to generate.
        title: the report's heading.
        notes: what a reader of the report must know.
        on_progress: called with pictures done and pictures in all, over all columns.

    Raises:
        UnsoundError: if the test set, its crops or a LoRA is not sound.
        AccessError: if the base model is not to be had.
    """
    require_lora_files(loras)
    trials = read_testset(folder)
    truth, control = trials[0].truth.parent, trials[0].control.parent
    crops = read_trial_crops(trials)
    raise_findings(
        [
            finding
            for trial in trials
            if crops and trial.name in crops and trial.geometry
            for finding in crop_seam_findings(crops[trial.name], trial.geometry.on_model_xyxy, trial.name)
        ],
        str(crops_file(trials)),
    )
    ensure_output_folder(out)
    networks = lora_columns(loras)
    columns = {"control": control, "transfer": out / "transfer"}
    left_alone: dict[str, dict[str, str]] = {}
    total, done = len(trials) * (2 + 2 * len(networks)), 0

    def update(finished: int) -> None:
        if on_progress:
            on_progress(done + finished, total)

    def correct(column: str, generated: Path | None = None) -> None:
        columns[column] = out / column
        for number, found in enumerate(garments, start=1):
            name = found.trial.name
            image = read_photo(generated / f"{name}.png").rgb if generated else None
            picture, reason = correct_trial(found, image)
            write_photo(out / column / f"{name}.png", picture)
            if reason:
                left_alone.setdefault(column, {})[name] = reason
            update(number)

    garments = []
    for number, trial in enumerate(trials, start=1):
        garments.append(find_trial_garment(trial, segmenter))
        update(number)
    done += len(trials)
    correct("transfer")
    done += len(trials)
    for name, lora in networks.items():
        columns[name] = out / name
        generate(
            control,
            columns[name],
            read_captions(truth),
            options or GenerateOptions(),
            lora=lora,
            references=references_folder(trials),
            only={trial.name for trial in trials},
            on_progress=lambda finished, _: update(finished),
        )
        done += len(trials)
        correct("hybrid" if len(networks) == 1 else f"{name}-hybrid", columns[name])
        done += len(trials)
    masks = write_canvas_masks(trials, out / "masks")
    kinds = {trial.name: trial.garment for trial in trials if trial.garment}
    scores = score_folders(truth, columns, crops=crops, masks=masks, garments=kinds)
    write_scores(out, scores)
    report = out / "report.html"
    write_report(report, scores, truth, columns, crops=crops, masks=masks, title=title, notes=notes)
    return Evaluation(tuple(scores), left_alone, report)
