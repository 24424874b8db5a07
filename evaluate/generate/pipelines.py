"""The image-editing models that diffusers runs: how each is loaded, called and kept from resizing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import numpy as np

from chromiq.errors import AccessError, ChromiqError, Finding, OptionError, UnsoundError, UsageError, needing
from chromiq.evaluate.generate.lora_files import read_lora_keys
from chromiq.models import Dtype, EditModel, Offload, Quantization, pipeline_of
from chromiq.progress import silence_model_libraries
from chromiq.records import RgbImage
from chromiq.runtime.torch_device import require_torch_device

_ADAPTER = "chromiq"
_QUANTIZED: dict[Quantization, str] = {"int8": "bitsandbytes_8bit", "nf4": "bitsandbytes_4bit"}


@dataclass(frozen=True)
class Loading:
    """Where and how the weights lie; it changes rounding, not the picture.

    Attributes:
        device: torch's name; CUDA when there is one, else the CPU.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``; bfloat16 on CUDA unless given.
        offload: ``"none"``, ``"model"`` (one part on the device at a time) or ``"sequential"`` (one layer).
        quantize: None, ``"int8"`` or ``"nf4"``: transformer and text encoder, by bitsandbytes.

    Raises:
        UsageError: if a value is unknown.
    """

    device: str | None = None
    dtype: Dtype | None = None
    offload: Offload = "none"
    quantize: Quantization | None = None

    def __post_init__(self) -> None:
        for option, known in (("dtype", Dtype), ("offload", Offload), ("quantize", Quantization)):
            word, words = getattr(self, option), get_args(known)
            if word is not None and word not in words:
                raise OptionError(option, f"{word!r} is unknown. Use one of {', '.join(words)}.")


def load_pipeline(model: str, checkpoint: str, loading: Loading, lora: Path | None = None) -> Any:
    """The pipeline, with a LoRA if given; `set_lora_scale` says how strongly it counts.

    Args:
        lora: a file that `read_lora_keys` has checked.

    Raises:
        AccessError: if the weights are gated or missing; it names the page.
        UnsoundError: if no key of the LoRA fits.
        UsageError: if a library, device or folder that was asked for is missing.
    """
    with needing("models", "generating"):
        import diffusers
        import torch
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
        from huggingface_hub.utils import validate_repo_id
    is_folder = Path(checkpoint).is_dir()
    try:
        validate_repo_id("folder" if is_folder else checkpoint)
    except HFValidationError as error:
        raise UsageError(
            f"{checkpoint}: is neither a folder nor a hub name (OWNER/NAME). Check the path."
        ) from error
    silence_model_libraries()
    device = loading.device or ("cuda" if torch.cuda.is_available() else "cpu")
    require_torch_device(device)
    options = {
        "dtype": getattr(torch, loading.dtype or ("bfloat16" if device.startswith("cuda") else "float32")),
        **_quantization(loading, device),
    }
    # What else a hub model or a library raises is no fault of the user's files.
    of_files = (ValueError, TypeError, KeyError, AttributeError) if is_folder else ()
    expected = (OSError, HfHubHTTPError, *of_files)
    try:
        pipeline = getattr(diffusers, pipeline_of(model)).from_pretrained(
            checkpoint, use_safetensors=True, **options
        )
    except expected as error:
        if is_folder:
            reason = str(error).partition("\n")[0][:200]
            raise AccessError(
                f"{checkpoint} is not a complete diffusers model ({reason}). "
                "Download all of it, or give a hub name."
            ) from error
        raise AccessError(
            f"{checkpoint} is not on this machine and cannot be downloaded. Accept its licence at "
            f"https://huggingface.co/{checkpoint} and set HF_TOKEN, or give a folder as the checkpoint."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    if lora:
        _load_lora(pipeline, model, lora)
    return _placed(pipeline, device, loading)


def set_lora_scale(pipeline: Any, scale: float) -> None:
    """Change how strongly the loaded LoRA counts; 0 gives the base model's pictures exactly."""
    pipeline.set_adapters([_ADAPTER], [scale])


def run_pipeline(
    pipeline: Any,
    model: EditModel,
    pictures: Sequence[tuple[RgbImage, RgbImage | None, str, int]],
    steps: int,
    guidance: float,
    on_step: Callable[[int], None] = lambda _: None,
) -> list[RgbImage]:
    """Pictures of the controls' size.

    Args:
        pipeline: as `load_pipeline` gives it.
        pictures: control ``(H, W, 3)`` uint8 sRGB, reference or None, prompt and seed, all of one size.
        on_step: called with the number of denoising steps that are done.

    Raises:
        ChromiqError: if the pipeline returned another size; a resized picture cannot be measured.
    """
    import torch
    from PIL import Image

    height_px, width_px = pictures[0][0].shape[:2]
    # On the CPU whatever the device: a seed gives the same noise everywhere.
    generators = [torch.Generator().manual_seed(seed) for *_, seed in pictures]

    def step_done(_pipeline: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        on_step(index + 1)
        return tensors

    call: dict[str, Any] = {
        "prompt": [prompt for _, _, prompt, _ in pictures],
        "width": width_px,
        "height": height_px,
        "num_inference_steps": steps,
        "generator": generators,
        "callback_on_step_end": step_done,
    }
    controls = [Image.fromarray(control) for control, *_ in pictures]
    references = [Image.fromarray(reference) for _, reference, *_ in pictures if reference is not None]
    pipeline_class = pipeline_of(model.name)
    if pipeline_class in {"Flux2Pipeline", "Flux2KleinPipeline"}:
        call |= {"image": [controls[0], *references], "prompt": pictures[0][2], "generator": generators[0]}
        call |= {"guidance_scale": guidance}
    elif pipeline_class == "FluxKontextPipeline":
        # Without max_area and _auto_resize it silently picks another size.
        call |= {"image": controls, "max_area": width_px * height_px, "_auto_resize": False}
        call |= {"guidance_scale": guidance}
    else:
        call |= {"image": [controls[0], *references] if model.has_reference else controls[0]}
        call |= {"prompt": pictures[0][2], "generator": generators[0]}
        call |= {"true_cfg_scale": guidance, "negative_prompt": " "}
    with _control_at_its_own_size(pipeline, width_px, height_px):
        images = pipeline(**call).images
    for image in images:
        if image.size != (width_px, height_px):
            raise ChromiqError(
                f"the pipeline returned {image.width}x{image.height} px for a control of "
                f"{width_px}x{height_px} px, which cannot be measured. Use controls of a size that it keeps."
            )
    return [np.array(image.convert("RGB")) for image in images]


@contextmanager
def _control_at_its_own_size(pipeline: Any, width_px: int, height_px: int) -> Iterator[None]:
    """Keep Qwen's pipelines from encoding the control at another size than the output's.

    They take the area from their modules: ``VAE_IMAGE_SIZE`` where there is one (what the text encoder
    sees, ``CONDITION_IMAGE_SIZE``, stays as trained), a literal in `calculate_dimensions` where not.
    """
    module = sys.modules[type(pipeline).__module__]
    own: dict[str, Any] = {}
    if hasattr(module, "VAE_IMAGE_SIZE"):
        own["VAE_IMAGE_SIZE"] = width_px * height_px
    elif hasattr(module, "calculate_dimensions"):
        own["calculate_dimensions"] = lambda _area, _ratio: (width_px, height_px, None)
    kept = {name: getattr(module, name) for name in own}
    vars(module).update(own)
    try:
        yield
    finally:
        vars(module).update(kept)


def _load_lora(pipeline: Any, model: str, lora: Path) -> None:
    """Load it into the pipeline, or refuse it if no layer fits, of which the libraries only warn."""
    cause = None
    try:
        pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name=_ADAPTER)
        if pipeline.get_list_adapters().get("transformer"):
            return
        message = f"no key fits {model}, for instance {read_lora_keys(lora)[0]}"
    except (ValueError, KeyError, RuntimeError, AttributeError) as error:
        # Keys of another model, or layers of another width.
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        message, cause = f"its layers do not fit {model} ({reason})", error
    hint = f"Use a LoRA trained on {model}, or another model."
    raise UnsoundError.of(Finding("lora.fit", str(lora), message, hint)) from cause


def _quantization(loading: Loading, device: str) -> dict[str, Any]:
    if loading.quantize is None:
        return {}
    if not device.startswith("cuda") or find_spec("bitsandbytes") is None:
        raise UsageError(
            f"quantize {loading.quantize} needs a CUDA device and bitsandbytes, and the device is {device}. "
            "Install bitsandbytes on a machine with a GPU, or leave the option out."
        )
    from diffusers import PipelineQuantizationConfig

    bits = {"load_in_8bit": True} if loading.quantize == "int8" else {"load_in_4bit": True}
    config = PipelineQuantizationConfig(
        quant_backend=_QUANTIZED[loading.quantize],
        quant_kwargs=bits,
        components_to_quantize=["transformer", "text_encoder", "text_encoder_2"],
    )
    return {"quantization_config": config}


def _placed(pipeline: Any, device: str, loading: Loading) -> Any:
    if loading.offload == "none":
        return pipeline.to(device)
    if device == "cpu":
        raise UsageError(
            f"offload {loading.offload} needs a GPU, and the device is the CPU. Leave the option out."
        )
    if loading.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return pipeline
