"""AI-Toolkit as a child process: in its own folder and process group, never trusted by its exit code.

On SIGINT it exits 0 with nothing saved, so it is asked for a checkpoint first; it also exits 0 with every
mask missing. Only the final checkpoint and the step recorded in it show that a run is finished.

It is asked through the database that its web interface uses: the process types ``diffusion_trainer`` and
``ui_trainer`` read the row of their job after every step (``DiffusionTrainer.end_step_hook``). A run of
chromiq has a database in its own folder; the web interface's is never touched.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from chromiq.errors import ChromiqError, InterruptedRunError, raise_findings
from chromiq.files import write_text
from chromiq.toolkit_configs.runs.checkpoints import final_of, newest_step, saved_step
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.schema.config_file import dump_config, read_config_file
from chromiq.toolkit_configs.schema.trainer_job import PROMPT_CONTROL
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, require_toolkit
from chromiq.toolkit_configs.trainer.output import LOG_FILE, POLL_EVERY_S, Launch, Watcher
from chromiq.wording import counted

LAUNCHED_FILE = "launched.yaml"
SAVE_PATIENCE_S = 300
_PATIENCE_S = 30
_READ_BYTES = 65_536
_MAX_LINE_BYTES = 16_384
# Relative to the working directory; other paths are so only if something is there.
_PATH_KEYS = re.compile(
    r"training_folder|output_folder|output_path|log_dir|folder_path|dataset_path|mask_path"
    r"|control_path(_\d)?|ctrl_img(_\d)?"
)
_MAYBE_PATH_KEYS = re.compile(r".*_(path|folder|dir|file|model)")
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
JOB_DATABASE = "job.db"
JOB_ID = "chromiq"
JOB_ID_VARIABLE = "AITK_JOB_ID"
PROCESS_TYPES = ("diffusion_trainer", "ui_trainer")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS Job (
    id TEXT PRIMARY KEY, status TEXT DEFAULT '', info TEXT DEFAULT '', step INTEGER DEFAULT 0,
    speed_string TEXT DEFAULT '', stop INTEGER DEFAULT 0, return_to_queue INTEGER DEFAULT 0,
    save_now INTEGER DEFAULT 0, sample_now INTEGER DEFAULT 0
)
"""


def run(
    launch: Launch, on_event: Callable[[Event], None], on_process: Callable[[int], None] | None = None
) -> Path:
    """Run the vendored trainer on a config and return the final checkpoint.

    Args:
        on_process: called once with the child's process id, which is also its group's.

    Raises:
        ChromiqError: if the trainer is missing or ends without a final checkpoint; the message says why.
        AccessError: if the base model is gated.
        UnsoundError: if the loss becomes NaN.
        InterruptedRunError: on SIGINT or SIGTERM; the message says how many steps are lost.
    """
    folder, python = require_toolkit()
    job = launch.job
    config = write_launched(launch)
    before = _modified_ns(final_of(job))
    watcher = Watcher(launch, on_event)
    log = (job.run_folder / LOG_FILE).open("ab")
    process = subprocess.Popen(
        [str(python), "run.py", str(config)],
        cwd=folder,
        env={**bounded_environment(job.process.device), JOB_ID_VARIABLE: JOB_ID},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output = _Output(process, log)
    try:
        if on_process:
            on_process(process.pid)
        for line in output.lines():
            watcher.read_line(line)
            watcher.poll(process.pid)
    except KeyboardInterrupt:
        watcher.may_stop = False
        with suppress(KeyboardInterrupt):
            _save_before_stopping(launch, watcher, output, process.pid)
        end_group(process)
        for line in output.lines():
            watcher.read_line(line)
        watcher.poll(process.pid, at_once=True)
        raise InterruptedRunError(_stopped(launch, watcher.step)) from None
    finally:
        end_group(process)
        for _ in output.lines():
            continue  # drain the pipe, so that the log is complete
        output.close()
    watcher.poll(process.pid, at_once=True)
    if not job.trains and process.returncode == 0:
        return job.run_folder
    final = final_of(job)
    if _modified_ns(final) not in {None, before} and saved_step(final) == job.process.train.steps:
        return final
    raise _failure(process.returncode, watcher, launch)


def _modified_ns(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def write_launched(launch: Launch) -> Path:
    """Write the config for the trainer into the run folder and return its path.

    It is the user's with these changes: the loss log is on, which is how a run is watched; relative paths are
    absolute and variables that the trainer would not see are replaced, since it runs in its own folder and
    environment; the job database is the run's own; and ``ui_trainer``, which needs the web interface, becomes
    ``diffusion_trainer``, as the interface itself does it.
    """
    kept = bounded_environment(launch.job.process.device)
    environment = {name: value for name, value in os.environ.items() if name not in kept}
    document, findings = read_config_file(launch.config, environment)
    if document is None:
        raise_findings(findings, str(launch.config))
    process = document["config"]["process"][0]
    if launch.job.trains:
        process["logging"] = {**(process.get("logging") or {}), "use_ui_logger": True, "log_every": 1}
    if process["type"] == "ui_trainer":
        process["type"] = "diffusion_trainer"
    document["config"] = _with_absolute_paths(document["config"])
    if process["type"] in PROCESS_TYPES:
        document["config"]["process"][0]["sqlite_db_path"] = str(_job_database(launch.job.run_folder))
    path = launch.job.run_folder.resolve() / LAUNCHED_FILE
    write_text(path, dump_config(document))
    return path


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Stop a child and its descendants: SIGINT first, then SIGKILL, at once on a second Ctrl-C."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(_PATIENCE_S)
    except (ProcessLookupError, subprocess.TimeoutExpired, KeyboardInterrupt):
        # SIGKILL follows in each of these cases.
        process.poll()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _save_before_stopping(launch: Launch, watcher: Watcher, output: _Output, process_id: int) -> None:
    """Ask the trainer for a checkpoint and wait until it is written; a second Ctrl-C ends the wait."""
    run = launch.job.run_folder
    unsaved = watcher.step - newest_step(run, launch.job.config.name)
    if not watcher.takes_requests or unsaved <= 0:
        return
    lost = counted(unsaved, "step")
    watcher.warn("stopping", f"saving before stopping; interrupt again to stop at once and lose {lost}")
    with closing(sqlite3.connect(run / JOB_DATABASE, timeout=30)) as connection, connection:
        connection.execute("UPDATE Job SET save_now = 1 WHERE id = ?", (JOB_ID,))
    saved, deadline_s = watcher.checkpoints, time.monotonic() + SAVE_PATIENCE_S
    for line in output.lines():
        watcher.read_line(line)
        watcher.poll(process_id)
        if watcher.checkpoints > saved or time.monotonic() > deadline_s:
            return


class _Output:
    """The trainer's output: every byte but the token goes to the log, and lines to the caller."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        assert process.stdout is not None  # PIPE was asked for
        self._process, self._stdout, self._log = process, process.stdout, log
        self._secrets = [value.encode() for name in _SECRETS if (value := os.environ.get(name))]
        # Of a line that never ends, enough is held back that no secret is cut in two.
        self._held_bytes = max((len(secret) for secret in self._secrets), default=0)
        self._rest = b""

    def lines(self) -> Iterator[str | None]:
        """Lines ended by newline or carriage return, as they come; None after a second without output.

        A progress bar ends its line only when it draws the next, so an open line is yielded as well. A child
        of the trainer may keep the pipe open, so reading stops when the trainer itself has ended.
        """
        stream = self._stdout.fileno()
        while True:
            ended = self._process.poll() is not None
            ready, _, _ = select.select([stream], [], [], 0 if ended else POLL_EVERY_S)
            chunk = os.read(stream, _READ_BYTES) if ready else b""
            if not chunk:
                if ready or ended:
                    break
                yield None
                continue
            *lines, self._rest = re.split(rb"(?<=[\r\n])", self._rest + chunk)
            for line in lines:
                yield self._keep(line)
            if len(self._rest) > _MAX_LINE_BYTES:
                # Redact before cutting: a secret may lie across any cut of the raw bytes.
                whole = self._redacted(self._rest)
                cut = len(whole) - self._held_bytes
                self._rest = whole[cut:]
                yield self._keep(whole[:cut])
            self._log.flush()
            if self._rest.endswith(b"]"):
                yield self._redacted(self._rest).decode("utf-8", errors="replace")
        if self._rest:
            rest, self._rest = self._rest, b""
            yield self._keep(rest)

    def close(self) -> None:
        """Close the log and the trainer's end."""
        self._log.close()
        self._stdout.close()

    def _keep(self, data: bytes) -> str:
        redacted = self._redacted(data)
        self._log.write(redacted)
        return redacted.decode("utf-8", errors="replace").rstrip("\r\n")

    def _redacted(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, b"***")
        return data


def _stopped(launch: Launch, step: int) -> str:
    run, name = launch.job.run_folder, launch.job.config.name
    saved, total = newest_step(run, name), launch.job.process.train.steps
    return (
        f"{run}: stopped at step {step} of {total}; the newest checkpoint is of step {saved}: "
        f"{counted(max(0, step - saved), 'step')} lost; resume the run to train on"
    )


def _failure(code: int | None, watcher: Watcher, launch: Launch) -> ChromiqError:
    step, log = watcher.step, f"its output is in {launch.job.run_folder / LOG_FILE}"
    if watcher.symptom:
        symptom, said = watcher.symptom
        return symptom.error(f"AI-Toolkit failed at step {step}: {symptom.hint} ({said[-200:]}); {log}")
    if code == -signal.SIGKILL:
        return ChromiqError(
            f"AI-Toolkit was killed by the system at step {step}, most likely out of main memory; "
            f"free some or render with a smaller preset, then resume; {log}"
        )
    ended = f"was ended by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
    said, total = watcher.tail[-1].strip() if watcher.tail else "nothing", launch.job.process.train.steps
    return ChromiqError(
        f"AI-Toolkit {ended} without a final checkpoint at step {total}: it reached step {step}; "
        f"its last line was {said[:200]!r}, {log}"
    )


def _with_absolute_paths(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _with_absolute_paths(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_absolute_paths(item, key) for item in value]
    if not isinstance(value, str) or not value or key == "sqlite_db_path":
        return value
    if key in {"prompt", "prompts"}:
        return PROMPT_CONTROL.sub(lambda found: found[1] + _if_there(found[2]), value)
    if _PATH_KEYS.fullmatch(key):
        return str(Path(value).resolve())
    return _if_there(value) if _MAYBE_PATH_KEYS.fullmatch(key) else value


def _if_there(path: str) -> str:
    return str(Path(path).resolve()) if os.path.exists(path) else path  # noqa: PTH110


def _job_database(run: Path) -> Path:
    """The database in which a run's trainer looks for requests; it starts without one."""
    path = (run / JOB_DATABASE).resolve()
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_SCHEMA)
        connection.execute("INSERT INTO Job (id) VALUES (?)", (JOB_ID,))
    return path
