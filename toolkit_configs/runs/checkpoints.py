"""A run's checkpoints: where they are, of which step, and whether they are complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

from chromiq.safetensors_header import SafetensorsHeader, read_header

_STEP = re.compile(r"_(\d{9})$")
_TORN_PREFIX = "torn-"


def find_checkpoints(run: Path, name: str) -> list[Path]:
    """A run's LoRAs, oldest first; the final one, which has no step in its name, last."""
    steps = sorted(path for path in run.glob("*.safetensors") if checkpoint_step(path, name) is not None)
    final = run / f"{name}.safetensors"
    return [*steps, final] if final.is_file() else steps


def checkpoint_step(path: Path, name: str) -> int | None:
    """The step in a checkpoint's name, or None without one.

    >>> checkpoint_step(Path("lab_000000020.safetensors"), "lab")
    20
    >>> checkpoint_step(Path("lab.safetensors"), "lab") is None
    True
    """
    found = _STEP.match(path.stem.removeprefix(name)) if path.stem.startswith(name) else None
    return int(found.group(1)) if found else None


def saved_step(path: Path) -> int | None:
    """The step recorded in a checkpoint, or None if it is incomplete or has no step."""
    header = _header(path)
    if header is None:
        return None
    about = header.metadata
    try:
        # AI-Toolkit writes training_info, the smoke engine step.
        return int(json.loads(about["training_info"])["step"] if "training_info" in about else about["step"])
    except (KeyError, TypeError, ValueError):
        return None


def is_whole(path: Path) -> bool:
    """Whether a safetensors file holds everything that its header declares."""
    return _header(path) is not None


def newest_step(run: Path, name: str) -> int:
    """The latest step of a complete checkpoint of the run, 0 without one."""
    return max((saved_step(path) or 0 for path in find_checkpoints(run, name)), default=0)


def set_torn_aside(run: Path, name: str) -> list[Path]:
    """Rename checkpoints that a killed process left incomplete, so that no trainer resumes from one.

    Returns:
        Their new paths.
    """
    torn = [path for path in find_checkpoints(run, name) if not is_whole(path)]
    return [path.rename(path.with_name(_TORN_PREFIX + path.name)) for path in torn]


def _header(path: Path) -> SafetensorsHeader | None:
    try:
        header = read_header(path)
    except ValueError:
        return None
    return header if path.stat().st_size == header.file_bytes else None
