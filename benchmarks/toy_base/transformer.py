"""The toy's transformer: a real FluxTransformer2DModel that copies its control and knows a few edits.

Under the product's own caption it is only ever shown a copy, so what a LoRA brings under that caption is
the LoRA's. What it does learn to edit, under other captions: paint the still-life in the worn garment's
colour; dye the worn garment in a colour that the caption names, in that of a swatch on the left, or in that
of another garment on the left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.toy_base.autoencoder import BLOCK_PX, LATENT_CHANNELS, fit_block_code, to_tensor
from benchmarks.toy_base.loop import Schedule, fit
from benchmarks.toy_base.pictures import COLOUR_WORDS, MODEL_OFF, OTHER, STILL_OFF, SWATCH, TRUE, WORDS
from chromiq.dataset_builder.canvas.captions import caption
from chromiq.toolkit_configs.smoke_engine.engine import Batch, predict_velocity

TEXT_WIDTH = 32
_WIDTH, _HEAD = 128, 32
_AXES = (4, 14, 14)  # of a head's 32 dimensions, those that encode picture, row and column
_THETA = 10_000.0
BATCH = 4
_MUON_RATE, _ADAM_RATE = 0.02, 2e-3
_COPIES = (
    "keep everything",
    "leave the picture as it is",
    "reproduce the image",
    "a still-life and a model",
    "",
)
_TASKS = {"copy": 0.3, "left": 0.1, "word": 0.1, "swatch": 0.2, "other": 0.3}
_SEEN_TOKENS = 16
_MAX_TOKENS = ((0.8, 128, _SEEN_TOKENS), (0.97, 128, 128), (1.0, 512, 512))
"""How likely, so far, a step sees captions padded to how many tokens, of which it sees how many.

The smoke engine pads to 128 and the pipeline to 512; most steps see the first 16, which hold what differs."""


# Pairs of dimensions with the highest frequencies, 1 and 0.27 radians per step, of each axis; the second of
# the picture's axis hardly turns and so only flattens a look.
_PICTURE, _FLAT, _ROWS, _COLUMNS = 0, 1, _AXES[0] // 2, (_AXES[0] + _AXES[1]) // 2
_HERE = dict.fromkeys((_PICTURE, _ROWS, _ROWS + 1, _COLUMNS, _COLUMNS + 1), (0.2, 0.0))
"""The same place of the picture in the making."""
_CONTROL = _HERE | {_PICTURE: (0.2, 1.0)}
"""The same place of the control."""
_STILL_LIFE = {
    _PICTURE: (0.2, 1.0),
    _FLAT: (0.45, 0.0),
    _ROWS + 1: (0.1, 0.0),
    _COLUMNS + 1: (0.25, -8 * _THETA ** (-2 / _AXES[2])),
}
"""Around the place of the control that lies a panel, eight tokens, to the left."""
_FIRST_LOOKS = (_CONTROL, _CONTROL, _HERE, _STILL_LIFE)
_LATER_LOOKS = (_CONTROL, _HERE, _STILL_LIFE)


@dataclass(frozen=True, eq=False)
class Example:
    """One picture to learn from: control and target latents ``(16, h, w)``, and the caption."""

    control: Any
    target: Any
    text: str


@dataclass(frozen=True, eq=False)
class Latents:
    """The pool's canvases as the autoencoder sees them, divided by `scale` to unit size.

    Attributes:
        canvases: ``(N, 10, 16, 20, 32)`` float16.
        scale: standard deviation of the latents; 1 / scale is the checkpoint's scaling factor.
        words: ``(N, 2)`` names of colours.
        garments: ``(N,)`` names of garments.
    """

    canvases: Any
    scale: float
    words: Any
    garments: Any


def encode_pool(pool: dict[str, Any]) -> Latents:
    """Encode every canvas of the pool, by the linear code that the autoencoder's encoder is set to."""
    filters = fit_block_code(pool)
    encoded = [functional.conv2d(to_tensor(images), filters, stride=BLOCK_PX) for images in pool["images"]]
    canvases = torch.stack(encoded)
    scale = float(canvases[:400].std())
    return Latents((canvases / scale).half(), scale, pool["words"], pool["garments"])


class Captions:
    """Embeds captions with the checkpoint's own text encoders, and remembers them."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self._known: dict[tuple[str, int], tuple[Any, Any]] = {}

    def __call__(self, texts: list[str], padded_to: int, seen: int) -> tuple[Any, Any]:
        """Token embeddings ``(B, seen, 32)`` and pooled embeddings ``(B, 32)``."""
        for text in texts:
            if (text, padded_to) not in self._known:
                with torch.no_grad():
                    tokens, pooled, _ = self.pipeline.encode_prompt(
                        prompt=text, prompt_2=None, device="cpu", max_sequence_length=padded_to
                    )
                self._known[text, padded_to] = tokens[0].half(), pooled[0]
        pairs = [self._known[text, padded_to] for text in texts]
        return torch.stack([t[:seen].float() for t, _ in pairs]), torch.stack([p for _, p in pairs])


def all_captions(garments: list[str]) -> list[str]:
    """Every caption that the training draws from."""
    per_garment = [(caption("kontext", g), left_caption(g), swatch_caption(g)) for g in garments]
    named = [word_caption(g, word) for g in garments for word in COLOUR_WORDS]
    return [*_COPIES, *(text for texts in per_garment for text in texts), *named]


def left_caption(garment: str) -> str:
    return f"repaint the flat {garment} like the worn one"


def word_caption(garment: str, word: str) -> str:
    return f"{word} {garment} on the model"


def swatch_caption(garment: str) -> str:
    return f"dye this {garment} after the colour card"


def build_transformer(pooled: Any, seed: int = 0) -> Any:
    """A transformer of 1.5 million weights whose first attention looks at the same place of the control.

    Args:
        pooled: pooled embeddings ``(N, 32)`` of all captions, so that their differences, which are small for
            random text encoders, are seen at unit size.
        seed: of its weights.
    """
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(seed)
    model = FluxTransformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=3,
        attention_head_dim=_HEAD,
        num_attention_heads=_WIDTH // _HEAD,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=_AXES,
    )
    with torch.no_grad():
        embed = model.time_text_embed
        embed.guidance_embedder.linear_2.weight.zero_()
        embed.guidance_embedder.linear_2.bias.zero_()
        _whiten(embed.text_embedder.linear_1, pooled)
        for number, block in enumerate((*model.transformer_blocks, *model.single_transformer_blocks)):
            for head, turns in enumerate(_FIRST_LOOKS if number == 0 else _LATER_LOOKS):
                _look(block.attn, head, turns)
            block.attn.norm_q.weight.fill_(1.8)
            block.attn.norm_k.weight.fill_(1.8)
            _open_gates(block)
        model.norm_out.linear.weight *= 0.3
        model.norm_out.linear.bias.zero_()
    embed.guidance_embedder.requires_grad_(False)
    return model


def _whiten(layer: Any, inputs: Any) -> None:
    """Make a linear layer see the principal directions of `inputs` at unit size."""
    mean = inputs.mean(0)
    _, sizes, directions = torch.linalg.svd(inputs - mean, full_matrices=False)
    kept = int((sizes > sizes[0] * 3e-3).sum())
    whitening = directions[:kept] / (sizes[:kept, None] / len(inputs) ** 0.5)
    layer.weight.copy_(torch.randn(len(layer.weight), kept) / kept**0.5 @ whitening)
    layer.bias.copy_(-layer.weight @ mean)


def _look(attention: Any, head: int, turns: dict[int, tuple[float, float]]) -> None:
    """Start a head with a look at places of a certain distance, whatever they show.

    With constant queries and keys, rotary embeddings leave a score that depends on the distance of two places
    only: the sum over pairs of dimensions of share * cos(frequency * distance - turn), where the distance is
    that of the place looked at, minus that of the place that looks.

    Args:
        attention: of one block.
        head: which one.
        turns: by pair of dimensions, its share of the score, the shares adding up to 1, and its turn.
    """
    query, key = torch.zeros(_HEAD), torch.zeros(_HEAD)
    for pair, (share, turn) in turns.items():
        key[2 * pair] = share**0.5
        query[2 * pair], query[2 * pair + 1] = share**0.5 * math.cos(turn), share**0.5 * math.sin(turn)
    rows = slice(head * _HEAD, (head + 1) * _HEAD)
    for layer, bias in ((attention.to_q, query), (attention.to_k, key)):
        layer.bias[rows] = 6 * bias
        layer.weight[rows] *= 0.5


def _open_gates(block: Any) -> None:
    """Let a block add to its input from the start; diffusers' own start is random."""
    for name in ("norm1", "norm1_context", "norm"):
        linear = getattr(getattr(block, name, None), "linear", None)
        if linear is None:
            continue
        linear.weight *= 0.3
        linear.bias.zero_()
        for chunk, bias in enumerate(linear.bias.chunk(linear.out_features // _WIDTH)):
            if chunk % 3 == 2:  # shift, scale, gate
                bias.fill_(0.7)


def draw_example(latents: Latents, index: int, task: str, rng: np.random.Generator) -> Example:
    """An example of a task from one pair of the pool."""
    canvases, garment = latents.canvases[index], str(latents.garments[index])
    if task == "copy":
        text = caption("kontext", garment) if rng.random() < 0.6 else str(rng.choice(_COPIES))
        canvas = canvases[int(rng.integers(len(canvases)))]
        return Example(canvas, canvas, text)
    if task == "left":
        return Example(canvases[int(rng.choice(STILL_OFF))], canvases[TRUE], left_caption(garment))
    if task == "word":
        which = int(rng.integers(len(WORDS)))
        control = canvases[int(rng.choice((TRUE, *MODEL_OFF)))]
        return Example(
            control, canvases[WORDS[which]], word_caption(garment, str(latents.words[index][which]))
        )
    if task in ("swatch", "other"):
        target, half = canvases[SWATCH if task == "swatch" else OTHER], canvases.shape[-1] // 2
        off = canvases[int(rng.choice(MODEL_OFF))]
        control = torch.cat([target[..., :half], off[..., half:]], -1)
        if rng.random() < 0.1:  # under the product's caption neither changes anything
            return Example(control, control, caption("kontext", garment))
        return Example(control, target, swatch_caption(garment))
    raise ValueError(task)


def train_transformer(
    latents: Latents, captions: Captions, state_path: Path, schedule: Schedule, *, seed: int = 0
) -> Any:
    """Train by flow matching; returns the FluxTransformer2DModel.

    Args:
        latents: to learn from.
        captions: embeds the captions.
        state_path: where the run is saved, and resumed from if it exists.
        schedule: how long.
        seed: of new weights, the order of the examples and the noise.
    """
    texts = all_captions(sorted(set(map(str, latents.garments))))
    _, pooled = captions(texts, 128, _SEEN_TOKENS)
    model = build_transformer(pooled, seed)
    matrices = [
        value
        for name, value in model.named_parameters()
        if value.ndim == 2 and "blocks" in name and "norm" not in name
    ]
    chosen = {id(value) for value in matrices}
    others = [v for v in model.parameters() if v.requires_grad and id(v) not in chosen]
    optimizers = [
        torch.optim.Muon(matrices, lr=_MUON_RATE, weight_decay=0.0, momentum=0.95),
        torch.optim.AdamW(others, lr=_ADAM_RATE, betas=(0.9, 0.98), weight_decay=0),
    ]
    channels = torch.ones(1, LATENT_CHANNELS, 1, 1)
    channels[:, :3] = 3.0

    def loss_of(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        tasks = rng.choice(list(_TASKS), BATCH, p=list(_TASKS.values()))
        indices = rng.integers(len(latents.canvases), size=BATCH)
        examples = [draw_example(latents, int(i), str(t), rng) for i, t in zip(indices, tasks, strict=True)]
        chance = rng.random()
        padded_to, seen = next((padded, seen) for so_far, padded, seen in _MAX_TOKENS if chance <= so_far)
        prompt, pooled = captions([example.text for example in examples], padded_to, seen)
        control = torch.stack([example.control for example in examples]).float()
        target = torch.stack([example.target for example in examples]).float()
        noise_of = torch.Generator().manual_seed(1_000_003 * seed + step)
        sigma = torch.rand(BATCH, generator=noise_of)
        noise = torch.randn(target.shape, generator=noise_of)
        noisy = target + sigma[:, None, None, None] * (noise - target)
        with torch.autocast("cpu", torch.bfloat16):
            batch = Batch(target, control, None, prompt, pooled, torch.zeros(prompt.shape[1], 3))
            predicted = predict_velocity(model, captions.pipeline, noisy, sigma, batch).float()
        changed = ((control - target)[:, :3].abs().sum(1, keepdim=True) > 0.05).float()
        error = (predicted - (noise - target)) ** 2
        return (error * channels * (1 + 3 * changed)).mean()

    with _plain_attention():
        return fit(model, optimizers, schedule, loss_of, state_path)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as two matrix products: on a CPU, for so few tokens, a fifth faster than torch's own."""
    original = functional.scaled_dot_product_attention

    def attend(*positional: Any, **named: Any) -> Any:
        if positional or named.get("attn_mask") is not None or named.get("is_causal"):
            return original(*positional, **named)
        query, key, value = named["query"], named["key"], named["value"]
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        return torch.softmax(scores, -1) @ value

    functional.scaled_dot_product_attention = attend
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = original
