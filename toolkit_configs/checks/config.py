"""Everything that is wrong with a config, found before a GPU is paid for. Writes and downloads nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.errors import AccessError, Finding, errors_of, raise_findings
from chromiq.models import model_of_arch
from chromiq.progress import Update, silent
from chromiq.toolkit_configs.checks.data import DataFacts, data_findings
from chromiq.toolkit_configs.checks.keys import key_findings
from chromiq.toolkit_configs.checks.machine import DiskNeed, disk_findings, disk_need, gpu_findings
from chromiq.toolkit_configs.checks.settings import edit_model_findings, setting_findings
from chromiq.toolkit_configs.render.compose import flat_document
from chromiq.toolkit_configs.render.memory import MemoryEstimate, estimate_memory
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.schema.trainer_job import Job, examine_job, is_path, job_of, name_fault
from chromiq.wording import counted

_WEIGHT_FILES = (
    "vae_path",
    "unet_path",
    "te_name_or_path",
    "lora_path",
    "assistant_lora_path",
    "inference_lora_path",
    "accuracy_recovery_adapter",
)
_PATH_KEY = re.compile(r"(path|folder|ctrl_img)(_\d)?$")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_TIMEOUT_S = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class ConfigReport:
    """All that a check of a config finds.

    Attributes:
        job: as far as it can be read; None without a process.
        data: of the datasets, or None if the config cannot be read.
        memory: on the GPU, or None if unknown.
        disk: what the run will write, or None if the config cannot be read.
    """

    findings: tuple[Finding, ...]
    job: Job | None = None
    data: DataFacts | None = None
    memory: MemoryEstimate | None = None
    disk: DiskNeed | None = None

    @property
    def lines(self) -> list[str]:
        """What else is worth knowing, as text."""
        lines = []
        if self.data and self.data.items:
            examples = counted(self.data.examples, "example")
            lines.append(f"{examples}, each trained {self.data.epochs:,.1f} times")
            lines += self.data.crops
        if self.data and (masks := self.data.masks):
            lines.append(
                f"masks: {masks.white_share:.0%} white; scaled to a mean of 1, white weighs "
                f"{masks.white:.2f} and black {masks.black:.2f} (from {counted(masks.read, 'mask')})"
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
        data, disk = self.data, self.disk
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "examples": data and data.examples,
            "epochs": data and data.epochs,
            "crops": list(data.crops) if data else [],
            "mask_weights": asdict(data.masks) if data and data.masks else None,
            "memory": self.memory and self.memory.as_dict(),
            "disk_bytes": disk and {name: round(size) for name, size in asdict(disk).items()},
        }


def examine_config(
    path: Path,
    *,
    resume: bool = False,
    offline: bool = False,
    on_progress: Update = silent,
) -> ConfigReport:
    """All that is wrong with a config file and the dataset it names, with what else is known before a run.

    A value that cannot be used hides only what depends on it: everything else is checked with the trainer's
    default in its place.

    Args:
        offline: do not ask the hub for access to the base model.
    """
    job, findings = examine_job(path)
    if job is None:
        return ConfigReport(tuple(findings))
    if not job.trains:
        message = f"a process {job.process.type!r} of the {job.job!r} job trains no LoRA, and was not checked"
        hint = "AI-Toolkit checks it when it starts."
        unchecked = Finding("config.unchecked", f"{path.name}: job", message, hint, "warning")
        return ConfigReport((*findings, unchecked), job)
    where = path.name
    findings += key_findings(job.document, where)
    text, shortened = json.dumps(job.document), []
    for key, long in _long_paths(job):
        shortened.append(f"{long[:40]}...")
        message = f"{shortened[-1]} is too long for a path, with {len(long):,} characters"
        findings.append(Finding("config.path", f"{where}: {key}", message, "Shorten it."))
        text = text.replace(json.dumps(long), json.dumps(shortened[-1]))
    if shortened:  # such a path would end every further check
        job = job_of(json.loads(text), where)[0] or job
    found, data = data_findings(job, where, on_progress)
    memory = estimate_memory(job, next(iter(data.sizes), None))
    need = disk_need(job, data.sizes)
    own = (*_run_findings(job, resume), *_file_findings(job))
    others = [
        *setting_findings(job, where),
        *found,
        *edit_model_findings(job, where),
        *(each.within(where) for each in own),
        *disk_findings(job, need),
        *_model_findings(job, where, offline),
        *gpu_findings(job, memory, where),
    ]
    findings += [each for each in others if not any(path in str(each) for path in shortened)]
    return ConfigReport(tuple(findings), job, data, memory, need)


def raise_config_findings(findings: Sequence[Finding], what: str) -> None:
    """Raise all findings if one is an error.

    Missing access decides the exit code before other errors: it takes longest to fix, as others have to
    grant it. The error carries all findings.

    Raises:
        AccessError: if the base model may not be fetched; the message names the page to visit.
        UnsoundError: if only other things are wrong.
    """
    errors = errors_of(findings)
    refused = [finding for finding in errors if finding.code.startswith("access.")]
    if refused:
        others = len(errors) - len(refused)
        also = f" ({counted(others, 'more error')})" if others else ""
        raise AccessError(f"{what}: no access to the base model. {refused[0].hint}{also}", findings)
    raise_findings(findings, what)


def _long_paths(job: Job) -> Iterator[tuple[str, str]]:
    """Keys with a path of which even the question whether it exists is an error."""
    for key, value in flat_document(job.document):
        values = value if isinstance(value, list) else [value]
        for path in [each for each in values if isinstance(each, str) and _PATH_KEY.search(key)]:
            try:
                Path(path).stat()
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) == errno.ENAMETOOLONG:
                    yield key, path


def _run_findings(job: Job, resume: bool) -> Iterator[Finding]:
    run, process, name = job.run_folder, job.process, job.config.name
    for each in (name, process.name):
        if fault := name_fault(each):
            message = f"{each!r} cannot name a folder: {fault}"
            yield Finding("config.name", "name", message, "Rename the run.")
            return
    if os.name != "nt" and _WINDOWS_PATH.match(process.training_folder):
        message = f"{process.training_folder} is a path of Windows, here the name of a new folder"
        yield Finding("config.path", "training_folder", message, "Name a folder of this machine.", "warning")
    steps, every = process.train.steps, process.save.save_every
    checkpoints = find_checkpoints(run, name)
    if not resume and (checkpoints or any(run.glob("*.safetensors"))):
        message = f"{run} holds a run of this name, which the trainer would silently continue"
        yield Finding("run.exists", "name", message, "Resume it, or rename the run.")
    done = max((checkpoint_step(path, name) or 0 for path in checkpoints), default=0)
    if resume and done >= steps:
        message = f"{done} of {steps} steps are done already"
        yield Finding("run.done", "train.steps", message, "Raise it to train on.", "warning")
    if not 0 < every <= steps:
        message = f"no checkpoint is saved before the last of {steps} steps"
        hint = "Set it lower than train.steps, or a stopped run keeps nothing."
        yield Finding("config.save_every", "save.save_every", message, hint, "warning")


def _model_findings(job: Job, where: str, offline: bool) -> list[Finding]:
    """Whether the base model is there, or can be downloaded."""
    name = job.process.model.name_or_path
    key, path = f"{where}: model.name_or_path", Path(name)
    if not name:
        written = job.document["config"]["process"][0].get("model")
        if not isinstance(written, dict) or written.get("name_or_path") is None:
            return []  # reported where the job was read
        hint = "Set it to a hub name (owner/model) or a diffusers folder."
        return [Finding("model.folder", key, "no base model is named", hint)]
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        whole = path.is_file() or (path / "model_index.json").is_file() or (path / "transformer").is_dir()
        if whole or not model_of_arch(job.process.model.arch):
            return []
        message = f"{path} is not a diffusers model: it holds no model_index.json and no transformer/"
        return [Finding("model.folder", key, message, "Fix the path.")]
    if is_path(name) or not 1 <= name.count("/") <= 2 or "\\" in name:
        message = f"{name} is neither a folder nor a hub name (owner/model)"
        return [Finding("model.folder", key, message, "Fix the path.")]
    return access_findings("/".join(name.split("/")[:2]), key, offline=offline)


def _file_findings(job: Job) -> Iterator[Finding]:
    """Weights beside the base model that are named by a path and are not there."""
    model, network = job.process.model.model_dump(), job.process.network
    for key in _WEIGHT_FILES:
        path = str(model.get(key) or "")
        if is_path(path) and not Path(path).expanduser().exists():
            message = f"no file or folder {path}"
            yield Finding("model.file", f"model.{key}", message, "Fix the path.", "warning")
    start = network and network.model_dump().get("pretrained_lora_path")
    if start and not Path(str(start)).exists():
        message = f"no file {start}; the trainer would silently start from a new LoRA"
        yield Finding("model.file", "network.pretrained_lora_path", message, "Fix the path.")


def access_findings(repository: str, where: str, *, offline: bool) -> list[Finding]:
    """What keeps a hub model from being downloaded; nothing is asked offline or when it is in the cache.

    Args:
        repository: such as ``"black-forest-labs/FLUX.1-Kontext-dev"``.
        offline: send no request. ``HF_HUB_OFFLINE=1`` does the same.
    """
    offline = offline or os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in {"1", "TRUE", "YES", "ON"}
    if offline or is_cached(repository):
        return []
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    token = find_token()
    status, reason = _ask(f"{endpoint}/api/models/{repository}/auth-check", token)
    page = f"{endpoint}/{repository}"
    if status is None or not (status < 400 or status in {401, 403, 404}):
        message = f"{endpoint} gave no usable answer ({reason or f'HTTP {status}'})"
        hint = "Check the network, try again later, or set `offline`."
        return [Finding("model.network", where, message, hint, "warning")]
    if status == 404:
        hint = "Fix the name, or log in if it is private."
        return [Finding("model.unknown", where, f"there is no {page}", hint)]
    if status < 400:
        return []
    lacking = "the token may not read" if token else "there is no token for"
    message = f"{lacking} {repository} (HTTP {status})"
    hint = f"Accept the licence at {page} and set HF_TOKEN (or run: hf auth login)."
    return [Finding("access.model", where, message, hint)]


def find_token() -> str | None:
    """The user's token where Hugging Face's tools keep it: ``HF_TOKEN``, else the file of its login."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if value := os.environ.get(name, "").strip():
            return value
    path = Path(os.environ.get("HF_TOKEN_PATH") or hub_home() / "token")
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def hub_home() -> Path:
    """Where Hugging Face's tools keep their files."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface")


def is_cached(repository: str) -> bool:
    """Whether some snapshot of a model is in the cache; not whether it is complete."""
    cache = Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub")
    return any((cache / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*/*"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer; following it could carry the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(url: str, token: str | None) -> tuple[int | None, str]:
    """The status of an answer, or None and the reason."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        return None, "HF_ENDPOINT is not a web address"
    request = urllib.request.Request(url, headers={"User-Agent": "chromiq"})  # noqa: S310 (checked above)
    # The token is never sent unencrypted.
    if token and (parts.scheme == "https" or parts.hostname in _LOOPBACK):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except (OSError, ValueError) as error:
        return None, str(getattr(error, "reason", error))
