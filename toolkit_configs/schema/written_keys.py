"""The keys that chromiq writes into a config: the type of each, its value in the published run, what it does.

Other keys that the trainer reads may be added; what others wrote is read by
`chromiq.toolkit_configs.schema.trainer_job`.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter

_POSITIVE = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_SIZE_PX = Annotated[int, Field(gt=0, strict=True)]
_SHARE = Annotated[float, Field(ge=0, le=1)]
ABSENT = object()
"""In place of a value: the published run does without the key."""


class Written(NamedTuple):
    """A key that chromiq writes.

    Attributes:
        published: its value in the published run, or `ABSENT`; folders are those of the dataset.
        effect: what it does, in a line: the comment in the config and in the list of differences.
        type: what pydantic checks a value against; that of `published` if not given.
    """

    published: Any
    effect: str = ""
    type: Any = None

    @property
    def is_number(self) -> bool:
        """Whether it takes a number, for which neither true nor text counts."""
        return isinstance(self.published, int | float) and not isinstance(self.published, bool)

    @property
    def values(self) -> TypeAdapter[Any]:
        """Checks and converts its values."""
        own = FiniteFloat if isinstance(self.published, float) else type(self.published)
        return TypeAdapter(self.type or own)


KEYS = {
    "type": Written("diffusion_trainer"),
    "training_folder": Written("", "Runs go here, each in a folder of its name."),
    "sqlite_db_path": Written("", "Only the trainer's own web interface reads it."),
    "device": Written(
        "cuda", "cuda is the first GPU, cuda:1 the second; chromiq shows the trainer that one alone. Or cpu."
    ),
    "trigger_word": Written(
        None, "Put in front of captions that lack it. Captions of chromiq carry theirs already.", str | None
    ),
    "performance_log_every": Written(
        10, "Steps between the trainer's own timings in its log.", NonNegativeInt
    ),
    "network.type": Written("lora", "lora, or lokr: fewer parameters, and fewer programs that load it."),
    "network.linear": Written(
        32, "Rank of the LoRA. Higher learns finer differences, takes memory, overfits sooner.", PositiveInt
    ),
    "network.linear_alpha": Written(
        32, "Not used for these models: the trainer takes linear in its place.", FiniteFloat
    ),
    "network.conv": Written(16, "Rank for convolutions; the transformers here have none.", int | None),
    "network.conv_alpha": Written(16, "Belongs to conv.", FiniteFloat | None),
    "network.lokr_full_rank": Written(True, "For lokr only."),
    "network.lokr_factor": Written(-1, "For lokr only; -1 chooses it."),
    "network.network_kwargs.ignore_if_contains": Written(
        [], "Layers whose names hold one of these are not trained.", list[str]
    ),
    "save.dtype": Written(
        "bf16", "Precision of the saved LoRA. bf16 keeps range, float16 is finer; both load in diffusers."
    ),
    "save.save_every": Written(
        200, "Steps between checkpoints: what an interrupted run can lose.", NonNegativeInt
    ),
    "save.max_step_saves_to_keep": Written(
        100, "Older ones are deleted. Keep enough for chromiq sweep to choose from.", PositiveInt
    ),
    "save.save_format": Written("diffusers", "diffusers keys, which chromiq generate loads."),
    "save.push_to_hub": Written(False, "Leave it off: chromiq publish writes a model card that is right."),
    "datasets": Written(ABSENT, "", Annotated[list[dict[str, Any]], Field(min_length=1)]),
    "datasets.folder_path": Written("", "Targets, with a caption file beside each.", str | None),
    "datasets.control_path": Written(
        "",
        "What the model is given, under the target's name. A missing one goes unsaid.",
        str | list[str] | None,
    ),
    "datasets.mask_path": Written(
        None, "White trains. The trainer silently skips a missing one; chromiq doctor does not.", str | None
    ),
    "datasets.mask_min_value": Written(
        0.1, "Weight of black, 0 to 1; all weights are then scaled to a mean of 1.", _SHARE
    ),
    "datasets.default_caption": Written(
        "", "For targets without a caption file; there should be none.", str | None
    ),
    "datasets.caption_ext": Written("txt", "Suffix of the caption files."),
    "datasets.caption_dropout_rate": Written(
        0, "Share of steps without a caption. It names the garment: leave it 0.", _SHARE
    ),
    "datasets.cache_latents_to_disk": Written(
        True, "Encodes each target once, into _latent_cache beside it."
    ),
    "datasets.is_reg": Written(False, "Whether this is regularisation data."),
    "datasets.network_weight": Written(1, "Strength of the LoRA on this dataset.", FiniteFloat),
    "datasets.resolution": Written(
        [1328],
        "Pictures are shrunk and cropped to at most this, squared. A list: each size.",
        _SIZE_PX | Annotated[list[_SIZE_PX], Field(min_length=1)],
    ),
    "datasets.controls": Written(
        [], "Controls that the trainer makes itself, such as depth; ours are given.", list[str]
    ),
    "datasets.shrink_video_to_frames": Written(True, "For video only."),
    "datasets.num_frames": Written(1, "1 for pictures."),
    "datasets.do_i2v": Written(True, "For video only."),
    "datasets.flip_x": Written(False, "Mirroring would put a stitched still-life on the other side."),
    "datasets.flip_y": Written(False, "Garments do not stand on their heads."),
    "train.batch_size": Written(2, "Examples per step. Lower it first when memory runs out.", PositiveInt),
    "train.bypass_guidance_embedding": Written(
        False, "For distilled models trained without guidance; not for these."
    ),
    "train.steps": Written(10000, "All steps of the run, those before a resume included.", PositiveInt),
    "train.gradient_accumulation": Written(1, "Batches per step: steadier, and as much slower.", PositiveInt),
    "train.train_unet": Written(True, "The transformer is what learns."),
    "train.train_text_encoder": Written(False, "Costs much memory and gains no colour."),
    "train.gradient_checkpointing": Written(
        True, "Computes twice to hold far less. Off needs several times the memory."
    ),
    "train.noise_scheduler": Written("flowmatch", "These models are flow-matching ones."),
    "train.optimizer": Written(
        "adamw8bit", "adamw8bit holds 2 bytes per parameter, adamw 8. On a CPU only adamw runs."
    ),
    "train.timestep_type": Written(
        "weighted", "How the loss weighs the noise levels; weighted is the trainer's choice here."
    ),
    "train.content_or_style": Written("balanced", "balanced draws all noise levels alike."),
    "train.optimizer_params.weight_decay": Written(
        0, "Pulls the LoRA towards none; 0 leaves it free.", FiniteFloat
    ),
    "train.unload_text_encoder": Written(False, "Drops the text encoder, and the captions with it."),
    "train.cache_text_embeddings": Written(
        False, "Encodes captions once, then drops the text encoder: saves its memory."
    ),
    "train.lr": Written(
        0.0001, "Learning rate. Lower it if samples lose texture, for instance to 0.00005.", _POSITIVE
    ),
    "train.ema_config.use_ema": Written(
        False, "Averages the weights over steps: smoother, and slower to react."
    ),
    "train.ema_config.ema_decay": Written(0.99, "For use_ema."),
    "train.skip_first_sample": Written(False, "Leaves out the samples before the first step."),
    "train.force_first_sample": Written(False, "Samples before the first step also when resuming."),
    "train.disable_sampling": Written(False, "Samples show what is learnt and cost time."),
    "train.dtype": Written("bf16", "Precision of the computation. bf16 on GPUs; float32 on a CPU."),
    "train.diff_output_preservation": Written(
        False, "Keeps what the model does without the trigger word; twice the time."
    ),
    "train.diff_output_preservation_multiplier": Written(1, "For diff_output_preservation.", FiniteFloat),
    "train.diff_output_preservation_class": Written("person", "For diff_output_preservation."),
    "train.switch_boundary_every": Written(1, "For models of two stages only."),
    "train.loss_type": Written("mse", "mse, which the mask weighs pixel by pixel."),
    "model.name_or_path": Written(
        "black-forest-labs/FLUX.1-Kontext-dev", "Hub name or folder of the base model."
    ),
    "model.quantize": Written(
        False, "Rounds the base model's weights: about half the memory at 8 bit, slightly slower."
    ),
    "model.qtype": Written(
        "qfloat8", "How far they are rounded. A recovery adapter restores part of what few bits lose."
    ),
    "model.quantize_te": Written(False, "The same for the text encoder."),
    "model.qtype_te": Written("qfloat8", "The same for the text encoder."),
    "model.arch": Written("flux_kontext", "The trainer's name of the model."),
    "model.low_vram": Written(False, "Loads and quantises on the CPU: slower to start, a lower peak."),
    "model.layer_offloading": Written(
        ABSENT, "Keeps layers in the machine's memory until they are needed: much slower.", bool
    ),
    "model.model_kwargs": Written({}, "Settings of this model only.", dict[str, Any]),
    "model.model_kwargs.edit": Written(
        ABSENT, "Shows the controls to the model; without, it learns to draw from text alone.", bool
    ),
    "model.model_kwargs.kv_cache": Written(
        ABSENT, "Controls see each other only, so that a sampler computes them once.", bool
    ),
    "model.model_kwargs.match_target_res": Written(
        ABSENT, "False shows controls at their own size, up to a megapixel each.", bool
    ),
    "sample.sampler": Written("flowmatch", "Must match noise_scheduler."),
    "sample.sample_every": Written(250, "Steps between samples.", NonNegativeInt),
    "sample.width": Written(1328, "As the control pictures, or samples are stretched.", PositiveInt),
    "sample.height": Written(800, "As the control pictures, or samples are stretched.", PositiveInt),
    "sample.samples": Written(
        [], "Pictures to watch; held-out ones tell more than trained ones.", list[dict[str, Any]]
    ),
    "sample.neg": Written("", "Negative prompt, for models with true guidance.", str | Literal[False]),
    "sample.seed": Written(42, "One seed makes samples of different steps comparable."),
    "sample.walk_seed": Written(True, "Another seed for each sample of a step."),
    "sample.guidance_scale": Written(2.5, "As at inference, so that samples show what users will see."),
    "sample.sample_steps": Written(30, "Denoising steps of a sample.", PositiveInt),
    "sample.num_frames": Written(1, "1 for pictures."),
    "sample.fps": Written(1, "For video only."),
}
"""Keys by their dotted path within the process, without the numbers of lists, in the order of the file."""
NOTES = {
    "name": "A run of the same name continues from its newest checkpoint without asking.",
    **{key: written.effect for key, written in KEYS.items() if written.effect},
}
"""The comments of the config, by the same paths."""


def published_process() -> dict[str, Any]:
    """The process of the published run, with one dataset and without its folders."""
    process: dict[str, Any] = {}
    for key, written in KEYS.items():
        if written.published is not ABSENT:
            *sections, name = key.split(".")
            section = process
            for each in sections:
                section = section.setdefault(each, {})
            section[name] = deepcopy(written.published)
    process["datasets"] = [process["datasets"]]
    return process


def names_in(section: str) -> list[str]:
    """The keys that chromiq writes in a section; ``"process"`` is the process itself.

    >>> names_in("ema_config")
    ['use_ema', 'ema_decay']
    """
    steps = [step for key in KEYS for step in pairwise(["process", *key.split(".")])]
    return list(dict.fromkeys(name for owner, name in steps if owner == section))
