"""Train a config: check it and what it needs, record the run, and hand it to an engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chromiq import __version__
from chromiq.errors import ChromiqError, Finding, InterruptedRunError, UnsoundError, UsageError, errors_of
from chromiq.files import ensure_output_folder, folder_lock, sha256_file, write_bytes
from chromiq.runtime.signals import signals_ignored, termination_as_interrupt
from chromiq.toolkit_configs.checks.config import examine_config, raise_config_findings
from chromiq.toolkit_configs.runs.checkpoints import (
    TORN_PREFIX,
    final_checkpoint,
    newest_step,
    saved_step,
    set_torn_aside,
)
from chromiq.toolkit_configs.runs.events import EVENTS_FILE, TENSORBOARD_FOLDER, EventLog
from chromiq.toolkit_configs.runs.record import (
    RUN_FILE,
    TRAINERS_CONFIG,
    WRITTEN_CONFIG,
    RunRecord,
    State,
    dataset_digest,
    host,
    library_versions,
    now,
    read_record,
    read_seed,
)
from chromiq.toolkit_configs.runs.status import RunStatus, Session, refuse_orphan
from chromiq.toolkit_configs.schema.trainer_job import Job
from chromiq.toolkit_configs.trainer import engine as ai_toolkit
from chromiq.toolkit_configs.trainer.checkout import (
    ToolkitInfo,
    require_toolkit,
    toolkit_findings,
    toolkit_info,
)
from chromiq.toolkit_configs.trainer.output import LOG_FILE, LOSS_LOG, Launch, Limits
from chromiq.wording import counted

Engine = Literal["ai-toolkit", "smoke"]
_MOST_STEPS_LOST = 500
_OTHER_FILES = (
    RUN_FILE,
    EVENTS_FILE,
    TENSORBOARD_FOLDER,
    LOG_FILE,
    LOSS_LOG,
    TORN_PREFIX,
    ai_toolkit.LAUNCHED_FILE,
    ai_toolkit.JOB_DATABASE,
    "samples",
    TRAINERS_CONFIG,
    WRITTEN_CONFIG,
    "optimizer.pt",
)
"""What else is in a run folder; AI-Toolkit takes all that begins with the run's name for checkpoints."""
# AI-Toolkit ignores checkpoints whose path holds one of these, unless the run's name does too.
_IGNORED = ("_LoRA", "_refiner", "_t2i", "_cn")


@dataclass(frozen=True)
class Plan:
    """What a launch would do."""

    config: Path
    job: Job
    findings: tuple[Finding, ...]
    engine: Engine
    resume: bool
    from_step: int
    toolkit: ToolkitInfo | None
    dataset_sha256: str
    seed: int | None

    @property
    def command(self) -> list[str] | None:
        """The trainer's command line, for its own folder; None for the smoke engine."""
        if self.toolkit is None:
            return None
        return [str(self.toolkit.python), "run.py", str(self.job.run_folder / ai_toolkit.LAUNCHED_FILE)]

    @property
    def dataset(self) -> str | None:
        """The first dataset's targets; a slider has none."""
        return next((str(each.targets) for each in self.job.process.datasets), None)

    @property
    def summary(self) -> list[str]:
        """What would be trained, in a few lines."""
        process = self.job.process
        steps = counted(process.train.steps, "step")
        if self.from_step:
            steps += f", from step {self.from_step}"
        every = process.save.save_every
        saved = f"a checkpoint every {counted(every, 'step')}, the most that a stop can lose"
        saved = saved if every else "a checkpoint at the end only"
        what = f"{process.model.name_or_path} for {steps}" + (f" on {self.dataset}" if self.dataset else "")
        lines = [f"{self.engine} would train {what}, into {self.job.run_folder}", saved]
        if self.command and self.toolkit:
            lines.append(f"in {self.toolkit.folder}: {' '.join(self.command)}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        process = self.job.process
        return {
            "engine": self.engine,
            "toolkit_commit": self.toolkit.commit if self.toolkit else None,
            "command": self.command,
            "working_directory": self.toolkit.folder if self.toolkit else None,
            "model": process.model.name_or_path,
            "steps": process.train.steps,
            "from_step": self.from_step,
            "save_every": process.save.save_every,
            "dataset": self.dataset,
            "dataset_sha256": self.dataset_sha256,
            "seed": self.seed,
            "run": str(self.job.run_folder),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def plan(
    config: Path,
    engine: Engine,
    *,
    resume: bool = False,
    force: bool = False,
    offline: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Check everything that a training needs; writes nothing.

    Args:
        force: launch despite errors in the config, the dataset, the access and the trainer.
        offline: do not ask the hub for access to the base model.

    Raises:
        AccessError: with all findings, if access to the base model is denied, unless `force`.
        UnsoundError: with all findings, for any other error, unless `force`; with `force` too, if the file
            holds no training job, its folder already holds a run and `resume` is false, or the smoke engine
            would train the job as something else.
        UsageError: if this is one of several processes started to train one run together, or the smoke engine
            cannot train the base model here.
        ChromiqError: if the vendored trainer is missing and `engine` is ``"ai-toolkit"``.
    """
    _refuse_several_processes()
    seed = read_seed(os.environ)
    checking = "checking the config and its dataset"
    note(checking)
    report = examine_config(
        config,
        resume=resume,
        offline=offline,
        on_progress=lambda done, total: note(f"{checking}, example {done} of {total}"),
    )
    findings, job = list(report.findings), report.job
    if job is None:
        raise UnsoundError(f"{config}: no training job", findings)
    info = None
    if engine == "ai-toolkit":
        try:
            require_toolkit()
        except ChromiqError as error:
            if not force and errors_of(findings):  # report an unsound config in the same go
                raise_config_findings([*findings, *error.findings], str(config))
            raise
        note("checking the trainer's environment")
        info = toolkit_info(job.process.device)
        findings += [
            *toolkit_findings(info),
            *_run_findings(job),
            *_environment_findings(info, job.process.device),
        ]
    recorded = resume and (job.run_folder / RUN_FILE).is_file()
    earlier = read_record(job.run_folder) if recorded else None
    if earlier and earlier.engine != engine:
        message = f"the run began with the engine {earlier.engine}, not {engine}"
        hint = f"Resume with the engine {earlier.engine}."
        findings.append(Finding("run.engine", str(config), message, hint))
    # The trainer would continue an existing run, from its last step and not from 0 as recorded.
    refused = [each for each in findings if each.code == "run.exists"] if force else findings
    raise_config_findings(refused, str(config))
    if engine == "smoke":
        from chromiq.toolkit_configs.smoke_engine.engine import smoke_device

        smoke_device(job)  # refuse a full-size model before the dataset is read
    digest = dataset_digest(job, note)
    from_step = newest_step(job.run_folder, job.config.name) if resume else 0
    if resume and job.trains and not from_step:
        message = "there is no checkpoint to resume from, so the training starts at step 0"
        hint = "Check the run's name and training_folder if that is not intended."
        findings.append(Finding("run.start", str(job.run_folder), message, hint, "warning"))
    if earlier:
        findings += _resume_findings(earlier, config, digest, seed)
    return Plan(config, job, tuple(findings), engine, resume, from_step, info, digest, seed)


def train_config(
    config: Path,
    engine: Engine,
    *,
    resume: bool = False,
    force: bool = False,
    limits: Limits | None = None,
    on_status: Callable[[RunStatus], None] = lambda _: None,
) -> Path:
    """Plan, then train; see `plan` and `execute`."""
    return execute(plan(config, engine, resume=resume, force=force), limits=limits, on_status=on_status)


def execute(
    planned: Plan, *, limits: Limits | None = None, on_status: Callable[[RunStatus], None] = lambda _: None
) -> Path:
    """Train as planned and return the final checkpoint; ``run.json`` in the run folder records how.

    A run that is complete is left as it is.

    Raises:
        ChromiqError: if the training fails.
        InterruptedRunError: on SIGINT or SIGTERM.
        LockedError: if the run is already being trained.
    """
    job = planned.job
    run = ensure_output_folder(job.run_folder)
    with folder_lock(run, f"chromiq train --engine {planned.engine}"), EventLog(run) as log:
        earlier = read_record(run) if (run / RUN_FILE).is_file() else None
        if earlier:
            refuse_orphan(run, earlier)
        torn = set_torn_aside(run, job.config.name)
        final = final_checkpoint(run, job.config.name)
        complete = planned.resume and final and saved_step(final) == job.process.train.steps
        if final and complete and earlier and earlier.state == "done":
            return final
        write_bytes(run / f"{WRITTEN_CONFIG}{planned.config.suffix}", planned.config.read_bytes())
        record = _new_record(planned, earlier)
        session_of = Session(run, record, log, on_status)
        with termination_as_interrupt():
            session_of.begin(torn)
            try:
                # Complete but not recorded as done: it was killed after the last save.
                found = final if final and complete else _train(planned, session_of, limits or Limits())
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    error = InterruptedRunError(f"{run}: interrupted. Resume it to continue the training.")
                state: State = "interrupted" if isinstance(error, InterruptedRunError) else "failed"
                with signals_ignored():
                    session_of.end(state, str(error))
                raise error from None
            with signals_ignored():
                session_of.end("done", None, checkpoint=found.name)
    return found


def _train(planned: Plan, noted: Session, limits: Limits) -> Path:
    job = planned.job
    if planned.engine == "smoke":
        from chromiq.toolkit_configs.smoke_engine.engine import train

        return train(job, on_event=noted.note, resume=planned.resume, seed=planned.seed)
    wanted = Launch(planned.config, job, planned.from_step, limits)
    return ai_toolkit.run(wanted, noted.note, noted.trainer_is)


def _new_record(planned: Plan, earlier: RunRecord | None) -> RunRecord:
    job, info = planned.job, planned.toolkit
    versions = info.versions if info else library_versions()
    return RunRecord(
        name=job.config.name,
        engine=planned.engine,
        state="running",
        process=os.getpid(),
        started=now(),
        ended=None,
        total_steps=job.process.train.steps,
        config=str(planned.config.resolve()),
        config_sha256=sha256_file(planned.config),
        dataset_sha256=planned.dataset_sha256,
        versions={"chromiq": __version__, **versions},
        device=(info.device if info else None) or job.process.device,
        toolkit_commit=info.commit if info else None,
        toolkit_changes_sha256=info.changes_sha256 if info else None,
        host=host(),
        sessions=(*earlier.sessions, earlier.as_session()) if earlier else (),
        steps_done=planned.from_step,
        seed=planned.seed,
    )


def _refuse_several_processes() -> None:
    """One process trains one run: AI-Toolkit averages gradients of several but shares no data among them.

    Each would go through the whole dataset, cache the same latents in the same files and count steps of its
    own; with ``SEED`` set all would draw the same examples and the same noise.

    Raises:
        UsageError: if ``accelerate launch`` or ``torchrun`` started several.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size not in {"", "0", "1"}:
        raise UsageError(
            f"WORLD_SIZE={size}: chromiq train must be one process, not one of several as accelerate or "
            "torchrun start them. A run trains on one GPU; 'chromiq sweep-train' uses several."
        )


def _run_findings(job: Job) -> list[Finding]:
    """What AI-Toolkit would trip over when it looks for the checkpoints of a run."""
    findings = []
    name, run = job.config.name, job.run_folder
    taken = [file for file in _OTHER_FILES if file.startswith(name)]
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
    if _MOST_STEPS_LOST < every <= job.process.train.steps:
        message = f"a stop can lose {every} steps"
        hint = f"Set save.save_every to {_MOST_STEPS_LOST} or less."
        findings.append(Finding("run.save_every", str(run), message, hint, "warning"))
    return findings


def _environment_findings(info: ToolkitInfo, device: str) -> list[Finding]:
    """Whether the trainer's torch, asked with the config's device shown to it, sees the GPU that is meant."""
    if device != "cpu" and info.device == "cpu":
        message = f"its torch cannot use {device}, so it would train on the CPU"
        hint = "Check nvidia-smi and the driver, name a GPU that exists, or set device to cpu."
        return [Finding("toolkit.device", str(info.python), message, hint)]
    return []


def _resume_findings(earlier: RunRecord, config: Path, digest: str, seed: int | None) -> list[Finding]:
    """What has changed since the run began."""
    changed = {}
    if earlier.config_sha256 != sha256_file(config):
        changed["run.config"] = "the config has changed since the run began"
    if earlier.dataset_sha256 != digest:
        changed["run.dataset"] = "the dataset has changed since the run began"
    if earlier.seed != seed:
        before, now = ("no seed" if each is None else f"SEED={each}" for each in (earlier.seed, seed))
        changed["run.seed"] = f"the run began with {before}, now there is {now}"
    hint = "Resume only if that is intended, or start a run of another name."
    return [Finding(code, str(config), message, hint, "warning") for code, message in changed.items()]
