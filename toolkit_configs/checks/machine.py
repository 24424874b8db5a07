"""Whether the machine can run a job: disk space for what it writes, the GPU and its memory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chromiq.errors import Finding, Severity
from chromiq.models import model_of_arch
from chromiq.toolkit_configs.render.memory import (
    GIB,
    MemoryEstimate,
    lora_parameters,
    optimizer_bytes,
    weight_bytes,
)
from chromiq.toolkit_configs.render.presets import preset_for
from chromiq.toolkit_configs.schema.trainer_job import Job, is_path
from chromiq.toolkit_configs.trainer.devices import Gpu, find_gpus, gpu_of, gpu_summary, is_device

_SAMPLE_BYTES_PER_PX = 0.5
_SAFETENSORS_HEADER = 100_000
# 512 tokens of a text encoder's width in 16 bit; larger for those that see the controls.
_TEXT_EMBEDDING_BYTES = 8_000_000


@dataclass(frozen=True)
class DiskNeed:
    """What a run writes, in bytes: latents beside the targets, the rest in the run folder.

    Checkpoints include the optimizer's state.
    """

    latents: float
    checkpoints: float
    samples: float


def disk_need(job: Job, sizes: Mapping[tuple[int, int], int]) -> DiskNeed:
    """What a run writes, estimated from the sizes of targets in pixels and their numbers."""
    process = job.process
    model = model_of_arch(process.model.arch)
    latents = 0.0
    channels = model.size.latent_channels if model else 16
    for dataset in process.datasets:
        for resolution in dataset.resolution if dataset.cache_latents_to_disk else ():
            areas = (min(width * height, resolution**2) * count for (width, height), count in sizes.items())
            latents += sum(areas) / 64 * channels * 2
    if process.train.cache_text_embeddings:
        latents += _TEXT_EMBEDDING_BYTES * sum(sizes.values())
    local = is_path(process.model.name_or_path)
    known = model is not None and process.network is not None and not local
    trained = lora_parameters(process, model) if known and model else 0.0
    saves = process.train.steps // process.save.save_every if process.save.save_every else 0
    kept = min(saves, process.save.max_step_saves_to_keep) + 1
    one = trained * weight_bytes(process.save.dtype) + _SAFETENSORS_HEADER
    checkpoints = kept * one + trained * optimizer_bytes(process.train.optimizer)
    every = 0 if process.train.disable_sampling else process.sample.sample_every
    times = process.train.steps // every + 1 if every else 0
    picture = process.sample.width * process.sample.height * _SAMPLE_BYTES_PER_PX
    return DiskNeed(latents, checkpoints, times * len(process.sample.samples) * picture)


def disk_findings(job: Job, need: DiskNeed) -> list[Finding]:
    """Disks that would fill up."""
    wants: dict[int, tuple[Path, float]] = {}
    places = [(job.run_folder, need.checkpoints + need.samples)]
    places += [(dataset.targets, need.latents) for dataset in job.process.datasets[:1] if dataset.targets]
    for place, size in places:
        existing = next(folder for folder in (place, *place.absolute().parents) if folder.is_dir())
        device = existing.stat().st_dev
        wants[device] = (existing, wants.get(device, (existing, 0.0))[1] + size)
    findings = []
    for folder, size in wants.values():
        free = shutil.disk_usage(folder).free
        if free < size * 1.1:
            needed = f"latents, checkpoints and samples take about {size / 1e9:.1f} GB"
            message = f"{free / 1e9:.1f} GB free, but {needed}"
            hint = "Free some space, lower save.max_step_saves_to_keep, or raise save.save_every."
            findings.append(Finding("run.disk", str(folder), message, hint, "warning"))
    return findings


def gpu_findings(
    job: Job, memory: MemoryEstimate | None, where: str, gpus: list[Gpu] | None = None
) -> list[Finding]:
    """Whether the GPU that the config names is there and large enough, if the memory needed is known."""

    def found(code: str, message: str, hint: str, severity: Severity = "warning") -> list[Finding]:
        return [Finding(code, f"{where}: device", message, hint, severity)]

    device = job.process.device
    if not is_device(device):
        message = f"{device!r} is not one device, such as cuda, cuda:1 or cpu"
        hint = "Name one; 'chromiq sweep-train' trains a run on each of several."
        return found("config.device", message, hint, "error")
    if device == "cpu":
        return []
    gpus = find_gpus() if gpus is None else gpus
    needs = f"training takes {memory.summary}" if memory else "training needs a GPU"
    gpu = gpu_of(device, gpus)
    if gpu is None:
        hint = "Train on a machine that has it, or check the driver with nvidia-smi."
        # Where there are GPUs but not this one, the trainer would see none and train on the CPU.
        return found("machine.gpu", f"{needs}, but {gpu_summary(gpus)}", hint, "error" if gpus else "warning")
    if memory and not memory.fits(gpu.total_bytes):
        fitting = preset_for(gpu.total_bytes / GIB)
        hint = f"Render with the preset {fitting}, or lower batch_size or resolution."
        return found("machine.memory", f"{needs}, but it is {gpu.summary}", hint)
    if memory and memory.peak > gpu.free_bytes:
        hint = "Stop other programs that use it."
        return found("machine.busy", f"{needs}, but it is {gpu.summary}", hint)
    return []
