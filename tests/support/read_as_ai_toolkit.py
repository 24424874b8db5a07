"""Reads configs with AI-Toolkit's own code, in its own environment and folder, and writes what it then holds.

    PYTHON read_as_ai_toolkit.py CONFIGS.json HELD.json

CONFIGS.json lists paths. Each becomes a job with its processes constructed, as ``run.py`` does before it runs
them; nothing is loaded or trained.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from toolkit.job import get_job


def plain(value):
    """A value as JSON; what JSON lacks as its class's name."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else type(value).__name__


def held(path):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            job = get_job(path)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    process = job.process[0]
    if not hasattr(process, "train_config"):
        return {"class": type(process).__name__}  # it trains nothing
    sections = {
        "network": process.network_config,
        "train": process.train_config,
        "model": process.model_config,
        "save": process.save_config,
        "logging": process.logging_config,
        "sample": process.sample_config,
        "ema_config": process.train_config.ema_config,
    }
    found = {name: plain(vars(section)) if section else None for name, section in sections.items()}
    return {
        **found,
        "sample": {
            **found["sample"],
            "samples": [plain(vars(each)) for each in process.sample_config.samples],
        },
        "datasets": [plain(vars(each)) for each in process.dataset_configs],
        "process": {
            "name": job.name,
            "training_folder": process.training_folder,
            "save_root": process.save_root,
            "trigger_word": process.trigger_word,
            "performance_log_every": process.performance_log_every,
            "sqlite_db_path": getattr(process, "sqlite_db_path", None),
        },
    }


configs = json.loads(Path(sys.argv[1]).read_text())
Path(sys.argv[2]).write_text(json.dumps({path: held(path) for path in configs}))
