"""Config -> run: checked, recorded, trained by one engine or the other."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chromiq.errors import Finding, InterruptedRunError, raise_findings
from chromiq.files import ensure_output_folder, folder_lock
from toolkit_configs.check import check_config
from toolkit_configs.engines.ai_toolkit import StepEvent
from toolkit_configs.engines.ai_toolkit import run as run_ai_toolkit
from toolkit_configs.jobs import Job, read_job
from toolkit_configs.runs import State, append_event, ended, new_record, write_record
from toolkit_configs.toolkit import require_toolkit, toolkit_info

Engine = Literal["ai-toolkit", "local"]


@dataclass(frozen=True)
class Plan:
    """What a training would do.

    Attributes:
        job: as read from the config.
        findings: all that the check found.
        engine: who would train.
        toolkit_commit: of the vendored trainer, if it would train.
    """

    job: Job
    findings: tuple[Finding, ...]
    engine: Engine
    toolkit_commit: str | None

    @property
    def summary(self) -> str:
        """One line for people."""
        process = self.job.process
        return (
            f"{self.engine} would train {process.model.name_or_path} for {process.train.steps} steps on "
            f"{process.datasets[0].folder_path}, into {self.job.run_folder}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data for JSON."""
        process = self.job.process
        return {
            "engine": self.engine,
            "toolkit_commit": self.toolkit_commit,
            "model": process.model.name_or_path,
            "steps": process.train.steps,
            "dataset": process.datasets[0].folder_path,
            "run": str(self.job.run_folder),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def plan(config: Path, engine: Engine, *, resume: bool = False, force: bool = False) -> Plan:
    """Check all that a training needs; writes nothing.

    Args:
        config: as `render_job` made it.
        engine: who would train.
        resume: go on with an existing run.
        force: let errors of the config or dataset pass.

    Raises:
        UnsoundError: with all findings, unless `force`.
        ChromiqError: if the vendored trainer is wanted and missing.
    """
    findings = check_config(config, resume=resume)
    job = read_job(config)
    if not force:
        raise_findings(findings, str(config))
    commit = None
    if engine == "ai-toolkit":
        require_toolkit()
        commit = toolkit_info().commit
    return Plan(job, tuple(findings), engine, commit)


def launch(
    config: Path,
    engine: Engine,
    *,
    resume: bool = False,
    force: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_findings: Callable[[Sequence[Finding]], None] | None = None,
) -> Path:
    """Train a config's LoRA and return the final checkpoint; ``run.json`` in the run folder tells how.

    Args:
        config: as `render_job` made it.
        engine: who trains.
        resume: go on with an existing run.
        force: train although the check finds errors.
        on_progress: called with steps done and steps in all.
        on_findings: called once with all that the check finds.

    Raises:
        UnsoundError: with all findings, before anything is launched.
        ChromiqError: if the training fails.
        InterruptedRunError: on SIGINT or SIGTERM.
    """
    planned = plan(config, engine, resume=resume, force=force)
    if on_findings:
        on_findings(planned.findings)
    job = planned.job
    run = ensure_output_folder(job.run_folder)
    with folder_lock(run, f"chromiq train --engine {engine}"):
        record = new_record(job, engine, config, planned.toolkit_commit)
        write_record(run, record)
        append_event(run, "start", engine=engine, resume=resume)
        try:
            final = _train(job, config, engine, resume, on_progress)
        except BaseException as error:
            stopped = isinstance(error, InterruptedRunError | KeyboardInterrupt)
            state: State = "interrupted" if stopped else "failed"
            append_event(run, state, message=str(error))
            write_record(run, ended(record, run, state, str(error)))
            raise
        append_event(run, "done", checkpoint=final.name)
        write_record(run, ended(record, run, "done"))
    return final


def _train(
    job: Job, config: Path, engine: Engine, resume: bool, on_progress: Callable[[int, int], None] | None
) -> Path:
    run = job.run_folder

    def note(event: StepEvent) -> None:
        append_event(run, "step", step=event.step, loss=event.loss, learning_rate=event.learning_rate)
        if on_progress:
            on_progress(event.step, event.total)

    if engine == "local":
        from toolkit_configs.engines.local import train

        result = train(
            job, resume=resume, on_step=lambda step, total, loss: note(StepEvent(step, total, loss, None))
        )
        return result.final_checkpoint
    with _termination_as_interrupt():
        return run_ai_toolkit(config, run, job.config.name, job.process.train.steps, note)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """A SIGTERM ends the block as a SIGINT does, so that the child's group is ended too."""

    def interrupt(number: int, _: Any) -> None:
        raise KeyboardInterrupt(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
