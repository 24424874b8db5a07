"""The job that chromiq writes, typed and strict. Attribute names are AI-Toolkit's keys.

The defaults are the published run's. Other keys that the trainer reads may be added; `assign` checks them.
What others wrote is read by `chromiq.toolkit_configs.schema.trainer_job`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="allow", protected_namespaces=(), validate_assignment=True, allow_inf_nan=False
    )


class RenderedNetwork(_Section):
    """The LoRA."""

    type: Literal["lora", "lokr"] = "lora"
    linear: int = Field(32, gt=0)
    linear_alpha: float = 32
    conv: int | None = 16
    conv_alpha: float | None = 16
    lokr_full_rank: bool = True
    lokr_factor: int = -1
    network_kwargs: dict[str, Any] = Field(default_factory=lambda: {"ignore_if_contains": []})


class RenderedSave(_Section):
    """Checkpoints."""

    dtype: str = "bf16"
    save_every: int = Field(200, gt=0)
    max_step_saves_to_keep: int = Field(100, gt=0)
    save_format: str = "diffusers"
    push_to_hub: bool = False


class RenderedDataset(_Section):
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


class RenderedTrain(_Section):
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


class RenderedModel(_Section):
    """The base model."""

    name_or_path: str = "black-forest-labs/FLUX.1-Kontext-dev"
    quantize: bool = False
    qtype: str = "qfloat8"
    quantize_te: bool = False
    qtype_te: str = "qfloat8"
    arch: str = "flux_kontext"
    low_vram: bool = False
    model_kwargs: dict[str, Any] = Field(default_factory=dict)


class RenderedSample(_Section):
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


class RenderedProcess(_Section):
    """One training process."""

    type: str = "diffusion_trainer"
    training_folder: str
    sqlite_db_path: str
    device: str = "cuda"
    trigger_word: str | None = None
    performance_log_every: int = Field(10, gt=0)
    network: RenderedNetwork = Field(default_factory=RenderedNetwork)
    save: RenderedSave = Field(default_factory=RenderedSave)
    datasets: list[RenderedDataset]
    train: RenderedTrain = Field(default_factory=RenderedTrain)
    model: RenderedModel = Field(default_factory=RenderedModel)
    sample: RenderedSample = Field(default_factory=RenderedSample)


class RenderedConfig(_Section):
    """The job's name and its processes."""

    name: str
    process: list[RenderedProcess] = Field(min_length=1)


class RenderedJob(_Section):
    """A whole config file."""

    job: str = "extension"
    config: RenderedConfig
    meta: dict[str, str] = Field(default_factory=dict)

    @property
    def process(self) -> RenderedProcess:
        """The process that trains."""
        return self.config.process[0]

    @property
    def run_folder(self) -> Path:
        """Where checkpoints go."""
        return Path(self.process.training_folder) / self.config.name
