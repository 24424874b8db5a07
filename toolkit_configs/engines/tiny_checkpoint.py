"""A FLUX.1-Kontext checkpoint of the real classes, tiny and random: for smoke runs, not for pictures.

It is loaded by the code that loads the real one. What it generates is noise: it proves the plumbing.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

_WIDTH = 32
_LATENT_CHANNELS = 4


def build_tiny_kontext(folder: Path, *, seed: int = 0) -> Path:
    """Write a diffusers folder that `FluxKontextPipeline.from_pretrained` loads; under 2 MB.

    Args:
        folder: where to.
        seed: of its weights; the same seed gives the same weights.
    """
    import torch
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        FluxKontextPipeline,
        FluxTransformer2DModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    first, second = _tokenizer(77), _tokenizer(512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(first), hidden_size=_WIDTH, intermediate_size=_WIDTH, num_hidden_layers=1,
                num_attention_heads=2, max_position_embeddings=77, projection_dim=_WIDTH,
                bos_token_id=first.bos_token_id, eos_token_id=first.eos_token_id,
                pad_token_id=first.pad_token_id,
            )
        )  # fmt: skip
        text_2 = T5EncoderModel(
            T5Config(
                vocab_size=len(second), d_model=_WIDTH, d_kv=16, d_ff=_WIDTH, num_layers=1, num_heads=2,
                pad_token_id=second.pad_token_id, eos_token_id=second.eos_token_id,
            )
        )  # fmt: skip
        transformer = FluxTransformer2DModel(
            in_channels=4 * _LATENT_CHANNELS, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=_WIDTH, pooled_projection_dim=_WIDTH,
            guidance_embeds=True, axes_dims_rope=(4, 6, 6),
        )  # fmt: skip
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8, 8, 8, 8), norm_num_groups=4, latent_channels=_LATENT_CHANNELS,
            shift_factor=0.0, scaling_factor=1.0, use_quant_conv=False, use_post_quant_conv=False,
        )  # fmt: skip
    FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=text,
        tokenizer=first,
        text_encoder_2=text_2,
        tokenizer_2=second,
        transformer=transformer,
    ).save_pretrained(folder)
    return folder


def _tokenizer(model_max_length: int) -> Any:
    """Splits text into letters; without `model_max_length` diffusers overflows on padding."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<s>", "</s>"]
    vocabulary = {token: index for index, token in enumerate([*special, *string.printable])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex("."), behavior="isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", vocabulary["<s>"]), ("</s>", vocabulary["</s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=model_max_length, pad_token="<pad>", unk_token="<unk>",
        bos_token="<s>", eos_token="</s>",
    )  # fmt: skip
