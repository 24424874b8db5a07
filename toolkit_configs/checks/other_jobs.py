"""Jobs that train nothing: AI-Toolkit also extracts LoRAs, rescales them, generates and captions.

Only what such a job cannot do without is checked: the keys that its classes demand and the files that they
open. Keys as read in ``jobs/ExtractJob.py`` and in ``jobs/process/`` at the pinned commit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from chromiq.errors import Finding
from chromiq.toolkit_configs.schema.trainer_job import Job, is_path

_FILES = ("base_model", "extract_model", "input_path")
_FILES_OR_HUB_NAMES = ("model.name_or_path", "model.lora_path")
_NEEDED = {
    "extract": (("base_model", "extract_model", "output_folder"), ()),
    "generate": ((), ("output_folder", "model.name_or_path", "generate.prompts")),
    "mod": ((), ("input_path", "output_path", "current_weight", "target_weight")),
}
"""Kind of job to the keys that it needs beside its name, and those that each of its processes needs."""


def other_job_findings(job: Job, where: str) -> Iterator[Finding]:
    """What keeps a job that trains nothing from starting, and that the rest was not checked."""
    config = job.document["config"]
    of_the_job, of_a_process = _NEEDED.get(job.job, ((), ()))
    places = [("config", config, of_the_job)]
    places += [
        (f"config.process.{index}", each, of_a_process) for index, each in enumerate(config["process"])
    ]
    for place, values, needed in places:
        for key in needed:
            if _value(values, key) is None:
                yield Finding("config.value", f"{where}: {place}.{key}", "is missing", "Add it.")
        for key in (*_FILES, *_FILES_OR_HUB_NAMES):
            path = _value(values, key)
            local = key in _FILES or is_path(str(path))
            if isinstance(path, str) and local and not os.path.exists(path):  # noqa: PTH110
                message = f"no file or folder {path}"
                yield Finding("model.file", f"{where}: {place}.{key}", message, "Fix the path.")
    keys = " and the keys that it needs" if job.job in _NEEDED else ""
    what = f"a process {job.process.type!r} of the {job.job!r} job"
    message = f"{what} trains no LoRA, so only its files{keys} were checked"
    hint = "AI-Toolkit checks the rest when it starts."
    yield Finding("config.unchecked", f"{where}: job", message, hint, "warning")


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
