"""The card of a published LoRA, in the hub's form: licence, figures, how to load it, what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.documents import load_json, read_text
from chromiq.errors import Finding, UnsoundError, UsageError
from chromiq.evaluate.score.summary import bootstrap_interval, column_title
from chromiq.evaluate.sweep import SWEEP_FILE
from chromiq.models import MODELS, Licence, model_of_arch
from chromiq.templating import template_environment
from chromiq.toolkit_configs.runs.folder import RunRecord
from chromiq.toolkit_configs.schema.jobs import Job

_TITLES = {"generated": "this LoRA", "hybrid": "this LoRA, hybrid"}
_LINE_BREAKS = str.maketrans({"\n": " ", "\r": " "})


@dataclass(frozen=True)
class Figure:
    """A row of the card's table.

    Attributes:
        what: was measured, such as ``"control"``.
        images: how many.
        mean: mean over images of dE00 against the truth.
        interval: its 95 % bootstrap interval.
    """

    what: str
    images: int
    mean: float
    interval: tuple[float, float]


def read_figures(folder: Path, checkpoint: str) -> list[Figure]:
    """What is known about how good a checkpoint is.

    Args:
        folder: with the ``sweep.json`` or ``scores.json`` of held-out pairs.
        checkpoint: file name, looked up in a sweep; scores are taken for this checkpoint's.

    Raises:
        UnsoundError: if there is neither, it cannot be read, or the sweep has not measured the checkpoint.
    """
    sweep_file, scores_file = folder / SWEEP_FILE, folder / "scores.json"
    path = sweep_file if sweep_file.is_file() else scores_file
    try:
        document = load_json(read_text(path))
        return _of_sweep(document, checkpoint) if path == sweep_file else _of_scores(document)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        message = f"no scores of {checkpoint} ({type(error).__name__}: {error})"
        hint = "Run chromiq sweep or chromiq evaluate on it, and use that output folder."
        finding = Finding("card.figures", str(path), message, hint)
        raise UnsoundError(str(finding), [finding]) from error


def better_than_nothing(figures: Sequence[Figure]) -> bool:
    """Whether the LoRA, the last figure, has a lower mean dE00 than no LoRA; True if unknown."""
    uncorrected = [figure.mean for figure in figures if figure.what == "uncorrected"]
    return not uncorrected or figures[-1].mean < uncorrected[0]


def render_card(
    job: Job,
    record: RunRecord,
    lora: str,
    step: int,
    base_model: str,
    licence: Licence,
    repository: str,
    figures: Sequence[Figure],
    *,
    curve: str | None = None,
) -> str:
    """The text of ``README.md``.

    Args:
        job: that made the LoRA.
        record: of its run.
        lora: its file name.
        step: at which it was saved.
        base_model: hub name.
        licence: of the base model, hence of the LoRA.
        repository: where it goes, ``owner/name``.
        figures: of held-out pairs; the card says so when there are none.
        curve: file name of a picture of dE00 against steps.

    Raises:
        UsageError: if it is not known how diffusers loads the model.
    """
    process = job.process
    trigger = process.trigger_word or TRIGGER_WORD
    metadata: dict[str, Any] = {
        **licence.metadata,
        "base_model": base_model,
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": "image-to-image",
        "instance_prompt": trigger,
        "tags": ["lora", "diffusers", "image-to-image", "color-correction", "template:diffusion-lora"],
        **({"model-index": [_model_index(repository, figures)]} if figures else {}),
    }
    environment = template_environment(html=False)
    environment.filters.update(cell=_cell, code=_code)
    prompts = [sample.prompt for sample in process.sample.samples if sample.prompt]
    prompt = prompts[0] if prompts else f"{trigger} Change the jacket color on the right to match the left"
    model = model_of_arch(process.model.arch)
    if model is None:
        known = ", ".join(sorted({each.arch for each in MODELS.values()}))
        raise UsageError(
            f"{process.model.arch}: unknown arch, so the card cannot say how to load the LoRA; known: {known}"
        )
    return environment.get_template("model_card.md.j2").render(
        metadata=yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True),
        name=repository.split("/")[-1],
        repository=repository,
        lora=lora,
        step=step,
        trigger=trigger,
        prompt=prompt,
        base_model=base_model,
        licence=licence,
        record=record,
        process=process,
        model=model,
        figures=figures,
        is_better=better_than_nothing(figures),
        curve=curve,
    )


def _of_sweep(document: dict[str, Any], checkpoint: str) -> list[Figure]:
    point = next(each for each in document["checkpoints"] if each["checkpoint"] == checkpoint)
    if point["error"] is not None:
        raise ValueError(point["error"])
    rows = (("uncorrected", document["control"]), ("this LoRA", point))
    return [
        Figure(what, len(each["images"]), each["mean"], (each["interval"][0], each["interval"][1]))
        for what, each in rows
    ]


def _of_scores(document: dict[str, Any]) -> list[Figure]:
    images = document["images"]
    columns = [key for key in images[0] if key.endswith("_vs_truth")]
    columns.sort(key=lambda column: column == "generated_vs_truth")  # the LoRA's own is the last
    figures = []
    for column in columns:
        means = [float(image[column]["mean"]) for image in images]
        name = column_title(column.removesuffix("_vs_truth"), _TITLES)
        figures.append(Figure(name, len(means), sum(means) / len(means), bootstrap_interval(means)))
    return figures


def _model_index(repository: str, figures: Sequence[Figure]) -> dict[str, Any]:
    """The last figure as the hub's ``model-index`` has it."""
    figure = figures[-1]
    metric = {"type": "ciede2000", "name": "mean dE00 against the truth", "value": round(figure.mean, 3)}
    dataset = {"type": "held-out-pairs", "name": f"{figure.images} held-out pairs"}
    result = {"task": {"type": "image-to-image"}, "dataset": dataset, "metrics": [metric]}
    return {"name": repository.split("/")[-1], "results": [result]}


def _cell(value: object) -> str:
    """Text as one cell of a Markdown table, shown as it is written."""
    text = str(value).translate(_LINE_BREAKS)
    for sign in "\\`*_[]<>|#~$":
        text = text.replace(sign, f"\\{sign}")
    return text


def _code(value: object) -> str:
    """Text as inline code, within more backticks than it holds in a row."""
    text = str(value).translate(_LINE_BREAKS)
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
