"""What a run and a command have told."""

import sys

from chromiq_cli.main import main
from toolkit_configs.events import EventReader


def events(run, kind):
    return [event.values for event in EventReader(run).new() if event.kind == kind]


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["chromiq", *map(str, arguments)])
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    return code, capsys.readouterr()
