"""The command ``chromiq``: errors turned into messages and exit codes."""

from __future__ import annotations

import codecs
import os
import re
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from chromiq.errors import ChromiqError, InterruptedRunError, UsageError
from chromiq.files import machine_error
from chromiq.runtime.signals import signals_ignored, termination_as_interrupt

_IN_ASCII = str.maketrans("▁▂▃▄▅▆▇█…⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "_.:-=+*#~" + "|/-\\|/-\\|/")
"""The bars of a loss curve, an ellipsis, and the turns of a spinner."""


def main() -> None:
    """Run the command line and exit with its code."""
    as_json = "--json" in sys.argv[1:]
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:
        _stop(
            InterruptedRunError(
                "interrupted. No file is half-written; run the same command again to resume."
            ),
            as_json,
        )
    except ChromiqError as error:
        _stop(error, as_json)
    except OSError as error:
        reported = machine_error(error)
        if reported is None:
            raise
        _stop(reported, as_json)


def _run(arguments: list[str]) -> None:
    with termination_as_interrupt():
        _repair_streams()
        _refuse_empty(arguments)
        # Imported here, so that a Ctrl-C during the import is reported like any other.
        from chromiq_cli.verbs import Interrupted, app

        try:
            app()
        except Interrupted:
            raise KeyboardInterrupt from None
        finally:
            sys.stdout.flush()  # while an error can still be reported


def _stop(error: ChromiqError, as_json: bool) -> None:
    with signals_ignored():  # a second Ctrl-C must not interrupt the report
        from chromiq_cli.output import report_error

        report_error(error, as_json=as_json)
        try:
            sys.stdout.flush()
        except OSError:  # the error is on stderr already
            _discard_stdout()
    sys.exit(error.exit_code)


def _discard_stdout() -> None:
    """Otherwise Python would flush it again at exit and print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _repair_streams() -> None:
    """Open closed standard streams on the null device, so that no file of ours takes their descriptors."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout, sys.stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    codecs.register_error("chromiq", _shown_otherwise)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(OSError):  # its descriptor was a file's and is now a pipe's
                stream.reconfigure(errors="chromiq")


def _shown_otherwise(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that the terminal cannot show: ASCII for ours and rich's, else escapes."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_IN_ASCII)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _refuse_empty(arguments: list[str]) -> None:
    """Refuse ``--out "$UNSET"``: an empty path would be the working directory."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if not argument or re.fullmatch(r"--[a-z-]+=", argument):
            option = (argument or before).rstrip("=") if (argument or before).startswith("--") else "a name"
            raise UsageError(
                f"{option} is empty (is a shell variable unset?). Pass a value or omit the option."
            )
