"""Batch jobs for Slurm and SkyPilot."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import OptionError, UsageError
from chromiq.files import safe_stem, write_text
from chromiq.templating import template_environment
from chromiq.toolkit_configs.runs.folder import RUN_FILE
from chromiq.toolkit_configs.schema.jobs import Job, read_job

Target = Literal["slurm", "skypilot"]
_CHECKOUT = Path(__file__).resolve().parents[2]
_REMOTE_CHROMIQ = ".venv/bin/chromiq"
# Slurm sends a signal this many seconds before the time limit, so that the run is requeued.
_NOTICE_S = 300


class Resources(BaseModel):
    """Resources of a job; each target reads its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int = Field(1, ge=0, description="GPUs of one run")
    gpu: str | None = Field(None, description="kind, such as H100")
    cpus: int = Field(8, gt=0)
    memory_gb: int = Field(64, gt=0)
    hours: float = Field(24, gt=0, description="Slurm: time limit, after which it is requeued")
    partition: str | None = Field(None, description="Slurm")
    account: str | None = Field(None, description="Slurm")
    at_once: int | None = Field(None, gt=0, description="Slurm: concurrent runs of a sweep")
    spot: bool = Field(True, description="SkyPilot: use spot instances")
    disk_gb: int = Field(256, gt=0, description="SkyPilot")
    bucket: str | None = Field(
        None, description="SkyPilot: bucket for checkpoints; by default named after the run"
    )


@dataclass(frozen=True)
class TargetJob:
    """One training for a target.

    Attributes:
        config: the config file.
        job: that it holds.
        engine: that trains.
        seed: passed to AI-Toolkit in the variable ``SEED``; None to leave it unset.
    """

    config: Path
    job: Job
    engine: str = "ai-toolkit"
    seed: int | None = None

    @property
    def name(self) -> str:
        """The run's name, made safe for schedulers."""
        return safe_stem(self.job.config.name)

    @property
    def final(self) -> Path:
        """The checkpoint of its last step."""
        return self.job.run_folder / f"{self.job.config.name}.safetensors"


def target_job(config: Path, engine: str, seed: int | None = None) -> TargetJob:
    """The job that trains a config.

    Raises:
        UnsoundError: if the config cannot be read.
        UsageError: if a path has control characters, or the training folder is relative.
    """
    path = config.resolve()
    found = TargetJob(path, read_job(path), engine, seed)
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
        key = ".".join(map(str, fault["loc"]))
        raise OptionError(
            "job", f"{key}: {fault['msg']}. Known keys: {', '.join(Resources.model_fields)}."
        ) from error


def write_target(
    name: str, jobs: Sequence[TargetJob], out: Path, target: Target, resources: Resources
) -> list[Path]:
    """Write the job files into `out`: one script for Slurm, a task per run for SkyPilot.

    Args:
        name: of the whole.
        jobs: at least one.
        out: the folder.
        target: the scheduler.
        resources: of each run.
    """
    if target == "slurm":
        texts = {out / f"{safe_stem(name)}.slurm.sh": slurm_script(name, jobs, resources)}
    else:
        texts = {out / f"{job.name}.sky.yaml": skypilot_task(job, resources) for job in jobs}
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def resource_warning(resources: Resources) -> str | None:
    """A warning about the resources, or None."""
    if resources.gpus <= 1:
        return None
    return (
        f"the job requests {resources.gpus} GPUs, but a run trains on one and the others stay idle; request "
        "gpus=1 and train several runs at once with 'chromiq sweep-train'"
    )


def submit_commands(files: Sequence[Path], target: Target) -> list[str]:
    """The commands that submit the jobs.

    >>> submit_commands([Path("my runs.slurm.sh")], "slurm")
    ["sbatch 'my runs.slurm.sh'"]
    """
    start = ["sbatch"] if target == "slurm" else ["sky", "jobs", "launch", "--secret", "HF_TOKEN"]
    return [shlex.join([*start, str(path)]) for path in files]


def slurm_script(name: str, jobs: Sequence[TargetJob], resources: Resources) -> str:
    """A batch script, an array for more than one job; requeued at its time limit.

    Args:
        name: of the whole, made safe.
        jobs: at least one.
        resources: of each.
    """
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


def skypilot_task(job: TargetJob, resources: Resources) -> str:
    """A SkyPilot task, to be run as a managed job; runs are in a bucket, so that they outlive machines.

    Args:
        job: the training.
        resources: that it needs.

    Raises:
        UsageError: if chromiq does not run from a checkout, which SkyPilot copies to the machine.
    """
    if not (_CHECKOUT / "setup.cfg").is_file():
        raise UsageError(
            f"{_CHECKOUT} is an installed package. Run chromiq from a checkout, which SkyPilot copies."
        )
    environment = template_environment(html=False)
    environment.filters.update(quote=lambda value: shlex.quote(str(value)), tojson=_yaml)
    folder = Path(job.job.process.training_folder)
    text = environment.get_template("skypilot.yaml.j2").render(
        job=job,
        resources=resources,
        checkout=str(_CHECKOUT),
        chromiq=_REMOTE_CHROMIQ,
        run_file=RUN_FILE,
        mounts=input_folders(job),
        training_folder=str(folder),
        bucket=resources.bucket or bucket_name(job.name),
    )
    yaml.safe_load(text)
    return text


def input_folders(job: TargetJob) -> list[str]:
    """Paths that a job reads: config, data, a local base model. None is inside another."""
    process = job.job.process
    paths = [str(job.config)]
    for dataset in process.datasets:
        # A dataset that chromiq built is sent as a whole: its manifest is what identifies it.
        roots = [folder.parent for folder in dataset.folders[:1]]
        paths += [str(root) for root in roots if DatasetLayout(root).manifest.is_file()]
        paths += map(str, dataset.folders)
    for sample in process.sample.samples:
        paths += sample.control_images.values()
    if Path(process.model.name_or_path).is_absolute():
        paths.append(process.model.name_or_path)
    kept = sorted(set(map(Path, paths)))
    return [str(path) for path in kept if not any(other in path.parents for other in kept)]


def bucket_name(name: str) -> str:
    """A bucket name that every cloud accepts, from a run's name.

    >>> bucket_name("Chromiq_v1")
    'chromiq-runs-chromiq-v1'
    """
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return f"chromiq-runs-{kept}"[:60].rstrip("-")


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


def _yaml(value: Any) -> str:
    return yaml.dump(value, default_style='"', width=float("inf"), allow_unicode=True).strip()
