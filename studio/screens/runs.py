"""Training runs: all of them, one as it trains, and its checkpoints side by side."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import ChromiqError, UsageError
from chromiq.evaluate.score.scores import find_images
from chromiq.evaluate.sweep import SWEEP_FILE
from chromiq.photos.images import encode_image, read_small
from chromiq.studio.jobs import MAIN
from chromiq.studio.pages import Answer, folder_of, page, parts_of, png, shell_command
from chromiq.studio.workplace import OpenedFolder, OutsideError
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.runs.events import EventReader
from chromiq.toolkit_configs.runs.record import config_of, host, is_running
from chromiq.toolkit_configs.runs.status import RunStatus, read_status
from chromiq.toolkit_configs.runs.view import pace
from chromiq.toolkit_configs.schema.trainer_job import examine_job

_PLACE = "/f/{folder}/run"
_SIDE_PX = 1600
_LOG = "resumed.log"
_MOST_POINTS = 500
_SAMPLE_NAME = re.compile(r"_+(\d+)_(\d+)\.(?:jpe?g|png|webp)", re.IGNORECASE)
_DEPTHS = ("", "*/", "*/*/", "*/*/*/")


def _list(request: Request) -> Response:
    workplace = parts_of(request).workplace
    rows: list[tuple[OpenedFolder, RunStatus | None, str]] = []
    for folder in workplace.of_kind("run"):
        try:
            rows.append((folder, read_status(folder.path), ""))
        except ChromiqError as error:
            rows.append((folder, None, str(error)))
    parents = sorted({folder.path.parent for folder, _, _ in rows})
    command = shell_command("chromiq", "status", parents[0] if len(parents) == 1 else "RUNS")
    return page(request, "runs", title="Runs", command=command, rows=rows)


def _page(request: Request) -> Response:
    folder = folder_of(request, "run")
    status = read_status(folder.path)
    sweeps = find_sweeps(parts_of(request).workplace.roots, status.record.name)
    return page(
        request,
        "run",
        title=f"Run {status.record.name}",
        folder=folder,
        status=status,
        sweeps=sweeps,
        rows=sample_rows(folder.path, status),
        command=shell_command("chromiq", "status", "--watch", folder.path),
        resume=shell_command("chromiq", *resume_words(status)),
        sweep_command=shell_command(
            "chromiq", "sweep", folder.path, "--testset", "DATASET", "--out", "SWEEP"
        ),
    )


def _status(request: Request) -> Response:
    return Answer(status_facts(folder_of(request, "run").path))


def _act(request: Request) -> Response:
    folder, action = folder_of(request, "run"), request.path_params["action"]
    status = read_status(folder.path)
    actions = {"stop": _stop, "resume": _resume}
    if action not in actions:
        raise HTTPException(404, "There is no such action.")
    actions[action](folder.path, status)
    return Answer({"asked": action})


def _stop(run: Path, status: RunStatus) -> None:
    """Interrupt a run as Ctrl-C does, which saves a checkpoint where the trainer can."""
    record = status.record
    if status.state != "running":
        raise UsageError(f"{run} is not running")
    if record.host not in ("", host()) or not is_running(record.process, record.started):
        raise UsageError(f"{run} runs on {record.host or 'another machine'}; stop it there")
    os.kill(record.process, signal.SIGINT)


def _resume(run: Path, status: RunStatus) -> None:
    """Start the run's command again, as a process that outlives the page: a training takes days."""
    if status.state in {"running", "done"}:
        raise UsageError(f"{run}: {'still running' if status.state == 'running' else 'already done'}")
    config = Path(status.record.config)
    if not config.is_file():
        raise UsageError(f"{config}: the run's config is missing. Put it back.")
    with (run / _LOG).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-c", MAIN, *resume_words(status)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def resume_words(status: RunStatus) -> list[str]:
    """The command that resumes a run, without the program's name."""
    return ["train", status.record.config, "--engine", status.record.engine, "--resume"]


def _sample(request: Request) -> Response:
    folder, column = folder_of(request, "run"), request.path_params["column"]
    rows = {row.number: row for row in sample_rows(folder.path, read_status(folder.path))}
    row = rows.get(request.path_params["number"])
    path = None
    if row is not None:
        known: dict[str, Path | None] = {"control": row.control, "truth": row.truth}
        path = known.get(column) or row.by_step.get(int(column) if column.isdecimal() else -1)
    return _picture(request, path)


def _compared(request: Request) -> Response:
    values: dict[str, Any] = request.path_params
    folder = folder_of(request, "run")
    sweeps = find_sweeps(parts_of(request).workplace.roots, read_status(folder.path).record.name)
    if values["sweep"] >= len(sweeps):
        raise HTTPException(404, "There is no such sweep.")
    sweep, name, column = sweeps[values["sweep"]], values["name"], values["column"]
    stem = Path(name).stem
    path = {"control": sweep.controls.get(stem), "truth": sweep.truths.get(stem)}.get(column)
    return _picture(request, path or sweep.image(column, name))


def _picture(request: Request, path: Path | None) -> Response:
    if path is None or not path.is_file():
        raise HTTPException(404, "There is no such picture.")
    try:
        inside = parts_of(request).workplace.inside(path)
    except OutsideError as error:
        raise HTTPException(404, "The picture is not below a folder that was opened.") from error
    return png(encode_image(read_small(inside, _SIDE_PX), "PNG"))


@dataclass(frozen=True)
class SampleRow:
    """What became of one sample prompt over the steps.

    Attributes:
        number: of the prompt in the config.
        control: the picture that it edits; None if it has none or it is missing.
        truth: what it should become; None if that is not known.
        by_step: the image of each step.
    """

    number: int
    control: Path | None
    truth: Path | None
    by_step: dict[int, Path]


@dataclass(frozen=True)
class SweepFacts:
    """A sweep of a run's checkpoints.

    Attributes:
        truths: the held-out truths by name; empty if the test set has moved.
    """

    folder: Path
    document: dict[str, Any]
    truths: dict[str, Path]
    controls: dict[str, Path]

    @property
    def names(self) -> list[str]:
        """Of the held-out images."""
        return sorted(self.document["control"]["images"])

    def image(self, checkpoint: str, name: str) -> Path | None:
        """What a checkpoint made of a held-out image."""
        known = {point["checkpoint"] for point in self.document["checkpoints"]}
        if checkpoint not in known or name not in self.names:
            return None
        return _by_stem(self.folder / "checkpoints" / Path(checkpoint).stem).get(Path(name).stem)


def status_facts(run: Path) -> dict[str, Any]:
    """All of a run that changes while it trains, as plain data.

    Raises:
        UsageError: if the folder holds no run.
    """
    status = read_status(run)
    record = status.record
    return {
        "name": record.name,
        "state": status.state,
        "step": status.step,
        "total_steps": record.total_steps,
        "loss": status.loss,
        "pace": pace(status),
        "losses": _thinned(_losses(run)),
        "checkpoints": [
            {"name": path.name, "step": checkpoint_step(path, record.name)}
            for path in find_checkpoints(run, record.name)
        ],
        "warnings": list(status.warnings[-5:]),
        "message": record.message or "",
        "samples": sorted({step for row in sample_rows(run, status) for step in row.by_step}),
    }


def _losses(run: Path) -> list[tuple[int, float]]:
    return [
        (int(event.values["step"]), float(event.values["loss"]))
        for event in EventReader(run).new()
        if event.kind == "step" and event.values.get("loss") is not None
    ]


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most so many points, each the mean of its neighbours."""
    parts = np.array_split(np.array(points, float), min(_MOST_POINTS, len(points))) if points else []
    return [(int(part[-1, 0]), float(part[:, 1].mean())) for part in parts]


def sample_rows(run: Path, status: RunStatus) -> list[SampleRow]:
    """The samples of a run by prompt: AI-Toolkit names them ``TIME__STEP_PROMPT``."""
    images: dict[int, dict[int, Path]] = {}
    folder = run / "samples"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _SAMPLE_NAME.search(path.name)
        if match:
            images.setdefault(int(match.group(2)), {})[int(match.group(1))] = path
    controls = _sample_controls(run, status) if images else []
    rows = []
    for number, by_step in sorted(images.items()):
        control = controls[number] if number < len(controls) else None
        truth = _by_stem(DatasetLayout(control.parent.parent).truths).get(control.stem) if control else None
        rows.append(SampleRow(number, control, truth, by_step))
    return rows


def _sample_controls(run: Path, status: RunStatus) -> list[Path | None]:
    config = config_of(run, status.record)
    job = examine_job(config)[0] if config else None
    samples = job.process.sample.samples if job else []
    found = [next(iter(sample.control_images.values()), None) for sample in samples]
    return [Path(text) if text and Path(text).is_file() else None for text in found]


def find_sweeps(roots: Sequence[Path], name: str) -> list[SweepFacts]:
    """The sweeps below some folders that measured the run of a name."""
    found = []
    paths = {path for root in roots for depth in _DEPTHS for path in root.glob(f"{depth}{SWEEP_FILE}")}
    for path in sorted(paths):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            is_its = document["run"] == name and document["control"]["images"] is not None
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_its:
            testset = Path(document.get("testset") or path.parent / "missing")
            images = DatasetLayout(testset).testset
            truths, controls = _by_stem(images.truths), _by_stem(images.controls)
            found.append(SweepFacts(path.parent, document, truths, controls))
    return found


def _by_stem(folder: Path) -> dict[str, Path]:
    return find_images(folder) if folder.is_dir() else {}


ROUTES = [
    Route("/runs", _list),
    Route(_PLACE, _page),
    Route(f"{_PLACE}/status", _status),
    Route(f"{_PLACE}/sample/{{number:int}}/{{column}}", _sample),
    Route(f"{_PLACE}/sweep/{{sweep:int}}/{{name}}/{{column}}", _compared),
    Route(f"{_PLACE}/{{action}}", _act, methods=["POST"]),
]
