"""A run's checkpoints: where they are, of which step, and whether they are complete."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from chromiq.documents import load_yaml, read_text
from chromiq.toolkit_configs.schema.trainer_job import Job

# What AI-Toolkit writes after a run's name: _LoRA beside an adapter, _high_noise for one of two LoRAs.
_AFTER_NAME = re.compile(
    r"(?:_LoRA|_refiner|_adapter|_t2i|_cn|_clip|_ip)?(?:_(\d{9}))?(?:_high_noise|_low_noise)?"
)
_FOLDER_METADATA = "aitk_meta.yaml"
TORN_PREFIX = "torn-"


def find_checkpoints(run: Path, name: str) -> list[Path]:
    """A run's checkpoints, oldest first; the final one, which has no step in its name, last.

    A LoRA is a safetensors file; a full fine-tune saved for diffusers is a folder.
    """
    named = [path for path in run.glob("*") if path.is_dir() or path.suffix == ".safetensors"]
    found = [(_match(path, name), path) for path in named]
    steps = sorted((match[1], path) for match, path in found if match and match[1])
    finals = sorted((len(path.stem), path) for match, path in found if match and not match[1])
    return [path for _, path in [*steps, *reversed(finals)]]


def final_checkpoint(run: Path, name: str) -> Path | None:
    """The checkpoint of the last step, or None without one."""
    found = (path for path in reversed(find_checkpoints(run, name)) if checkpoint_step(path, name) is None)
    return next(found, None)


def final_of(job: Job) -> Path:
    """The checkpoint of a job's last step; its future path while it is missing."""
    run, name = job.run_folder, job.config.name
    return final_checkpoint(run, name) or run / f"{name}.safetensors"


def checkpoint_step(path: Path, name: str) -> int | None:
    """The step in a checkpoint's name, or None without one.

    >>> checkpoint_step(Path("lab_000000020.safetensors"), "lab")
    20
    >>> checkpoint_step(Path("lab.safetensors"), "lab") is None
    True
    """
    found = _match(path, name)
    return int(found[1]) if found and found[1] else None


def _match(path: Path, name: str) -> re.Match[str] | None:
    stem = path.name if path.is_dir() else path.stem
    return _AFTER_NAME.fullmatch(stem.removeprefix(name)) if stem.startswith(name) else None


def saved_step(path: Path) -> int | None:
    """The step recorded in a checkpoint, or None if it is incomplete or has no step."""
    about: Mapping[str, Any] = {}
    try:
        if path.is_dir():
            about = load_yaml(read_text(path / _FOLDER_METADATA))
            return int(about["training_info"]["step"])
        about = _metadata(path) or {}
        # AI-Toolkit writes training_info, the smoke engine step.
        return int(json.loads(about["training_info"])["step"] if "training_info" in about else about["step"])
    except (OSError, KeyError, TypeError, ValueError):
        return None


def is_whole(path: Path) -> bool:
    """Whether a safetensors file holds everything that its header declares; a folder is not looked into."""
    return path.is_dir() or _metadata(path) is not None


def newest_step(run: Path, name: str) -> int:
    """The latest step of a complete checkpoint of the run, 0 without one."""
    return max((saved_step(path) or 0 for path in find_checkpoints(run, name)), default=0)


def set_torn_aside(run: Path, name: str) -> list[Path]:
    """Rename checkpoints that a killed process left incomplete, so that no trainer resumes from one."""
    torn = [path for path in find_checkpoints(run, name) if not is_whole(path)]
    return [path.rename(path.with_name(TORN_PREFIX + path.name)) for path in torn]


def _metadata(path: Path) -> dict[str, str] | None:
    """The metadata of a safetensors file, or None if the file is incomplete."""
    try:
        # Of one that may not be read, safetensors says that it is missing.
        with path.open("rb"), safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except SafetensorError:
        return None
