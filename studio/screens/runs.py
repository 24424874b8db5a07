"""Training runs: all of them, one as it trains, and its checkpoints side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chromiq.errors import ChromiqError, UsageError
from chromiq.photos.images import encode_image, read_small
from chromiq.studio.commands import MAIN
from chromiq.studio.pages import folder_of, page, png, shell_command, workplace_of
from chromiq.studio.training.run_facts import SweepFacts, find_sweeps, sample_rows, status_facts
from chromiq.studio.workplace import OpenedFolder, OutsideError
from chromiq.toolkit_configs.runs.record import host, is_running
from chromiq.toolkit_configs.runs.status import RunStatus, read_status
from chromiq.toolkit_configs.trainer.job_control import request_checkpoint

_PLACE = "/f/{folder}/run"
_SIDE_PX = 1600
_LOG = "resumed.log"


def _list(request: Request) -> Response:
    workplace = workplace_of(request)
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
    sweeps = find_sweeps(workplace_of(request).roots, status.record.name)
    return page(
        request,
        "run",
        title=f"Run {status.record.name}",
        folder=folder,
        status=status,
        sweeps=sweeps,
        rows=sample_rows(folder.path, status),
        changes=[_change(sweep) for sweep in sweeps],
        command=shell_command("chromiq", "status", "--watch", folder.path),
        resume=shell_command("chromiq", *resume_words(status)),
        sweep_command=shell_command(
            "chromiq", "sweep", folder.path, "--testset", "DATASET", "--out", "SWEEP"
        ),
    )


def _change(sweep: SweepFacts) -> str:
    """How much the best checkpoint changes against no LoRA, in words."""
    change, interval = sweep.document.get("change_from_control"), sweep.document.get("change_interval")
    if change is None or interval is None:
        return ""
    low, high = interval
    text = f"{change:+.2f} dE00 against uncorrected (95 % interval {low:+.2f} to {high:+.2f})"
    if high < 0:
        return f"The best checkpoint is better than no LoRA: {text}."
    return f"The best checkpoint is {'worse' if low > 0 else 'not measurably better'} than no LoRA: {text}."


async def _status(request: Request) -> Response:
    folder = folder_of(request, "run")
    return JSONResponse(await run_in_threadpool(status_facts, folder.path))


def _act(request: Request) -> Response:
    folder, action = folder_of(request, "run"), request.path_params["action"]
    status = read_status(folder.path)
    actions = {"stop": _stop, "resume": _resume, "save": _save}
    if action not in actions:
        raise HTTPException(404, "There is no such action.")
    actions[action](folder.path, status)
    return JSONResponse({"asked": action})


def _stop(run: Path, status: RunStatus) -> None:
    """Interrupt a run as Ctrl-C does, which saves a checkpoint where the trainer can."""
    record = status.record
    if status.state != "running":
        raise UsageError(f"{run} is not running")
    if record.host not in ("", host()) or not is_running(record.process, record.started):
        raise UsageError(f"{run} runs on {record.host or 'another machine'}; stop it there")
    os.kill(record.process, signal.SIGINT)


def _save(run: Path, status: RunStatus) -> None:
    if status.state != "running":
        raise UsageError(f"{run} is not running, so there is nothing to save")
    request_checkpoint(run)


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
    sweeps = find_sweeps(workplace_of(request).roots, read_status(folder.path).record.name)
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
        inside = workplace_of(request).inside(path)
    except OutsideError as error:
        raise HTTPException(404, "The picture is not below a folder that was opened.") from error
    return png(encode_image(read_small(inside, _SIDE_PX), "PNG"))


ROUTES = [
    Route("/runs", _list),
    Route(_PLACE, _page),
    Route(f"{_PLACE}/status", _status),
    Route(f"{_PLACE}/sample/{{number:int}}/{{column}}", _sample),
    Route(f"{_PLACE}/sweep/{{sweep:int}}/{{name}}/{{column}}", _compared),
    Route(f"{_PLACE}/{{action}}", _act, methods=["POST"]),
]
