"""Check that torch can use a device."""

from __future__ import annotations

from chromiq.errors import OptionError


def require_torch_device(device: str) -> None:
    """Refuse an unusable device before any work is done.

    Args:
        device: torch's name, such as ``"cpu"`` or ``"cuda:1"``.

    Raises:
        OptionError: if torch is not installed, does not know the device or cannot use it.
    """
    try:
        import torch

        torch.zeros(1, device=device)
    except (ImportError, RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError("device", f"torch cannot use {device!r} here ({reason}). Use cpu.") from error
