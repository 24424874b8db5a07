"""A run's LoRA, its card and its config as a folder, and that folder to the Hugging Face hub."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.documents import load_json, read_text
from chromiq.errors import AccessError, ChromiqError, Finding, UnsoundError, UsageError, needing
from chromiq.evaluate.generate.lora_files import read_lora_keys
from chromiq.evaluate.score.scores import Interval, column_title, hybrid_column, mean_interval
from chromiq.evaluate.sweep import CURVE_FILE, SWEEP_FILE, run_job
from chromiq.files import sha256_file, write_text
from chromiq.models import MODELS, Licence, base_licence, model_of_arch
from chromiq.templating import template_environment
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.runs.record import written_config_of
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.schema.config_file import read_config_file, variables_of
from chromiq.toolkit_configs.schema.trainer_job import Job, job_of, read_job
from chromiq.wording import counted

UPLOAD_FOLDER = "hub"
"""Within the run folder: what goes to the hub, as it goes there."""
_SHORT = 8
"""Shorter values of variables occur in other texts by chance."""
_LINE_BREAKS = str.maketrans({"\n": " ", "\r": " "})
_TAGS = ["lora", "diffusers", "image-to-image", "color-correction", "template:diffusion-lora"]


@dataclass(frozen=True)
class Figure:
    """A row of the card's table.

    Attributes:
        what: was measured, such as ``"uncorrected"``.
        mean: mean over images of dE00 against the truth.
        interval: of `mean`, as `mean_interval` gives it.
    """

    what: str
    images: int
    mean: float
    interval: Interval | None


@dataclass(frozen=True)
class Publication:
    """What goes to the hub.

    Attributes:
        repository: ``owner/name``.
        card: the text of ``README.md``.
        config: the text of ``config.yaml``, without this machine's folders and the values of variables.
        curve: a picture of dE00 against steps, if there is one.
        is_better: whether the LoRA's mean dE00 is below that of the uncorrected images; True if unknown.
    """

    repository: str
    lora: Path
    step: int
    card: str
    config: str
    curve: Path | None
    is_better: bool

    def as_dict(self) -> dict[str, Any]:
        """What would go, as plain data for JSON."""
        texts = {"README.md": self.card, "config.yaml": self.config}
        sizes = {name: len(text.encode("utf-8")) for name, text in texts.items()}
        sizes |= {path.name: path.stat().st_size for path in (self.lora, self.curve) if path}
        return {
            "repository": self.repository,
            "checkpoint": str(self.lora),
            "step": self.step,
            "bytes": sizes,
        }


def prepare(
    run: Path,
    repository: str,
    *,
    step: int | None = None,
    figures: Path | None = None,
    base_model: str | None = None,
    licence: str | None = None,
) -> Publication:
    """Collect what a publication needs; nothing is written or sent.

    Args:
        repository: ``owner/name`` on the hub.
        step: of the checkpoint; the final one if not given.
        figures: folder with ``sweep.json`` or ``scores.json``.
        base_model: hub name, if the run's own is a folder.
        licence: hub identifier, if the base model's is not known here.

    Raises:
        UsageError: if there is no such checkpoint, base model or licence are not known, the repository's
            name is invalid, or huggingface_hub is not installed.
        UnsoundError: if the LoRA is broken or no longer the one that the run recorded, or the card would hold
            the value of an environment variable that the config names.
    """
    _check_name(repository)
    record = read_status(run).record
    lora = _checkpoint(run, record.name, step)
    read_lora_keys(lora)
    recorded = record.checkpoints.get(lora.name)
    if recorded and recorded != (found := sha256_file(lora)):
        message = f"SHA-256 {found[:12]} is not the {recorded[:12]} that the run recorded"
        hint = "Train it again, or publish the run that made this file."
        raise UnsoundError.of(Finding("publish.digest", str(lora), message, hint))
    job = run_job(run)
    path = written_config_of(run, record)
    assert path is not None  # as the run has a job
    # Without values of variables, unless it can be read only with them or is AI-Toolkit's copy.
    written = read_config_file(path, {})[0] or read_job(path).document
    texts, as_written = _texts_of(job), _texts_of(job_of(written, path.name)[0] or job)
    trigger, prompt, base = texts["trigger_word"], texts["prompt"], base_model or texts["base_model"]
    model = model_of_arch(job.process.model.arch)
    if model is None:
        arches = ", ".join(sorted({each.arch for each in MODELS.values()}))
        message = f"unknown arch, so the card cannot say how to load the LoRA; known: {arches}"
        raise UsageError(f"{job.process.model.arch}: {message}")
    curve = figures / CURVE_FILE if figures and (figures / CURVE_FILE).is_file() else None
    known = read_figures(figures, lora) if figures else []
    terms = Licence(licence) if licence else base_licence(base)
    saved_at = checkpoint_step(lora, record.name) or record.total_steps
    names = variables_of(Path(record.config)) | variables_of(path)
    variables = {name: os.environ[name] for name in names if os.environ.get(name)}
    for option, text in {**texts, "base_model": base}.items():
        # The values of now may not be those of the training.
        source = as_written[option] if "${" in as_written[option] else _unresolved(text, variables)
        if text not in {base_model, source}:
            message = f"the public card would show the value of {source}"
            hint = "Pass it as `base_model`." if text == base else "Write the value itself into the config."
            raise UnsoundError.of(Finding("publish.variable", f"{record.config}: {option}", message, hint))
    is_better = better_than_nothing(known)
    environment = template_environment(html=False)
    environment.filters.update(cell=_cell, code=_code)
    card = environment.get_template("model_card.md.j2").render(
        metadata=_metadata(repository, base, terms, trigger, known),
        name=repository.split("/")[-1],
        repository=repository,
        lora=lora.name,
        step=saved_at,
        trigger=trigger,
        prompt=prompt,
        base_model=base,
        licence=terms,
        record=record,
        process=job.process,
        model=model,
        figures=known,
        is_better=is_better,
        curve=curve.name if curve else None,
    )
    config = yaml.safe_dump(_public(written, variables), sort_keys=False, allow_unicode=True)
    return Publication(repository, lora, saved_at, _hidden(card), _hidden(config), curve, is_better)


def _texts_of(job: Job) -> dict[str, str]:
    """What the card quotes of a config."""
    trigger = job.process.trigger_word or TRIGGER_WORD
    prompts = [sample.prompt for sample in job.process.sample.samples if sample.prompt]
    prompt = prompts[0] if prompts else f"{trigger} Change the jacket color on the right to match the left"
    return {"trigger_word": trigger, "prompt": prompt, "base_model": job.process.model.name_or_path}


def upload(
    run: Path,
    publication: Publication,
    *,
    private: bool = True,
    endpoint: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Write the folder `UPLOAD_FOLDER` into the run folder, and upload it in one commit; its address.

    Args:
        private: of a repository that does not exist yet.
        endpoint: of the hub; ``HF_ENDPOINT`` or huggingface.co unless given.

    Raises:
        AccessError: if the hub wants a token, or another one.
        ChromiqError: if the hub cannot be reached or refuses; nothing is half-published, as it is one commit.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import disable_progress_bars

    folder = _write_folder(run / UPLOAD_FOLDER, publication)
    disable_progress_bars()
    api, name = HfApi(endpoint=endpoint), publication.repository
    try:
        address = str(api.create_repo(name, private=private, exist_ok=True))
        say(f"uploading {folder} to {address}")
        title = f"{publication.lora.name}, step {publication.step}"
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=title)
    except HfHubHTTPError as error:
        raise _refused(name, error) from None
    except Exception as error:
        # The hub's client does not wrap what its HTTP library raises, and that is httpx or httpx2.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("httpx"):
            raise
        raise ChromiqError(
            f"{name}: cannot reach the hub ({_hidden(str(error))}). Check the network and HF_ENDPOINT."
        ) from None
    return address


def read_figures(folder: Path, lora: Path) -> list[Figure]:
    """What is known about how good a checkpoint is; its own figure is the last.

    Args:
        folder: with the ``sweep.json`` or ``scores.json`` of held-out pairs.
        lora: the checkpoint's file: a sweep has it by name, scores by its SHA-256.

    Raises:
        UnsoundError: if there is neither, it cannot be read, or the checkpoint was not measured there.
    """
    sweep_file, scores_file = folder / SWEEP_FILE, folder / "scores.json"
    path = sweep_file if sweep_file.is_file() else scores_file
    try:
        document = load_json(read_text(path))
        return _of_sweep(document, lora) if path == sweep_file else _of_scores(document, lora)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        message = f"no scores of {lora.name} ({reason})"
        hint = "Run chromiq sweep or chromiq evaluate on it, and use that output folder."
        raise UnsoundError.of(Finding("card.figures", str(path), message, hint)) from error


def better_than_nothing(figures: Sequence[Figure]) -> bool:
    """Whether the LoRA, the last figure, has a lower mean dE00 than no LoRA; True if unknown."""
    uncorrected = [figure.mean for figure in figures if figure.what == "uncorrected"]
    return not uncorrected or figures[-1].mean < uncorrected[0]


def _of_sweep(document: dict[str, Any], lora: Path) -> list[Figure]:
    point = next(each for each in document["checkpoints"] if each["checkpoint"] == lora.name)
    if point["error"] is not None:
        raise ValueError(point["error"])
    if point["sha256"] != sha256_file(lora):
        raise ValueError("another file of that name was measured")
    rows = (("uncorrected", document["control"]), ("this LoRA", point))
    return [
        Figure(what, len(each["images"]), each["mean"], mean_interval(list(each["images"].values())))
        for what, each in rows
    ]


def _of_scores(document: dict[str, Any], lora: Path) -> list[Figure]:
    digest = sha256_file(lora)
    own = [name for name, measured in document.get("loras", {}).items() if measured == digest]
    if not own:
        raise ValueError("its images were made by other LoRAs, or it does not say by which")
    titles = {hybrid_column(own[0]): "this LoRA, hybrid", own[0]: "this LoRA"}
    figures = []
    for name in ("control", "transfer", *titles):
        if name != own[0] and f"{name}_vs_truth" not in document["images"][0]:
            continue
        means = [float(image[f"{name}_vs_truth"]["mean"]) for image in document["images"]]
        title = column_title(name, titles)
        figures.append(Figure(title, len(means), sum(means) / len(means), mean_interval(means)))
    return figures


def _metadata(
    repository: str, base_model: str, licence: Licence, trigger: str, figures: Sequence[Figure]
) -> str:
    """The card's front matter, with the last figure as the hub's ``model-index`` has it."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-to-image",
            dataset_type="held-out-pairs",
            dataset_name=counted(figure.images, "held-out pair"),
            metric_type="ciede2000",
            metric_name="mean dE00 against the truth",
            metric_value=round(figure.mean, 3),
        )
        for figure in figures[-1:]
    ]
    data = ModelCardData(
        **licence.metadata,
        base_model=base_model,
        base_model_relation="adapter",
        library_name="diffusers",
        pipeline_tag="image-to-image",
        instance_prompt=trigger,
        tags=_TAGS,
        model_name=repository.split("/")[-1],
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _write_folder(folder: Path, publication: Publication) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    write_text(folder / "README.md", publication.card)
    write_text(folder / "config.yaml", publication.config)
    for path in (publication.lora, publication.curve):
        if path:
            shutil.copyfile(path, folder / path.name)
    return folder


def _public(value: Any, variables: Mapping[str, str]) -> Any:
    """A config's document without values of variables, and with only the last part of absolute paths."""
    if isinstance(value, dict):
        return {key: _public(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_public(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    text = _unresolved(value, variables)
    return PurePath(text).name if PurePath(text).is_absolute() else text


def _unresolved(text: str, variables: Mapping[str, str]) -> str:
    """A text with ``${NAME}`` in place of the variable's value."""
    for name, value in sorted(variables.items(), key=lambda each: -len(each[1])):
        if text == value or len(value) >= _SHORT:
            text = text.replace(value, f"${{{name}}}")
    return text


def _check_name(repository: str) -> None:
    with needing("models", "publishing"):
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repository, re.ASCII):
        raise UsageError(f"repository {repository!r}: not of the form OWNER/NAME")
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UsageError(f"repository {repository!r}: not a name that the hub allows ({error})") from error


def _checkpoint(run: Path, name: str, step: int | None) -> Path:
    found = find_checkpoints(run, name)
    if step is None:
        chosen = [path for path in found if checkpoint_step(path, name) is None]
    else:
        total = read_status(run).record.total_steps
        chosen = [path for path in found if (checkpoint_step(path, name) or total) == step]
    if chosen:
        return chosen[-1]
    had = ", ".join(str(checkpoint_step(path, name) or "the final one") for path in found) or "none"
    what = "final checkpoint" if step is None else f"checkpoint of step {step}"
    raise UsageError(f"{run}: no {what}. Choose one of these steps: {had}.")


def _refused(name: str, error: Any) -> ChromiqError:
    code = error.response.status_code
    said = _hidden(str(getattr(error, "server_message", None) or "").strip() or f"HTTP {code}")
    if code in (401, 403):
        return AccessError(
            f"{name}: the hub refused ({code}: {said}). Set HF_TOKEN to a token that may write there."
        )
    return ChromiqError(f"{name}: the hub refused ({code}: {said})")


def _hidden(text: str) -> str:
    """A text without the token that was sent."""
    from huggingface_hub import get_token

    token = get_token()
    return text.replace(token, "***") if token else text


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
