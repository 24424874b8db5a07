"""A test set corrected every way there is: control, transfer, and each LoRA alone and as a hybrid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.errors import OptionError, raise_findings
from chromiq.evaluate.generate.images import GenerateOptions, generate, read_captions
from chromiq.evaluate.generate.lora_files import require_lora_files
from chromiq.evaluate.report.page import write_report
from chromiq.evaluate.score.crops import crop_seam_findings
from chromiq.evaluate.score.folders import ImageScore, find_images, image_findings, score_folders
from chromiq.evaluate.score.summary import LORA_TITLES, write_scores
from chromiq.evaluate.testset import (
    correct_trial,
    find_trial_garment,
    output_on_control,
    read_testset,
    read_trial_crops,
    references_folder,
    write_canvas_masks,
)
from chromiq.files import ensure_output_folder, safe_stem
from chromiq.photos.images import write_photo
from chromiq.progress import Update

_RESERVED = frozenset({"control", "transfer", "hybrid", "masks"})


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        scores: per picture; columns ``control``, ``transfer`` and two for each LoRA or folder of outputs.
        left_alone: by column and picture, what a correction did not touch, and why.
        report: the HTML file.
    """

    scores: tuple[ImageScore, ...]
    left_alone: dict[str, dict[str, str]]
    report: Path


@dataclass(frozen=True)
class _Network:
    """What a network made, or is to make.

    Attributes:
        column: its name.
        hybrid: the name of the column that corrects by it.
        folder: of its images.
        lora: to generate them with; None if they are there.
    """

    column: str
    hybrid: str
    folder: Path
    lora: Path | None = None


def lora_columns(loras: Sequence[Path], taken: Collection[str] = ()) -> dict[str, Path]:
    """The LoRAs by their column: ``generated`` for a single one, else their names, numbered where equal.

    Args:
        loras: their files.
        taken: columns that there are already; with any, a single LoRA has its own name too.

    >>> list(lora_columns([Path("a.safetensors")])), list(lora_columns([Path("x/a.st"), Path("y/a.st")]))
    (['generated'], ['a', 'a-2'])
    """
    if len(loras) == 1 and not taken:
        return {"generated": loras[0]}
    columns: dict[str, Path] = {}
    for lora in loras:
        stem, number = safe_stem(lora.stem), 1
        name = stem
        while name in {*columns, *_RESERVED, *taken}:
            number += 1
            name = f"{stem}-{number}"
        columns[name] = lora
    return columns


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Folders of images made elsewhere by their column, from ``NAME=FOLDER``.

    >>> named_folders(["rival=out/rival"])
    {'rival': PosixPath('out/rival')}

    Raises:
        UsageError: if one has another form, or a name is taken or cannot be a folder's.
    """
    columns: dict[str, Path] = {}
    for word in words:
        name, separator, folder = word.partition("=")
        if not (name and separator and folder) or safe_stem(name) != name:
            form = "NAME=FOLDER with a name of letters, digits, dots, dashes and underscores"
            raise OptionError("outputs", f"{word!r} is not {form}.")
        if name in {*columns, *_RESERVED}:
            raise OptionError("outputs", f"the name of {word!r} is taken. Choose another.")
        columns[name] = Path(folder)
    return columns


def evaluate_testset(
    folder: Path,
    out: Path,
    segmenter: Segmenter,
    *,
    loras: Sequence[Path] = (),
    outputs: Mapping[str, Path] | None = None,
    register_first: bool = False,
    options: GenerateOptions | None = None,
    title: str = "Colour report",
    notes: tuple[str, ...] = (),
    on_progress: Update | None = None,
) -> Evaluation:
    """Correct every control with and without a network, score all of it, and write a report.

    Inside the garment is measured: its crop when the test set has a ``crops.json``, its mask when a
    dataset knows it, else the whole picture.

    Args:
        folder: as `chromiq.evaluate.testset.read_testset` takes it.
        out: gets a folder for each column, ``scores.json``, ``scores.csv`` and ``report.html``.
        segmenter: finds the garment for the corrections, which never see the truth's mask.
        loras: each generates, and corrects as a hybrid: its colour on the control's own texture.
        outputs: images of the controls' names that were made elsewhere, by column; treated as a LoRA's.
        register_first: bring images that were shifted or resized to where the truth lies.
        options: how to generate.
        title: the report's heading.
        notes: what a reader of the report must know.
        on_progress: called with pictures done and pictures in all, over all columns.

    Raises:
        UnsoundError: if the test set, its crops, a LoRA or an output is not sound.
        AccessError: if the base model is not to be had.
    """
    require_lora_files(loras)
    trials = read_testset(folder)
    truth, control = trials[0].truth.parent, trials[0].control.parent
    crops = read_trial_crops(trials)
    networks = _networks(out, loras, outputs or {})
    ready = {network.column: network.folder for network in networks if network.lora is None}
    findings = [
        finding
        for trial in trials
        if crops and trial.name in crops and trial.geometry
        for finding in crop_seam_findings(crops[trial.name], trial.geometry.on_model_xyxy, trial.name)
    ]
    findings += image_findings({trial.name: trial.truth for trial in trials}, ready, register_first)
    raise_findings(findings, str(folder))
    ensure_output_folder(out)
    columns = {"control": control, "transfer": out / "transfer"}
    left_alone: dict[str, dict[str, str]] = {}
    generated = sum(network.lora is not None for network in networks)
    total, done = len(trials) * (2 + generated + len(networks)), 0

    def update(finished: int) -> None:
        if on_progress:
            on_progress(done + finished, total)

    def correct(column: str, network: _Network | None = None) -> None:
        columns[column] = out / column
        images = find_images(network.folder) if network else {}
        for number, found in enumerate(garments, start=1):
            name = found.trial.name
            image = output_on_control(images[name], found.trial, register_first) if network else None
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
    for network in networks:
        columns[network.column] = network.folder
        if network.lora:
            generate(
                control,
                network.folder,
                read_captions(truth),
                options or GenerateOptions(),
                lora=network.lora,
                references=references_folder(trials),
                only={trial.name for trial in trials},
                on_progress=lambda finished, _: update(finished),
            )
            done += len(trials)
        correct(network.hybrid, network)
        done += len(trials)
    masks = write_canvas_masks(trials, out / "masks")
    kinds = {trial.name: trial.garment for trial in trials if trial.garment}
    scores = score_folders(
        truth, columns, crops=crops, masks=masks, garments=kinds, register_first=register_first
    )
    write_scores(out, scores)
    report = out / "report.html"
    write_report(
        report, scores, truth, columns,
        crops=crops, masks=masks, title=title, titles=LORA_TITLES, notes=notes,
    )  # fmt: skip
    return Evaluation(tuple(scores), left_alone, report)


def _networks(out: Path, loras: Sequence[Path], outputs: Mapping[str, Path]) -> list[_Network]:
    given = [_Network(name, f"{name}-hybrid", folder) for name, folder in outputs.items()]
    named = lora_columns(loras, outputs)
    alone = list(named) == ["generated"]
    made = [
        _Network(name, "hybrid" if alone else f"{name}-hybrid", out / name, lora)
        for name, lora in named.items()
    ]
    return [*given, *made]
