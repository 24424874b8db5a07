"""The record of a run, ``run.json``: what made a LoRA, for an audit."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import psutil

from chromiq.documents import load_record, read_text
from chromiq.errors import UsageError
from chromiq.files import sha256_file, sha256_text, write_json
from chromiq.toolkit_configs.schema.trainer_job import Job

RUN_FILE = "run.json"
TRAINERS_CONFIG = "config.yaml"
"""AI-Toolkit's own copy of the config, with the values of its variables."""
WRITTEN_CONFIG = "config_as_written"
"""Stem of chromiq's copy, which is the launched file as it was."""
MOST_SEED = 2**32 - 1
_PACKAGES = ("torch", "diffusers", "transformers", "peft", "safetensors", "numpy")

# From the start of a run to its trainer's process, at most.
_STARTUP_S = 600.0

_OF_A_SESSION = (
    *("started", "ended", "state", "steps_done", "seconds_per_step", "message", "seed"),
    *("config_sha256", "dataset_sha256", "versions", "toolkit_commit", "host", "device"),
)
State = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True)
class RunRecord:
    """What made a LoRA, for an audit.

    Attributes:
        engine: ``"smoke"`` or ``"ai-toolkit"``.
        process: id of the process that trains or watches the trainer.
        started: UTC, ISO 8601; of the newest session.
        ended: the same, or None.
        dataset_sha256: as `dataset_digest` gives it.
        versions: of Python, chromiq and the libraries that train.
        device: as the trainer's torch names it, otherwise as in the config.
        toolkit_commit: of the vendored trainer, if it trains.
        checkpoints: file name to SHA-256.
        toolkit_changes_sha256: digest of changes in the vendored trainer, None without any.
        trainer_process: id of the vendored trainer's process and group, once it runs.
        sessions: what is kept of earlier launches of this run, as plain data.
        seconds_per_step: over the newest session, or None.
        seed: from ``SEED``, or None: AI-Toolkit is then unseeded, while the smoke engine uses a fixed seed.
    """

    name: str
    engine: str
    state: State
    process: int
    started: str
    ended: str | None
    total_steps: int
    config: str
    config_sha256: str
    dataset_sha256: str
    versions: dict[str, str]
    device: str
    toolkit_commit: str | None = None
    message: str | None = None
    checkpoints: dict[str, str] = field(default_factory=dict)
    toolkit_changes_sha256: str | None = None
    host: str = ""
    trainer_process: int | None = None
    sessions: tuple[dict[str, Any], ...] = ()
    steps_done: int = 0
    seconds_per_step: float | None = None
    seed: int | None = None

    def as_session(self) -> dict[str, Any]:
        """What `sessions` keeps of this launch when the run is launched again."""
        return {name: getattr(self, name) for name in _OF_A_SESSION}


def read_record(run: Path) -> RunRecord:
    """The run's ``run.json``.

    Raises:
        UsageError: if it is missing or cannot be read.
    """
    path = run / RUN_FILE
    try:
        return load_record(RunRecord, read_text(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{run} is not a run folder of chromiq train: it has no {RUN_FILE}"
        hint = "Check the path; LoRAs that were trained otherwise are compared by chromiq evaluate."
        raise UsageError(f"{message}. {hint}") from error
    except (OSError, ValueError) as error:
        hint = "Make it readable, restore it from a backup, or update chromiq if a newer version wrote it."
        raise UsageError(f"{path}: cannot be read: {error}. {hint}") from error


def config_of(run: Path, record: RunRecord) -> Path | None:
    """The config that a run was trained by, with its values of that time if AI-Toolkit kept them, or None."""
    trainers = run / TRAINERS_CONFIG
    return trainers if trainers.is_file() else written_config_of(run, record)


def written_config_of(run: Path, record: RunRecord) -> Path | None:
    """The config that a run was launched with, or None; AI-Toolkit's copy if the run kept no other."""
    given, trainers = Path(record.config), run / TRAINERS_CONFIG
    kept = run / f"{WRITTEN_CONFIG}{given.suffix}"
    if kept.is_file():
        return kept
    if trainers.is_file() and not (given.is_file() and sha256_file(given) == record.config_sha256):
        return trainers
    return given if given.is_file() else None


def write_record(run: Path, record: RunRecord) -> None:
    """Write ``run.json``."""
    write_json(run / RUN_FILE, asdict(record))


def read_seed(environment: Mapping[str, str]) -> int | None:
    """The seed in the variable ``SEED``, which AI-Toolkit reads; it ignores one that is not a number.

    Raises:
        UsageError: if it is not a number that its libraries accept.
    """
    text = environment.get("SEED")
    if not text:
        return None
    if not text.isdecimal() or int(text) > MOST_SEED:
        raise UsageError(f"SEED={text!r} is not an integer from 0 to {MOST_SEED}. Change or unset it.")
    return int(text)


def dataset_digest(job: Job, note: Callable[[str], None] | None = None) -> str:
    """Digest of a dataset: the names and bytes of its targets, captions, controls and masks."""
    folders = [folder for dataset in job.process.datasets for folder in dataset.folders]
    files = [
        (index, path)
        for index, folder in enumerate(folders)
        for path in (sorted(folder.glob("[!.]*")) if folder.is_dir() else [folder])
        if path.is_file()
    ]
    parts = []
    for done, (index, path) in enumerate(files):
        if note and done % 100 == 0:
            note(f"digest of the dataset: {done} of {len(files)} files")
        parts.append((index, path.name, sha256_file(path)))
    return sha256_text(json.dumps(parts))


def library_versions() -> dict[str, str]:
    """Versions of Python, chromiq and the libraries that the smoke engine uses."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def is_running(process: int, started: str) -> bool:
    """Whether a process runs on this machine and is the one that a run was started with."""
    try:
        found = psutil.Process(process)
        begun_s = found.create_time()
        if found.status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.Error:
        return False
    # A run's start is recorded in whole seconds, after its process started and before its trainer's did.
    return begun_s < datetime.fromisoformat(started).timestamp() + _STARTUP_S or process == os.getpid()


def now() -> str:
    """UTC, ISO 8601, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def host() -> str:
    """The machine's name."""
    return socket.gethostname()
