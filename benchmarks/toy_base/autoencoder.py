"""The toy's autoencoder: a real AutoencoderKL that shrinks by 4 into 16 channels.

Its encoder is taught a fixed linear code: the first three channels are the mean colour of a block of 4 x 4
pixels on opponent axes, the other thirteen are the main directions of what else a block shows. So a change of
colour is a change of three channels, which a small transformer learns in minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.toy_base.loop import Schedule, fit

LATENT_CHANNELS = 16
BLOCK_PX = 4
_COLOURS = 3
_LEARNING_RATE = 2e-3
_BATCH = 4
_CODE_WEIGHT = 1.0
# Chroma varies less than lightness; so all three mean colours vary by about 0.4.
_COLOUR_GAINS = torch.tensor([1.0, 4.0, 4.0])
_OPPONENT = torch.tensor([[1.0, 1.0, 1.0], [2.0, -2.0, 0.0], [1.0, 1.0, -2.0]]) / 3
_RGB_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / torch.tensor([[0.95047], [1.0], [1.08883]])  # fmt: skip


def build_autoencoder() -> Any:
    """An untrained AutoencoderKL of about half a million weights."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(24, 32, 48), layers_per_block=1, norm_num_groups=4,
        latent_channels=LATENT_CHANNELS, shift_factor=0.0, scaling_factor=1.0, use_quant_conv=False,
        use_post_quant_conv=False, mid_block_add_attention=False, sample_size=128,
    )  # fmt: skip


def train_autoencoder(pool: dict[str, Any], state_path: Path, schedule: Schedule, seed: int = 0) -> Any:
    """Train on the pool's canvases; returns the AutoencoderKL."""
    torch.manual_seed(seed)
    model = build_autoencoder()
    filters = block_code(to_tensor(pool["images"][:200, 0]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0)
    images, weights = pool["images"], pool["weights"]

    def loss_of(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        chosen = rng.integers(len(images), size=_BATCH)
        batch = to_tensor(images[chosen, rng.integers(images.shape[1], size=_BATCH)])
        if rng.random() < 0.5:
            batch, shown = batch.flip(-1), weights[chosen][..., ::-1].copy()
        else:
            shown = weights[chosen]
        weight = 1 + 2 * torch.from_numpy(shown)[:, None]
        noise = torch.Generator().manual_seed(step)
        with torch.autocast("cpu", torch.bfloat16):
            code = model.encode(batch).latent_dist.mean
            wanted = code_of(batch, filters)
            jitter = 0.02 * torch.randn(code.shape, generator=noise)
            decoded = model.decode(code + jitter).sample
        decoded, difference = decoded.float(), to_lab(decoded.float()) - to_lab(batch)
        coarse = functional.avg_pool2d(difference, BLOCK_PX).abs().mean()
        fine = (difference.abs() * weight).mean() + 0.5 * ((decoded - batch).abs() * weight).mean()
        return fine + 2 * coarse + _CODE_WEIGHT * (code.float() - wanted).pow(2).mean()

    trained = fit(model, [optimizer], schedule, loss_of, state_path)
    # The encoder's second half is the logarithm of a variance that nothing here uses: make it negligible.
    with torch.no_grad():
        trained.encoder.conv_out.weight[LATENT_CHANNELS:] = 0
        trained.encoder.conv_out.bias[LATENT_CHANNELS:] = -20
    return trained


def block_code(sample: Any) -> Any:
    """Filters ``(16, 3, 4, 4)`` of the linear code, from pictures ``(B, 3, H, W)`` in -1..1."""
    area = BLOCK_PX**2
    blocks = functional.unfold(sample, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).reshape(-1, 3, area)
    blocks = torch.einsum("ij,njp->nip", _OPPONENT, blocks)
    details = (blocks - blocks.mean(2, keepdim=True)).flatten(1)
    covariance = details.T @ details / len(details)
    sizes, directions = torch.linalg.eigh(covariance)
    count = LATENT_CHANNELS - _COLOURS
    # Half-way to unit size: fine detail counts, but not as much as coarse detail.
    scale = sizes[-count:].clamp_min(1e-8) ** -0.5
    kept = (directions[:, -count:] * (0.35 * scale.clamp_max(40.0))).T.reshape(count, 3, area)
    kept = kept - kept.mean(2, keepdim=True)
    means = torch.diag(_COLOUR_GAINS)[:, :, None].expand(3, 3, area) / area
    filters = torch.einsum("cip,ij->cjp", torch.cat([means, kept]), _OPPONENT)
    return filters.reshape(LATENT_CHANNELS, 3, BLOCK_PX, BLOCK_PX).contiguous()


def code_of(images: Any, filters: Any) -> Any:
    """The linear code ``(B, 16, H / 4, W / 4)`` of pictures."""
    return functional.conv2d(images, filters, stride=BLOCK_PX)


def to_tensor(images: Any) -> Any:
    """``(B, H, W, 3)`` uint8 to ``(B, 3, H, W)`` float32 in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_lab(images: Any) -> Any:
    """sRGB ``(B, 3, H, W)`` in -1..1 to CIELAB (D65) divided by 100, differentiable."""
    encoded = ((images + 1) / 2).clamp(1e-4, 1.2)
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,bjhw->bihw", _RGB_TO_XYZ, linear).clamp_min(1e-5)
    f = torch.where(xyz > 0.008856, xyz ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([1.16 * f[:, 1] - 0.16, 5 * (f[:, 0] - f[:, 1]), 2 * (f[:, 1] - f[:, 2])], 1)
