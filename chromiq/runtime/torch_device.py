"""Whether torch can use a device that a user named."""

from __future__ import annotations

from chromiq.errors import OptionError


def require_torch_device(device: str) -> None:
    """Refuse a device that is not here, before any work is done for it.

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
