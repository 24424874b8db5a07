"""Qwen-Image-Edit checkpoints of the real classes with random weights, and a run of them by our own code.

Run as a program in a process of its own: ``python tiny_qwen.py FOLDER MODEL...``.
"""

import json
import sys
from pathlib import Path

import numpy as np

CONTROL_WH = (96, 64)


def build_tiny_qwen(folder, model):
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
    tokenizer = _tokenizer()
    number = tokenizer.convert_tokens_to_ids
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2,
        "rope_scaling": {"type": "default", "mrope_section": [1, 1, 2], "rope_type": "default"},
        "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
        "patch_size": 14, "fullatt_block_indexes": [0],
    }  # fmt: skip
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config=text, vision_config=vision, image_token_id=number("<|image_pad|>"),
            video_token_id=number("<|video_pad|>"), vision_start_token_id=number("<|vision_start|>"),
            vision_end_token_id=number("<|vision_end|>"),
        )
    )  # fmt: skip
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    vae = AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
    )
    pipeline = QwenImageEditPipeline if model == "qwen-image-edit" else QwenImageEditPlusPipeline
    pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae, text_encoder=encoder, tokenizer=tokenizer, processor=processor, transformer=transformer,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_lora(path, transformer_layers):
    """A LoRA of rank 2 on the named layers, whose widths are 32."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(1)
    state = {}
    for layer in transformer_layers:
        state[f"transformer.{layer}.lora_A.weight"] = torch.randn(2, 32)
        state[f"transformer.{layer}.lora_B.weight"] = torch.randn(32, 2)
    save_file(state, path)
    return path


def _tokenizer():
    """Bytes as tokens, with Qwen's marks."""
    from transformers import Qwen2TokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {letter: index for index, letter in enumerate(bytes_to_unicode().values())}
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
             "<|image_pad|>", "<|video_pad|>"]  # fmt: skip
    for mark in marks:
        vocabulary[mark] = len(vocabulary)
    tokenizer = Qwen2TokenizerFast(vocab=vocabulary, merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:]})
    return tokenizer


def run(model, folder):
    """Generate with a tiny checkpoint and print what came out as one line of JSON."""
    from chromiq.evaluate.generate.images import GenerateOptions, generate
    from chromiq.models import MODELS
    from chromiq.photos.images import read_photo, write_photo

    checkpoint = build_tiny_qwen(folder / "tiny", model)
    rng = np.random.default_rng(0)
    for name in "ab":
        for kind in ("control", "reference"):
            rgb = rng.integers(
                0, 256, (CONTROL_WH[1], CONTROL_WH[0] + 32 * (kind == "reference"), 3), np.uint8
            )
            write_photo(folder / kind / f"{name}.png", rgb)
    lora = write_lora(folder / "lora.safetensors", ["transformer_blocks.0.attn.to_q"])
    captions = {"a": "make it red", "b": "make it blue"}
    options = GenerateOptions(model=model, checkpoint=str(checkpoint), steps=2, seeds={"b": 7})
    references = folder / "reference" if MODELS[model].has_reference else None
    call = (folder / "control", folder / "out", captions, options)
    paths = generate(*call, lora=lora, references=references, scales=(0.0, 1.0))
    images = {str(path.relative_to(folder / "out")): read_photo(path).rgb for path in paths}
    again = generate(
        folder / "control", folder / "again", captions, options, lora=lora, references=references
    )
    print(
        json.dumps(
            {
                "panel": _panel_of_a_photo(folder, lora, options) if references else None,
                "model": model,
                "sizes": {name: [image.shape[1], image.shape[0]] for name, image in images.items()},
                "scale_matters": bool((images["scale_0/a.png"] != images["scale_1/a.png"]).any()),
                "repeats": bool((read_photo(again[1]).rgb == images["scale_1/b.png"]).all()),
            }
        )
    )


def _panel_of_a_photo(folder, lora, options):
    """What `chromiq correct` gets of the network for one photo: its width and height."""
    from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
    from chromiq.evaluate.generate.panels import LoraNetwork
    from chromiq.photos.images import write_photo
    from chromiq.records import PhotoPair
    from chromiq.sample_catalogue.catalogue import draw_pair

    drawn = draw_pair(0, size_wh=(96, 128))
    write_photo(folder / "still.png", drawn.still_life)
    write_photo(folder / "worn.png", drawn.on_model)
    pair = PhotoPair("photo", folder / "still.png", folder / "worn.png", garment="shirt")
    network = LoraNetwork(lora, options, "exact")
    panel = network.panels([pair], folder / "panels", ClassicSegmenter())["photo"]
    return [panel.shape[1], panel.shape[0]]


if __name__ == "__main__":
    from torchvision_code import make_importable

    library = make_importable()
    for model in sys.argv[2:]:
        run(model, Path(sys.argv[1]) / model)
