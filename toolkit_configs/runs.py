"""What a run leaves behind for those who ask later: ``run.json``, ``events.jsonl``, its checkpoints."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from chromiq import __version__
from chromiq.errors import UsageError
from chromiq.files import sha256_file, sha256_text, write_json
from toolkit_configs.jobs import Job

RUN_FILE = "run.json"
EVENTS_FILE = "events.jsonl"
_PACKAGES = ("torch", "diffusers", "transformers", "peft", "safetensors", "numpy")
_STEP = re.compile(r"_(\d{9})$")

State = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True)
class RunRecord:
    """What made a LoRA, for an audit.

    Attributes:
        name: of the run.
        engine: ``"local"`` or ``"ai-toolkit"``.
        state: where it stands.
        process: the process that trains, while it runs.
        started: UTC, ISO 8601.
        ended: the same, or None.
        total_steps: steps in all.
        config: path of the config.
        config_sha256: of its bytes.
        dataset_sha256: of its manifest, or of the names and sizes of its files.
        versions: of Python, chromiq and the libraries that train.
        device: that trains, as the config says.
        toolkit_commit: of the vendored trainer, if it trains.
        message: why it failed.
        checkpoints: file name to SHA-256.
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


@dataclass(frozen=True)
class RunStatus:
    """A run as it stands now.

    Attributes:
        record: as written when it started or ended.
        step: the last step heard of.
        loss: at that step, or None.
        checkpoint: the newest one, or None.
        alive: whether its process still runs.
    """

    record: RunRecord
    step: int
    loss: float | None
    checkpoint: Path | None
    alive: bool

    @property
    def state(self) -> str:
        """As recorded; ``"killed"`` if it is recorded as running and its process is gone."""
        return "killed" if self.record.state == "running" and not self.alive else self.record.state


def new_record(job: Job, engine: str, config: Path, toolkit_commit: str | None) -> RunRecord:
    """The record of a run that starts now.

    Args:
        job: that is trained.
        engine: that trains.
        config: the file that holds the job.
        toolkit_commit: of the vendored trainer, or None if another trains.
    """
    return RunRecord(
        name=job.config.name,
        engine=engine,
        state="running",
        process=os.getpid(),
        started=_now(),
        ended=None,
        total_steps=job.process.train.steps,
        config=str(config.resolve()),
        config_sha256=sha256_file(config),
        dataset_sha256=dataset_digest(Path(job.process.datasets[0].folder_path)),
        versions=_versions(),
        device=job.process.device,
        toolkit_commit=toolkit_commit,
    )


def write_record(run: Path, record: RunRecord) -> None:
    """Write ``run.json``."""
    write_json(run / RUN_FILE, asdict(record))


def ended(record: RunRecord, run: Path, state: State, message: str | None = None) -> RunRecord:
    """The record of a run that has just ended, with the digests of its checkpoints."""
    digests = {path.name: sha256_file(path) for path in find_checkpoints(run, record.name)}
    return replace(record, state=state, ended=_now(), message=message, checkpoints=digests)


def append_event(run: Path, kind: str, **values: Any) -> None:
    """Add a line to ``events.jsonl``."""
    line = json.dumps({"time": _now(), "event": kind, **values}, ensure_ascii=False)
    with (run / EVENTS_FILE).open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def read_status(run: Path) -> RunStatus:
    """How a run stands.

    Raises:
        UsageError: if the folder holds no run.
    """
    path = run / RUN_FILE
    if not path.is_file():
        raise UsageError(f"{run}: wanted a run folder with {RUN_FILE}, got none; check the path")
    record = RunRecord(**json.loads(path.read_text(encoding="utf-8")))
    step, loss = 0, None
    for event in _events(run / EVENTS_FILE):
        if event.get("event") == "step":
            step, loss = int(event["step"]), event.get("loss")
    found = find_checkpoints(run, record.name)
    alive = record.state == "running" and _is_alive(record.process)
    return RunStatus(record, step, loss, found[-1] if found else None, alive)


def find_checkpoints(run: Path, name: str) -> list[Path]:
    """A run's LoRAs, oldest first; the final one, which carries no step in its name, last."""
    steps = sorted(path for path in run.glob("*.safetensors") if checkpoint_step(path, name) is not None)
    final = run / f"{name}.safetensors"
    return [*steps, final] if final.is_file() else steps


def checkpoint_step(path: Path, name: str) -> int | None:
    """The step in a checkpoint's name, or None if it carries none.

    >>> checkpoint_step(Path("lab_000000020.safetensors"), "lab")
    20
    >>> checkpoint_step(Path("lab.safetensors"), "lab") is None
    True
    """
    found = _STEP.match(path.stem.removeprefix(name)) if path.stem.startswith(name) else None
    return int(found.group(1)) if found else None


def dataset_digest(targets: Path) -> str:
    """What identifies a dataset: its manifest's bytes, else the names and sizes of its targets."""
    manifest = targets.parent / "manifest.jsonl"
    if manifest.is_file():
        return sha256_file(manifest)
    files = sorted((path.name, path.stat().st_size) for path in targets.iterdir() if path.is_file())
    return sha256_text(json.dumps(files))


def _events(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    # The last line may be half-written while the run goes on.
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0], "chromiq": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
