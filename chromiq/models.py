"""The supported image editing models.

To add a model, add an entry to `MODELS` and a template ``templates/NAME.yaml.j2``.

Parameters and LoRA widths were counted from the model classes of diffusers at their default sizes, and of
AI-Toolkit for FLUX.2 klein, OmniGen2, Krea 2, Mage-Flow and Boogu-Image. Text encoders as their model cards
state: T5-XXL and CLIP-L (Kontext), Qwen2.5-VL-7B (Qwen-Image-Edit), Mistral-Small-3.1-24B (FLUX.2), Qwen3-4B
and -8B (klein), Qwen2.5-VL-3B (OmniGen2), Qwen3-VL-4B (Krea 2, Mage-Flow) and -8B (Boogu-Image), T5-XXL,
CLIP-L, CLIP-G and Llama-3.1-8B (HiDream).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from chromiq.errors import UsageError

Layout = Literal["stitched", "reference"]
Dtype = Literal["float32", "bfloat16", "float16"]
Offload = Literal["none", "model", "sequential"]
Quantization = Literal["int8", "nf4"]
_ONE_AT_A_TIME: dict[str, Any] = {"train.batch_size": 1, "train.gradient_accumulation": 2}


@dataclass(frozen=True)
class Licence:
    """A licence, as in the metadata of model cards.

    Attributes:
        identifier: the hub's ``license``; ``"other"`` if it is not on the hub's list.
        name: ``license_name``, with ``"other"``.
        link: to its text, with ``"other"``.
    """

    identifier: str
    name: str | None = None
    link: str | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """The keys of a model card's front matter."""
        keys = {"license": self.identifier, "license_name": self.name, "license_link": self.link}
        return {key: value for key, value in keys.items() if value}


@dataclass(frozen=True)
class ModelSize:
    """The sizes that the memory estimate needs.

    Attributes:
        parameters: number of parameters of the transformer.
        text_encoder_parameters: number of parameters of all text encoders.
        width: channels per token of the transformer.
        blocks: number of transformer blocks, double and single.
        lora_width: LoRA parameters per rank: the sum of inputs and outputs of every linear layer in the
            transformer's blocks.
        latent_channels: channels of the VAE at 1/8 of the image size.
        loads_text_encoder_whole: whether the text encoder is on the GPU in 16 bit before it is quantised.
    """

    parameters: float
    text_encoder_parameters: float
    width: int
    blocks: int
    lora_width: int
    latent_channels: int = 16
    loads_text_encoder_whole: bool = True


@dataclass(frozen=True)
class EditModel:
    """An image editing model.

    Attributes:
        name: its name on the command line.
        hub_id: the weights for training and inference.
        arch: AI-Toolkit's ``model.arch``.
        layout: ``"stitched"`` puts the still-life on the left of the input image, ``"reference"`` passes it
            as a second image.
        size: for the memory estimate.
        licence: of the weights, and so of LoRAs trained on them; None if unknown.
        divisible_by_px: every side of a trained image is a multiple of this.
        pipeline: the class in diffusers for editing with it, or None.
        steps: denoising steps of a sample.
        guidance: its guidance scale.
        batches: whether one call of the pipeline takes several images.
        is_gated: whether its licence must be accepted on the hub first.
        batching: which batches the trainer accepts: ``"any"``; ``"same_shapes"``, because it stacks the
            references; ``"none"``, because its LoRA fails on a batch packed into one sequence.
        must_cache_text: whether the trainer is wrong without `train.cache_text_embeddings`.
        makes_from_text: whether the trainer also accepts it without control images, for text-to-image.
        text_encoder_qtype: the key of the text encoder's quantisation.
        max_resolution: of a trained image, as the square root of its area.
        template: stem of the config template, if shared by several models.
        recovery_adapter: AI-Toolkit's 3-bit weights with an adapter that restores their accuracy.
        settings: dotted AI-Toolkit keys that differ from the published run's, apart from `arch`, `hub_id`,
            `steps` and `guidance`.
        variants: hub ids and licences of other forms of the weights on which its LoRAs run.
    """

    name: str
    hub_id: str
    arch: str
    layout: Layout
    size: ModelSize
    licence: Licence | None = None
    divisible_by_px: int = 16
    pipeline: str | None = None
    steps: int = 25
    guidance: float = 4.0
    batches: bool = False
    is_gated: bool = False
    batching: Literal["any", "same_shapes", "none"] = "any"
    must_cache_text: bool = False
    makes_from_text: bool = False
    text_encoder_qtype: Literal["qtype", "qtype_te"] = "qtype_te"
    max_resolution: int = 1328
    template: str | None = None
    recovery_adapter: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, Licence] = field(default_factory=dict)

    @property
    def has_reference(self) -> bool:
        """Whether the still-life is passed as a second image."""
        return self.layout == "reference"

    @property
    def template_name(self) -> str:
        """File name of the config template."""
        return f"{self.template or self.name}.yaml.j2"

    @property
    def needs(self) -> dict[str, Any]:
        """The dotted AI-Toolkit keys without which it does not train on the controls as they are."""
        shown = self.settings.get("model.model_kwargs", {}).get("edit", False)
        return {
            **({"model.model_kwargs.edit": True} if shown else {}),
            **({"train.cache_text_embeddings": True} if self.must_cache_text else {}),
        }

    @property
    def trainer_settings(self) -> dict[str, Any]:
        """The dotted AI-Toolkit keys that depend on the model."""
        return {
            **self.needs,
            "model.arch": self.arch,
            "model.name_or_path": self.hub_id,
            "sample.guidance_scale": self.guidance,
            "sample.sample_steps": self.steps,
            "dataset.resolution": [self.max_resolution],
            **(_ONE_AT_A_TIME if self.batching != "any" else {}),
            **self.settings,
        }


_APACHE = Licence("apache-2.0")
_8_BIT: dict[str, Any] = {"model.quantize": True, "model.quantize_te": True, "model.low_vram": True}
_REFERENCE: dict[str, Any] = {
    "sample.width": 896,
    "sample.height": 1120,
    "model.model_kwargs": {"match_target_res": False},
}
_NO_CONVOLUTIONS: dict[str, Any] = {"network.conv": None, "network.conv_alpha": None}


def _bfl_licence(name: str, hub_id: str) -> Licence:
    return Licence("other", name, f"https://huggingface.co/{hub_id}/blob/main/LICENSE.md")


def _qwen(name: str, hub_id: str, arch: str, pipeline: str, layout: Layout) -> EditModel:
    return EditModel(
        name=name,
        hub_id=hub_id,
        licence=_APACHE,
        arch=arch,
        layout=layout,
        divisible_by_px=32,
        size=ModelSize(
            parameters=20.43e9, text_encoder_parameters=8.29e9, width=3072, blocks=60, lora_width=9_216_000
        ),
        pipeline=pipeline,
        # Otherwise the trainer encodes a batch's prompts with one item's images and shrinks the controls.
        batching="same_shapes" if layout == "reference" else "any",
        must_cache_text=layout == "reference",
        template="qwen-image-edit-plus" if layout == "reference" else None,
        recovery_adapter=(
            f"uint3|ostris/accuracy_recovery_adapters/{name.replace('-', '_')}_torchao_uint3.safetensors"
        ),
        settings={**_8_BIT, **(_REFERENCE if layout == "reference" else {}), "sample.neg": " "},
    )


def _klein(name: str, size_name: str, licence: str | None, size: ModelSize) -> EditModel:
    base, distilled = (f"black-forest-labs/FLUX.2-klein-{infix}{size_name}" for infix in ("base-", ""))
    licences = [_bfl_licence(licence, hub_id) if licence else _APACHE for hub_id in (base, distilled)]
    return EditModel(
        name=name,
        hub_id=base,
        licence=licences[0],
        arch=f"flux2_klein_{size_name.lower()}",
        layout="reference",
        size=size,
        pipeline="Flux2KleinPipeline",
        is_gated=licence is not None,
        batching="same_shapes",
        makes_from_text=True,
        template="flux2-klein",
        settings={**_8_BIT, **_REFERENCE},
        variants={distilled: licences[1]},
    )


_KLEIN_4B = ModelSize(
    parameters=3.88e9,
    text_encoder_parameters=4.02e9,
    width=3072,
    blocks=25,
    lora_width=1_505_280,
    latent_channels=32,
    loads_text_encoder_whole=False,
)


def _without_pipeline(
    name: str,
    hub_id: str,
    arch: str,
    layout: Layout,
    size: ModelSize,
    settings: dict[str, Any],
    **others: Any,
) -> EditModel:
    """A model that AI-Toolkit trains but diffusers cannot run; steps and guidance are those of its UI."""
    reference = {"sample.width": 896, "sample.height": 1120} if layout == "reference" else {}
    settings = {**_NO_CONVOLUTIONS, **reference, **settings}
    return EditModel(name, hub_id, arch, layout, size, template=layout, settings=settings, **others)


_ENTRIES = (
    EditModel(
        name="kontext",
        hub_id="black-forest-labs/FLUX.1-Kontext-dev",
        licence=_bfl_licence("flux-1-dev-non-commercial-license", "black-forest-labs/FLUX.1-Kontext-dev"),
        arch="flux_kontext",
        layout="stitched",
        size=ModelSize(
            parameters=11.9e9, text_encoder_parameters=4.89e9, width=3072, blocks=57, lora_width=5_369_856
        ),
        pipeline="FluxKontextPipeline",
        steps=28,
        guidance=2.5,
        batches=True,
        is_gated=True,
        settings={"sample.sample_steps": 30},
    ),
    _qwen("qwen-image-edit", "Qwen/Qwen-Image-Edit", "qwen_image_edit", "QwenImageEditPipeline", "stitched"),
    _qwen(
        "qwen-image-edit-2509",
        "Qwen/Qwen-Image-Edit-2509",
        "qwen_image_edit_plus",
        "QwenImageEditPlusPipeline",
        "reference",
    ),
    _qwen(
        "qwen-image-edit-2511",
        "Qwen/Qwen-Image-Edit-2511",
        "qwen_image_edit_plus:2511",
        "QwenImageEditPlusPipeline",
        "reference",
    ),
    EditModel(
        name="flux2",
        hub_id="black-forest-labs/FLUX.2-dev",
        licence=_bfl_licence("flux-dev-non-commercial-license", "black-forest-labs/FLUX.2-dev"),
        arch="flux2",
        layout="reference",
        size=ModelSize(
            parameters=32.2e9,
            text_encoder_parameters=24.0e9,
            width=6144,
            blocks=56,
            lora_width=6_291_456,
            latent_channels=32,
        ),
        pipeline="Flux2Pipeline",
        steps=28,
        is_gated=True,
        batching="same_shapes",
        makes_from_text=True,
        text_encoder_qtype="qtype",
        settings={**_8_BIT, **_REFERENCE},
    ),
    _klein("flux2-klein", "4B", None, _KLEIN_4B),  # the one that is not gated
    _klein("flux2-klein-4b", "4B", None, _KLEIN_4B),
    _klein(
        "flux2-klein-9b",
        "9B",
        "flux-non-commercial-license",
        ModelSize(
            parameters=9.08e9,
            text_encoder_parameters=8.19e9,
            width=4096,
            blocks=32,
            lora_width=2_719_744,
            latent_channels=32,
            loads_text_encoder_whole=False,
        ),
    ),
    _without_pipeline(
        "omnigen2",
        "OmniGen2/OmniGen2",
        "omnigen2",
        "stitched",
        ModelSize(
            parameters=3.97e9, text_encoder_parameters=3.75e9, width=2520, blocks=36, lora_width=2_360_416
        ),
        {"model.quantize_te": True, "train.timestep_type": "sigmoid"},
        licence=_APACHE,
        makes_from_text=True,
    ),
    _without_pipeline(
        "hidream-e1",
        "HiDream-ai/HiDream-E1-1",
        "hidream_e1",
        "stitched",
        ModelSize(
            parameters=17.1e9,
            text_encoder_parameters=13.6e9,
            width=2560,
            blocks=48,
            lora_width=3_756_032,
            loads_text_encoder_whole=False,
        ),
        {**_8_BIT, "network.network_kwargs": {"ignore_if_contains": ["ff_i.experts", "ff_i.gate"]}},
        licence=Licence("mit"),
        max_resolution=1024,
    ),
    _without_pipeline(
        "krea2-edit",
        "krea/Krea-2-Raw",
        "krea2:o_edit",
        "reference",
        ModelSize(
            parameters=12.8e9, text_encoder_parameters=4.44e9, width=6144, blocks=28, lora_width=3_354_624
        ),
        {
            **_8_BIT,
            "train.timestep_type": "linear",
            "model.model_kwargs": {"edit": True, "match_target_res": True, "kv_cache": True},
        },
        is_gated=True,
        makes_from_text=True,
    ),
    _without_pipeline(
        "mage-flow-edit",
        "microsoft/Mage-Flow-Edit-Base",
        "mageflow_edit",
        "reference",
        ModelSize(
            parameters=4.12e9,
            text_encoder_parameters=4.44e9,
            width=3072,
            blocks=12,
            lora_width=1_843_200,
            latent_channels=32,  # 128 at 1/16
        ),
        {**_8_BIT, "train.timestep_type": "linear"},
        batching="none",
    ),
    _without_pipeline(
        "boogu-image-edit",
        "Boogu/Boogu-Image-0.1-Edit",
        "boogu_image_edit",
        "reference",
        ModelSize(
            parameters=10.3e9, text_encoder_parameters=8.77e9, width=3360, blocks=46, lora_width=5_249_440
        ),
        {**_8_BIT, "train.timestep_type": "linear", "model.model_kwargs": {"match_target_res": False}},
    ),
)
MODELS: dict[str, EditModel] = {model.name: model for model in _ENTRIES}
"""The models by name."""
DEFAULT_MODEL = "kontext"


def find_model(name: str) -> EditModel:
    """The model with a name.

    Raises:
        UsageError: if no model has that name; the message lists all names and suggests the closest.
    """
    if name not in MODELS:
        arch = name.replace("-", "_")
        near = [known.name for known in MODELS.values() if known.arch.split(":")[0] == arch]
        near = near or get_close_matches(name, MODELS, n=1)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"{name}: unknown model; {meant}known models: {', '.join(MODELS)}.")
    return MODELS[name]


def model_of_arch(arch: str) -> EditModel | None:
    """The model of a config's ``model.arch``, or None if unknown.

    >>> model_of_arch("flux_kontext").hub_id
    'black-forest-labs/FLUX.1-Kontext-dev'
    """
    # The later of two entries for one arch wins: flux2-klein-4b, not flux2-klein.
    known = {model.arch: model for model in MODELS.values()}
    # The trainer ignores what follows a colon, so the first half of an arch means its first model.
    halves = {model.arch.split(":")[0]: model for model in reversed(known.values())}
    return known.get(arch) or halves.get(arch.split(":")[0])


def model_of_hub_id(hub_id: str) -> EditModel | None:
    """The model with these weights or a variant of them, or None."""
    return next(
        (model for model in MODELS.values() if hub_id == model.hub_id or hub_id in model.variants), None
    )


def base_licence(hub_id: str) -> Licence:
    """The licence of a base model.

    >>> base_licence("Qwen/Qwen-Image-Edit").identifier
    'apache-2.0'

    Raises:
        UsageError: if it is unknown; a licence is never guessed.
    """
    model = model_of_hub_id(hub_id)
    licence = model.variants.get(hub_id, model.licence) if model else None
    if licence is None:
        known = ", ".join(dict.fromkeys(each.hub_id for each in MODELS.values() if each.licence))
        raise UsageError(
            f"{hub_id}: unknown licence; give the base model's hub name ({known}) or its licence"
        )
    return licence


def pipeline_of(name: str) -> str:
    """The diffusers pipeline class of a model.

    >>> pipeline_of("flux2-klein-4b")
    'Flux2KleinPipeline'

    Raises:
        UsageError: if diffusers has none or the model is unknown.
    """
    pipeline = find_model(name).pipeline
    if pipeline is None:
        raise UsageError(
            f"{name} can be trained but not run here: diffusers has no editing pipeline for it. "
            "Look at the samples that the trainer writes, or use the program of the model's authors."
        )
    return pipeline
