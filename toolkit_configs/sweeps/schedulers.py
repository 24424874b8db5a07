"""What a target needs to know about a job, and the text of the job for each target."""

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
from chromiq.errors import UsageError
from chromiq.files import safe_stem, write_text
from chromiq.templating import template_environment
from chromiq.toolkit_configs.runs.folder import RUN_FILE
from chromiq.toolkit_configs.schema.jobs import Job, read_job

Target = Literal["slurm", "skypilot"]
_CHECKOUT = Path(__file__).resolve().parents[2]
_REMOTE_CHROMIQ = ".venv/bin/chromiq"
# A notice of this many seconds before the time limit lets a run save and go on in the queue.
_NOTICE_S = 300


class Resources(BaseModel):
    """What a job asks for, and how it is run; both targets read what concerns them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpus: int = Field(1, ge=0, description="GPUs of one run")
    gpu: str | None = Field(None, description="kind, such as H100")
    cpus: int = Field(8, gt=0)
    memory_gb: int = Field(64, gt=0)
    hours: float = Field(24, gt=0, description="Slurm: until it is put back into the queue")
    partition: str | None = Field(None, description="Slurm")
    account: str | None = Field(None, description="Slurm")
    at_once: int | None = Field(None, gt=0, description="Slurm: runs of a sweep at the same time")
    spot: bool = Field(True, description="SkyPilot: machines that may be taken away")
    disk_gb: int = Field(256, gt=0, description="SkyPilot")
    bucket: str | None = Field(
        None, description="SkyPilot: where checkpoints go; named after the run unless given"
    )


@dataclass(frozen=True)
class TargetJob:
    """One training for a target.

    Attributes:
        config: the config file.
        job: that it holds.
        engine: who trains.
        seed: of AI-Toolkit, which takes it from its environment; None leaves it alone.
    """

    config: Path
    job: Job
    engine: str = "ai-toolkit"
    seed: int | None = None

    @property
    def name(self) -> str:
        """The run's name as schedulers take it."""
        return safe_stem(self.job.config.name)

    @property
    def final(self) -> Path:
        """The checkpoint of its last step."""
        return self.job.run_folder / f"{self.job.config.name}.safetensors"


def target_job(config: Path, engine: str, seed: int | None = None) -> TargetJob:
    """A config as a job for a target.

    Raises:
        UnsoundError: if the config cannot be read.
        UsageError: if a path holds what no scheduler can be told, such as a line break.
    """
    path = config.resolve()
    found = TargetJob(path, read_job(path), engine, seed)
    for text in (str(path), str(found.job.run_folder)):
        if not text.isprintable():
            raise UsageError(f"{text!r}: wanted a path without line breaks or control characters; rename it")
    if not found.job.run_folder.is_absolute():
        folder = found.job.process.training_folder
        raise UsageError(
            f"{config}: wanted an absolute training_folder, got {folder}; a job starts somewhere else"
        )
    return found


def read_resources(assignments: Sequence[str]) -> Resources:
    """What ``--job KEY=VALUE`` asks for.

    >>> read_resources(["gpus=2", "partition=a100"]).partition
    'a100'

    Raises:
        UsageError: if a key is not known or a value does not fit.
    """
    values: dict[str, str] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not text.isprintable():
            raise UsageError(f"--job {assignment!r}: wanted KEY=VALUE on one line; write for instance gpus=1")
        values[key.strip()] = text.strip()
    try:
        return Resources.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UsageError(
            f"--job {key}: {fault['msg']}; known are {', '.join(Resources.model_fields)}"
        ) from error


def write_target(
    name: str, jobs: Sequence[TargetJob], out: Path, target: Target, resources: Resources
) -> list[Path]:
    """Write what a target is handed into `out`: one script for Slurm, a task per run for SkyPilot.

    Args:
        name: of the whole.
        jobs: at least one.
        out: the folder.
        target: who is handed it.
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
    """What is odd about what a job asks for, or None."""
    if resources.gpus <= 1:
        return None
    return (
        f"{resources.gpus} GPUs are asked for and a run trains on one: the others idle; ask for gpus=1, "
        "and train several runs at once with 'chromiq sweep-train'"
    )


def submit_commands(files: Sequence[Path], target: Target) -> list[str]:
    """What the user types to hand the jobs in.

    >>> submit_commands([Path("my runs.slurm.sh")], "slurm")
    ["sbatch 'my runs.slurm.sh'"]
    """
    start = ["sbatch"] if target == "slurm" else ["sky", "jobs", "launch", "--secret", "HF_TOKEN"]
    return [shlex.join([*start, str(path)]) for path in files]


def slurm_script(name: str, jobs: Sequence[TargetJob], resources: Resources) -> str:
    """A batch script; more than one job makes it an array. It is put back into the queue at its time limit.

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
    """A SkyPilot task, to be run as a managed job; runs lie in a bucket, so that they outlive machines.

    Args:
        job: that is trained.
        resources: that it needs.

    Raises:
        UsageError: if chromiq is not run from a checkout, which SkyPilot would copy to the machine.
    """
    if not (_CHECKOUT / "setup.cfg").is_file():
        raise UsageError(
            f"{_CHECKOUT}: wanted chromiq's checkout, which is copied to the machine, got an installed "
            "package; run it from a checkout"
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
    """What a job reads: config, data, a base model that is a folder here. None lies within another."""
    process = job.job.process
    paths = [str(job.config)]
    for dataset in process.datasets:
        controls = dataset.control_path
        root = Path(dataset.folder_path).parent
        # A dataset that chromiq built goes as a whole: its manifest is what identifies it.
        paths.append(str(root) if DatasetLayout(root).manifest.is_file() else dataset.folder_path)
        paths += [controls] if isinstance(controls, str) else controls
        paths += [dataset.mask_path] if dataset.mask_path else []
    for sample in process.sample.samples:
        paths += [value for key, value in sample.items() if key.startswith("ctrl_img") and value]
    if Path(process.model.name_or_path).is_absolute():
        paths.append(process.model.name_or_path)
    kept = sorted(set(map(Path, paths)))
    return [str(path) for path in kept if not any(other in path.parents for other in kept)]


def bucket_name(name: str) -> str:
    """A bucket name that every cloud takes, made of a run's name.

    >>> bucket_name("Chromiq_v1")
    'chromiq-runs-chromiq-v1'
    """
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return f"chromiq-runs-{kept}"[:60].rstrip("-")


def chromiq_command() -> str:
    """The command as it is installed here: a cluster's nodes see the same file system."""
    beside = Path(sys.executable).parent / "chromiq"
    return str(beside) if beside.is_file() else "chromiq"


def _directive(value: object) -> str:
    """A value on an ``#SBATCH`` line, which is split at spaces outside quotes."""
    text = str(value)
    if not text.isprintable() or '"' in text:
        raise UsageError(f"{text!r}: wanted a value for Slurm without quotes or line breaks; change it")
    return f'"{text}"'


def _yaml(value: Any) -> str:
    return yaml.dump(value, default_style='"', width=float("inf"), allow_unicode=True).strip()
