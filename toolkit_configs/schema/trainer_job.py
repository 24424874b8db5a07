"""A training job as AI-Toolkit reads it, whoever wrote it. Attribute names are AI-Toolkit's keys.

Every value is the one that the trainer holds: its own defaults where a key is missing (`trainer_source`), old
spellings resolved (`trainer_defaults`). What chromiq itself writes: `written_keys`.
"""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError

from chromiq.documents import reason_of
from chromiq.errors import Finding, errors_of, raise_findings
from chromiq.toolkit_configs.schema.config_file import read_config_file, short_path
from chromiq.toolkit_configs.schema.trainer_defaults import effective_process, mapping_or_empty
from chromiq.toolkit_configs.schema.trainer_source import pinned_source

DATASET_PROCESSES = (
    "diffusion_trainer",
    "sd_trainer",
    "ui_trainer",
    "textual_inversion_trainer",
    "concept_slider",
    "concept_replacer",
)
"""Those that train on the datasets of the config; other sliders have none, or list their own elsewhere."""
DIFFUSION_PROCESSES = (
    *DATASET_PROCESSES,
    "image_reference_slider_trainer",
    "ultimate_slider_trainer",
    "slider",
    "slider_old",
    "rescale_sd",
)
"""Types of processes that train a diffusion model step by step and save checkpoints named after the run."""
PROMPT_CONTROL = re.compile(r"(?<=--ctrl_img)(\s+)(.*?)(?=\s*(?:--|$))", re.DOTALL)
"""The space before the control picture that a prompt names, and its path, up to the next option."""
_OTHER_PROCESSES = {"extract": ["locon", "lora"], "generate": ["to_folder"], "mod": ["rescale_lora"]}
_JOBS = ("extension", "train", *_OTHER_PROCESSES)
_MOST_ROUNDS = 40

Flag = Annotated[bool, BeforeValidator(bool)]
"""True for whatever Python takes for true, as in the trainer: also for the text "false"."""
Every = Annotated[int, BeforeValidator(lambda value: 0 if value is None or value is False else value)]
"""A number of steps; 0 is never."""


class _Section(BaseModel):
    """Values that the trainer holds; those not declared are extra attributes."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), strict=True)


class Network(_Section):
    """The LoRA."""

    type: str
    linear: int
    linear_alpha: float
    conv: int | None
    conv_alpha: float | None
    lokr_full_rank: Flag
    lokr_factor: int
    network_kwargs: dict[str, Any]


class Save(_Section):
    """Checkpoints. `save_every` 0 saves only the final one."""

    dtype: str
    save_every: Every
    max_step_saves_to_keep: int
    save_format: str
    push_to_hub: Flag


class Dataset(_Section):
    """One folder of targets, with their controls and loss masks where it has any."""

    folder_path: str | None
    dataset_path: str | None
    control_path: str | list[str] | None
    mask_path: str | None
    mask_min_value: float
    invert_mask: Flag
    alpha_mask: Flag
    default_caption: str | None
    caption_ext: str | None
    caption_dropout_rate: float
    trigger_word: str | None
    cache_latents: Flag
    cache_latents_to_disk: Flag
    cache_text_embeddings: Flag
    is_reg: Flag
    num_repeats: int
    network_weight: float
    resolution: list[int] = Field(min_length=1)
    controls: list[str]
    num_frames: int
    auto_frame_count: Flag

    @property
    def targets(self) -> Path | None:
        """Where the targets lie: a folder, or a JSON file that lists them with their captions."""
        path = self.folder_path if self.dataset_path is None else self.dataset_path
        return Path(path) if path else None

    @property
    def control_paths(self) -> list[str]:
        """The folders of controls, none, one or several."""
        if isinstance(self.control_path, str):
            return [self.control_path]
        return self.control_path or []

    @property
    def folders(self) -> list[Path]:
        """All that is trained on: targets, controls and masks."""
        named = [self.targets, *self.control_paths, self.mask_path]
        return [Path(path) for path in named if path]

    @property
    def is_video(self) -> bool:
        """Whether the trainer looks for films as well as for pictures."""
        return self.num_frames > 1 or self.auto_frame_count


class Train(_Section):
    """The optimisation."""

    batch_size: int = Field(gt=0)
    steps: int
    gradient_accumulation: int
    gradient_accumulation_steps: int
    train_unet: Flag
    train_text_encoder: Flag
    gradient_checkpointing: Flag
    noise_scheduler: str
    optimizer: str
    optimizer_params: dict[str, Any]
    timestep_type: str
    content_or_style: str
    unload_text_encoder: Flag
    cache_text_embeddings: Flag
    lr: float
    disable_sampling: Flag
    skip_first_sample: Flag
    dtype: str
    loss_type: str


class Model(_Section):
    """The base model.

    `arch` is as written, with a label after a colon that the trainer drops; `trainer_arch` is what it keeps.
    """

    name_or_path: str
    arch: str
    trainer_arch: str
    quantize: Flag
    qtype: str | None
    quantize_te: Flag
    qtype_te: str | None
    accuracy_recovery_adapter: str | None
    low_vram: Flag
    layer_offloading: Flag
    model_kwargs: dict[str, Any]
    dtype: str

    @property
    def precision(self) -> str:
        """The base model's precision as one writes it, with the recovery adapter after a bar."""
        adapter = self.accuracy_recovery_adapter
        return f"{self.qtype}|{adapter}" if adapter else self.qtype or self.dtype


class SampleItem(_Section):
    """One picture made while training."""

    prompt: str | None
    ctrl_img: str | None
    ctrl_img_1: str | None
    ctrl_img_2: str | None
    ctrl_img_3: str | None

    @property
    def control_images(self) -> dict[str, str]:
        """Key to the control picture, one given by ``--ctrl_img`` within the prompt included."""
        keys = ("ctrl_img", "ctrl_img_1", "ctrl_img_2", "ctrl_img_3")
        found = {key: str(getattr(self, key)) for key in keys if getattr(self, key)}
        in_prompt = PROMPT_CONTROL.findall(self.prompt or "")
        return {**found, "ctrl_img": in_prompt[-1][1]} if in_prompt else found


class Sample(_Section):
    """Pictures made while training; `sample_every` 0 makes none."""

    sampler: str
    sample_every: Every
    width: int
    height: int
    samples: list[SampleItem]
    seed: int | None
    walk_seed: Flag
    guidance_scale: float
    sample_steps: int
    num_frames: int


class Process(_Section):
    """One training process; its name, the job's unless it has its own, is that of the run's folder."""

    type: str
    name: str
    training_folder: str
    sqlite_db_path: str
    device: str
    trigger_word: str | None
    network: Network | None
    save: Save
    datasets: list[Dataset]
    train: Train
    model: Model
    sample: Sample


class Config(_Section):
    """The job's name and its processes."""

    name: str
    process: list[Process] = Field(min_length=1)


class Job(_Section):
    """A whole config file."""

    job: str
    config: Config
    meta: dict[str, Any]
    _document: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def process(self) -> Process:
        """The process that trains."""
        return self.config.process[0]

    @property
    def trains(self) -> bool:
        """Whether it is a training that saves checkpoints; AI-Toolkit also extracts, generates, captions."""
        return self.process.type in DIFFUSION_PROCESSES

    @property
    def run_folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.process.training_folder) / self.process.name

    @property
    def document(self) -> dict[str, Any]:
        """The config as its author wrote it, a copy."""
        return deepcopy(self._document)


def is_path(name: str) -> bool:
    """Whether the name of a model or a file of weights is a path, and not a name on the hub.

    >>> is_path("./tiny"), is_path("black-forest-labs/FLUX.1-Kontext-dev")
    (True, False)
    """
    return name.startswith((".", "/", "~"))


def name_fault(name: str) -> str | None:
    """Why a run's name cannot be that of a folder and of files in it, or None.

    >>> name_fault("chromiq_v1") is None, name_fault("../x")
    (True, 'it is a path')
    """
    if name in {"", ".", ".."} or not name.isprintable():
        return "it is no file name"
    if "/" in name or "\\" in name:
        return "it is a path"
    # The trainer adds a step and a suffix; file systems hold 255 bytes.
    return "it is too long" if len(name.encode("utf-8", "replace")) > 200 else None


def rename_run(document: dict[str, Any], name: str) -> None:
    """Give the run of a config's document another name, wherever the document names it."""
    config, meta = document["config"], document.get("meta")
    if isinstance(meta, dict) and meta.get("name") == config["name"]:
        meta["name"] = name
    config["name"] = name
    config["process"][0].pop("name", None)  # it would keep the run in the folder of another


def read_job(path: Path) -> Job:
    """Read a config file.

    Raises:
        UnsoundError: with all that the trainer itself would fail at.
    """
    job, findings = examine_job(path)
    raise_findings(findings, str(path))
    assert job is not None  # without findings there is one
    return job


def examine_job(path: Path) -> tuple[Job | None, list[Finding]]:
    """Read a config file as far as it can be read.

    Returns:
        The job, in which values that cannot be used are replaced by the trainer's defaults, so that all that
        does not depend on them can still be checked, or None if the file holds no process; and all that the
        trainer would fail at.
    """
    document, unreadable = read_config_file(path)
    if document is None and errors_of(unreadable):
        return None, unreadable
    job, findings = job_of(document, path.name)
    return job, [*unreadable, *findings]


def job_of(document: Any, where: str) -> tuple[Job | None, list[Finding]]:
    """The job of a config's document; see `examine_job`."""
    findings = _frame_findings(document, where)
    config = mapping_or_empty(mapping_or_empty(document).get("config"))
    processes = config.get("process")
    if not (isinstance(processes, list) and processes and isinstance(processes[0], dict)):
        return None, findings
    raw = deepcopy(processes[0])
    name = config["name"] if isinstance(config.get("name"), str) else "unnamed"
    config = {**config, "name": name}

    def report(key: str, message: str, hint: str) -> None:
        finding = Finding("config.value", f"{where}: {key}", message, hint)
        if finding not in findings:
            findings.append(finding)

    # Other kinds of jobs are checked only by the trainer.
    refuse = report if raw.get("type") in DIFFUSION_PROCESSES else lambda *_: None
    for _ in range(_MOST_ROUNDS):
        values = effective_process(raw, config, refuse)
        whole = {
            "job": str(document.get("job")),
            "config": {"name": name, "process": [values]},
            "meta": mapping_or_empty(document.get("meta")),
        }
        try:
            job = Job.model_validate(whole)
        except ValidationError as error:
            for problem in error.errors():
                place = short_path(tuple(str(part) for part in problem["loc"]))
                # pydantic names the branch of a union too.
                place = tuple(part for part in place if part not in _UNION_BRANCHES)
                value = problem.get("input")
                shown = "null" if value is None else repr(value)[:80]
                message = f"{reason_of(problem)}, not {shown}"
                report(".".join(place), message, "Fix the value.")
                _remove(raw, place)
            continue
        job._document = document
        return job, findings
    return None, findings


def _remove(raw: dict[str, Any], place: tuple[str, ...]) -> None:
    """Remove a value that cannot be used, so that the trainer's default takes its place."""
    at: Any = raw
    for part in place:
        inner = at[int(part)] if isinstance(at, list) and int(part) < len(at) else None
        inner = at.get(part) if isinstance(at, dict) else inner
        if part == place[-1] or not isinstance(inner, dict | list):
            break
        at = inner
    if isinstance(at, list):
        at.clear()
        return
    written = {part, *OTHER_SPELLINGS.get(part, ())} & set(at)
    for name in written:
        del at[name]
    if not written:
        # A default that is made of another value, such as linear_alpha of alpha: the section starts afresh.
        at.clear()


OTHER_SPELLINGS = {
    "linear": ("rank",),
    "control_path": ("control_path_1", "control_path_2", "control_path_3"),
    "trainer_arch": ("arch",),
    "caption_ext": ("caption_type",),
}
"""Keys that count in place of a key if they stand beside it."""
_UNION_BRANCHES = frozenset({"str", "list[str]"})


def _frame_findings(document: Any, where: str) -> list[Finding]:
    """What is wrong around the processes: the trainer looks for these before it reads any process."""

    findings: list[Finding] = []

    def fault(key: str, message: str, hint: str) -> None:
        findings.append(Finding("config.value", f"{where}: {key}" if key else where, message, hint))

    if not isinstance(document, dict):
        fault("", "holds no keys and values", "Write job:, config: and below it name: and process:.")
        return findings
    job, config = document.get("job"), document.get("config")
    if job not in _JOBS:
        message = "is missing" if job is None else f"AI-Toolkit knows no job {job!r}"
        fault("job", message, "Write job: extension.")
    if not isinstance(config, dict):
        fault("config", "is missing or holds no keys", "Write name: and process: below it.")
        return findings
    if not isinstance(config.get("name"), str):
        message = "is missing" if config.get("name") is None else f"must be text, not {config['name']!r}"
        fault("config.name", message, "Name the run, in quotes.")
    if job == "train" and config.get("training_folder") is None:
        fault("config.training_folder", "is missing", "A job of kind train needs it here.")
    source, processes = pinned_source(), config.get("process")
    known = {"extension": source.extension_processes, "train": source.train_processes, **_OTHER_PROCESSES}
    names = known.get(str(job))
    if not isinstance(processes, list) or not processes:
        fault("config.process", "must be a list of processes", "Write one process.")
        return findings
    for index, process in enumerate(processes):
        kind = process.get("type") if isinstance(process, dict) else None
        if not isinstance(process, dict):
            fault(f"config.process.{index}", "holds no keys and values", "Fix the process.")
        elif names is not None and kind not in names:
            message = "is missing" if kind is None else f"AI-Toolkit knows no process {kind!r} in a job {job}"
            type_ = _OTHER_PROCESSES.get(str(job), ["diffusion_trainer"])[0]
            hint = f"Write {'job: extension and ' if job == 'train' else ''}type: {type_}."
            fault(f"config.process.{index}.type", message, hint)
    return findings
