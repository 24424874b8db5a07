"""Check that torch can use a device."""

from __future__ import annotations

from contextlib import suppress

from chromiq.errors import OptionError


def refuse_unknown_device(device: str) -> None:
    """Refuse what is no name of a device, even one that is not here; without torch nothing is known.

    Raises:
        OptionError: if torch does not know the device.
    """
    with suppress(ImportError):
        import torch

        try:
            torch.device(device)
        except RuntimeError as error:
            raise OptionError("device", f"torch knows no device {device!r}. Use cpu or cuda.") from error


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
