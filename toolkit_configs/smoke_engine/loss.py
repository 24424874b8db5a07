"""The masked loss, with AI-Toolkit's arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chromiq.errors import UnsoundError


def latent_weights(grey: Any, size_hw: tuple[int, int], min_value: float) -> Any:
    """Loss weights of latents from a loss mask: its grey mapped to ``min_value``..1, scaled by nearest.

    Args:
        grey: tensor ``(1, 1, H, W)``, 0..1.
        size_hw: height and width of the latents.
        min_value: the weight of black, 0..1.

    Returns:
        Tensor ``(1, 1, h, w)``.
    """
    import torch

    mapped = min_value + (1 - min_value) * grey
    return torch.nn.functional.interpolate(mapped, size=size_hw, mode="nearest")


def masked_loss(predicted: Sequence[Any], wanted: Sequence[Any], weights: Sequence[Any]) -> Any:
    """Mean of squared error times weight over a batch, divided by the batch's mean weight.

    The mean weight is 1 whatever the masks: masks that are black all over train everything alike, and a
    black mask beside a white one trains nothing of its own picture.

    Args:
        predicted: one tensor ``(1, C, h, w)`` for each picture.
        wanted: the same.
        weights: ``(1, 1, h, w)`` for each picture, as `latent_weights` gives them.

    Raises:
        UnsoundError: if all weights are zero.
    """
    total = sum(weight.mean() for weight in weights)
    if not total > 0:
        raise UnsoundError(
            "every loss mask of the batch is black and mask_min_value is 0, so nothing would be trained; "
            "check the masks, or raise mask_min_value"
        )
    errors = [(one.float() - other.float()) ** 2 for one, other in zip(predicted, wanted, strict=True)]
    return sum((error * weight).mean() for error, weight in zip(errors, weights, strict=True)) / total
