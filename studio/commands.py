"""A command of chromiq run for the page, as one types it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MAIN = "from chromiq_cli.main import main; main()"
_SHOWN_CHARACTERS = 4000
_END_S = 0.6
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class CommandStatus:
    """A command that runs or ran.

    Attributes:
        words: what it is.
        exit_code: None while it runs.
        said: the end of what it printed on stderr.
    """

    words: tuple[str, ...]
    exit_code: int | None = None
    said: str = ""


class Commands:
    """One command at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._status: CommandStatus | None = None

    def start(self, words: Sequence[str], then: Callable[[int], None]) -> bool:
        """Start a command; False if one is running.

        Args:
            words: without ``chromiq``.
            then: called with its exit code.
        """
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                return False
            kept = {
                name: value
                for name, value in os.environ.items()
                if name in _ENVIRONMENT or name.startswith("CHROMIQ_")
            }
            self._process = subprocess.Popen(
                [sys.executable, "-c", MAIN, *words],
                env=kept,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self._status = CommandStatus(("chromiq", *words))
            threading.Thread(target=self._follow, args=(self._process, then), daemon=True).start()
        return True

    @property
    def status(self) -> CommandStatus | None:
        """The command at work, or the last one; None before the first."""
        with self._guard:
            return self._status

    def end(self) -> None:
        """Interrupt the command at work, and kill it if it does not end at once: it can be resumed."""
        with self._guard:
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()

    def _follow(self, process: subprocess.Popen[str], then: Callable[[int], None]) -> None:
        assert process.stderr is not None  # it was asked for
        for line in process.stderr:
            with self._guard:
                assert self._status is not None  # it was started
                self._status = replace(self._status, said=(self._status.said + line)[-_SHOWN_CHARACTERS:])
        code = process.wait()
        then(code)
        with self._guard:
            assert self._status is not None  # it was started
            self._status = replace(self._status, exit_code=code)


def count_records(folder: Path) -> int:
    """How many photos a batch has corrected."""
    try:
        return sum(1 for path in folder.iterdir() if path.suffix == ".json")
    except OSError:
        return 0
