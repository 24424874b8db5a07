"""How much GPU memory a job will take, estimated before it is paid for.

A sum of what must be held at once; nothing here was fitted to a measurement. Expect it to be right to about
a fifth: attention kernels, fragmentation and the trainer's version all play in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chromiq.models import EditModel, model_of_arch
from chromiq.toolkit_configs.schema.trainer_job import Job, Process, is_path

GIB = 2**30
_VAE_BYTES = 0.17e9
# CUDA's own context, kernels' workspaces and what the allocator cannot use.
_OVERHEAD_BYTES = 1.5e9
_TEXT_TOKENS = 512
_PATCH_PX = 16
# AI-Toolkit shows FLUX.2 and Qwen-Image-Edit-Plus each control at up to this area unless match_target_res.
_CONTROL_AREA_PX = 1024**2
# Values held per token and channel while one block runs forth and back: queries, keys, values, the fourfold
# feed-forward twice, attention's output, norms, and the gradients of all these.
_VALUES_IN_A_BLOCK = 40
# Without checkpointing every block keeps what its way back needs.
_VALUES_KEPT_BY_A_BLOCK = 34
_BYTES = {"float32": 4, "fp32": 4, "float": 4}
# Bytes of state per trained parameter, in addition to its weight and gradient.
_OPTIMIZER_BYTES = {
    "adamw8bit": 2,
    "adam8bit": 2,
    "lion8bit": 1,
    "ademamix8bit": 3,
    "adafactor": 0.1,
    "lion": 4,
    "sgd": 4,
    "prodigy": 16,
    "prodigy8bit": 10,
    "automagic": 2,
}
_ADAM_BYTES = 8


@dataclass(frozen=True)
class MemoryEstimate:
    """What a job holds on the GPU, in bytes; `loading` is the most while its model is loaded."""

    parts: dict[str, float]
    loading: float

    @property
    def training(self) -> float:
        """All that is held while it trains."""
        return sum(self.parts.values())

    @property
    def peak(self) -> float:
        """The most at any time."""
        return max(self.training, self.loading)

    def fits(self, gpu_bytes: float) -> bool:
        """Whether it fits, with a tenth to spare for what the estimate of the training does not know."""
        return self.training * 1.1 <= gpu_bytes and self.loading * 1.02 <= gpu_bytes

    @property
    def summary(self) -> str:
        """One line for people.

        >>> MemoryEstimate({"transformer": 12 * GIB, "LoRA": GIB}, loading=9 * GIB).summary
        'about 13.0 GiB (transformer 12.0, LoRA 1.0)'
        """
        parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in self.parts.items() if size >= GIB / 20)
        loading = f"; {self.loading / GIB:.1f} GiB while the model is loaded"
        more = loading if self.loading > self.training else ""
        return f"about {self.training / GIB:.1f} GiB ({parts}){more}"

    def as_dict(self) -> dict[str, object]:
        """The estimate as plain data for JSON, in GiB."""
        return {
            "training_gib": round(self.training / GIB, 2),
            "loading_gib": round(self.loading / GIB, 2),
            "parts_gib": {name: round(size / GIB, 2) for name, size in self.parts.items()},
        }


def estimate_memory(job: Job, size_wh: tuple[int, int] | None = None) -> MemoryEstimate | None:
    """What a job will take, or None if it trains on a CPU, or its base model is unknown or on this disk.

    Args:
        size_wh: of the targets in pixels; that of the samples if not known.
    """
    process = job.process
    model = model_of_arch(process.model.arch)
    if model is None or process.network is None or process.device == "cpu":
        return None
    if is_path(process.model.name_or_path):
        return None
    settings, train = process.model, process.train
    precision = settings.precision if settings.quantize else train.dtype
    transformer = model.size.parameters * weight_bytes(precision)
    # A few layers are always on their way in or out.
    share = (settings.model_extra or {}).get("layer_offloading_transformer_percent")
    offloaded = share if isinstance(share, int | float) else 1.0
    kept_share = 1 - 0.9 * offloaded if settings.layer_offloading else 1.0
    qtype = getattr(settings, model.text_encoder_qtype) if settings.quantize_te else None
    text_encoder = model.size.text_encoder_parameters * weight_bytes(qtype or train.dtype)
    text_encoder_kept = 0.0 if train.unload_text_encoder or train.cache_text_embeddings else text_encoder
    trained = lora_parameters(process, model)
    sample_wh = (process.sample.width, process.sample.height)
    parts = {
        "transformer": transformer * kept_share,
        "text encoder": text_encoder_kept,
        "LoRA and optimizer": trained * (4 + 4 + optimizer_bytes(train.optimizer)),
        "activations": _activation_bytes(process, model, size_wh or sample_wh),
        "VAE and CUDA": _VAE_BYTES + _OVERHEAD_BYTES,
    }
    return MemoryEstimate(parts, _loading_bytes(process, model, transformer, text_encoder))


def weight_bytes(precision: str) -> float:
    """Bytes per weight at a precision as AI-Toolkit names it; quantised weights carry their scales.

    >>> weight_bytes("bf16"), weight_bytes("float32"), round(weight_bytes("qfloat8"), 2)
    (2.0, 4.0, 1.03)
    >>> round(weight_bytes("uint3|owner/repository/adapter.safetensors"), 2)
    0.5
    """
    name = precision.split("|")[0]
    if name in _BYTES:
        return float(_BYTES[name])
    found = re.fullmatch(r"(?:q?u?int|q?float|orbit|convrot)(\d)\w*", name)
    if not found:
        return 2.0
    bits = int(found.group(1))
    # Low precisions keep a scale for each small group of weights, and the adapter that corrects their errors.
    return bits / 8 * (1.03 if bits == 8 else 1.12) + (0.08 if "|" in precision else 0)


def lora_parameters(process: Process, model: EditModel) -> float:
    """How many parameters are trained; the transformers in question have no convolutions."""
    # A full-rank LoKr factorises instead; it is about as large as a LoRA of rank 16.
    assert process.network is not None  # a full fine-tune is not estimated
    rank = 16 if process.network.type == "lokr" and process.network.lokr_full_rank else process.network.linear
    return float(rank * model.size.lora_width)


def optimizer_bytes(optimizer: str) -> float:
    """Bytes of state per trained parameter, that of Adam if not known."""
    return _OPTIMIZER_BYTES.get(optimizer.lower(), _ADAM_BYTES)


def bucketed_tokens(size_wh: tuple[int, int], resolution: int) -> float:
    """How many tokens a picture is at a resolution: one for each 16 by 16 pixels of at most its square."""
    return min(size_wh[0] * size_wh[1], resolution**2) / _PATCH_PX**2


def _activation_bytes(process: Process, model: EditModel, size_wh: tuple[int, int]) -> float:
    tokens = 0.0
    for dataset in process.datasets:
        target = max(bucketed_tokens(size_wh, resolution) for resolution in dataset.resolution)
        controls = len(dataset.control_paths)
        own_size = model.has_reference and not process.model.model_kwargs.get("match_target_res", False)
        limit = min(size_wh[0] * size_wh[1], _CONTROL_AREA_PX) / _PATCH_PX**2
        each = limit if own_size else target
        tokens = max(tokens, target + controls * each + _TEXT_TOKENS)
    value_bytes = 4 if weight_bytes(process.train.dtype) == 4 else 2
    one = tokens * model.size.width * value_bytes * process.train.batch_size
    if process.train.gradient_checkpointing:
        return one * (model.size.blocks + _VALUES_IN_A_BLOCK)
    return one * (model.size.blocks * _VALUES_KEPT_BY_A_BLOCK + _VALUES_IN_A_BLOCK)


def _loading_bytes(process: Process, model: EditModel, transformer: float, text_encoder: float) -> float:
    """The most that is held while loading, as AI-Toolkit's model classes go about it."""
    settings = process.model
    first = transformer
    if settings.arch == "flux_kontext" and settings.quantize and not settings.low_vram:
        first = model.size.parameters * 2  # quantised on the GPU
    waiting = 0.0 if settings.low_vram and settings.arch != "flux_kontext" else transformer
    whole = model.size.text_encoder_parameters * 2
    then = whole if model.size.loads_text_encoder_whole else text_encoder
    return max(first if waiting else 0.0, waiting + then) + _OVERHEAD_BYTES / 2
