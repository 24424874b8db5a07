"""The training job as AI-Toolkit reads it, typed. Attribute names are AI-Toolkit's keys.

The defaults are the published run's. Keys that are not modelled here are refused when we render and kept
when we read somebody else's config.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chromiq.documents import load_yaml, read_text, validation_findings
from chromiq.errors import Finding, UnsoundError, raise_findings


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="allow", protected_namespaces=(), validate_assignment=True, allow_inf_nan=False
    )


class Network(_Section):
    """The LoRA."""

    type: Literal["lora", "lokr"] = "lora"
    linear: int = Field(32, gt=0)
    linear_alpha: float = 32
    conv: int | None = 16
    conv_alpha: float | None = 16
    lokr_full_rank: bool = True
    lokr_factor: int = -1
    network_kwargs: dict[str, Any] = Field(default_factory=lambda: {"ignore_if_contains": []})


class Save(_Section):
    """Checkpoints."""

    dtype: str = "bf16"
    save_every: int = Field(200, gt=0)
    max_step_saves_to_keep: int = Field(100, gt=0)
    save_format: str = "diffusers"
    push_to_hub: bool = False


class Dataset(_Section):
    """One folder of targets with their controls and loss masks."""

    folder_path: str
    control_path: str | list[str]
    mask_path: str | None = None
    mask_min_value: float = Field(0.1, ge=0, le=1)
    default_caption: str = ""
    caption_ext: str = "txt"
    caption_dropout_rate: float = Field(0, ge=0, le=1)
    cache_latents_to_disk: bool = True
    is_reg: bool = False
    network_weight: float = 1
    resolution: list[int] = Field(default_factory=lambda: [1328])
    controls: list[str] = Field(default_factory=list)
    shrink_video_to_frames: bool = True
    num_frames: int = 1
    do_i2v: bool = True
    flip_x: bool = False
    flip_y: bool = False


class Train(_Section):
    """The optimisation."""

    batch_size: int = Field(2, gt=0)
    bypass_guidance_embedding: bool = False
    steps: int = Field(10_000, gt=0)
    gradient_accumulation: int = Field(1, gt=0)
    train_unet: bool = True
    train_text_encoder: bool = False
    gradient_checkpointing: bool = True
    noise_scheduler: str = "flowmatch"
    optimizer: str = "adamw8bit"
    timestep_type: str = "weighted"
    content_or_style: str = "balanced"
    optimizer_params: dict[str, Any] = Field(default_factory=lambda: {"weight_decay": 0})
    unload_text_encoder: bool = False
    cache_text_embeddings: bool = False
    lr: float = Field(0.0001, gt=0)
    ema_config: dict[str, Any] = Field(default_factory=lambda: {"use_ema": False, "ema_decay": 0.99})
    skip_first_sample: bool = False
    force_first_sample: bool = False
    disable_sampling: bool = False
    dtype: str = "bf16"
    diff_output_preservation: bool = False
    diff_output_preservation_multiplier: float = 1
    diff_output_preservation_class: str = "person"
    switch_boundary_every: int = 1
    loss_type: str = "mse"


class Model(_Section):
    """The base model."""

    name_or_path: str = "black-forest-labs/FLUX.1-Kontext-dev"
    quantize: bool = False
    qtype: str = "qfloat8"
    quantize_te: bool = False
    qtype_te: str = "qfloat8"
    arch: str = "flux_kontext"
    low_vram: bool = False
    model_kwargs: dict[str, Any] = Field(default_factory=dict)


class Sample(_Section):
    """Pictures made while training."""

    sampler: str = "flowmatch"
    sample_every: int = Field(250, gt=0)
    width: int = Field(1328, gt=0)
    height: int = Field(800, gt=0)
    samples: list[dict[str, Any]] = Field(default_factory=list)
    neg: str = ""
    seed: int = 42
    walk_seed: bool = True
    guidance_scale: float = 2.5
    sample_steps: int = Field(30, gt=0)
    num_frames: int = 1
    fps: int = 1


class Process(_Section):
    """One training process."""

    type: str = "diffusion_trainer"
    training_folder: str
    sqlite_db_path: str
    device: str = "cuda"
    trigger_word: str | None = None
    performance_log_every: int = Field(10, gt=0)
    network: Network = Field(default_factory=Network)
    save: Save = Field(default_factory=Save)
    datasets: list[Dataset]
    train: Train = Field(default_factory=Train)
    model: Model = Field(default_factory=Model)
    sample: Sample = Field(default_factory=Sample)


class Config(_Section):
    """The job's name and its processes."""

    name: str
    process: list[Process] = Field(min_length=1)


class Job(_Section):
    """A whole config file."""

    job: str = "extension"
    config: Config
    meta: dict[str, str] = Field(default_factory=dict)

    @property
    def process(self) -> Process:
        """The process that trains."""
        return self.config.process[0]

    @property
    def run_folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.process.training_folder) / self.config.name


def name_fault(name: str) -> str | None:
    """What keeps a run's name from being that of a folder and of files in it, or None.

    >>> name_fault("chromiq_v1") is None, name_fault("../x")
    (True, 'a path')
    """
    if name in {"", ".", ".."} or not name.isprintable():
        return "no name"
    if "/" in name or "\\" in name:
        return "a path"
    # The trainer adds a step and a suffix; file systems hold 255 bytes.
    return "too long a name" if len(name.encode("utf-8", "replace")) > 200 else None


def read_job(path: Path) -> Job:
    """Read a config file.

    Raises:
        UnsoundError: with all that is wrong, if it is no YAML or keys have wrong types.
    """
    try:
        document = load_yaml(read_text(path))
    except (OSError, ValueError) as error:
        finding = Finding.expected(
            "config.unreadable", str(path), "a YAML file in UTF-8", f"'{error}'", "mend it"
        )
        raise UnsoundError(str(finding), [finding]) from error
    try:
        return Job.model_validate(document)
    except ValidationError as error:
        raise_findings(validation_findings(error, "config.value", path.name, "mend the value"), str(path))
        raise AssertionError from error  # the findings above are errors
