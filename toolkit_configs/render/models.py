"""The base models: what AI-Toolkit calls them, what they need, and how large they are.

Parameters and LoRA widths were counted from the model classes of diffusers at their default sizes (for
FLUX.2-klein at the sizes in AI-Toolkit's source); `lora_width` is the sum of inputs and outputs of every
linear layer in the transformer's blocks, which is what one more rank costs. Text encoders: T5-XXL and CLIP-L,
Qwen2.5-VL-7B, Mistral-Small-3.1-24B, Qwen3-4B and -8B, as their pages state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from chromiq.errors import UsageError


@dataclass(frozen=True)
class BaseModel:
    """One base model.

    Attributes:
        template: stem of the shipped template that renders it.
        repository: on the hub.
        gated: whether a licence must be accepted there first.
        sees_reference: whether the still-life is a picture of its own; else it is stitched to the left.
        divisible_by: every side of a trained picture is a multiple of this, in pixels.
        parameters: of the transformer.
        text_encoder_parameters: of all text encoders.
        loads_text_encoder_whole: whether the text encoder goes to the GPU in 16 bit before it is quantised.
        width: channels of a token in the transformer.
        blocks: transformer blocks, double and single ones.
        lora_width: LoRA parameters per rank.
        latent_channels: of the VAE at 1/8 of the picture's size.
        recovery_adapter: AI-Toolkit's 3-bit weights with what mends them, if there are any.
        settings: dotted keys that differ from the published run's, as AI-Toolkit sets them for this model.
    """

    template: str
    repository: str
    gated: bool
    sees_reference: bool
    divisible_by: int
    parameters: float
    text_encoder_parameters: float
    loads_text_encoder_whole: bool
    width: int
    blocks: int
    lora_width: int
    latent_channels: int
    recovery_adapter: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


_8_BIT: dict[str, Any] = {"model.quantize": True, "model.quantize_te": True, "model.low_vram": True}
_REFERENCE_CANVAS: dict[str, Any] = {"sample.width": 896, "sample.height": 1120}
_OWN_SIZE: dict[str, Any] = {"model.model_kwargs": {"match_target_res": False}}
_ADAPTER = "uint3|ostris/accuracy_recovery_adapters/{name}_torchao_uint3.safetensors"


def _qwen(name: str, repository: str, arch: str, *, sees_reference: bool) -> BaseModel:
    reference = {**_REFERENCE_CANVAS, **_OWN_SIZE} if sees_reference else {}
    return BaseModel(
        template=name,
        repository=repository,
        gated=False,
        sees_reference=sees_reference,
        divisible_by=32,
        parameters=20.43e9,
        text_encoder_parameters=8.29e9,
        loads_text_encoder_whole=True,
        width=3072,
        blocks=60,
        lora_width=9_216_000,
        latent_channels=16,
        recovery_adapter=_ADAPTER.format(name=name.replace("-", "_")),
        settings={
            **_8_BIT,
            **reference,
            "model.arch": arch,
            "model.name_or_path": repository,
            "sample.guidance_scale": 4.0,
            "sample.sample_steps": 25,
            "sample.neg": " ",
        },
    )


def _klein(size: str, *, gated: bool, **sizes: Any) -> BaseModel:
    repository = f"black-forest-labs/FLUX.2-klein-base-{size.upper()}"
    return BaseModel(
        template="flux2-klein",
        repository=repository,
        gated=gated,
        sees_reference=True,
        divisible_by=16,
        loads_text_encoder_whole=False,
        latent_channels=32,
        settings={
            **_8_BIT,
            **_REFERENCE_CANVAS,
            **_OWN_SIZE,
            "model.arch": f"flux2_klein_{size}",
            "model.name_or_path": repository,
            "sample.guidance_scale": 4.0,
            "sample.sample_steps": 25,
        },
        **sizes,
    )


_KLEIN_4B = _klein(
    "4b",
    gated=False,
    parameters=3.88e9,
    text_encoder_parameters=4.02e9,
    width=3072,
    blocks=25,
    lora_width=1_505_280,
)

MODELS: dict[str, BaseModel] = {
    "kontext": BaseModel(
        template="kontext",
        repository="black-forest-labs/FLUX.1-Kontext-dev",
        gated=True,
        sees_reference=False,
        divisible_by=16,
        parameters=11.9e9,
        text_encoder_parameters=4.89e9,
        loads_text_encoder_whole=True,
        width=3072,
        blocks=57,
        lora_width=5_369_856,
        latent_channels=16,
    ),
    "qwen-image-edit": _qwen(
        "qwen-image-edit", "Qwen/Qwen-Image-Edit", "qwen_image_edit", sees_reference=False
    ),
    "qwen-image-edit-2509": _qwen(
        "qwen-image-edit-2509", "Qwen/Qwen-Image-Edit-2509", "qwen_image_edit_plus", sees_reference=True
    ),
    "qwen-image-edit-2511": _qwen(
        "qwen-image-edit-2511", "Qwen/Qwen-Image-Edit-2511", "qwen_image_edit_plus:2511", sees_reference=True
    ),
    "flux2": BaseModel(
        template="flux2",
        repository="black-forest-labs/FLUX.2-dev",
        gated=True,
        sees_reference=True,
        divisible_by=16,
        parameters=32.2e9,
        text_encoder_parameters=24.0e9,
        loads_text_encoder_whole=True,
        width=6144,
        blocks=56,
        lora_width=6_291_456,
        latent_channels=32,
        settings={
            **_8_BIT,
            **_REFERENCE_CANVAS,
            **_OWN_SIZE,
            "model.arch": "flux2",
            "model.name_or_path": "black-forest-labs/FLUX.2-dev",
            "sample.guidance_scale": 4.0,
            "sample.sample_steps": 28,
        },
    ),
    "flux2-klein": _KLEIN_4B,
    "flux2-klein-4b": _KLEIN_4B,
    "flux2-klein-9b": _klein(
        "9b",
        gated=True,
        parameters=9.08e9,
        text_encoder_parameters=8.19e9,
        width=4096,
        blocks=32,
        lora_width=2_719_744,
    ),
}
"""Every name that ``--model`` knows; ``flux2-klein`` is the 4B one, which is not gated."""


def find_model(name: str) -> BaseModel:
    """The base model of a name.

    Raises:
        UsageError: naming those that are known, and the one that was meant.
    """
    if name not in MODELS:
        near = get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {near[0]}?" if near else "choose one of these"
        raise UsageError(f"{name}: wanted a model, one of {', '.join(MODELS)}; {hint}")
    return MODELS[name]


def model_of_arch(arch: str) -> BaseModel | None:
    """The base model that a config's ``model.arch`` names, or None if it is none of ours.

    >>> model_of_arch("flux_kontext").repository
    'black-forest-labs/FLUX.1-Kontext-dev'
    """
    # The part after the colon is the trainer's own label; it drops it.
    known = {model.settings.get("model.arch", "flux_kontext"): model for model in MODELS.values()}
    return known.get(arch) or known.get(arch.split(":")[0])
