"""The toy's autoencoder: a real AutoencoderKL that shrinks by 4 into 16 channels.

Its encoder is set, not trained: an exact linear code of blocks of 4 x 4 pixels. The first three channels are
the block's mean colour on opponent axes, the other thirteen the main directions of what else a block shows.
So a change of colour is a change of three channels, which a small transformer learns in minutes. The decoder
starts as the best linear way back that its convolutions can express, and is trained from there.
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
_LEARNING_RATE = 5e-4  # more spoils the linear way back that it starts from
_BATCH = 4
_GROUPS = 4
_OPPONENT = torch.tensor([[1.0, 1.0, 1.0], [2.0, -2.0, 0.0], [1.0, 1.0, -2.0]]) / 3
# Chroma varies less than lightness; with these gains all channels vary by about 0.3.
_COLOUR_GAINS = torch.tensor([0.54, 2.24, 2.24])
_RGB_TO_XYZ = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / torch.tensor([[0.95047], [1.0], [1.08883]])


def build_autoencoder(sample: Any) -> Any:
    """An AutoencoderKL of about half a million weights, linear to begin with.

    Args:
        sample: pictures ``(B, 3, H, W)`` in -1..1, to fit the linear code on.
    """
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(24, 32, 48),
        layers_per_block=1,
        norm_num_groups=_GROUPS,
        latent_channels=LATENT_CHANNELS,
        shift_factor=0.0,
        scaling_factor=1.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        sample_size=128,
    )
    with torch.no_grad():
        for module in model.modules():
            if type(module).__name__ == "ResnetBlock2D":  # adds nothing yet
                module.conv2.weight.zero_()
                module.conv2.bias.zero_()
        _set_encoder(model.encoder, _block_code(sample))
        _start_decoder(model.decoder, sample, model.encode(sample).latent_dist.mean)
    model.encoder.requires_grad_(False)
    return model


def train_autoencoder(pool: dict[str, Any], state_path: Path, schedule: Schedule, *, seed: int = 0) -> Any:
    """Train the decoder on the pool's canvases; returns the AutoencoderKL.

    Args:
        pool: as `benchmarks.toy_base.pictures.write_pool` writes it.
        state_path: where the run is saved, and resumed from if it exists.
        schedule: how long.
        seed: of the new decoder, the order of the pictures and the noise.
    """
    torch.manual_seed(seed)
    model = build_autoencoder(_sample(pool))
    optimizer = torch.optim.AdamW(
        model.decoder.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.99), weight_decay=0
    )
    images, weights = pool["images"], pool["weights"]

    def loss_of(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        chosen = rng.integers(len(images), size=_BATCH)
        batch = to_tensor(images[chosen, rng.integers(images.shape[1], size=_BATCH)])
        weight = 1 + 2 * torch.from_numpy(weights[chosen])[:, None]
        with torch.no_grad():
            code = model.encode(batch).latent_dist.mean
        code = code + 0.02 * torch.randn(code.shape, generator=torch.Generator().manual_seed(step))
        with torch.autocast("cpu", torch.bfloat16):
            decoded = model.decode(code).sample
        decoded = decoded.float()
        difference = to_lab(decoded) - to_lab(batch)
        coarse = functional.avg_pool2d(difference, BLOCK_PX).abs().mean()
        fine = (difference.abs() * weight).mean() + 0.5 * ((decoded - batch).abs() * weight).mean()
        return fine + 2 * coarse

    return fit(model, [optimizer], schedule, loss_of, state_path)


def fit_block_code(pool: dict[str, Any]) -> Any:
    """Filters ``(16, 3, 4, 4)`` of the encoder's linear code; applied with a stride of 4."""
    return _block_code(_sample(pool))


def _sample(pool: dict[str, Any]) -> Any:
    return to_tensor(pool["images"][:200, 1])


def _block_code(sample: Any) -> Any:
    """Filters ``(16, 3, 4, 4)`` of the linear code, from pictures ``(B, 3, H, W)`` in -1..1."""
    area = BLOCK_PX**2
    blocks = functional.unfold(sample, BLOCK_PX, stride=BLOCK_PX).transpose(1, 2).reshape(-1, 3, area)
    blocks = torch.einsum("ij,njp->nip", _OPPONENT, blocks)
    details = (blocks - blocks.mean(2, keepdim=True)).flatten(1)
    sizes, directions = torch.linalg.eigh(details.T @ details / len(details))
    count = LATENT_CHANNELS - _COLOURS
    kept = (directions[:, -count:] * (0.3 * sizes[-count:] ** -0.5).clamp_max(12.0)).T
    means = torch.diag(_COLOUR_GAINS)[:, :, None].expand(3, 3, area) / area
    filters = torch.cat([means, kept.reshape(count, 3, area)])
    return torch.einsum("cip,ij->cjp", filters, _OPPONENT).reshape(-1, 3, BLOCK_PX, BLOCK_PX)


def _set_encoder(encoder: Any, filters: Any) -> None:
    """Make the encoder's convolutions compute the linear code."""
    first, second, third = encoder.down_blocks
    _pass_on(encoder.conv_in, 3)
    halve = first.downsamplers[0].conv
    _clear(halve, range(12))
    for channel in range(3):
        for y in range(2):
            for x in range(2):
                halve.weight[4 * channel + 2 * y + x, channel, y, x] = 1
    _pass_on(second.resnets[0].conv_shortcut, 12)
    project = second.downsamplers[0].conv
    _clear(project, range(LATENT_CHANNELS))
    # Row 2 Y + y and column 2 X + x of a block: Y, X choose the tap, y, x the channel of `halve`.
    taps = filters.reshape(LATENT_CHANNELS, 3, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4)
    project.weight[:LATENT_CHANNELS, :12, :2, :2] = taps.reshape(LATENT_CHANNELS, 12, 2, 2)
    _linear_ending(
        third.resnets[0].conv_shortcut, encoder.conv_norm_out, encoder.conv_out, LATENT_CHANNELS, 10.0
    )
    encoder.conv_out.bias[LATENT_CHANNELS:] = -20  # the logarithm of a variance: none


def _start_decoder(decoder: Any, images: Any, code: Any) -> None:
    """Let the decoder begin with the linear maps that least squares finds."""
    first, second, third = decoder.up_blocks
    _pass_on(decoder.conv_in, LATENT_CHANNELS)
    features = _fit_upsampler(first.upsamplers[0].conv, code, functional.pixel_unshuffle(images, 2))
    _pass_on(second.resnets[0].conv_shortcut, 12)
    _fit_upsampler(second.upsamplers[0].conv, features, images)
    _linear_ending(third.resnets[0].conv_shortcut, decoder.conv_norm_out, decoder.conv_out, 3, 3.0)


def _clear(conv: Any, rows: range) -> None:
    conv.weight[rows.start : rows.stop] = 0
    conv.bias[rows.start : rows.stop] = 0


def _pass_on(conv: Any, channels: int) -> None:
    """Let a convolution hand its first channels on as they are."""
    _clear(conv, range(channels))
    middle = conv.weight.shape[-1] // 2
    for channel in range(channels):
        conv.weight[channel, channel, middle, middle] = 1


def _fit_upsampler(conv: Any, features: Any, target: Any) -> Any:
    """Set a 3 x 3 convolution after nearest upsampling to the least-squares map; return what it gives."""
    large = functional.interpolate(features, scale_factor=2, mode="nearest")
    inputs, outputs = large.shape[1], target.shape[1]
    columns = functional.unfold(large, 3, padding=1).transpose(1, 2).reshape(-1, 9 * inputs)
    wanted = target.permute(0, 2, 3, 1).reshape(-1, outputs)
    step = max(1, len(columns) // 100_000)
    columns, wanted = columns[::step], wanted[::step]
    columns = torch.cat([columns, torch.ones(len(columns), 1)], 1)
    ridge = 1e-4 * len(columns) * torch.eye(columns.shape[1])
    solved = torch.linalg.solve(columns.T @ columns + ridge, columns.T @ wanted)
    _clear(conv, range(outputs))
    conv.weight[:outputs, :inputs] = solved[:-1].T.reshape(outputs, inputs, 3, 3)
    conv.bias[:outputs] = solved[-1]
    return functional.conv2d(large, conv.weight[:outputs, :inputs], conv.bias[:outputs], padding=1)


def _linear_ending(shortcut: Any, norm: Any, conv_out: Any, channels: int, constant: float) -> None:
    """Carry channels through group norm and SiLU unchanged.

    Each goes through twice, with both signs, as silu(x) - silu(-x) = x, and beside large constants of both
    signs, so that the group's mean is 0 and its variance hardly depends on the picture.
    """
    size = len(shortcut.weight) // _GROUPS
    used = 4 if channels == LATENT_CHANNELS else 3
    each = -(-channels // used)
    shortcut.weight *= 0.1
    _clear(conv_out, range(channels))
    if channels == LATENT_CHANNELS:
        _clear(shortcut, range(len(shortcut.weight)))
        _clear(conv_out, range(len(conv_out.weight)))
    for channel in range(channels):
        group, place = divmod(channel, each)
        plus, minus = group * size + 2 * place, group * size + 2 * place + 1
        _clear(shortcut, range(plus, minus + 1))
        shortcut.weight[plus, channel], shortcut.weight[minus, channel] = 1, -1
        conv_out.weight[channel, plus, 1, 1], conv_out.weight[channel, minus, 1, 1] = 1, -1
    for group in range(used):
        rows = range(group * size + 2 * each, group * size + 2 * each + 2)
        _clear(shortcut, rows)
        shortcut.bias[rows.start], shortcut.bias[rows.start + 1] = constant, -constant
        norm.weight[group * size : rows.start] = constant * (2 / size) ** 0.5


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
