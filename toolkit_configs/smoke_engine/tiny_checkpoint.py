"""FLUX.1-Kontext checkpoints of the real classes, loaded by the code that loads the real one.

`TOY_BASE` is small enough to ship, and trained (``python -m benchmarks.toy_base``), so that a LoRA on it
learns within a minute; its card lies beside its weights. A tiny random one is built for smoke runs: it
generates noise.

Run as a script with a folder it needs nothing of chromiq, so the trainer's own environment can build one.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path
from typing import Any

_WIDTH = 32
# AI-Toolkit tells target and control latents apart by this number.
_LATENT_CHANNELS = 16
TOY_BASE = Path(__file__).parent / "toy_kontext"
"""A diffusers folder for `FluxKontextPipeline.from_pretrained`."""
TOY_CANVAS_WH = (128, 80)
"""The size of the stitched pictures that it knows, in pixels."""
TOY_DENOISING_STEPS = 4


def build_tiny_kontext(folder: Path, *, seed: int = 0) -> Path:
    """Write a diffusers folder that `FluxKontextPipeline.from_pretrained` loads; same seed, same weights."""
    from chromiq.progress import silence_model_libraries

    silence_model_libraries()
    return _write(folder, seed)


def _write(folder: Path, seed: int) -> Path:
    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxKontextPipeline,
        FluxTransformer2DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    first, second = _clip_tokenizer(), _t5_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(first),
                hidden_size=_WIDTH,
                intermediate_size=_WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                max_position_embeddings=77,
                projection_dim=_WIDTH,
                bos_token_id=first.bos_token_id,
                eos_token_id=first.eos_token_id,
                pad_token_id=first.pad_token_id,
            )
        )
        text_2 = T5EncoderModel(
            T5Config(
                vocab_size=len(second),
                d_model=_WIDTH,
                d_kv=16,
                d_ff=_WIDTH,
                num_layers=1,
                num_heads=2,
                pad_token_id=second.pad_token_id,
                eos_token_id=second.eos_token_id,
            )
        )
        transformer = FluxTransformer2DModel(
            in_channels=4 * _LATENT_CHANNELS,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            pooled_projection_dim=_WIDTH,
            guidance_embeds=True,
            axes_dims_rope=(4, 6, 6),
        )
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            norm_num_groups=4,
            latent_channels=_LATENT_CHANNELS,
            shift_factor=0.0,
            scaling_factor=1.0,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
    pipeline = FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=text,
        tokenizer=first,
        text_encoder_2=text_2,
        tokenizer_2=second,
        transformer=transformer,
    )
    save_pipeline(pipeline, folder)
    return folder


def save_pipeline(pipeline: Any, folder: Path) -> None:
    """Write a FluxKontextPipeline whose weights load in every release of transformers.

    Published checkpoints name CLIP's weights ``text_model.*``. A new transformers reads those names, but
    saves without the prefix, and then an older one, such as the trainer's, starts CLIP with random weights.
    """
    from safetensors.torch import load_file, save_file

    pipeline.save_pretrained(folder, safe_serialization=True)
    path = folder / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    prefix = "text_model."
    named = {prefix + name.removeprefix(prefix): value for name, value in weights.items()}
    save_file(named, path, metadata={"format": "pt"})


def _clip_tokenizer() -> Any:
    """Splits text into letters, the last of a word marked as CLIP marks it."""
    from transformers import CLIPTokenizerFast

    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    # Without a length diffusers overflows on padding.
    return CLIPTokenizerFast(vocab=vocabulary, merges=[], model_max_length=77)


def _t5_tokenizer() -> Any:
    """Splits text into letters, words led by the mark that T5 puts for a space."""
    from transformers import T5TokenizerFast

    tokens = ["<pad>", "</s>", "<unk>", "\N{LOWER ONE EIGHTH BLOCK}", *string.printable[:94]]
    vocabulary = [(token, -float(index > 2)) for index, token in enumerate(tokens)]
    return T5TokenizerFast(vocab=vocabulary, extra_ids=0, model_max_length=512)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), seed=0)
