"""Which device a run trains on.

AI-Toolkit takes its device from accelerate and never heeds the config's ``device``: a run whose config says
``cuda:1`` trains on the first GPU, and one that says ``cpu`` on a GPU where there is one. What it does heed
is which GPUs CUDA lets it see, so that is how it is told; its own queue of jobs does the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chromiq.errors import UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_ORDER = "CUDA_DEVICE_ORDER"
_CUDA = re.compile(r"cuda(?::(\d+))?")


def is_device(text: str) -> bool:
    """Whether a run can be trained on it: the CPU, or one GPU.

    >>> [is_device(text) for text in ("cuda", "cuda:1", "cpu", "cuda:0,cuda:1", "cuda:0,1", "0")]
    [True, True, True, False, False, False]
    """
    return text == "cpu" or _CUDA.fullmatch(text) is not None


def device_index(device: str) -> int | None:
    """Which of the GPUs that can be seen a device is; None if it is none of them.

    >>> device_index("cuda"), device_index("cuda:3"), device_index("cpu")
    (0, 3, None)
    """
    found = _CUDA.fullmatch(device)
    return None if found is None else int(found[1] or 0)


def device_environment(device: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables under which CUDA shows a device and no other; none for ``"cuda"``, which is the first.

    Args:
        device: as in a config. ``"cuda:1"`` is the second GPU that can be seen.
        environment: in which the GPUs that can be seen may be restricted already.

    Raises:
        UsageError: if the environment shows fewer GPUs than that.

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
        # The order in which nvidia-smi counts them.
        return {VISIBLE: str(index), _ORDER: "PCI_BUS_ID"}
    if index >= len(seen):
        raise UsageError(
            f"{device}: wanted a GPU that can be seen, got {VISIBLE}={environment[VISIBLE]}; change either"
        )
    return {VISIBLE: seen[index]}


def visible_ids(environment: Mapping[str, str]) -> list[str] | None:
    """The GPUs that an environment restricts CUDA to, as it names them; None for all.

    >>> visible_ids({"CUDA_VISIBLE_DEVICES": "2, GPU-8f"})
    ['2', 'GPU-8f']
    """
    value = environment.get(VISIBLE)
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def read_devices(text: str) -> list[str]:
    """The devices that a user lists, each GPU once; the CPU may be named as often as runs shall share it.

    Raises:
        UsageError: if a word is no device, or a GPU is named twice.

    >>> read_devices("cuda:0, cuda:1")
    ['cuda:0', 'cuda:1']
    """
    found = ["cuda:0" if word.strip() == "cuda" else word.strip() for word in text.split(",")]
    for device in found:
        if not is_device(device):
            raise UsageError(f"--devices: wanted cpu, cuda:0 and the like, got {device!r}; mend it")
        if device != "cpu" and found.count(device) > 1:
            raise UsageError(f"--devices: wanted each GPU once, got {device} twice; two runs would share it")
    return found


def default_devices(gpus: Sequence[object]) -> list[str]:
    """Every GPU that can be seen, else the CPU."""
    return [f"cuda:{index}" for index in range(len(gpus))] or ["cpu"]
