"""What this machine has: GPUs and their memory, asked of ``nvidia-smi``, without loading any library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from chromiq.toolkit_configs.render.memory import GIB
from chromiq.toolkit_configs.trainer.checkout import bounded_environment
from chromiq.toolkit_configs.trainer.devices import device_index, visible_ids

_FIELDS = "index,uuid,name,memory.total,memory.free"
_MIB = 2**20


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int

    @property
    def summary(self) -> str:
        """For people: name and memory."""
        return f"{self.name} with {self.total_bytes / GIB:.1f} GiB, {self.free_bytes / GIB:.1f} free"


def find_gpus() -> list[Gpu]:
    """The GPUs that CUDA may see, as ``nvidia-smi`` knows them, or torch where it is loaded already.

    Empty if none is seen.
    """
    command = shutil.which("nvidia-smi")
    if command:
        return read_gpus(_ask(command), visible_ids(os.environ))
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(Gpu(torch.cuda.get_device_name(index), total, free))
    return found


def read_gpus(text: str, visible: Sequence[str] | None = None) -> list[Gpu]:
    """What ``nvidia-smi`` prints, a GPU a line; lines that say otherwise are left out.

    Args:
        text: with index, UUID, name, memory in all and memory free.
        visible: indices or beginnings of UUIDs, in CUDA's order; all if not given. As CUDA does, those from
            the first that is not there are left out.

    >>> lines = "0, GPU-aa, NVIDIA H100 80GB HBM3, 81559, 81007\\n1, GPU-bb, NVIDIA L4, 23034, 22500\\n"
    >>> read_gpus(lines)[0].total_bytes // 2**30
    79
    >>> [gpu.name for gpu in read_gpus(lines, ["GPU-bb", "0", "7", "1"])]
    ['NVIDIA L4', 'NVIDIA H100 80GB HBM3']
    """
    found: dict[tuple[str, str], Gpu] = {}
    for line in text.splitlines():
        index, _, rest = line.partition(",")
        uuid, _, rest = rest.partition(",")
        name, *sizes = [part.strip() for part in rest.rsplit(",", 2)]
        if len(sizes) == 2 and all(size.isdecimal() for size in sizes):
            found[index.strip(), uuid.strip()] = Gpu(name, int(sizes[0]) * _MIB, int(sizes[1]) * _MIB)
    if visible is None:
        return list(found.values())
    chosen = []
    for wanted in visible:
        fits = [gpu for (index, uuid), gpu in found.items() if wanted == index or uuid.startswith(wanted)]
        if not fits:
            break
        chosen.append(fits[0])
    return chosen


def gpu_of(device: str, gpus: Sequence[Gpu]) -> Gpu | None:
    """The GPU that a config's device names; None if it names none or there are not so many.

    >>> gpu_of("cuda", [Gpu("A", 2, 1), Gpu("B", 2, 1)]).name, gpu_of("cuda:1", []), gpu_of("cpu", [])
    ('A', None, None)
    """
    index = device_index(device)
    return gpus[index] if index is not None and index < len(gpus) else None


def _ask(command: str) -> str:
    """What ``nvidia-smi`` answers; nothing if it fails."""
    try:
        done = subprocess.run(
            [command, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"],
            env=bounded_environment(),
            capture_output=True,
            text=True,
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def gpu_summary(gpus: list[Gpu] | None = None) -> str:
    """What this machine has, for people.

    >>> gpu_summary([Gpu("A", 24 * 2**30, 20 * 2**30)])
    'this machine has A with 24.0 GiB, 20.0 free'
    """
    found = find_gpus() if gpus is None else gpus
    if not found:
        return "no GPU seen here"
    return "this machine has " + "; ".join(gpu.summary for gpu in found)
