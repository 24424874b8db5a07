"""A dataset, a model, a preset and the user's settings -> the typed job.

With it go where each value came from, and what differs from the published run or another preset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from chromiq.dataset_layout import DatasetLayout, read_examples
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.models import EditModel, find_model
from chromiq.photos.reader import open_photo
from chromiq.photos.soundness import list_images
from chromiq.records import Example
from chromiq.toolkit_configs.render.memory import GIB, MemoryEstimate, estimate_memory
from chromiq.toolkit_configs.render.presets import PRESETS, find_preset, luxuries, preset_memory_gib, savings
from chromiq.toolkit_configs.render.settings import Setting, Settings, assign, flat
from chromiq.toolkit_configs.schema.rendered_job import (
    NOTES,
    RenderedConfig,
    RenderedDataset,
    RenderedJob,
    RenderedProcess,
)
from chromiq.toolkit_configs.schema.trainer_job import Job, job_of, name_fault
from chromiq.wording import counted

DEFAULT = "default (the published run)"
_PUBLISHED_EXAMPLES = 60
_SAMPLES = 2
_OF_THE_DATASET = (
    "datasets.0.folder_path",
    "datasets.0.control_path",
    "datasets.0.mask_path",
    "sample.samples",
    "training_folder",
)


@dataclass(frozen=True)
class Composed:
    """A job and how it came about.

    Attributes:
        sources: dotted key, or the beginning of one, to who set it.
        memory: what it will take on the GPU, or None if unknown.
    """

    job: RenderedJob
    model: str
    preset: str
    sources: dict[str, str]
    memory: MemoryEstimate | None

    @property
    def memory_warning(self) -> str | None:
        """What to say if the preset's memory is not enough, or None."""
        limit = preset_memory_gib(self.preset)
        if limit is None or self.memory is None or self.memory.fits(limit * GIB):
            return None
        return (
            f"{self.model} takes {self.memory.summary}, which may not fit {limit} GiB. "
            "Choose a larger preset or a smaller model."
        )

    def explain(self) -> list[tuple[str, Any, str]]:
        """Every value of the file with its key and its source, in the file's order."""
        return [(key, value, self._source(key)) for key, value in flat_job(self.job)]

    def _source(self, key: str) -> str:
        return _of_nearest(key, self.sources) or DEFAULT


@dataclass(frozen=True)
class Difference:
    """A key in which a job differs from another.

    Attributes:
        there: its value in the other job, or None without one.
        here: its value, or None without one.
        effect: what the key does, in a line.
    """

    key: str
    there: Any
    here: Any
    effect: str


def compose_job(
    model: str,
    dataset: Path,
    *,
    preset: str | None = None,
    name: str | None = None,
    training_folder: Path | None = None,
    layers: Sequence[Settings] = (),
) -> Composed:
    """The job of a dataset, a model and a preset.

    Args:
        dataset: as `chromiq build` made it; it need not be there yet.
        layers: what other places ask for, the stronger one last.

    Raises:
        UsageError: if a model, preset or key is not known, a value does not fit, or the preset's memory
            cannot hold the model.
        UnsoundError: if the dataset is not laid out for the model.
    """
    spec = find_model(model)
    options, asked = _options(layers, preset, name, training_folder)
    chosen = find_preset(options.get("preset", "published"))
    root = dataset.resolve()
    folder = Path(options.get("training_folder", root.parent / "runs")).resolve()
    raise_findings(layout_findings(root, spec, model), str(dataset))

    run_name = options.get("name", "chromiq_v1")
    if fault := name_fault(run_name):
        raise UsageError(f"{run_name!r} cannot name a run: {fault}")
    job = RenderedJob(
        config=RenderedConfig(name=run_name, process=[_process(root, spec, folder)]),
        meta={"name": run_name, "version": "1.0"},
    )
    job_process = job.process
    sources = dict.fromkeys(_OF_THE_DATASET, "the dataset")
    sources["sqlite_db_path"] = "training_folder"
    size_wh = target_size_wh(root)
    _assign_all(job_process, sources, spec.trainer_settings, f"model {model}")
    _assign_all(job_process, sources, _sample_size(job_process, spec, size_wh), "the dataset")
    examples = sum(example.split == "train" for example in read_examples(root))
    number = counted(examples, "example")
    _assign_all(job_process, sources, _scaled_steps(job_process, examples), f"the dataset's {number}")
    _assign_all(job_process, sources, PRESETS[chosen], f"preset {chosen}")
    _fit_memory(job, sources, spec, chosen, size_wh)
    for setting in (setting for layer in layers for setting in layer.values):
        sources[assign(job_process, setting)] = setting.source
    network = job_process.network
    if network.linear_alpha != network.linear and "network.linear_alpha" not in sources:
        network.linear_alpha = network.linear
        sources["network.linear_alpha"] = sources["network.linear"]
    sources |= {option: source for option, source in asked.items() if option != "preset"}
    sources["meta.name"] = sources.get("name", DEFAULT)
    memory = estimate_memory(as_read(job), size_wh)
    limit = preset_memory_gib(chosen)
    if limit is not None and memory is not None and memory.peak > limit * GIB:
        raise UsageError(
            f"{model} does not fit preset {chosen}: it takes {memory.summary}. "
            "Choose a larger preset or a smaller model."
        )
    return Composed(job, model, chosen, sources, memory)


def differences_from(preset: str, composed: Composed, dataset: Path) -> list[Difference]:
    """Every key in which a job differs from a preset, in the order of the file.

    Args:
        preset: ``published`` is the published run, whatever the model; another is of the job's own model.

    Raises:
        UsageError: if the preset is not known.
    """
    job, folder = composed.job, Path(composed.job.process.training_folder)
    if find_preset(preset) == "published":
        other = _published_counterpart(job)
    else:
        name = job.config.name
        other = compose_job(composed.model, dataset, preset=preset, name=name, training_folder=folder).job
    here, there = dict(flat_job(job)), dict(flat_job(other))
    keys = dict.fromkeys([*here, *there])
    # An empty mapping that has entries in the other job is described by these.
    filled = {key.rpartition(".")[0] for key in keys}
    return [
        Difference(key, there.get(key), here.get(key), effect_of(key))
        for key in keys
        if ((key in here) != (key in there) or here[key] != there[key]) and key not in filled
    ]


def effect_of(key: str) -> str:
    """What a key does, in a line; empty for keys that chromiq does not know.

    >>> effect_of("datasets.0.mask_min_value")
    'Weight of black, 0 to 1; all weights are then scaled to a mean of 1.'
    """
    plain = ".".join(part for part in key.split(".") if not part.isdecimal())
    return _of_nearest(plain, NOTES) or ""


def _published_counterpart(job: RenderedJob) -> RenderedJob:
    """The published run on a job's dataset: its folders, samples and name, and nothing else of it."""
    process = job.process
    places = process.datasets[0].model_dump(include={"folder_path", "control_path", "mask_path"})
    folders = process.model_dump(include={"training_folder", "sqlite_db_path"})
    published = RenderedProcess(**folders, datasets=[RenderedDataset(**places)])
    published.sample.samples = process.sample.samples
    return RenderedJob(config=RenderedConfig(name=job.config.name, process=[published]), meta=dict(job.meta))


def _of_nearest(key: str, table: Mapping[str, str]) -> str | None:
    """The entry of a dotted key, or of the longest beginning of it that has one."""
    parts = key.split(".")
    beginnings = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((table[each] for each in beginnings if each in table), None)


def as_read(job: RenderedJob) -> Job:
    """A rendered job as AI-Toolkit reads it."""
    read, _ = job_of(job.model_dump(), job.config.name)
    assert read is not None  # what is rendered holds a process
    return read


def flat_job(job: RenderedJob) -> list[tuple[str, Any]]:
    """Every value of a job with its dotted key, for the training process without ``config.process.0``."""
    first = "config.process.0."
    return [(key.removeprefix(first).removeprefix("config."), value) for key, value in flat(job.model_dump())]


def target_size_wh(root: Path) -> tuple[int, int] | None:
    """Width and height in pixels of the first target of a dataset, or None without a readable one."""
    images = list_images(DatasetLayout(root).truths)
    try:
        return open_photo(images[0], 1).stored_wh if images else None
    except UnsoundError:
        return None  # chromiq doctor says what is wrong with it


def _options(
    layers: Sequence[Settings], preset: str | None, name: str | None, training_folder: Path | None
) -> tuple[dict[str, str], dict[str, str]]:
    """The options that hold, and who asked for each."""
    given = {"preset": preset, "name": name, "training_folder": training_folder}
    own = {option: str(value) for option, value in given.items() if value is not None}
    options: dict[str, str] = {}
    sources: dict[str, str] = {}
    for layer in (*layers, Settings("the command line", own)):
        options |= layer.options
        sources |= dict.fromkeys(layer.options, layer.source)
    return options, sources


def _process(root: Path, spec: EditModel, folder: Path) -> RenderedProcess:
    layout = DatasetLayout(root)
    control: str | list[str] = str(layout.controls)
    mask: str | None = str(layout.loss_masks)
    if spec.has_reference:
        control = [str(layout.controls), str(layout.references)]
        mask = mask if layout.loss_masks.is_dir() else None
    process = RenderedProcess(
        training_folder=str(folder),
        sqlite_db_path=str(folder / "aitk_db.db"),
        datasets=[RenderedDataset(folder_path=str(layout.truths), control_path=control, mask_path=mask)],
    )
    process.sample.samples = dataset_samples(root, spec)
    return process


def _assign_all(
    process: RenderedProcess, sources: dict[str, str], values: Mapping[str, Any], source: str
) -> None:
    for key, value in values.items():
        sources[assign(process, Setting(key, deepcopy(value), None, source))] = source


def _fit_memory(
    job: RenderedJob, sources: dict[str, str], spec: EditModel, preset: str, size_wh: tuple[int, int] | None
) -> None:
    """Keep what the preset's memory has room for, or give up what must be for it to hold the model."""
    limit = preset_memory_gib(preset)
    if limit is None:
        return

    def fits(tried: RenderedJob) -> bool:
        estimate = estimate_memory(as_read(tried), size_wh)
        return estimate is None or estimate.fits(limit * GIB)

    if fits(job):
        for luxury in luxuries(spec):
            richer = job.model_copy(deep=True)
            changed = _changing(richer.process, luxury, preset)
            if changed and fits(richer):
                _assign_all(job.process, sources, changed, f"preset {preset}, as it fits")
    for step in savings(spec):
        if fits(job):
            return
        changed = _changing(job.process.model_copy(deep=True), step, preset)
        _assign_all(job.process, sources, changed, f"preset {preset}, to fit")


def _changing(process: RenderedProcess, values: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Assign values to a process, and return those that changed it."""
    changed = {}
    for key, value in values.items():
        before = process.model_dump()
        assign(process, Setting(key, deepcopy(value), None, preset))
        if process.model_dump() != before:
            changed[key] = value
    return changed


def _scaled_steps(process: RenderedProcess, examples: int) -> dict[str, int]:
    """Fewer steps for fewer examples than the published run had, so that each is seen as often as there.

    Rounded up to a whole number of checkpoints.
    """
    train, every = process.train, process.save.save_every
    if not examples or examples >= _PUBLISHED_EXAMPLES:
        return {}
    steps = train.steps * examples / _PUBLISHED_EXAMPLES
    rounded = ceil(steps / every) * every
    return {"train.steps": rounded} if rounded < train.steps else {}


def _sample_size(
    process: RenderedProcess, spec: EditModel, size_wh: tuple[int, int] | None
) -> dict[str, Any]:
    if size_wh is None or size_wh == (process.sample.width, process.sample.height):
        return {}
    width, height = (max(1, side // spec.divisible_by_px) * spec.divisible_by_px for side in size_wh)
    return {"sample.width": width, "sample.height": height}


def layout_findings(root: Path, spec: EditModel, model: str) -> list[Finding]:
    """Whether an existing dataset shows the still-life the way the model needs it."""
    if root.is_file():
        return [Finding("dataset.folder", str(root), "not a folder", "Name the dataset's folder.")]
    layout = DatasetLayout(root)
    if not layout.truths.is_dir() or layout.references.is_dir() == spec.has_reference:
        return []
    stitched, apart = "stitched images", "still-lifes in a folder reference/"
    needed, found = (apart, stitched) if spec.has_reference else (stitched, apart)
    message = f"{model} needs {needed}, but the dataset has {found}"
    hint = f"Build it again for the model {model}."
    return [Finding("dataset.layout", str(root), message, hint)]


def dataset_samples(root: Path, spec: EditModel) -> list[dict[str, Any]]:
    """Prompts and control images to sample from, held-out garments first."""
    examples = sorted(read_examples(root), key=lambda example: example.split != "held_out")
    return [_sample(root, example, spec) for example in examples[:_SAMPLES]]


def _sample(root: Path, example: Example, spec: EditModel) -> dict[str, Any]:
    if not spec.has_reference:
        return {"prompt": example.caption, "ctrl_img": str(root / example.control)}
    return {
        "prompt": example.caption,
        "ctrl_img_1": str(root / example.control),
        "ctrl_img_2": str(root / example.reference) if example.reference else None,
    }
