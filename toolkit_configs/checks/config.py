"""What is wrong with a config, found before a GPU is paid for. Nothing is written, nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.documents import load_yaml, read_text
from chromiq.errors import AccessError, Finding, UnsoundError, raise_findings
from chromiq.toolkit_configs.checks.data import DataFacts, data_findings
from chromiq.toolkit_configs.checks.edit_models import edit_model_findings
from chromiq.toolkit_configs.checks.hub import access_findings
from chromiq.toolkit_configs.checks.keys import key_findings, text_findings
from chromiq.toolkit_configs.checks.machine import DiskNeed, disk_findings, disk_need, gpu_findings
from chromiq.toolkit_configs.checks.settings import setting_findings
from chromiq.toolkit_configs.render.memory import MemoryEstimate, estimate_memory
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.schema.jobs import Job, name_fault, read_job


@dataclass(frozen=True)
class ConfigReport:
    """All that a check of a config finds.

    Attributes:
        findings: errors and warnings, each with its cure.
        data: of the datasets, or None if the config cannot be read.
        memory: on the GPU, or None if that cannot be told.
        disk: what the run will write, or None if the config cannot be read.
    """

    findings: tuple[Finding, ...]
    data: DataFacts | None = None
    memory: MemoryEstimate | None = None
    disk: DiskNeed | None = None

    @property
    def lines(self) -> list[str]:
        """What is to be known beside the findings, for people."""
        lines = []
        if self.data and self.data.items:
            lines.append(f"{self.data.examples} examples, each trained {self.data.epochs:.3g} times")
            lines += self.data.crops
        if self.data and (masks := self.data.masks):
            lines.append(
                f"masks: {masks.white_share:.0%} white; scaled to a mean of 1, white weighs "
                f"{masks.white:.2f} and black {masks.black:.2f} (from {masks.read} masks)"
            )
        if self.memory:
            lines.append(f"GPU memory: {self.memory.summary}, an estimate")
        if self.disk:
            parts = {name: size for name, size in asdict(self.disk).items() if size >= 1e6}
            listed = ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in parts.items())
            lines.append(
                f"disk: about {sum(parts.values()) / 1e9:.2f} GB" + (f" ({listed})" if listed else "")
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        data = self.data
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "examples": data.examples if data else None,
            "epochs": data.epochs if data else None,
            "crops": list(data.crops) if data else [],
            "mask_weights": asdict(data.masks) if data and data.masks else None,
            "memory": self.memory.as_dict() if self.memory else None,
            "disk_bytes": {name: round(size) for name, size in asdict(self.disk).items()}
            if self.disk
            else None,
        }


def check_config(
    path: Path,
    *,
    resume: bool = False,
    offline: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """All that is wrong with a config file and the dataset it names, errors and warnings.

    Args:
        path: the config file.
        resume: whether going on with an existing run is meant.
        offline: do not ask the hub whether the base model can be had.
        on_progress: called with examples done and examples in all.
    """
    report = examine_config(path, resume=resume, offline=offline, on_progress=on_progress)
    return list(report.findings)


def examine_config(
    path: Path,
    *,
    resume: bool = False,
    offline: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> ConfigReport:
    """The same as `check_config`, with what else is to be known before a run."""
    try:
        job = read_job(path)
    except UnsoundError as error:
        return ConfigReport((*_keys_of(path), *error.findings))
    where = path.name
    found, data = data_findings(job, where, on_progress)
    first = next(iter(data.sizes), None)
    memory = estimate_memory(job, first)
    need = disk_need(job, data.sizes)
    findings = (
        *_keys_of(path),
        *found,
        *edit_model_findings(job, where),
        *_sample_findings(job, where),
        *_run_findings(job, where, resume),
        *disk_findings(job, need),
        *_model_findings(job, where, offline),
        *gpu_findings(job, memory, where),
    )
    return ConfigReport(findings, data, memory, need)


def raise_config_findings(findings: Sequence[Finding], what: str) -> None:
    """Raise all findings if one is an error.

    A missing access decides the exit code whatever else is wrong: it is what takes longest to mend, as
    others have to grant it. The message says what else there is, and the error carries all findings.

    Raises:
        AccessError: if the base model may not be fetched; the message names the page to visit.
        UnsoundError: if only other things are wrong.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    refused = [finding for finding in errors if finding.code.startswith("access.")]
    if refused:
        others = len(errors) - len(refused)
        also = f"; beside that {others} {'fault' if others == 1 else 'faults'}" if others else ""
        raise AccessError(f"{what}: the base model cannot be fetched, {refused[0].hint}{also}", findings)
    raise_findings(findings, what)


def _keys_of(path: Path) -> list[Finding]:
    """Findings of the text and its keys, as far as it is YAML in the shape of a job."""
    try:
        text = read_text(path)
        document = load_yaml(text)
        process = document["config"]["process"][0]
        return [
            *text_findings(text, path.name),
            *key_findings(process, path.name),
            *setting_findings(document, path.name),
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []  # reading the job tells what is wrong


def _sample_findings(job: Job, where: str) -> list[Finding]:
    findings = []
    for index, sample in enumerate(job.process.sample.samples):
        for key, value in sample.items():
            if key.startswith("ctrl_img") and value is not None and not Path(str(value)).is_file():
                name, got = f"{where}: sample.samples.{index}.{key}", f"no file {value}"
                findings.append(Finding.expected("config.sample", name, "a picture", got, "mend the path"))
    return findings


def _run_findings(job: Job, where: str, resume: bool) -> list[Finding]:
    findings = []
    run, process, name = job.run_folder, job.process, job.config.name
    if fault := name_fault(name):
        wanted, cure = "a name of one folder", "rename the run"
        return [Finding.expected("config.name", f"{where}: name", wanted, f"{fault}, {name!r}", cure)]
    checkpoints = find_checkpoints(run, name)
    if not resume and any(run.glob("*.safetensors")):
        wanted, got = "a run name that is free", f"a run in {run}, which the trainer would go on with unasked"
        cure = "give --resume to go on, or render with another --name"
        findings.append(Finding.expected("run.exists", f"{where}: name", wanted, got, cure))
    done = max((checkpoint_step(path, name) or 0 for path in checkpoints), default=0)
    if resume and done >= process.train.steps:
        got = f"{process.train.steps}, of which {done} are done"
        wanted, cure = "more steps than are done", "raise train.steps to train on"
        findings.append(Finding.expected("run.done", f"{where}: train.steps", wanted, got, cure, "warning"))
    if process.save.save_every > process.train.steps:
        got = f"{process.save.save_every}, more than all {process.train.steps} steps"
        wanted, cure = "checkpoints on the way", "lower it: a stopped run would keep nothing"
        findings.append(
            Finding.expected("config.save_every", f"{where}: save.save_every", wanted, got, cure, "warning")
        )
    return findings


def _model_findings(job: Job, where: str, offline: bool) -> list[Finding]:
    name = job.process.model.name_or_path
    key = f"{where}: model.name_or_path"
    if (Path(name) / "model_index.json").is_file():
        return []
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        wanted = "a diffusers folder or a hub name (owner/model)"
        got = f"no {name}/model_index.json"
        return [Finding.expected("model.folder", key, wanted, got, "mend the path")]
    return access_findings(name, key, offline=offline)
