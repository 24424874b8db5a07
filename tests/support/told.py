"""What a run and a command have told."""

import json
import sys
from typing import NamedTuple

import pytest

from chromiq.toolkit_configs.runs.events import EventReader
from chromiq_cli.main import main


def events(run, kind):
    return [event.values for event in EventReader(run).new() if event.kind == kind]


class Told(NamedTuple):
    """A command's exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


def tell(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["chromiq", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return Told(stop.value.code or 0, *capsys.readouterr())
