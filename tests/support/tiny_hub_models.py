"""Grounding DINO, SAM 2 and SAM 3 of the real classes, with random weights, small enough for a test.

They stand for the published weights, which cannot be had here: the code that loads and runs them is the
same, what they see is noise.
"""

import json
import string
from pathlib import Path

import torch
from tiny_sizes import sizes
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


def build_grounding_dino(folder: Path) -> Path:
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(out_indices=[2, 3, 4], **sizes("build_grounding_dino.SwinConfig")),
        text_config=BertConfig(**sizes("build_grounding_dino.BertConfig")),
        disable_custom_kernels=True,
        **sizes("build_grounding_dino.GroundingDinoConfig"),
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    _tokenizer(folder)
    GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160}).save_pretrained(folder)
    return folder


def build_sam2(folder: Path) -> Path:
    torch.manual_seed(1)
    side_px, hidden_size = 128, 32
    vision = Sam2VisionConfig(
        backbone_config=Sam2HieraDetConfig(
            image_size=[side_px, side_px], **sizes("build_sam2.Sam2HieraDetConfig")
        ),
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[side_px // step] * 2 for step in (4, 8, 16)],
        fpn_hidden_size=hidden_size,
    )
    prompt = Sam2PromptEncoderConfig(
        hidden_size=hidden_size, image_size=side_px, patch_size=16, mask_input_channels=8
    )
    decoder = Sam2MaskDecoderConfig(hidden_size=hidden_size, **sizes("build_sam2.Sam2MaskDecoderConfig"))
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
        **sizes("build_sam2_video.Sam2VideoConfig"),
    )
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def build_sam3(folder: Path) -> Path:
    torch.manual_seed(2)
    encoder = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vit = Sam3ViTConfig(**sizes("build_sam3.Sam3ViTConfig"))
    vision = Sam3VisionConfig(
        backbone_config=vit, fpn_hidden_size=16, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]]
    )
    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    text = {
        **sizes("build_sam3.text"),
        "vocab_size": len(words),
        "bos_token_id": len(words) - 2,
        "eos_token_id": len(words) - 1,
    }
    config = Sam3Config(
        vision_config=vision,
        text_config=text,
        geometry_encoder_config=encoder,
        detr_encoder_config=encoder,
        detr_decoder_config={**encoder, "num_layers": 2, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )
    Sam3Model(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32, pad_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> None:
    # Grounding DINO knows its separators by their numbers in BERT's vocabulary.
    vocabulary = [f"[unused{index}]" for index in range(1100)]
    for index, token in {
        0: "[PAD]",
        100: "[UNK]",
        101: "[CLS]",
        102: "[SEP]",
        103: "[MASK]",
        1012: ".",
        1029: "?",
    }.items():
        vocabulary[index] = token
    letters = string.ascii_lowercase + "-"
    for index, token in enumerate([*WORDS, *letters, *(f"##{letter}" for letter in letters)]):
        vocabulary[1 + index] = token
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=512).save_pretrained(folder)
