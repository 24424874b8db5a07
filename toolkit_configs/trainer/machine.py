"""The GPUs of this machine and their memory, from NVIDIA's management library; loads no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pynvml

from chromiq.toolkit_configs.trainer.devices import device_index, visible_ids

_GIB = 2**30


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
        return "no GPU found on this machine"
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
