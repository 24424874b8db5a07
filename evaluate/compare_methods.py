"""Every method on one test set, side by side: uncorrected, network-free, each LoRA, and each as a hybrid."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.errors import Finding, OptionError, UnsoundError, UsageError, raise_findings
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.generate.lora_files import require_lora_files
from chromiq.evaluate.report import write_report
from chromiq.evaluate.score.crops import crop_mask_findings, crop_seam_findings
from chromiq.evaluate.score.scores import (
    ImageScore,
    ImageSet,
    find_images,
    hybrid_column,
    image_findings,
    score_folders,
    set_findings,
    write_scores,
)
from chromiq.evaluate.sweep import run_job
from chromiq.evaluate.testset import (
    Found,
    correct_trial,
    find_trial_garment,
    output_on_control,
    read_testset,
)
from chromiq.files import ensure_output_folder, refuse_inputs, safe_stem, sha256_file
from chromiq.photos.images import write_photo
from chromiq.progress import Update, silent
from chromiq.toolkit_configs.runs.record import RUN_FILE
from chromiq.toolkit_configs.schema.trainer_job import Job

_RESERVED = frozenset({"control", "transfer", "hybrid", "masks"})


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        scores: per picture; columns ``control``, ``transfer`` and two for each LoRA or folder of outputs.
        left_alone: by column and picture, what a correction did not touch, and why.
        warnings: LoRAs of which it is not known whether they were trained on the test set.
    """

    scores: tuple[ImageScore, ...]
    titles: dict[str, str]
    left_alone: dict[str, dict[str, str]]
    report: Path
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Methods:
    """What is compared with the uncorrected photo and with the correction without a network.

    Attributes:
        loras: each generates, and corrects as a hybrid: its colour on the control's own texture.
        outputs: folders of images of the controls' names that were made elsewhere, by column; treated as a
            LoRA's.
        register: bring images that were shifted or resized to where the truth lies.
    """

    loras: Sequence[Path] = ()
    outputs: Mapping[str, Path] = field(default_factory=dict)
    register: bool = False
    options: GenerateOptions = field(default_factory=GenerateOptions)


def _is_reserved(column: str) -> bool:
    return column in _RESERVED or column.endswith("-hybrid")


def lora_columns(loras: Sequence[Path], taken: Collection[str] = ()) -> dict[str, Path]:
    """The LoRAs by their column: ``generated`` for a single one, else their names, numbered where taken.

    Args:
        taken: columns that there are already; with any, a single LoRA has its own name too.

    >>> list(lora_columns([Path("a.safetensors")])), list(lora_columns([Path("x/a.st"), Path("y/a.st")]))
    (['generated'], ['a', 'a-2'])
    >>> list(lora_columns([Path("a-hybrid.st"), Path("a.st")]))  # the second one's hybrid is a-hybrid
    ['a-hybrid-2', 'a']
    """
    if len(loras) == 1 and not taken:
        return {"generated": loras[0]}
    columns: dict[str, Path] = {}
    for lora in loras:
        stem, number = safe_stem(lora.stem), 1
        name = stem
        while name in {*columns, *taken} or _is_reserved(name):
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
        if name in columns or _is_reserved(name):
            raise OptionError("outputs", f"the name of {word!r} is taken. Choose another.")
        columns[name] = Path(folder)
    return columns


def evaluate_testset(
    folder: Path,
    out: Path,
    segmenter: Segmenter,
    methods: Methods | None = None,
    *,
    title: str = "Colour report",
    notes: tuple[str, ...] = (),
    on_progress: Update = silent,
) -> Evaluation:
    """Correct every control with and without a network, score all of it, and write a report.

    Inside the garment is measured: its crop when the test set has a ``crops.json``, its mask when a
    dataset knows it, else the whole picture.

    Args:
        folder: as `chromiq.evaluate.testset.read_testset` takes it.
        out: gets a folder for each column, ``scores.json``, ``scores.csv`` and ``report.html``.
        segmenter: finds the garment for the corrections, which never see the truth's mask.
        methods: what is compared; only the correction without a network if not given.
        notes: what a reader of the report must know.

    Raises:
        UnsoundError: if the test set, its crops, a LoRA or an output is not sound.
        UsageError: if the run of a LoRA, which lies in its folder, was trained on the test set.
        AccessError: if the base model is not to be had.
    """
    methods = methods or Methods()
    require_lora_files(methods.loras)
    testset = read_testset(folder)
    if methods.loras:
        testset.require_references(methods.options.model)
    jobs, warnings = _jobs_of(methods.loras)
    for job in jobs:
        testset.refuse_trained_on(job)
    crops, register = testset.crops, methods.register
    loras = lora_columns(methods.loras, methods.outputs)
    folders = {"control": testset.controls, "transfer": out / "transfer"}
    titles: dict[str, str] = {}
    networks: dict[str, Path] = {}  # by column of a hybrid: the images whose colour it takes
    for name in (*methods.outputs, *loras):
        shown = "my LoRA" if name == "generated" and name in loras else name
        hybrid = hybrid_column(name) if name in loras else f"{name}-hybrid"
        folders |= {name: methods.outputs.get(name, out / name), hybrid: out / hybrid}
        titles |= {name: shown, hybrid: f"{shown}, hybrid"}
        networks[hybrid] = folders[name]
    corrected = [each for each in folders if each not in {"control", *methods.outputs, *loras}]
    made = [*loras, *corrected]
    inputs = [folder, *testset.parts, *methods.outputs.values()]
    refuse_inputs([out, out / "masks", *(folders[column] for column in made)], inputs)
    findings = [
        finding
        for trial in testset
        if crops and trial.name in crops and trial.geometry
        for finding in crop_seam_findings(crops[trial.name], trial.geometry.on_model_xyxy, trial.name)
    ]
    truths = {trial.name: trial.truth for trial in testset}
    findings += image_findings(truths, methods.outputs, register)
    findings += set_findings(ImageSet(testset.truths, {"control": testset.controls}, crops), register)
    raise_findings(findings, str(folder))
    known = testset.masks  # before anything is written: some may be missing
    of_masks = (crop_mask_findings(crop, known[name], name) for name, crop in (crops or {}).items() if known)
    raise_findings([finding for found in of_masks for finding in found], str(folder))
    ensure_output_folder(out)

    def update(before: int, finished: int, total: int) -> None:
        count = len(testset)
        on_progress(count * before + finished * count // total, count * (len(made) + 3))

    # The LoRAs first: that their base model is missing is known only once it is loaded.
    for before, column in enumerate(loras):
        testset.generate(folders[column], methods.options, loras[column], partial(update, before))
    masks = testset.write_masks(out / "masks")
    garments = []
    for number, trial in enumerate(testset, start=1):
        garments.append(find_trial_garment(trial, segmenter))
        update(len(loras), number, len(testset))
    left_alone = {}
    for before, column in enumerate(corrected, start=len(loras) + 1):
        here = partial(update, before)
        if reasons := _correct(garments, networks.get(column), register, folders[column], here):
            left_alone[column] = reasons
    kinds = {trial.name: trial.garment for trial in testset if trial.garment}
    images = ImageSet(testset.truths, folders, crops, masks, kinds, titles)
    scores = score_folders(images, register=register, on_progress=partial(update, len(made) + 1))
    write_scores(out, scores, {name: sha256_file(lora) for name, lora in loras.items()})
    report = out / "report.html"
    notes = (*notes, *(f"{warning.where}: {warning.message}." for warning in warnings))
    reported = partial(update, len(made) + 2)
    write_report(report, scores, images, title=title, notes=notes, on_progress=reported)
    return Evaluation(tuple(scores), titles, left_alone, report, tuple(warnings))


def _jobs_of(loras: Sequence[Path]) -> tuple[list[Job], list[Finding]]:
    """The jobs of the runs in whose folders LoRAs lie, and a warning for each run that cannot be read."""
    jobs, warnings = [], []
    for run in dict.fromkeys(lora.parent for lora in loras):
        if not (run / RUN_FILE).exists():
            continue
        try:
            jobs.append(run_job(run))
        except (UnsoundError, UsageError) as error:
            message = "its run cannot be read, so whether it was trained on the test set is not known"
            reason = error.findings[0].text if error.findings else str(error)
            warnings.append(Finding("evaluate.run", str(run), message, reason, "warning"))
    return jobs, warnings


def _correct(
    garments: Sequence[Found], network: Path | None, register: bool, out: Path, update: Update
) -> dict[str, str]:
    """Correct by the images that a network made, or without one; what was left alone and why, by name."""
    images = find_images(network) if network else {}
    left_alone = {}
    for number, found in enumerate(garments, start=1):
        name = found.trial.name
        image = output_on_control(images[name], found.trial, register) if network else None
        picture, reason = correct_trial(found, image)
        write_photo(out / f"{name}.png", picture)
        if reason:
            left_alone[name] = reason
        update(number, len(garments))
    return left_alone
