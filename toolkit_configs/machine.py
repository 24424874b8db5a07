"""What this machine has: GPUs and their memory, asked of ``nvidia-smi``, without loading any library."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass

from toolkit_configs.memory import GIB
from toolkit_configs.toolkit import bounded_environment

_FIELDS = "name,memory.total,memory.free"
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
    """The GPUs that ``nvidia-smi`` knows, or torch where it is loaded already; empty if none is seen."""
    if shutil.which("nvidia-smi"):
        return read_gpus(ask_nvidia_smi(_FIELDS) or "")
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(Gpu(torch.cuda.get_device_name(index), total, free))
    return found


def ask_nvidia_smi(fields: str) -> str | None:
    """What ``nvidia-smi`` prints of every GPU, a line each; None if it is not there or fails.

    Args:
        fields: its names of them, with commas between.
    """
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        done = subprocess.run(
            [command, f"--query-gpu={fields}", "--format=csv,noheader,nounits"],
            env=bounded_environment(),
            capture_output=True,
            text=True,
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def read_gpus(text: str) -> list[Gpu]:
    """What ``nvidia-smi`` prints, a GPU a line; lines that say otherwise are left out.

    >>> read_gpus("NVIDIA H100 80GB HBM3, 81559, 81007\\n")[0].total_bytes // 2**30
    79
    """
    found = []
    for line in text.splitlines():
        name, *sizes = [part.strip() for part in line.rsplit(",", 2)]
        if len(sizes) == 2 and all(size.isdecimal() for size in sizes):
            found.append(Gpu(name, int(sizes[0]) * _MIB, int(sizes[1]) * _MIB))
    return found


def gpu_summary(gpus: list[Gpu] | None = None) -> str:
    """What this machine has, for people.

    >>> gpu_summary([Gpu("A", 24 * 2**30, 20 * 2**30)])
    'this machine has A with 24.0 GiB, 20.0 free'
    """
    found = find_gpus() if gpus is None else gpus
    if not found:
        return "no GPU seen here"
    return "this machine has " + "; ".join(gpu.summary for gpu in found)
