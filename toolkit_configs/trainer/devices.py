"""Which device a run trains on.

AI-Toolkit takes its device from accelerate and ignores the config's ``device``: a run whose config says
``cuda:1`` trains on the first GPU, and one that says ``cpu`` on a GPU if there is one. It does respect
``CUDA_VISIBLE_DEVICES``, so that is how the device is chosen; its own job queue does the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pynvml

from chromiq.errors import OptionError, UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_GIB = 2**30
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
    index, seen = device_index(device), visible_ids(environment)
    if index is None or device == "cuda":
        return {}
    if seen is None:
        # The order in which NVML lists them.
        return {VISIBLE: str(index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
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


def read_devices(text: str | None) -> list[str]:
    """A comma-separated list of devices; if not given, every visible GPU, or the CPU without one.

    Raises:
        UsageError: if a word is not a device, or a GPU is named twice; several runs may share the CPU.

    >>> read_devices("cuda:0, cuda:1")
    ['cuda:0', 'cuda:1']
    """
    if text is None:
        return [f"cuda:{index}" for index in range(len(find_gpus()))] or ["cpu"]
    found = ["cuda:0" if word.strip() == "cuda" else word.strip() for word in text.split(",")]
    for device in found:
        if not is_device(device):
            raise OptionError("devices", f"{device!r} is not a device (expected cpu or e.g. cuda:0)")
        if device != "cpu" and found.count(device) > 1:
            raise OptionError("devices", f"{device} is listed twice, so two runs would share it")
    return found


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int
    uuid: str = ""

    @property
    def summary(self) -> str:
        """Name and memory, for messages."""
        return f"{self.name} with {self.total_bytes / _GIB:.1f} GiB, {self.free_bytes / _GIB:.1f} free"


def find_gpus() -> list[Gpu]:
    """The GPUs that CUDA may see, in CUDA's order; empty without an NVIDIA driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        gpus = [_read_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
    return visible_gpus(gpus, visible_ids(os.environ))


def visible_gpus(gpus: Sequence[Gpu], visible: Sequence[str] | None) -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves visible, in its order.

    Args:
        gpus: all of the machine, in bus order.
        visible: indices or the beginnings of UUIDs; None for all. As CUDA does, everything from the first
            entry that matches no GPU is dropped.

    >>> gpus = [Gpu("H100", 80, 79, "GPU-aa"), Gpu("L4", 23, 22, "GPU-bb")]
    >>> [gpu.name for gpu in visible_gpus(gpus, ["GPU-bb", "0", "7", "1"])]
    ['L4', 'H100']
    """
    if visible is None:
        return list(gpus)
    chosen: list[Gpu] = []
    for wanted in visible:
        matches = [
            gpu for index, gpu in enumerate(gpus) if wanted == str(index) or gpu.uuid.startswith(wanted)
        ]
        if not matches:
            break
        chosen.append(matches[0])
    return chosen


def gpu_of(device: str, gpus: Sequence[Gpu]) -> Gpu | None:
    """The GPU that a config's device names; None for the CPU and for an index that is not there.

    >>> gpu_of("cuda", [Gpu("A", 2, 1), Gpu("B", 2, 1)]).name, gpu_of("cuda:1", []), gpu_of("cpu", [])
    ('A', None, None)
    """
    index = device_index(device)
    return gpus[index] if index is not None and index < len(gpus) else None


def gpu_summary(gpus: list[Gpu] | None = None) -> str:
    """What this machine has, for messages.

    >>> gpu_summary([Gpu("A", 24 * 2**30, 20 * 2**30)])
    'this machine has A with 24.0 GiB, 20.0 free'
    """
    found = find_gpus() if gpus is None else gpus
    if not found:
        return "no GPU was found"
    return "this machine has " + "; ".join(gpu.summary for gpu in found)


def _read_gpu(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        pynvml.nvmlDeviceGetName(handle),
        int(memory.total),
        int(memory.free),
        pynvml.nvmlDeviceGetUUID(handle),
    )
