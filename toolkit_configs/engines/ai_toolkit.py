"""AI-Toolkit as a child process: in its own folder and process group, never trusted by its exit code.

It exits 0 on SIGINT with nothing saved, and 0 with every mask missing. Only the final checkpoint says
that a run is finished.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chromiq.errors import AccessError, ChromiqError, InterruptedRunError
from toolkit_configs.runs import checkpoint_step, find_checkpoints
from toolkit_configs.toolkit import bounded_environment, require_toolkit

LOG_FILE = "log.txt"
_PATIENCE_S = 30
_READ_BYTES = 65_536
_MAX_LINE_BYTES = 16_384
_KEPT_LINES = 200
_STEP = re.compile(r"\|\s*(\d+)/(\d+) \[")
_LOSS = re.compile(r"loss: (nan|[\d.e+-]+)")
_RATE = re.compile(r"lr: ([\d.e+-]+)")
_CURES: tuple[tuple[str, type[ChromiqError], str], ...] = (
    (r"CUDA out of memory|OutOfMemoryError", ChromiqError,
     "out of GPU memory; render with a smaller preset, or --set train.batch_size=1 model.quantize=true"),
    (r"GatedRepoError|401 Client Error|403 Client Error", AccessError,
     "the base model is gated; accept its licence on its page at huggingface.co and set HF_TOKEN"),
    (r"No space left on device", ChromiqError,
     "the disk is full; free some, or lower save.max_step_saves_to_keep, then --resume"),
    (r"ModuleNotFoundError|ImportError", ChromiqError,
     "its environment is broken; install its requirements anew"),
)  # fmt: skip


@dataclass(frozen=True)
class StepEvent:
    """A step as the trainer's progress line tells it."""

    step: int
    total: int
    loss: float | None
    learning_rate: float | None


def run(
    config: Path, run_folder: Path, name: str, total_steps: int, on_step: Callable[[StepEvent], None]
) -> Path:
    """Run the vendored trainer on a config, and return the final checkpoint.

    Args:
        config: as rendered.
        run_folder: where its checkpoints go; ``log.txt`` there keeps all it prints.
        name: of the run.
        total_steps: that the run should have.
        on_step: called for every progress line.

    Raises:
        ChromiqError: if the trainer is missing or ends without a final checkpoint; it holds the cure.
        AccessError: if the base model is gated.
        InterruptedRunError: on SIGINT or SIGTERM; the message says how many steps are lost.
    """
    folder, python = require_toolkit()
    final = run_folder / f"{name}.safetensors"
    before = final.stat().st_mtime_ns if final.is_file() else None
    last = StepEvent(0, total_steps, None, None)
    tail: list[str] = []
    process = subprocess.Popen(
        [str(python), "run.py", str(config.resolve())],
        cwd=folder,
        env=bounded_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # PIPE was asked for
    try:
        with (run_folder / LOG_FILE).open("ab") as log:
            for line in _lines(process.stdout, log):
                event = read_progress(line)
                if event and event.step != last.step:
                    last = event
                    on_step(event)
                # An error may follow a progress bar on its own line.
                if line.strip():
                    tail = [*tail[-_KEPT_LINES:], line]
        process.wait()
    except KeyboardInterrupt:
        raise InterruptedRunError(_stopped(run_folder, name, last)) from None
    finally:
        end_group(process)
    after = final.stat().st_mtime_ns if final.is_file() else None
    if after is not None and (after != before or last.step == 0):
        return final
    raise _failure(process.returncode, tail, run_folder, last)


def read_progress(line: str) -> StepEvent | None:
    """What a progress line says, or None if the line is none.

    >>> read_progress("lab:  75%|##  | 3/4 [00:01<00:00,  2.40it/s, lr: 1.0e-04 loss: 1.457e+00]")
    StepEvent(step=3, total=4, loss=1.457, learning_rate=0.0001)
    """
    step, loss, rate = _STEP.search(line), _LOSS.search(line), _RATE.search(line)
    # Other progress bars, such as those of loading, show no loss.
    if not step or not loss:
        return None
    return StepEvent(int(step[1]), int(step[2]), float(loss[1]), float(rate[1]) if rate else None)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a child and all it started: asked once, then made to."""
    for number, patience_s in ((signal.SIGINT, _PATIENCE_S), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if process.poll() is not None and number is not signal.SIGKILL:
            continue
        try:
            os.killpg(process.pid, number)
            process.wait(patience_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    if process.stdout:
        process.stdout.close()


def _lines(stream: IO[bytes], log: IO[bytes]) -> Iterator[str]:
    """Lines ended by newline or carriage return, as they come; the log gets every byte but the token.

    A progress bar ends its line only when it draws the next, so it is yielded while still open, and again.
    """
    token = os.environ.get("HF_TOKEN", "").encode()
    rest = b""
    while chunk := os.read(stream.fileno(), _READ_BYTES):
        *lines, rest = re.split(rb"(?<=[\r\n])", rest + chunk)
        if len(rest) > _MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            shown = line.replace(token, b"***") if token else line
            log.write(shown)
            yield shown.decode("utf-8", errors="replace").rstrip("\r\n")
        log.flush()
        if rest.endswith(b"]"):
            yield rest.decode("utf-8", errors="replace")
    if rest:
        log.write(rest.replace(token, b"***") if token else rest)
        yield rest.decode("utf-8", errors="replace")


def _stopped(run_folder: Path, name: str, last: StepEvent) -> str:
    saved = max((checkpoint_step(path, name) or 0 for path in find_checkpoints(run_folder, name)), default=0)
    lost = max(0, last.step - saved)
    return (
        f"{run_folder}: stopped at step {last.step} of {last.total}; the newest checkpoint is of step "
        f"{saved}, so {lost} steps are lost; go on with --resume"
    )


def _failure(code: int | None, tail: list[str], run_folder: Path, last: StepEvent) -> ChromiqError:
    log = run_folder / LOG_FILE
    for pattern, kind, cure in _CURES:
        matching = [line.strip() for line in tail if re.search(pattern, line)]
        if matching:
            said = matching[-1][-200:]
            return kind(f"AI-Toolkit failed at step {last.step}: {cure} ({said}); all it printed is in {log}")
    said = tail[-1].strip() if tail else "nothing"
    return ChromiqError(
        f"AI-Toolkit ended with exit code {code} and without a final checkpoint at step {last.step} of "
        f"{last.total}; its last line was {said[:200]!r}, all it printed is in {log}"
    )
