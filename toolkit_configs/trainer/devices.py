"""Which device a run trains on.

AI-Toolkit takes its device from accelerate and ignores the config's ``device``: a run whose config says
``cuda:1`` trains on the first GPU, and one that says ``cpu`` on a GPU if there is one. It does respect
``CUDA_VISIBLE_DEVICES``, so that is how the device is chosen; its own job queue does the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chromiq.errors import OptionError, UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_ORDER = "CUDA_DEVICE_ORDER"
_CUDA = re.compile(r"cuda(?::(\d+))?")


def is_device(text: str) -> bool:
    """Whether a run can train on it: the CPU or one GPU.

    >>> [is_device(text) for text in ("cuda", "cuda:1", "cpu", "cuda:0,cuda:1", "cuda:0,1", "0")]
    [True, True, True, False, False, False]
    """
    return text == "cpu" or _CUDA.fullmatch(text) is not None


def device_index(device: str) -> int | None:
    """The index of a device among the visible GPUs; None for the CPU.

    >>> device_index("cuda"), device_index("cuda:3"), device_index("cpu")
    (0, 3, None)
    """
    found = _CUDA.fullmatch(device)
    return None if found is None else int(found[1] or 0)


def device_environment(device: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that make one device visible to CUDA; none for ``"cuda"``, which is the first.

    Args:
        device: as in a config. ``"cuda:1"`` is the second visible GPU.
        environment: may already restrict which GPUs are visible.

    Raises:
        UsageError: if fewer GPUs are visible.

    >>> device_environment("cuda:1", {"CUDA_VISIBLE_DEVICES": "4,6"})
    {'CUDA_VISIBLE_DEVICES': '6'}
    >>> device_environment("cuda:1", {})
    {'CUDA_VISIBLE_DEVICES': '1', 'CUDA_DEVICE_ORDER': 'PCI_BUS_ID'}
    >>> device_environment("cpu", {})
    {'CUDA_VISIBLE_DEVICES': ''}
    """
    if device == "cpu":
        return {VISIBLE: ""}
    found = _CUDA.fullmatch(device)
    if found is None or found[1] is None:
        return {}
    index = int(found[1])
    seen = visible_ids(environment)
    if seen is None:
        # The order in which NVML lists them.
        return {VISIBLE: str(index), _ORDER: "PCI_BUS_ID"}
    if index >= len(seen):
        raise UsageError(f"{device} is not visible: {VISIBLE}={environment[VISIBLE]}. Change one of the two.")
    return {VISIBLE: seen[index]}


def visible_ids(environment: Mapping[str, str]) -> list[str] | None:
    """The GPUs that an environment restricts CUDA to, as written there; None for all.

    >>> visible_ids({"CUDA_VISIBLE_DEVICES": "2, GPU-8f"})
    ['2', 'GPU-8f']
    """
    value = environment.get(VISIBLE)
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def read_devices(text: str) -> list[str]:
    """A comma-separated list of devices; each GPU once, the CPU as often as runs may share it.

    Raises:
        UsageError: if a word is not a device, or a GPU is named twice.

    >>> read_devices("cuda:0, cuda:1")
    ['cuda:0', 'cuda:1']
    """
    found = ["cuda:0" if word.strip() == "cuda" else word.strip() for word in text.split(",")]
    for device in found:
        if not is_device(device):
            raise OptionError("devices", f"{device!r} is not a device (expected cpu or e.g. cuda:0)")
        if device != "cpu" and found.count(device) > 1:
            raise OptionError("devices", f"{device} is listed twice, so two runs would share it")
    return found


def default_devices(gpus: Sequence[object]) -> list[str]:
    """Every visible GPU, or the CPU without one."""
    return [f"cuda:{index}" for index in range(len(gpus))] or ["cpu"]
