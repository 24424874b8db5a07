"""A dataset, a model, a preset and the user's settings -> the job, as plain data.

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
from chromiq.photos.images import photo_size_wh
from chromiq.photos.soundness import list_images
from chromiq.toolkit_configs.render.memory import GIB, MemoryEstimate, estimate_memory
from chromiq.toolkit_configs.render.presets import PRESETS, find_preset, luxuries, preset_memory_gib, savings
from chromiq.toolkit_configs.render.settings import Setting, Settings, assign, flat, misfit
from chromiq.toolkit_configs.schema.trainer_job import Job, job_of, name_fault
from chromiq.toolkit_configs.schema.written_keys import NOTES, published_process
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import TOY_BASE
from chromiq.wording import counted

DEFAULT = "default (the published run)"
_PUBLISHED_EXAMPLES = 60
_SAMPLES = 2
_NETWORKS = ("lora", "lokr")
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
        document: the config file, as plain data.
        sources: dotted key, or the beginning of one, to who set it.
        memory: what it will take on the GPU, or None if unknown.
    """

    document: dict[str, Any]
    model: str
    preset: str
    sources: dict[str, str]
    memory: MemoryEstimate | None

    @property
    def job(self) -> Job:
        """The job as AI-Toolkit reads it."""
        return _as_read(self.document)

    @property
    def warning(self) -> str | None:
        """What to say if the preset does not suit the base model, or None."""
        limit, base = preset_memory_gib(self.preset), self.job.process.model.name_or_path
        if self.preset == "smoke" and self.model != "kontext":
            return (
                f"preset smoke is for the smoke engine, which trains kontext only, not {self.model}. "
                "Choose that model or another preset."
            )
        if self.preset == "smoke" and not Path(base).is_dir():
            return (
                f"preset smoke trains a tiny checkpoint on a CPU, not {base}. "
                f"Set model.name_or_path to the folder of one, such as {TOY_BASE}."
            )
        if limit is None or self.memory is None or self.memory.fits(limit * GIB):
            return None
        return (
            f"{self.model} takes {self.memory.summary}, which may not fit {limit} GiB. "
            "Choose a larger preset or a smaller model."
        )

    def explain(self) -> list[tuple[str, Any, str]]:
        """Every value of the file with its key and its source, in the file's order."""
        values = flat_document(self.document)
        return [(key, value, _of_nearest(key, self.sources) or DEFAULT) for key, value in values]


@dataclass(frozen=True)
class Difference:
    """A key in which a job differs from another: its values there and here, None without one."""

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
        preset: one of `PRESETS`; ``published`` by default.
        name: of the run; its checkpoints are named after it.
        training_folder: where runs go; ``runs`` beside the dataset if not given.
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
    raise_findings(layout_findings(root, spec), str(dataset))

    run_name = options.get("name", "chromiq_v1")
    if fault := name_fault(run_name):
        raise UsageError(f"{run_name!r} cannot name a run: {fault}")
    process = _process(root, spec, folder)
    document = _document(run_name, process, {"name": run_name, "version": "1.0"})
    sources = dict.fromkeys(_OF_THE_DATASET, "the dataset")
    sources["sqlite_db_path"] = "training_folder"
    size_wh = target_size_wh(root)
    _assign_all(process, sources, spec.trainer_settings, f"model {model}")
    _assign_all(process, sources, _sample_size(process, spec, size_wh), "the dataset")
    examples = sum(example.split == "train" for example in read_examples(root))
    number = counted(examples, "example")
    _assign_all(process, sources, _scaled_steps(process, examples), f"the dataset's {number}")
    _assign_all(process, sources, PRESETS[chosen], f"preset {chosen}")
    _fit_memory(document, sources, spec, chosen, size_wh)
    for setting in (setting for layer in layers for setting in layer.values):
        sources |= dict.fromkeys(assign(process, setting), setting.source)
        if process["network"] is None or process["network"]["type"] not in _NETWORKS:
            raise misfit(setting, "a rendered job trains a network of type lora or lokr")
        process["datasets"] = [_whole_dataset(dataset, setting) for dataset in process["datasets"]]
    rank = process["network"]["linear"]
    if process["network"]["linear_alpha"] != rank and "network.linear_alpha" not in sources:
        _assign_all(process, sources, {"network.linear_alpha": rank}, sources["network.linear"])
    sources |= {option: source for option, source in asked.items() if option != "preset"}
    sources["meta.name"] = sources.get("name", DEFAULT)
    memory = estimate_memory(_as_read(document), size_wh)
    limit = preset_memory_gib(chosen)
    if limit is not None and memory is not None and memory.peak > limit * GIB:
        raise UsageError(
            f"{model} does not fit preset {chosen}: it takes {memory.summary}. "
            "Choose a larger preset or a smaller model."
        )
    return Composed(document, model, chosen, sources, memory)


def differences_from(preset: str, composed: Composed, dataset: Path) -> list[Difference]:
    """Every key in which a job differs from a preset, in the order of the file.

    Args:
        preset: ``published`` is the published run, whatever the model; another is of the job's own model.

    Raises:
        UsageError: if the preset is not known.
    """
    document = composed.document
    if find_preset(preset) == "published":
        other = _published_counterpart(document)
    else:
        name, folder = document["config"]["name"], Path(composed.job.process.training_folder)
        other = compose_job(
            composed.model, dataset, preset=preset, name=name, training_folder=folder
        ).document
    here, there = dict(flat_document(document)), dict(flat_document(other))
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


def _published_counterpart(document: dict[str, Any]) -> dict[str, Any]:
    """The published run on a job's dataset: its folders, samples and name, and nothing else of it."""
    process, published = document["config"]["process"][0], published_process()
    published |= {key: process[key] for key in ("training_folder", "sqlite_db_path")}
    folders = ("folder_path", "control_path", "mask_path")
    published["datasets"][0] |= {key: process["datasets"][0][key] for key in folders}
    published["sample"]["samples"] = process["sample"]["samples"]
    return _document(document["config"]["name"], published, document["meta"])


def _document(name: str, process: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    return {"job": "extension", "config": {"name": name, "process": [process]}, "meta": meta}


def _of_nearest(key: str, table: Mapping[str, str]) -> str | None:
    """The entry of a dotted key, or of the longest beginning of it that has one."""
    parts = key.split(".")
    beginnings = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((table[each] for each in beginnings if each in table), None)


def _as_read(document: dict[str, Any]) -> Job:
    read, _ = job_of(document, document["config"]["name"])
    assert read is not None  # what is rendered holds a process
    return read


def flat_document(document: dict[str, Any]) -> list[tuple[str, Any]]:
    """Every value of a job with its dotted key, for the training process without ``config.process.0``."""
    first = "config.process.0."
    return [(key.removeprefix(first).removeprefix("config."), value) for key, value in flat(document)]


def target_size_wh(root: Path) -> tuple[int, int] | None:
    """Upright width and height of the first target of a dataset in pixels, or None without a readable one."""
    images = list_images(DatasetLayout(root).truths)
    try:
        return photo_size_wh(images[0]) if images else None
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


def _process(root: Path, spec: EditModel, folder: Path) -> dict[str, Any]:
    process = published_process()
    process |= {"training_folder": str(folder), "sqlite_db_path": str(folder / "aitk_db.db")}
    process["datasets"][0] |= dataset_paths(root, spec)
    process["sample"]["samples"] = dataset_samples(root, spec)
    return process


def _whole_dataset(dataset: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """A dataset with all keys that chromiq writes, those not given with the published values."""
    for key in ("folder_path", "control_path"):
        if dataset.get(key) is None:
            raise misfit(setting, f"{key} is missing")
    return {**published_process()["datasets"][0], **dataset}


def _assign_all(
    process: dict[str, Any], sources: dict[str, str], values: Mapping[str, Any], source: str
) -> None:
    for key, value in values.items():
        sources |= dict.fromkeys(assign(process, Setting(key, value, None, source)), source)


def _fit_memory(
    document: dict[str, Any],
    sources: dict[str, str],
    spec: EditModel,
    preset: str,
    size_wh: tuple[int, int] | None,
) -> None:
    """Keep what the preset's memory has room for, or give up what must be for it to hold the model."""
    limit = preset_memory_gib(preset)
    if limit is None:
        return

    def fits(tried: dict[str, Any]) -> bool:
        estimate = estimate_memory(_as_read(tried), size_wh)
        return estimate is None or estimate.fits(limit * GIB)

    process = document["config"]["process"][0]
    if fits(document):
        for luxury in luxuries(spec):
            richer = deepcopy(document)
            changed = _changing(richer["config"]["process"][0], luxury, preset)
            if changed and fits(richer):
                _assign_all(process, sources, changed, f"preset {preset}, as it fits")
    for step in savings(spec):
        if fits(document):
            return
        changed = _changing(deepcopy(process), step, preset)
        _assign_all(process, sources, changed, f"preset {preset}, to fit")


def _changing(process: dict[str, Any], values: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Assign values to a process, and return those that changed it."""
    changed = {}
    for key, value in values.items():
        before = deepcopy(process)
        assign(process, Setting(key, value, None, preset))
        if process != before:
            changed[key] = value
    return changed


def _scaled_steps(process: dict[str, Any], examples: int) -> dict[str, int]:
    """Fewer steps for fewer examples than the published run had, so that each is seen as often as there.

    Rounded up to a whole number of checkpoints.
    """
    steps, every = process["train"]["steps"], process["save"]["save_every"]
    if not examples or examples >= _PUBLISHED_EXAMPLES:
        return {}
    rounded = ceil(steps * examples / _PUBLISHED_EXAMPLES / every) * every
    return {"train.steps": rounded} if rounded < steps else {}


def _sample_size(process: dict[str, Any], spec: EditModel, size_wh: tuple[int, int] | None) -> dict[str, Any]:
    sample = process["sample"]
    if size_wh is None or size_wh == (sample["width"], sample["height"]):
        return {}
    width, height = trained_size_wh(size_wh, spec)
    return {"sample.width": width, "sample.height": height}


def trained_size_wh(size_wh: tuple[int, int], spec: EditModel) -> tuple[int, int]:
    """A size in pixels, cut to multiples of what the model's sides are divisible by."""
    step = spec.divisible_by_px
    return max(1, size_wh[0] // step) * step, max(1, size_wh[1] // step) * step


def layout_findings(root: Path, spec: EditModel) -> list[Finding]:
    """Whether an existing dataset shows the still-life the way the model needs it."""
    if root.is_file():
        return [Finding("dataset.folder", str(root), "not a folder", "Name the dataset's folder.")]
    layout = DatasetLayout(root)
    if not layout.truths.is_dir() or layout.references.is_dir() == spec.has_reference:
        return []
    stitched, apart = "stitched images", "still-lifes in a folder reference/"
    needed, found = (apart, stitched) if spec.has_reference else (stitched, apart)
    message = f"{spec.name} needs {needed}, but the dataset has {found}"
    hint = f"Build it again for the model {spec.name}."
    return [Finding("dataset.layout", str(root), message, hint)]


def dataset_paths(root: Path, spec: EditModel) -> dict[str, Any]:
    """The folders of a dataset as a config names them; masks only where there are some or will be."""
    layout = DatasetLayout(root)
    will_have_masks = not spec.has_reference and (layout.is_built or not layout.truths.is_dir())
    controls = str(layout.controls)
    return {
        "folder_path": str(layout.truths),
        "control_path": [controls, str(layout.references)] if spec.has_reference else controls,
        "mask_path": str(layout.loss_masks) if will_have_masks or layout.loss_masks.is_dir() else None,
    }


def dataset_samples(root: Path, spec: EditModel) -> list[dict[str, Any]]:
    """Prompts and control images to sample from, held-out garments first."""
    examples = sorted(read_examples(root), key=lambda example: example.split != "held_out")
    samples: list[dict[str, Any]] = []
    for example in examples[:_SAMPLES]:
        samples.append({"prompt": example.caption})
        if spec.has_reference:
            samples[-1]["ctrl_img_1"] = str(root / example.control)
            samples[-1]["ctrl_img_2"] = str(root / example.reference) if example.reference else None
        else:
            samples[-1]["ctrl_img"] = str(root / example.control)
    return samples
