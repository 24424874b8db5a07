"""FLUX.2 and FLUX.2 klein checkpoints of the real classes with random weights.

The text encoders have the real number of layers, as the pipelines read layers by number.
"""

import string

from tiny_sizes import sizes

HEADS, HEAD_WIDTH, TEXT_WIDTH = 2, 16, 16
AXES = (4, 4, 4, 4)


def build_tiny_flux2(folder, model):
    """Write a diffusers folder for ``flux2`` or a klein."""
    import torch
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Pipeline,
        Flux2Transformer2DModel,
    )

    is_klein = model != "flux2"
    torch.manual_seed(0)
    tokenizer, encoder = klein_text() if is_klein else flux2_text()
    transformer = Flux2Transformer2DModel(
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=HEAD_WIDTH,
        num_attention_heads=HEADS,
        joint_attention_dim=3 * TEXT_WIDTH,
        axes_dims_rope=AXES,
        guidance_embeds=not is_klein,
    )
    vae = AutoencoderKLFlux2(block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4)
    pipeline = Flux2KleinPipeline if is_klein else Flux2Pipeline
    pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=transformer,
    ).save_pretrained(folder)
    return folder


def flux2_text():
    """Mistral 3's processor and model."""
    from tiny_qwen import CHAT_TEMPLATE
    from transformers import (
        Mistral3Config,
        Mistral3ForConditionalGeneration,
        PixtralImageProcessor,
        PixtralProcessor,
    )

    tokenizer = letters_tokenizer(["[IMG]", "[IMG_BREAK]", "[IMG_END]"])
    text = {
        **sizes("flux2_text.text"),
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": TEXT_WIDTH,
    }
    vision = sizes("flux2_text.vision")
    encoder = Mistral3ForConditionalGeneration(
        Mistral3Config(
            text_config=text, vision_config=vision, image_token_index=tokenizer.convert_tokens_to_ids("[IMG]")
        )
    )
    processor = PixtralProcessor(PixtralImageProcessor(), tokenizer, chat_template=CHAT_TEMPLATE)
    return processor, encoder


def klein_text():
    """Qwen 3's tokenizer and model."""
    from tiny_qwen import qwen_tokenizer
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = qwen_tokenizer()
    encoder = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=TEXT_WIDTH,
            **sizes("klein_text.Qwen3Config"),
        )
    )
    return tokenizer, encoder


def letters_tokenizer(marks):
    """Every printable character a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["<pad>", "<s>", "</s>", "<unk>", *marks, *string.printable]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        additional_special_tokens=marks,
        **sizes("letters_tokenizer.PreTrainedTokenizerFast"),
    )
