"""What speaks against a launch besides the config itself: the trainer, the run's name and place, its past."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chromiq.errors import Finding, UsageError
from chromiq.files import sha256_file
from chromiq.toolkit_configs.runs.folder import RUN_FILE, RunRecord
from chromiq.toolkit_configs.schema.jobs import Job
from chromiq.toolkit_configs.trainer.checkout import ToolkitInfo

MOST_STEPS_LOST = 500
_OUR_FILES = (RUN_FILE, "events.jsonl", "log.txt", "launched.yaml", "loss_log.db", "samples", "config.yaml",
              "optimizer.pt", "tensorboard")  # fmt: skip
# AI-Toolkit overlooks checkpoints whose path holds one of these, unless the run's name does too.
_OVERLOOKED = ("_LoRA", "_refiner", "_t2i", "_cn")


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
            f"chromiq train: wanted to be started once, got WORLD_SIZE={size}, as accelerate launch and "
            "torchrun set it; one run trains on one GPU, 'chromiq sweep-train --devices' trains a run on each"
        )


def run_findings(job: Job) -> list[Finding]:
    """What AI-Toolkit would trip over when it looks for the checkpoints of a run."""
    findings = []
    name, run = job.config.name, job.run_folder
    taken = [file for file in _OUR_FILES if file.startswith(name)]
    if taken:
        wanted, got = "a name that begins no other file of the run", f"{name!r}, as {taken[0]} does"
        findings.append(Finding.expected("run.name", str(run), wanted, got, "render with another --name"))
    overlooked = [mark for mark in _OVERLOOKED if mark in str(run.resolve()) and mark not in name]
    if overlooked:
        wanted, got = "a path whose checkpoints the trainer finds again", f"{overlooked[0]!r} in it"
        cure = "render with another --training-folder: a resume would begin at step 0 without a word"
        findings.append(Finding.expected("run.path", str(run.resolve()), wanted, got, cure))
    every = job.process.save.save_every
    if MOST_STEPS_LOST < every <= job.process.train.steps:
        got, cure = f"{every}", f"--set save.save_every={MOST_STEPS_LOST} bounds what a stop loses"
        wanted = f"a checkpoint at least every {MOST_STEPS_LOST} steps"
        findings.append(Finding.expected("run.save_every", str(run), wanted, got, cure, "warning"))
    return findings


def environment_findings(info: ToolkitInfo, device: str) -> list[Finding]:
    """Whether the trainer's libraries can be imported, and see the GPU that is meant.

    Args:
        info: of the trainer, asked with that device shown to it.
        device: as in the config.
    """
    if not info.versions:
        wanted, got = "the trainer's libraries to be importable", "an error"
        cure = "'chromiq toolkit setup' mends it"
        return [Finding.expected("toolkit.environment", str(info.python), wanted, got, cure)]
    if device != "cpu" and info.device == "cpu":
        wanted, got = f"a GPU for device {device}", "none that its torch can use; it would train on the CPU"
        cure = "check nvidia-smi and the driver, name a GPU that is there, or render with device=cpu"
        return [Finding.expected("toolkit.device", str(info.python), wanted, got, cure)]
    return []


def resume_findings(
    earlier: RunRecord, config: Path, engine: str, digest: str, seed: int | None
) -> list[Finding]:
    """What is not as it was when the run began.

    Args:
        earlier: the run's record.
        config: that it would go on with.
        engine: that would train.
        digest: of the dataset as it is now.
        seed: that it would go on with.
    """
    findings = []
    where, cure = (
        str(config),
        "know that earlier checkpoints differ in it, or begin a run of another name",
    )
    if earlier.engine != engine:
        wanted, got = f"the run's engine {earlier.engine}", engine
        findings.append(
            Finding.expected("run.engine", where, wanted, got, f"resume with --engine {earlier.engine}")
        )
    if earlier.config_sha256 != sha256_file(config):
        wanted, got = "the config that the run began with", "one that was changed since"
        findings.append(Finding.expected("run.config", where, wanted, got, cure, "warning"))
    if earlier.dataset_sha256 != digest:
        wanted, got = "the dataset that the run began with", "one that was changed since"
        findings.append(Finding.expected("run.dataset", where, wanted, got, cure, "warning"))
    if earlier.seed != seed:
        before, now = ("no seed" if each is None else f"SEED={each}" for each in (earlier.seed, seed))
        findings.append(
            Finding.expected("run.seed", where, f"{before}, as the run began", now, cure, "warning")
        )
    return findings
