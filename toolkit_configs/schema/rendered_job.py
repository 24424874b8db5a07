"""The job that chromiq writes, typed and strict, and what each key does.

Attribute names are AI-Toolkit's keys, and the defaults are the published run's. Other keys that the trainer
reads may be added; `assign` checks them. What others wrote is read by
`chromiq.toolkit_configs.schema.trainer_job`.
"""

from __future__ import annotations

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


NOTES: dict[str, str] = {
    "training_folder": "Runs go here, each in a folder of its name.",
    "sqlite_db_path": "Only the trainer's own web interface reads it.",
    "device": "cuda is the first GPU, cuda:1 the second; chromiq shows the trainer that one alone. Or cpu.",
    "trigger_word": "Put in front of captions that lack it. Captions of chromiq carry theirs already.",
    "performance_log_every": "Steps between the trainer's own timings in its log.",
    "network.type": "lora, or lokr: fewer parameters, and fewer programs that load it.",
    "network.linear": "Rank of the LoRA. Higher learns finer differences, takes memory, overfits sooner.",
    "network.linear_alpha": "Not used for these models: the trainer takes linear in its place.",
    "network.conv": "Rank for convolutions; the transformers here have none.",
    "network.conv_alpha": "Belongs to conv.",
    "network.lokr_full_rank": "For lokr only.",
    "network.lokr_factor": "For lokr only; -1 chooses it.",
    "network.network_kwargs.ignore_if_contains": "Layers whose names hold one of these are not trained.",
    "save.dtype": "Precision of the saved LoRA. bf16 keeps range, float16 is finer; both load in diffusers.",
    "save.save_every": "Steps between checkpoints: what an interrupted run can lose.",
    "save.max_step_saves_to_keep": "Older ones are deleted. Keep enough for chromiq sweep to choose from.",
    "save.save_format": "diffusers keys, which chromiq generate loads.",
    "save.push_to_hub": "Leave it off: chromiq publish writes a model card that is right.",
    "datasets.folder_path": "Targets, with a caption file beside each.",
    "datasets.control_path": "What the model is given, under the target's name. A missing one goes unsaid.",
    "datasets.mask_path": "White trains. The trainer silently skips a missing one; chromiq doctor does not.",
    "datasets.mask_min_value": "Weight of black, 0 to 1; all weights are then scaled to a mean of 1.",
    "datasets.default_caption": "For targets without a caption file; there should be none.",
    "datasets.caption_ext": "Suffix of the caption files.",
    "datasets.caption_dropout_rate": "Share of steps without a caption. It names the garment: leave it 0.",
    "datasets.cache_latents_to_disk": "Encodes each target once, into _latent_cache beside it.",
    "datasets.is_reg": "Whether this is regularisation data.",
    "datasets.network_weight": "Strength of the LoRA on this dataset.",
    "datasets.resolution": "Pictures are shrunk and cropped to at most this, squared. A list: each size.",
    "datasets.controls": "Controls that the trainer makes itself, such as depth; ours are given.",
    "datasets.flip_x": "Mirroring would put a stitched still-life on the other side.",
    "datasets.flip_y": "Garments do not stand on their heads.",
    "datasets.num_frames": "1 for pictures.",
    "datasets.shrink_video_to_frames": "For video only.",
    "datasets.do_i2v": "For video only.",
    "train.batch_size": "Examples per step. Lower it first when memory runs out.",
    "train.bypass_guidance_embedding": "For distilled models trained without guidance; not for these.",
    "train.steps": "All steps of the run, those before a resume included.",
    "train.gradient_accumulation": "Batches per step: steadier, and as much slower.",
    "train.train_unet": "The transformer is what learns.",
    "train.train_text_encoder": "Costs much memory and gains no colour.",
    "train.gradient_checkpointing": "Computes twice to hold far less. Off needs several times the memory.",
    "train.noise_scheduler": "These models are flow-matching ones.",
    "train.optimizer": "adamw8bit holds 2 bytes per parameter, adamw 8. On a CPU only adamw runs.",
    "train.timestep_type": "How the loss weighs the noise levels; weighted is the trainer's choice here.",
    "train.content_or_style": "balanced draws all noise levels alike.",
    "train.optimizer_params.weight_decay": "Pulls the LoRA towards none; 0 leaves it free.",
    "train.unload_text_encoder": "Drops the text encoder, and the captions with it.",
    "train.cache_text_embeddings": "Encodes captions once, then drops the text encoder: saves its memory.",
    "train.lr": "Learning rate. Lower it if samples lose texture, for instance to 0.00005.",
    "train.ema_config.use_ema": "Averages the weights over steps: smoother, and slower to react.",
    "train.ema_config.ema_decay": "For use_ema.",
    "train.skip_first_sample": "Leaves out the samples before the first step.",
    "train.force_first_sample": "Samples before the first step also when resuming.",
    "train.disable_sampling": "Samples show what is learnt and cost time.",
    "train.dtype": "Precision of the computation. bf16 on GPUs; float32 on a CPU.",
    "train.diff_output_preservation": "Keeps what the model does without the trigger word; twice the time.",
    "train.diff_output_preservation_multiplier": "For diff_output_preservation.",
    "train.diff_output_preservation_class": "For diff_output_preservation.",
    "train.switch_boundary_every": "For models of two stages only.",
    "train.loss_type": "mse, which the mask weighs pixel by pixel.",
    "model.name_or_path": "Hub name or folder of the base model.",
    "model.quantize": "Rounds the base model's weights: about half the memory at 8 bit, slightly slower.",
    "model.qtype": "How far they are rounded. A recovery adapter restores part of what few bits lose.",
    "model.quantize_te": "The same for the text encoder.",
    "model.qtype_te": "The same for the text encoder.",
    "model.arch": "The trainer's name of the model.",
    "model.low_vram": "Loads and quantises on the CPU: slower to start, a lower peak.",
    "model.layer_offloading": "Keeps layers in the machine's memory until they are needed: much slower.",
    "model.model_kwargs": "Settings of this model only.",
    "model.model_kwargs.edit": "Shows the controls to the model; without, it learns to draw from text alone.",
    "model.model_kwargs.kv_cache": "Controls see each other only, so that a sampler computes them once.",
    "model.model_kwargs.match_target_res": "False shows controls at their own size, up to a megapixel each.",
    "sample.sampler": "Must match noise_scheduler.",
    "sample.sample_every": "Steps between samples.",
    "sample.width": "As the control pictures, or samples are stretched.",
    "sample.height": "As the control pictures, or samples are stretched.",
    "sample.samples": "Pictures to watch; held-out ones tell more than trained ones.",
    "sample.neg": "Negative prompt, for models with true guidance.",
    "sample.seed": "One seed makes samples of different steps comparable.",
    "sample.walk_seed": "Another seed for each sample of a step.",
    "sample.guidance_scale": "As at inference, so that samples show what users will see.",
    "sample.sample_steps": "Denoising steps of a sample.",
    "sample.num_frames": "1 for pictures.",
    "sample.fps": "For video only.",
    "name": "A run of the same name continues from its newest checkpoint without asking.",
}
"""What each key does, by its dotted path within the process, without the numbers of lists: the comments in
the rendered file and in the list of differences."""
