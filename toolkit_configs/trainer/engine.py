"""AI-Toolkit as a child process: in its own folder and process group, never trusted by its exit code.

It exits 0 on SIGINT with nothing saved, and 0 with every mask missing. Only the final checkpoint and the
step written in it say that a run is finished.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import yaml

from chromiq.errors import ChromiqError, InterruptedRunError
from chromiq.files import write_text
from chromiq.toolkit_configs.runs.checkpoints import newest_step, saved_step
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, require_toolkit
from chromiq.toolkit_configs.trainer.output import LOG_FILE, LOOK_EVERY_S, Launch, Watcher

LAUNCHED_FILE = "launched.yaml"
_PATIENCE_S = 30
_READ_BYTES = 65_536
_MAX_LINE_BYTES = 16_384
_PATH_KEYS = ("folder_path", "mask_path")
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def run(
    launch: Launch, on_event: Callable[[Event], None], on_process: Callable[[int], None] | None = None
) -> Path:
    """Run the vendored trainer on a config, and return the final checkpoint.

    Args:
        launch: what to run.
        on_event: called for all that happens, in order.
        on_process: called once with the child's process id, which is its group's too.

    Raises:
        ChromiqError: if the trainer is missing or ends without a final checkpoint; it holds the cure.
        AccessError: if the base model is gated.
        UnsoundError: if the loss ceases to be a number.
        InterruptedRunError: on SIGINT or SIGTERM; the message says how many steps are lost.
    """
    folder, python = require_toolkit()
    config = write_launched(launch)
    before = launch.final.stat().st_mtime_ns if launch.final.is_file() else None
    watcher = Watcher(launch, on_event)
    log = (launch.run_folder / LOG_FILE).open("ab")
    process = subprocess.Popen(
        [str(python), "run.py", str(config)],
        cwd=folder,
        env=bounded_environment(launch.device),
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
            watcher.hear(line)
            watcher.look(process.pid)
    except KeyboardInterrupt:
        watcher.may_stop = False
        end_group(process)
        for line in output.lines():
            watcher.hear(line)
        watcher.look(process.pid, at_once=True)
        raise InterruptedRunError(_stopped(launch, watcher.step)) from None
    finally:
        end_group(process)
        for _ in output.lines():
            # The log is kept whole whatever ended the run.
            continue
        output.close()
    watcher.look(process.pid, at_once=True)
    after = launch.final.stat().st_mtime_ns if launch.final.is_file() else None
    if after is not None and after != before and saved_step(launch.final) == launch.total_steps:
        return launch.final
    raise _failure(process.returncode, watcher, launch)


def write_launched(launch: Launch) -> Path:
    """Write the config that the trainer gets into the run folder, and return its path.

    It is the rendered one with two additions: its loss log is switched on, which is how a run is watched,
    and relative paths are made absolute, as the trainer works in a folder of its own.
    """
    document = yaml.safe_load(launch.config.read_text(encoding="utf-8"))
    process = document["config"]["process"][0]
    process["logging"] = {**(process.get("logging") or {}), "use_ui_logger": True, "log_every": 1}
    process["training_folder"] = str(Path(process["training_folder"]).resolve())
    for dataset in process["datasets"]:
        for key in dataset:
            if key in _PATH_KEYS or key.startswith("control_path"):
                dataset[key] = _absolute(dataset[key])
    for sample in (process.get("sample") or {}).get("samples") or []:
        for key in sample:
            if key.startswith("ctrl_img"):
                sample[key] = _absolute(sample[key])
    model = process["model"]
    if Path(model["name_or_path"]).is_dir():
        model["name_or_path"] = _absolute(model["name_or_path"])
    path = launch.run_folder.resolve() / LAUNCHED_FILE
    write_text(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return path


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a child and all it started: asked once, then made to, at once if the user insists."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(_PATIENCE_S)
    except (ProcessLookupError, subprocess.TimeoutExpired, KeyboardInterrupt):
        # What follows is for all of these.
        process.poll()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Output:
    """What the trainer prints: every byte to the log but the token, and lines to whoever listens."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        assert process.stdout is not None  # PIPE was asked for
        self._process, self._stdout, self._log = process, process.stdout, log
        self._secrets = [value.encode() for name in _SECRETS if (value := os.environ.get(name))]
        # So much is held back of a line that never ends that no secret is cut in two.
        self._held_bytes = max((len(secret) for secret in self._secrets), default=0)
        self._rest = b""

    def lines(self) -> Iterator[str | None]:
        """Lines ended by newline or carriage return, as they come, None for a second's silence.

        A progress bar ends its line only when it draws the next, so it is yielded while still open, and
        again. A child of the trainer may hold its output open: the trainer's own end is what counts.
        """
        stream = self._stdout.fileno()
        while True:
            ended = self._process.poll() is not None
            ready, _, _ = select.select([stream], [], [], 0 if ended else LOOK_EVERY_S)
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
    saved = newest_step(launch.run_folder, launch.name)
    return (
        f"{launch.run_folder}: stopped at step {step} of {launch.total_steps}; the newest checkpoint is of "
        f"step {saved}, so {max(0, step - saved)} steps are lost; go on with --resume"
    )


def _failure(code: int | None, watcher: Watcher, launch: Launch) -> ChromiqError:
    log = launch.run_folder / LOG_FILE
    if watcher.complaint:
        symptom, said = watcher.complaint
        return symptom.error(
            f"AI-Toolkit failed at step {watcher.step}: {symptom.cure} ({said[-200:]}); all it printed is "
            f"in {log}"
        )
    if code == -signal.SIGKILL:
        return ChromiqError(
            f"AI-Toolkit was killed by the system at step {watcher.step}, mostly for want of main memory; "
            f"free some or render with a smaller preset, then --resume; all it printed is in {log}"
        )
    ended = f"was ended by signal {-code}" if code and code < 0 else f"ended with exit code {code}"
    said = watcher.tail[-1].strip() if watcher.tail else "nothing"
    return ChromiqError(
        f"AI-Toolkit {ended} and without a final checkpoint at step {launch.total_steps}: it came to step "
        f"{watcher.step}; its last line was {said[:200]!r}, all it printed is in {log}"
    )


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(item) for item in value]
    return str(Path(value).resolve()) if isinstance(value, str) and value else value
