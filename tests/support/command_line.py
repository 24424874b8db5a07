"""Run a command in this process, and read the events of a run."""

import json
import sys
from typing import NamedTuple

import pytest

from chromiq.toolkit_configs.runs.events import EventReader
from chromiq_cli.main import main


def events(run, kind):
    return [event.values for event in EventReader(run).new() if event.kind == kind]


class CommandResult(NamedTuple):
    """A command's exit code and output."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


def run_command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["chromiq", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return CommandResult(stop.value.code or 0, *capsys.readouterr())
