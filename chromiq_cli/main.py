"""The command ``chromiq``: errors turned into messages and exit codes."""

from __future__ import annotations

import os
import re
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from chromiq.errors import ChromiqError, InterruptedRunError, UsageError
from chromiq.files import machine_error
from chromiq.runtime.signals import termination_as_interrupt, undisturbed


def main() -> None:
    """Run the command line and exit with its code."""
    as_json = "--json" in sys.argv[1:]
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        _stop(
            InterruptedRunError(
                "stopped by the user; no file is half-written, and the same command may be given again"
            ),
            as_json,
        )
    except ChromiqError as error:
        _stop(error, as_json)
    except OSError as error:
        told = machine_error(error)
        if told is None:
            raise
        _stop(told, as_json)


def _run(arguments: list[str]) -> None:
    with termination_as_interrupt():
        _mend_streams()
        _refuse_empty(arguments)
        # Only now, as it takes a moment in which a Ctrl-C wants an answer too.
        from chromiq_cli.verbs import Interrupted, app

        try:
            app()
        except Interrupted:
            raise KeyboardInterrupt from None
        finally:
            sys.stdout.flush()  # while what goes wrong can still be told


def _stop(error: ChromiqError, as_json: bool) -> None:
    with undisturbed():  # also for those who press Ctrl-C twice
        from chromiq_cli.output import report_error

        report_error(error, as_json=as_json)
        try:
            sys.stdout.flush()
        except OSError:  # people were told on stderr
            _give_stdout_up()
    sys.exit(error.exit_code)


def _give_stdout_up() -> None:
    """Else Python would try once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mend_streams() -> None:
    """What is written to a stream that the caller closed is lost, and no file of ours takes its place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no crash


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _refuse_empty(arguments: list[str]) -> None:
    """An empty path would be the working directory: ``--out "$UNSET"`` would fill that."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if not argument or re.fullmatch(r"--[a-z-]+=", argument):
            option = (argument or before).rstrip("=") if (argument or before).startswith("--") else "a name"
            raise UsageError(
                f"{option}: wanted a value, got an empty text, as a variable that is not set gives; "
                "give one, or leave the option out"
            )
