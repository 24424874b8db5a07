"""The masked loss, with AI-Toolkit's arithmetic."""

from __future__ import annotations

from typing import Any


def latent_weights(grey: Any, size_hw: tuple[int, int], min_value: float) -> Any:
    """Loss weights of latents from loss masks.

    A mask's grey is mapped to ``min_value``..1, scaled to the latents (nearest) and divided by its own
    mean over the batch: the mean weight is 1 whatever the mask.

    Args:
        grey: tensor ``(B, 1, H, W)``, 0..1.
        size_hw: height and width of the latents.
        min_value: the weight of black, 0..1.

    Returns:
        Tensor ``(B, 1, h, w)``.

    Raises:
        ValueError: if all weights are zero.
    """
    import torch

    mapped = min_value + (1 - min_value) * grey
    scaled = torch.nn.functional.interpolate(mapped, size=size_hw, mode="nearest")
    mean = scaled.mean()
    if not mean > 0:
        raise ValueError(
            "wanted a mask with some white in it, or mask_min_value above 0; got all black and 0"
        )
    return scaled / mean


def masked_loss(predicted: Any, wanted: Any, weights: Any) -> Any:
    """Mean of squared error times weight; all tensors ``(B, C, h, w)`` or broadcastable to it."""
    return ((predicted.float() - wanted.float()) ** 2 * weights).mean()
