"""What is wrong with a config, found before a GPU is paid for. Nothing is written, nothing is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from chromiq.errors import Finding, UnsoundError
from dataset_builder.captions import TRIGGER_WORD
from dataset_builder.doctor import DatasetFolders, Training, check_folders
from toolkit_configs.jobs import Job, read_job
from toolkit_configs.known_keys import known_keys

# A LoRA of rank 32 on FLUX.1-Kontext is about 350 MB in bfloat16, and the optimizer's state twice that.
_BYTES_PER_CHECKPOINT = 350_000_000
_NESTED = {"network", "save", "train", "model", "sample", "logging", "adapter"}


def check_config(path: Path, *, resume: bool = False) -> list[Finding]:
    """All that is wrong with a config file and the dataset it names, errors and warnings.

    Args:
        path: the config file.
        resume: whether going on with an existing run is meant.
    """
    try:
        job = read_job(path)
    except UnsoundError as error:
        return list(error.findings)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    process = document["config"]["process"][0]
    return [
        *_key_findings(process, path.name),
        *_dataset_findings(job, path),
        *_run_findings(job, path, resume),
        *_model_findings(job, path),
    ]


def _key_findings(process: Mapping[str, Any], where: str) -> list[Finding]:
    findings = []
    for section, prefix, keys in _sections(process):
        known = known_keys()[section]
        for key in keys:
            if key in known:
                continue
            near = get_close_matches(key, known, n=1)
            cure = f"did you mean {near[0]}?" if near else "remove it"
            wanted, got = "a key that the trainer reads", f"{key!r}, which it drops in silence"
            findings.append(Finding("config.key", f"{where}: {prefix}{key}", wanted, got, cure))
    return findings


def _sections(process: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Section, its prefix for messages, and the keys that are set in it."""
    yield "process", "", list(process)
    for section in sorted(_NESTED & set(process)):
        yield section, f"{section}.", list(process[section] or {})
    for index, dataset in enumerate(process.get("datasets") or []):
        yield "datasets", f"datasets.{index}.", list(dataset)
    for index, sample in enumerate((process.get("sample") or {}).get("samples") or []):
        yield "samples", f"sample.samples.{index}.", list(sample)
    yield "ema_config", "train.ema_config.", list((process.get("train") or {}).get("ema_config") or {})


def _dataset_findings(job: Job, path: Path) -> list[Finding]:
    findings = []
    for index, dataset in enumerate(job.process.datasets):
        where = f"{path.name}: datasets.{index}"
        controls = dataset.control_path
        control, *references = [controls] if isinstance(controls, str) else controls
        mask = Path(dataset.mask_path) if dataset.mask_path else None
        for folder in (*references, *([dataset.mask_path] if dataset.mask_path else [])):
            if not Path(folder).is_dir():
                got, cure = "none; the trainer would do without and say nothing", "build the dataset again"
                findings.append(Finding("dataset.folder", folder, "a folder", got, cure))
        reference = Path(references[0]) if references else None
        training = Training(
            job.process.trigger_word or TRIGGER_WORD,
            tuple(dataset.resolution),
            32 if "qwen" in job.process.model.arch else 16,
        )
        folders = DatasetFolders(Path(dataset.folder_path), Path(control), mask, reference)
        findings += check_folders(folders, training=training)
        if mask is None and reference is None:
            wanted, cure = "a mask_path", "set it, or every pixel of the still-life trains too"
            findings.append(Finding("config.mask", where, wanted, "none", cure, "warning"))
    for index, sample in enumerate(job.process.sample.samples):
        for key, value in sample.items():
            if key.startswith("ctrl_img") and not Path(str(value)).is_file():
                name = f"{path.name}: sample.samples.{index}.{key}"
                findings.append(
                    Finding("config.sample", name, "a picture", f"no file {value}", "mend the path")
                )
    return findings


def _run_findings(job: Job, path: Path, resume: bool) -> list[Finding]:
    findings = []
    run, process = job.run_folder, job.process
    if not resume and any(run.glob("*.safetensors")):
        wanted, got = "a run name that is free", f"a run in {run}, which the trainer would go on with unasked"
        cure = "give --resume to go on, or render with another --name"
        findings.append(Finding("run.exists", f"{path.name}: name", wanted, got, cure))
    if process.save.save_every > process.train.steps:
        got = f"{process.save.save_every}, more than all {process.train.steps} steps"
        where, cure = f"{path.name}: save.save_every", "lower it: a stopped run would keep nothing"
        findings.append(Finding("config.save_every", where, "checkpoints on the way", got, cure, "warning"))
    existing = next(folder for folder in (run, *run.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    kept = min(process.train.steps // process.save.save_every, process.save.max_step_saves_to_keep) + 1
    needed = int(kept * _BYTES_PER_CHECKPOINT * process.network.linear / 32) + 2 * _BYTES_PER_CHECKPOINT
    if not Path(process.model.name_or_path).is_dir() and free < needed:
        wanted, got = f"about {needed / 1e9:.1f} GB free for {kept} checkpoints", f"{free / 1e9:.1f} GB"
        cure = "free some, or lower save.max_step_saves_to_keep"
        findings.append(Finding("run.disk", str(existing), wanted, got, cure, "warning"))
    return findings


def _model_findings(job: Job, path: Path) -> list[Finding]:
    name = job.process.model.name_or_path
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") != 1
    if looks_like_path and not (Path(name) / "model_index.json").is_file():
        where, wanted = f"{path.name}: model.name_or_path", "a diffusers folder or a hub name (owner/model)"
        return [Finding("model.folder", where, wanted, f"no {name}/model_index.json", "mend the path")]
    return []
