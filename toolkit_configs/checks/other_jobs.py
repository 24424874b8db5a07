"""Jobs that train nothing: AI-Toolkit also extracts LoRAs, rescales them, generates and captions.

Only what such a job cannot do without is checked: the keys that its classes demand and the files that they
open. Keys as read in ``jobs/ExtractJob.py`` and in ``jobs/process/`` at the pinned commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chromiq.errors import Finding
from chromiq.toolkit_configs.schema.trainer_job import Job, is_path

_FILES = ("base_model", "extract_model", "input_path")
_FILES_OR_HUB_NAMES = ("model.name_or_path", "model.lora_path")


@dataclass(frozen=True)
class _Kind:
    """A kind of job.

    Attributes:
        types: those of its processes.
        of_the_job: keys that it needs beside its name.
        of_a_process: dotted keys that each of its processes needs.
    """

    types: tuple[str, ...]
    of_the_job: tuple[str, ...] = ()
    of_a_process: tuple[str, ...] = ()


_KINDS = {
    "extract": _Kind(("locon", "lora"), ("base_model", "extract_model", "output_folder")),
    "generate": _Kind(("to_folder",), (), ("output_folder", "model.name_or_path", "generate.prompts")),
    "mod": _Kind(("rescale_lora",), (), ("input_path", "output_path", "current_weight", "target_weight")),
}


def other_job_findings(job: Job, where: str) -> Iterator[Finding]:
    """What keeps a job that trains nothing from starting, and that nothing else of it was checked."""
    config = job.document["config"]
    kind = _KINDS.get(job.job, _Kind(()))
    places = [("config", config, kind.of_the_job)]
    for index, process in enumerate(config["process"]):
        place = f"config.process.{index}"
        places.append((place, process, kind.of_a_process))
        name = process.get("type") if isinstance(process, Mapping) else None
        if kind.types and name not in kind.types:
            message = f"AI-Toolkit knows no process {name!r} in a job {job.job}"
            yield Finding(
                "config.value", f"{where}: {place}.type", message, f"Write {' or '.join(kind.types)}."
            )
    for place, values, needed in places:
        for key in needed:
            if _value(values, key) is None:
                yield Finding("config.value", f"{where}: {place}.{key}", "is missing", "Add it.")
        for key in (*_FILES, *_FILES_OR_HUB_NAMES):
            path = _value(values, key)
            local = key in _FILES or is_path(str(path))
            if isinstance(path, str) and local and not Path(path).exists():
                message = f"no file or folder {path}"
                yield Finding("model.file", f"{where}: {place}.{key}", message, "Fix the path.")
    checked = "only its files and the keys that it needs were checked" if kind.types else "it was not checked"
    message = f"a process {job.process.type!r} of a job {job.job!r} trains no LoRA, so {checked}"
    hint = "AI-Toolkit checks the rest when it starts."
    yield Finding("config.unchecked", f"{where}: job", message, hint, "warning")


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
