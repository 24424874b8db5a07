"""Grounding DINO, SAM 2 and SAM 3 of the real classes, with random weights, small enough for a test.

They stand for the published weights, which cannot be had here: the code that loads and runs them is the
same, what they see is noise.
"""

import json
import string
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
    Sam3Config,
    Sam3Model,
    Sam3VisionConfig,
    Sam3ViTConfig,
    SwinConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)

WORDS = ("shirt", "trousers", "dress", "jacket", "gilet", "pants", "skirt")


@dataclass(frozen=True)
class Sizes:
    """What the configurations of Grounding DINO and SAM 2 differ in between tiny and published models."""

    dino_text: dict
    dino_image: dict
    dino: dict
    dino_photo_px: dict
    sam_side_px: int
    sam_backbone: dict
    sam_channels: list
    sam_hidden: int
    sam_prompt: dict
    sam_decoder: dict


TINY = Sizes(
    dino_text={
        "vocab_size": 1200, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32,
    },
    dino_image={
        "image_size": 64, "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8], "window_size": 4
    },
    dino={
        "num_queries": 12, "d_model": 32, "encoder_layers": 1, "encoder_ffn_dim": 32,
        "encoder_attention_heads": 2, "decoder_layers": 2, "decoder_ffn_dim": 32,
        "decoder_attention_heads": 2, "max_text_len": 64,
    },
    dino_photo_px={"shortest_edge": 96, "longest_edge": 160},
    sam_side_px=128,
    sam_backbone={
        "hidden_size": 8, "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads": 1, "num_attention_heads_per_stage": [1, 1, 2, 4],
        "window_size_per_stage": [8, 4, 4, 4], "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    },
    sam_channels=[64, 32, 16, 8],
    sam_hidden=32,
    sam_prompt={"patch_size": 16, "mask_input_channels": 8},
    sam_decoder={"mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
)  # fmt: skip
BASE = Sizes(
    dino_text={},
    dino_image={
        "image_size": 384, "embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32],
        "window_size": 12,
    },
    dino={},
    dino_photo_px={"shortest_edge": 800, "longest_edge": 1333},
    sam_side_px=1024,
    sam_backbone={
        "hidden_size": 144, "blocks_per_stage": [2, 6, 36, 4],
        "embed_dim_per_stage": [144, 288, 576, 1152], "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16], "window_size_per_stage": [8, 4, 16, 8],
        "global_attention_blocks": [23, 33, 43], "window_positional_embedding_background_size": [7, 7],
    },
    sam_channels=[1152, 576, 288, 144],
    sam_hidden=256,
    sam_prompt={},
    sam_decoder={},
)  # fmt: skip
"""Grounding DINO base and SAM 2.1 hiera-large."""


def build_grounding_dino(folder: Path, sizes: Sizes = TINY) -> Path:
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(out_indices=[2, 3, 4], **sizes.dino_image),
        text_config=BertConfig(**sizes.dino_text), disable_custom_kernels=True, **sizes.dino,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    _tokenizer(folder)
    GroundingDinoImageProcessorPil(size=sizes.dino_photo_px).save_pretrained(folder)
    return folder


def build_sam2(folder: Path, sizes: Sizes = TINY) -> Path:
    torch.manual_seed(1)
    side_px = sizes.sam_side_px
    vision = Sam2VisionConfig(
        backbone_config=Sam2HieraDetConfig(image_size=[side_px, side_px], **sizes.sam_backbone),
        backbone_channel_list=sizes.sam_channels,
        backbone_feature_sizes=[[side_px // step] * 2 for step in (4, 8, 16)],
        fpn_hidden_size=sizes.sam_hidden,
    )
    prompt = Sam2PromptEncoderConfig(hidden_size=sizes.sam_hidden, image_size=side_px, **sizes.sam_prompt)
    decoder = Sam2MaskDecoderConfig(hidden_size=sizes.sam_hidden, **sizes.sam_decoder)
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    Sam2Model(config).save_pretrained(folder)
    return folder


def build_sam2_video(folder: Path, image_model: Path) -> Path:
    """As the published SAM 2.1 is: a checkpoint for videos, of which the image model is a part."""
    image = Sam2Config.from_pretrained(image_model)
    config = Sam2VideoConfig(
        vision_config=image.vision_config.to_dict(),
        prompt_encoder_config=image.prompt_encoder_config.to_dict(),
        mask_decoder_config=image.mask_decoder_config.to_dict(),
        memory_attention_hidden_size=32, memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1, memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=32, memory_encoder_output_channels=8, mask_downsampler_embed_dim=32,
        memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=32, memory_fuser_num_layers=1,
    )  # fmt: skip
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def build_sam3(folder: Path) -> Path:
    torch.manual_seed(2)
    encoder = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vit = Sam3ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56,
        patch_size=14, window_size=2, global_attn_indexes=[1], pretrain_image_size=28,
    )  # fmt: skip
    vision = Sam3VisionConfig(
        backbone_config=vit, fpn_hidden_size=16, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]]
    )
    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    text = {
        "vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32, "projection_dim": 16,
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
        "bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1,
    }  # fmt: skip
    config = Sam3Config(
        vision_config=vision, text_config=text, geometry_encoder_config=encoder, detr_encoder_config=encoder,
        detr_decoder_config={**encoder, "num_layers": 2, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )  # fmt: skip
    Sam3Model(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32,
        pad_token="<|endoftext|>",
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> None:
    # Grounding DINO knows its separators by their numbers in BERT's vocabulary.
    vocabulary = [f"[unused{index}]" for index in range(1100)]
    for index, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".",
                         1029: "?"}.items():  # fmt: skip
        vocabulary[index] = token
    letters = string.ascii_lowercase + "-"
    for index, token in enumerate([*WORDS, *letters, *(f"##{letter}" for letter in letters)]):
        vocabulary[1 + index] = token
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=512).save_pretrained(folder)
