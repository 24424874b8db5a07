"""A grid of settings to one config per combination."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chromiq.documents import load_yaml, read_text, validation_findings
from chromiq.errors import Finding, UnsoundError, UsageError, raise_findings
from chromiq.files import collision_key, safe_stem, write_json, write_text
from chromiq.toolkit_configs.render.settings import Setting, assign, text_setting
from chromiq.toolkit_configs.runs.record import MOST_SEED
from chromiq.toolkit_configs.schema.config_file import dump_config, repeated_keys
from chromiq.toolkit_configs.schema.trainer_job import Job, job_of, read_job, rename_run
from chromiq.toolkit_configs.sweeps.local import CONFIGS, GRID_FILE
from chromiq.toolkit_configs.sweeps.slurm import BatchJob, batch_job

SEED = "seed"
_MOST_RUNS = 1000
_HEAD = "# One run of a sweep: "


class Grid(BaseModel):
    """A ``grid.yaml``: ``config``, the base, and ``grid``, dotted keys each with its values."""

    model_config = ConfigDict(extra="forbid")

    config: Path
    grid: dict[str, list[Any]] = Field(min_length=1)


@dataclass(frozen=True)
class Combination:
    """One point of the grid."""

    name: str
    values: dict[str, Any]
    job: Job
    seed: int | None


def read_grid(path: Path) -> list[Combination]:
    """Every combination of a grid's values, in the order of the file, the last key varying fastest.

    Args:
        path: the grid file; its ``config`` is relative to it.

    Raises:
        UnsoundError: if the file or its config cannot be read, or a key appears twice.
        UsageError: if there is no such file, for an unknown key, an invalid value, or two runs of one name.
    """
    try:
        text = read_text(path)
        document = load_yaml(text)  # its limits come first
        raise_findings(repeated_keys(text, path.name), str(path))
        grid = Grid.model_validate(document)
    except ValidationError as error:
        hint = "Write config: FILE and grid: {train.lr: [1e-4, 2e-4]}."
        raise_findings(validation_findings(error, "grid.form", path.name, hint), str(path))
        raise AssertionError from error  # the findings above are errors
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file. Check the path.") from None
    except (OSError, ValueError) as error:
        finding = Finding(
            "grid.unreadable", str(path), f"not a YAML file in UTF-8 ({error})", "Fix the file."
        )
        raise UnsoundError.of(finding) from error
    base = read_job(path.parent / grid.config)
    products = list(itertools.product(*grid.grid.values()))
    if not 0 < len(products) <= _MOST_RUNS:
        raise UsageError(f"{path}: the grid has {len(products)} runs; it may have 1 to {_MOST_RUNS}")
    found = [_combine(base, dict(zip(grid.grid, values, strict=True))) for values in products]
    names = [collision_key(each.name) for each in found]
    if len(set(names)) < len(names):
        twice = next(each.name for each in found if names.count(collision_key(each.name)) > 1)
        raise UsageError(f"{path}: two runs would be called {twice}. Make their values differ.")
    return found


def write_configs(combinations: list[Combination], out: Path, engine: str) -> list[BatchJob]:
    """Write every config into ``out/configs`` and return the jobs that train them.

    ``out/sweep-train.json`` names them: the folder may hold others, of a larger grid before or of the user.

    Raises:
        UsageError: if one of the user's would be overwritten; nothing is written then.
    """
    configs = [out / CONFIGS / f"{safe_stem(each.name)}.yaml" for each in combinations]
    for config in configs:
        if config.is_file() and not config.read_bytes().startswith(_HEAD.encode()):
            raise UsageError(f"{config}: is not of a sweep, and has the name of a run. Move it elsewhere.")
    jobs = []
    for each, config in zip(combinations, configs, strict=True):
        write_text(config, config_text(each.job, each.values))
        jobs.append(batch_job(config, engine, each.seed))
    write_json(out / GRID_FILE, [job.config.name for job in jobs])
    return jobs


def on_devices(combinations: list[Combination], devices: Sequence[str]) -> list[Combination]:
    """The combinations for this machine, where each run sees only its own device."""
    device = "cpu" if set(devices) == {"cpu"} else "cuda"
    found = []
    for each in combinations:
        document = each.job.document
        document["config"]["process"][0]["device"] = device
        found.append(replace(each, job=_job(document)))
    return found


def config_text(job: Job, values: dict[str, Any]) -> str:
    """A combination's config file."""
    head = f"{_HEAD}{', '.join(f'{key}={value}' for key, value in values.items())}"
    printable = "".join(c if c.isprintable() else " " for c in head)
    return f"{printable}\n{dump_config(job.document)}"


def _combine(base: Job, values: dict[str, Any]) -> Combination:
    document = base.document
    process = document["config"]["process"][0]
    seed = None
    assigned: set[str] = set()
    for key, value in values.items():
        if key == SEED:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_SEED:
                raise UsageError(f"seed {value!r} is not an integer from 0 to {MOST_SEED}; change the grid")
            seed = value
            continue
        source = f"grid {key}"
        # YAML 1.1 reads 2e-4 as text.
        as_text = isinstance(value, str)
        setting = text_setting(key, value, source) if as_text else Setting(key, value, None, source)
        assigned.update(assign(process, setting))
    network, before = _job(document).process.network, base.process.network
    varied = network and before and network.linear != before.linear
    if network and before and varied and "network.linear_alpha" not in assigned:
        # The LoRA's strength is alpha over rank: keep it when only the rank varies.
        process["network"]["linear_alpha"] = before.linear_alpha * network.linear / before.linear
    short = [f"{key.split('.')[-1]}{value}" for key, value in values.items()]
    name = safe_stem("_".join([base.config.name, *short]))
    rename_run(document, name)
    return Combination(name, values, _job(document), seed)


def _job(document: dict[str, Any]) -> Job:
    job, findings = job_of(document, "a run of the grid")
    raise_findings(findings, "the grid")
    assert job is not None  # without findings there is one
    return job
