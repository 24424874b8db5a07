"""Qwen-Image-Edit checkpoints of the real classes with random weights."""

from tiny_sizes import sizes

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}{% endfor %}"
)


def build_tiny_qwen(folder, model, latent_channels=4):
    """Write a diffusers folder; needs torchvision. AI-Toolkit expects the real 16 latent channels."""
    import torch
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPipeline,
        QwenImageEditPlusPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    text = {**sizes("build_tiny_qwen.text"), "vocab_size": len(tokenizer)}
    vision = sizes("build_tiny_qwen.vision")
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=text,
            vision_config=vision,
            image_token_id=number("<|image_pad|>"),
            video_token_id=number("<|video_pad|>"),
            vision_start_token_id=number("<|vision_start|>"),
            vision_end_token_id=number("<|vision_end|>"),
        )
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=4 * latent_channels,
        out_channels=latent_channels,
        **sizes("build_tiny_qwen.QwenImageTransformer2DModel"),
    )
    vae = AutoencoderKLQwenImage(
        z_dim=latent_channels,
        latents_mean=[0.0] * latent_channels,
        latents_std=[1.0] * latent_channels,
        **sizes("build_tiny_qwen.AutoencoderKLQwenImage"),
    )
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
    )
    pipeline = QwenImageEditPipeline if model == "qwen-image-edit" else QwenImageEditPlusPipeline
    pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        processor=processor,
        transformer=transformer,
    ).save_pretrained(folder)
    return folder


def qwen_tokenizer():
    """Bytes as tokens, with Qwen's marks."""
    from transformers import Qwen2TokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {letter: index for index, letter in enumerate(bytes_to_unicode().values())}
    marks = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    for mark in marks:
        vocabulary[mark] = len(vocabulary)
    tokenizer = Qwen2TokenizerFast(vocab=vocabulary, merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:]})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
