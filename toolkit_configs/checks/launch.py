"""Reasons not to launch, apart from the config: the trainer, the run's name, folder and history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chromiq.errors import Finding, UsageError
from chromiq.files import sha256_file
from chromiq.toolkit_configs.runs.record import RUN_FILE, RunRecord
from chromiq.toolkit_configs.schema.trainer_job import Job
from chromiq.toolkit_configs.trainer.checkout import ToolkitInfo

MOST_STEPS_LOST = 500
_OUR_FILES = (
    RUN_FILE,
    "events.jsonl",
    "log.txt",
    "launched.yaml",
    "loss_log.db",
    "samples",
    "config.yaml",
    "optimizer.pt",
    "tensorboard",
)
# AI-Toolkit ignores checkpoints whose path holds one of these, unless the run's name does too.
_IGNORED = ("_LoRA", "_refiner", "_t2i", "_cn")


def refuse_several_processes(environment: Mapping[str, str]) -> None:
    """One process trains one run: AI-Toolkit averages gradients of several but shares no data among them.

    Each would go through the whole dataset, cache the same latents in the same files and count steps of its
    own; with ``SEED`` set all would draw the same examples and the same noise.

    Raises:
        UsageError: if ``accelerate launch`` or ``torchrun`` started several.
    """
    size = environment.get("WORLD_SIZE", "1")
    if size not in {"", "0", "1"}:
        raise UsageError(
            f"WORLD_SIZE={size}: chromiq train must be one process, not one of several as accelerate or "
            "torchrun start them. A run trains on one GPU; 'chromiq sweep-train' uses several."
        )


def run_findings(job: Job) -> list[Finding]:
    """What AI-Toolkit would trip over when it looks for the checkpoints of a run."""
    findings = []
    name, run = job.config.name, job.run_folder
    taken = [file for file in _OUR_FILES if file.startswith(name)]
    if taken:
        message = f"{taken[0]} begins with the run's name {name!r}, so the trainer takes it for a checkpoint"
        findings.append(Finding("run.name", str(run), message, "Rename the run."))
    ignored = [mark for mark in _IGNORED if mark in str(run.resolve()) and mark not in name]
    if ignored:
        message = (
            f"the trainer ignores checkpoints whose path holds {ignored[0]!r}, so a resume begins at step 0"
        )
        findings.append(Finding("run.path", str(run.resolve()), message, "Set another training_folder."))
    every = job.process.save.save_every
    if MOST_STEPS_LOST < every <= job.process.train.steps:
        message = f"a stop can lose {every} steps"
        hint = f"Set save.save_every to {MOST_STEPS_LOST} or less."
        findings.append(Finding("run.save_every", str(run), message, hint, "warning"))
    return findings


def environment_findings(info: ToolkitInfo, device: str) -> list[Finding]:
    """Whether the trainer's libraries can be imported, and see the GPU that is meant.

    Args:
        info: of the trainer, asked with that device shown to it.
        device: as in the config.
    """
    if not info.versions:
        message = "the trainer's libraries cannot be imported"
        return [Finding("toolkit.environment", str(info.python), message, "Run 'chromiq toolkit setup'.")]
    if device != "cpu" and info.device == "cpu":
        message = f"its torch cannot use {device}, so it would train on the CPU"
        hint = "Check nvidia-smi and the driver, name a GPU that exists, or set device to cpu."
        return [Finding("toolkit.device", str(info.python), message, hint)]
    return []


def resume_findings(
    earlier: RunRecord, config: Path, engine: str, digest: str, seed: int | None
) -> list[Finding]:
    """What has changed since the run began.

    Args:
        earlier: the run's record.
        config: that it would resume with.
        engine: that would train.
        digest: of the dataset as it is now.
        seed: that it would resume with.
    """
    findings = []
    where = str(config)
    hint = "Resume only if that is intended, or start a run of another name."

    def changed(code: str, message: str) -> Finding:
        return Finding(code, where, message, hint, "warning")

    if earlier.engine != engine:
        message = f"the run began with the engine {earlier.engine}, not {engine}"
        findings.append(Finding("run.engine", where, message, f"Resume with the engine {earlier.engine}."))
    if earlier.config_sha256 != sha256_file(config):
        findings.append(changed("run.config", "the config has changed since the run began"))
    if earlier.dataset_sha256 != digest:
        findings.append(changed("run.dataset", "the dataset has changed since the run began"))
    if earlier.seed != seed:
        before, now = ("no seed" if each is None else f"SEED={each}" for each in (earlier.seed, seed))
        findings.append(changed("run.seed", f"the run began with {before}, now there is {now}"))
    return findings
