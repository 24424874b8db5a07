"""The event log is ready before anything happens, and continues after half a line."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from chromiq.toolkit_configs.runs.events import EVENTS_FILE, Event, EventLog, EventReader


@pytest.mark.skipif(not find_spec("tensorboard"), reason="needs TensorBoard: pip install '.[models]'")
def test_tensorboard_is_imported_before_the_first_event(tmp_path):
    """Or an interrupt amid that import would break the telling of the interrupt itself."""
    code = (
        "import sys; from pathlib import Path\n"
        "from chromiq.toolkit_configs.runs.events import Event, EventLog\n"
        "with EventLog(Path(sys.argv[1])) as log:\n"
        "    before = set(sys.modules)\n"
        "    log.write(Event('step', {'step': 1, 'loss': 0.5}))\n"
        "    late = set(sys.modules) - before\n"
        "    print([name for name in late if name.startswith(('tensorboard', 'asyncio'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_half_a_line_of_a_killed_process_does_not_corrupt_the_next(tmp_path):
    with EventLog(tmp_path) as log:
        log.write(Event("step", {"step": 1}, 1.0))
    with (tmp_path / EVENTS_FILE).open("a") as stream:
        stream.write('{"time": "2026-')
    for step in (2, 3):
        with EventLog(tmp_path) as log:
            log.write(Event("step", {"step": step}, float(step)))
    assert [event.values["step"] for event in EventReader(tmp_path).new()] == [1, 2, 3]
    assert len((tmp_path / EVENTS_FILE).read_text().splitlines()) == 4
