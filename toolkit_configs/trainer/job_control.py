"""Asks a running AI-Toolkit for a checkpoint, through the database that its web interface uses.

The process types ``diffusion_trainer`` and ``ui_trainer`` read the row of their job after every step
(``DiffusionTrainer.end_step_hook``). A run of chromiq has a database in its own folder; the web interface's
is never touched.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from chromiq.errors import UsageError

JOB_DATABASE = "job.db"
JOB_ID = "chromiq"
JOB_ID_VARIABLE = "AITK_JOB_ID"
PROCESS_TYPES = ("diffusion_trainer", "ui_trainer")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS Job (
    id TEXT PRIMARY KEY, status TEXT DEFAULT '', info TEXT DEFAULT '', step INTEGER DEFAULT 0,
    speed_string TEXT DEFAULT '', stop INTEGER DEFAULT 0, return_to_queue INTEGER DEFAULT 0,
    save_now INTEGER DEFAULT 0, sample_now INTEGER DEFAULT 0
)
"""


def create_job_database(run: Path) -> Path:
    """Write the database of a run, with nothing requested, and return its path."""
    path = (run / JOB_DATABASE).resolve()
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_SCHEMA)
        connection.execute("INSERT INTO Job (id) VALUES (?)", (JOB_ID,))
    return path


def request_checkpoint(run: Path) -> None:
    """Ask the trainer of a run to save after its current step.

    Raises:
        UsageError: if its trainer does not take requests.
    """
    path = run / JOB_DATABASE
    if not path.is_file():
        raise UsageError(f"{run}: its trainer cannot save on request. Wait for the next checkpoint.")
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.execute("UPDATE Job SET save_now = 1 WHERE id = ?", (JOB_ID,))
