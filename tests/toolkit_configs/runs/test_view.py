"""A run's status on terminals that can be drawn over, on those that cannot, and in logs."""

import io

import pytest
from rich.console import Console
from run_records import a_record

from chromiq.progress import is_live
from chromiq.toolkit_configs.runs.status import RunStatus
from chromiq.toolkit_configs.runs.view import pace, run_view


def status(step, state="running", **values):
    return RunStatus(a_record(state=state), step=step, loss=0.5, **values)


def a_console(*, terminal, term):
    return Console(file=io.StringIO(), force_terminal=terminal, width=80, _environ={"TERM": term})


@pytest.mark.parametrize(("terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_without_a_terminal_lines_are_printed(terminal, term):
    console = a_console(terminal=terminal, term=term)
    assert not is_live(console)
    with run_view(console) as show:
        show(status(3))
        # It is there before the run ends.
        assert console.file.getvalue() == "r: running, step 3 of 20, loss 0.5000\n"
        show(status(4))
        show(status(20, "done", warnings=("the disk is nearly full",)))
    assert console.file.getvalue().splitlines()[1:] == [
        "warning: the disk is nearly full",
        "r: done, step 20 of 20, loss 0.5000",
    ]
    assert "\x1b" not in console.file.getvalue()


def test_a_terminal_gets_a_live_view():
    console = a_console(terminal=True, term="xterm")
    assert is_live(console)
    with run_view(console) as show:
        show(status(3))
        show(status(20, "done"))
    assert "20/20" in console.file.getvalue()
    assert "\x1b[" in console.file.getvalue()


def test_steps_at_the_same_time_have_no_pace():
    assert pace(status(10, recent=((1, 5.0), (10, 5.0)))) == ""
    assert pace(status(10, recent=((1, 5.0), (10, 14.0)))) == "1.00 s/step, 0:10 left"
