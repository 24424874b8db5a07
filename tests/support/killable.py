"""Command lines that end at a chosen instant, as a SIGKILL or a power cut ends them.

Run as a script it loads the model libraries once and forks a child for each line of JSON that it reads:
``{"arguments": [...], "folder": "...", "at": 7, "midway": false}``. The child runs ``chromiq`` there. Between
two changes of files what lies on the disk stays the same, so an instant is named by the change that it
comes before: the seventh that Python announces below the folder (audit events: open to write, rename, remove,
mkdir). ``midway`` ends it within the next write instead, some bytes into the file, whichever library writes:
the kernel's file size limit ends it there.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from places import ROOT

MIDWAY_BYTES = 24
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
# As much of it as every command needs; loaded by the parent of all.
_LIBRARIES = """
import matplotlib.pyplot, peft, safetensors.torch, skimage.feature, skimage.metrics, torch
import tensorboard.summary.writer.event_file_writer
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxKontextPipeline
from diffusers import FluxTransformer2DModel
from transformers import CLIPTextModel, CLIPTokenizerFast, T5EncoderModel, T5TokenizerFast
import chromiq_cli.verbs, chromiq.dataset_builder.segmenters.choose
import chromiq.correction.batch, chromiq.evaluate.sweep
import chromiq.toolkit_configs.smoke_engine.engine, chromiq.toolkit_configs.launch
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code, or minus the signal that ended it.
        changes: every change of a file in turn, such as ``"os.rename sweep.json"``, if it was not ended.
        said: its stdout and stderr.
    """

    code: int
    changes: list[str]
    said: str


class Killable:
    """The process that forks; a context manager."""

    def __enter__(self) -> Killable:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, folder: Path, *arguments: object, at: int | None = None, midway: bool = False) -> Ended:
        """Run ``chromiq`` in a folder, ended before or within its `at`-th change of a file there."""
        asked = {
            "arguments": [str(each) for each in arguments],
            "folder": str(folder),
            "at": at,
            "midway": midway,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


def _serve() -> None:
    exec(_LIBRARIES, {})
    for line in sys.stdin:
        said_out, said_in = os.pipe()
        counted_out, counted_in = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(said_in, 1)
            os.dup2(said_in, 2)
            for each in (said_out, said_in, counted_out):
                os.close(each)
            _run(json.loads(line), counted_in)
        os.close(said_in)
        os.close(counted_in)
        with os.fdopen(said_out, "rb") as said, os.fdopen(counted_out, "rb") as counted:
            reported, changes = said.read(), counted.read()
        _, status = os.waitpid(child, 0)
        ended = {
            "code": os.waitstatus_to_exitcode(status),
            "changes": changes.decode().splitlines(),
            "said": reported.decode(errors="replace"),
        }
        print(json.dumps(ended), flush=True)


def _run(asked: dict[str, Any], counted_in: int) -> None:
    """Be the command; never returns."""
    from chromiq_cli.main import main

    folder = Path(asked["folder"])
    changes: list[str] = []

    def count(event: str, values: tuple[Any, ...]) -> None:
        if event not in _CHANGES and not (event == "open" and values[2] & _WRITING):
            return
        changed = values[1] if event == "os.rename" else values[0]
        if not isinstance(changed, str | os.PathLike):
            return
        path = Path(changed).absolute()
        if not path.is_relative_to(folder):
            return
        changes.append(f"{event} {path.name}")
        if len(changes) == asked["at"]:
            if asked["midway"]:
                _end_within_the_next_write(path)
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    code = 70
    try:
        os.chdir(folder)
        sys.argv = ["chromiq", *asked["arguments"]]
        sys.addaudithook(count)
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(counted_in, "\n".join(changes).encode())
        os._exit(code)


def _end_within_the_next_write(path: Path) -> None:
    there = path.stat().st_size if path.is_file() else 0
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (there + MIDWAY_BYTES, hard))


if __name__ == "__main__":
    _serve()
