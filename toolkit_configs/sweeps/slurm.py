"""Batch jobs for Slurm."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chromiq.documents import reason_of
from chromiq.errors import OptionError, UsageError
from chromiq.files import safe_stem, write_text
from chromiq.templating import template_environment
from chromiq.toolkit_configs.runs.record import RUN_FILE
from chromiq.toolkit_configs.schema.trainer_job import Job, read_job

# Slurm sends a signal this many seconds before the time limit, so that the run is requeued.
_NOTICE_S = 300


class Resources(BaseModel):
    """Resources of a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int = Field(1, ge=0, description="GPUs of one run")
    gpu: str | None = Field(None, description="kind, such as H100")
    cpus: int = Field(8, gt=0)
    memory_gb: int = Field(64, gt=0)
    hours: float = Field(24, gt=0, description="time limit, after which it is requeued")
    partition: str | None = Field(None)
    account: str | None = Field(None)
    at_once: int | None = Field(None, gt=0, description="concurrent runs of a sweep")


@dataclass(frozen=True)
class BatchJob:
    """One training for Slurm, or for the queue of this machine; its seed goes into the variable ``SEED``.

    Attributes:
        options: further ones of ``chromiq train``, on Slurm.
    """

    config: Path
    job: Job
    engine: str = "ai-toolkit"
    seed: int | None = None
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The run's name, made safe for Slurm."""
        return safe_stem(self.job.config.name)


def batch_job(config: Path, engine: str, seed: int | None = None) -> BatchJob:
    """The job that trains a config.

    Raises:
        UnsoundError: if the config cannot be read.
        UsageError: if a path has control characters, or the training folder is relative.
    """
    path = config.resolve()
    found = BatchJob(path, read_job(path), engine, seed)
    for text in (str(path), str(found.job.run_folder)):
        if not text.isprintable():
            raise UsageError(f"{text!r}: the path has line breaks or control characters. Rename it.")
    if not found.job.run_folder.is_absolute():
        folder = found.job.process.training_folder
        raise UsageError(
            f"{config}: training_folder {folder} is relative. A job starts elsewhere: make it absolute."
        )
    return found


def read_resources(assignments: Sequence[str]) -> Resources:
    """Resources from ``KEY=VALUE`` texts.

    >>> read_resources(["gpus=2", "partition=a100"]).partition
    'a100'

    Raises:
        UsageError: for an unknown key or an invalid value.
    """
    values: dict[str, str] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not text.isprintable():
            raise OptionError("job", f"{assignment!r} is not KEY=VALUE (for example gpus=1)")
        values[key.strip()] = text.strip()
    try:
        return Resources.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        known = ", ".join(Resources.model_fields)
        raise OptionError("job", f"{fault['loc'][0]} {reason_of(fault)}. Known keys: {known}.") from error


def write_script(name: str, jobs: Sequence[BatchJob], out: Path, resources: Resources) -> Path:
    """Write ``NAME.slurm.sh`` into `out` and return its path."""
    path = out / f"{safe_stem(name)}.slurm.sh"
    write_text(path, slurm_script(name, jobs, resources))
    return path


def resource_warning(resources: Resources) -> str | None:
    """A warning about the resources, or None."""
    if resources.gpus <= 1:
        return None
    return (
        f"the job requests {resources.gpus} GPUs, but a run trains on one and the others stay idle; request "
        "gpus=1 and train several runs at once with 'chromiq sweep-train'"
    )


def submit_command(script: Path) -> str:
    """The command that submits a script.

    >>> submit_command(Path("my runs.slurm.sh"))
    "sbatch 'my runs.slurm.sh'"
    """
    return shlex.join(["sbatch", str(script)])


def slurm_script(name: str, jobs: Sequence[BatchJob], resources: Resources) -> str:
    """A batch script, an array for more than one job; requeued at its time limit."""
    environment = template_environment(html=False)
    environment.filters.update(quote=lambda value: shlex.quote(str(value)), directive=_directive)
    minutes = round(resources.hours * 60)
    return environment.get_template("slurm.sh.j2").render(
        name=safe_stem(name),
        jobs=jobs,
        resources=resources,
        time=f"{minutes // 60}:{minutes % 60:02d}:00",
        notice_s=min(_NOTICE_S, minutes * 30),
        chromiq=chromiq_command(),
        run_file=RUN_FILE,
    )


def chromiq_command() -> str:
    """Path of the installed command: a cluster's nodes see the same file system."""
    beside = Path(sys.executable).parent / "chromiq"
    return str(beside) if beside.is_file() else "chromiq"


def _directive(value: object) -> str:
    """A value on an ``#SBATCH`` line, which is split at spaces outside quotes."""
    text = str(value)
    if not text.isprintable() or '"' in text:
        raise UsageError(f"{text!r}: a value for Slurm may not have quotes or line breaks")
    return f'"{text}"'
