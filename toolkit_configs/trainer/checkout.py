"""The vendored trainer: where it is, at which commit, and which Python runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.errors import ChromiqError, Finding, errors_of
from chromiq.files import sha256_text
from chromiq.toolkit_configs.schema.trainer_source import pinned_source
from chromiq.toolkit_configs.trainer.devices import device_environment

PINNED_COMMIT = pinned_source().commit
REPOSITORY = "https://github.com/ostris/ai-toolkit.git"
BRING_COMMAND = "git submodule update --init vendor/ai-toolkit"
SETUP_COMMAND = "chromiq toolkit setup"
ENVIRONMENT = "venv"
_ASK_PATIENCE_S = 180
_PACKAGES = ("torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "safetensors")
# Its own module with every setting imports most of what training needs.
_ASK = (
    "import json, platform, importlib.metadata as m, torch, diffusers, toolkit.config_modules\n"
    "print(json.dumps({'device': torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'cpu',"
    " 'versions': {'python': platform.python_version(),"
    " **{name: m.version(name) for name in " + repr(_PACKAGES) + "}}}))"
)
# Variables passed on to the trainer: only what it needs, and in particular no PYTHONPATH.
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
_SYSTEM = {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH"}
_PASSED = _SYSTEM | _PROXIES | {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "OMP_NUM_THREADS", "SEED"}
_PASSED_PREFIXES = ("HF_", "CUDA_", "NVIDIA_", "NCCL_", "PYTORCH_")


@dataclass(frozen=True)
class ToolkitInfo:
    """The state of the vendored trainer.

    Attributes:
        pinned: the commit that chromiq was checked against.
        dirty: whether its files were changed; None if unknown.
        changes_sha256: digest of the changes, None without any.
        python: the interpreter of its environment, or None without one.
        behind: how many commits the pinned one is behind the remote's main branch, as last fetched; None if
            the checkout has no remote.
    """

    folder: str
    present: bool
    commit: str | None
    pinned: str
    dirty: bool | None
    changes_sha256: str | None
    python: str | None
    versions: dict[str, str]
    device: str | None
    behind: int | None = None

    @property
    def problem(self) -> str | None:
        """The first error of `toolkit_findings`, or None."""
        faults = errors_of(toolkit_findings(self))
        return str(faults[0]) if faults else None


def toolkit_folder() -> Path:
    """The trainer's folder: ``CHROMIQ_AI_TOOLKIT``, or ``vendor/ai-toolkit`` of this checkout."""
    given = os.environ.get("CHROMIQ_AI_TOOLKIT")
    return Path(given).resolve() if given else chromiq_root() / "vendor" / "ai-toolkit"


def chromiq_root() -> Path:
    """The checkout of chromiq, or where it is installed."""
    return Path(__file__).resolve().parents[2]


def toolkit_python(folder: Path) -> Path | None:
    """The interpreter of the trainer's own environment, or None."""
    path = folder / ENVIRONMENT / "bin" / "python"
    return path if path.is_file() else None


def require_toolkit() -> tuple[Path, Path]:
    """The trainer's folder and its interpreter.

    Raises:
        ChromiqError: if either is missing; the message names the command that installs it.
    """
    folder = toolkit_folder()
    if missing := _missing(folder):
        raise ChromiqError.of(missing)
    python = toolkit_python(folder)
    assert python is not None  # without it something is missing
    return folder, python


def _missing(folder: Path) -> Finding | None:
    if not (folder / "run.py").is_file():
        hint = (
            f"Fetch it with '{BRING_COMMAND}' in chromiq's checkout, or set CHROMIQ_AI_TOOLKIT to a checkout "
            f"of it; then run '{SETUP_COMMAND}'."
        )
        return Finding("toolkit.missing", str(folder), "AI-Toolkit is missing", hint)
    if toolkit_python(folder) is None:
        message = f"AI-Toolkit has no environment in {ENVIRONMENT}/"
        return Finding("toolkit.environment", str(folder), message, f"Create it with '{SETUP_COMMAND}'.")
    return None


def toolkit_info(device: str = "cuda") -> ToolkitInfo:
    """The state of the trainer, and the name of a config's device; runs git and its interpreter (seconds)."""
    folder = toolkit_folder()
    present = (folder / "run.py").is_file()

    def git(*arguments: str) -> str | None:
        # In an empty submodule folder, git would answer with chromiq's own commit.
        own = present and (folder / ".git").exists()
        return output_of(["git", "-C", str(folder), *arguments]) if own else None

    changes = git("status", "--porcelain")
    difference = git("diff", "HEAD") if changes else None
    behind = git("rev-list", "--count", f"{PINNED_COMMIT}..origin/HEAD")
    python = toolkit_python(folder) if present else None
    answer = output_of([str(python), "-c", _ASK], folder, device) if python else None
    # Libraries may print before the answer.
    known = json.loads(answer.splitlines()[-1]) if answer else {"device": None, "versions": {}}
    return ToolkitInfo(
        folder=str(folder),
        present=present,
        commit=git("rev-parse", "HEAD"),
        pinned=PINNED_COMMIT,
        dirty=None if changes is None else bool(changes),
        changes_sha256=sha256_text(f"{changes}\n{difference}") if changes else None,
        python=str(python) if python else None,
        versions=known["versions"],
        device=known["device"],
        behind=int(behind) if behind and behind.isdecimal() else None,
    )


def toolkit_findings(info: ToolkitInfo) -> list[Finding]:
    """Reasons not to train with this checkout."""
    if missing := _missing(Path(info.folder)):
        return [missing]
    findings = []
    if not info.versions:
        message, hint = "the trainer's libraries cannot be imported", f"Run '{SETUP_COMMAND}'."
        findings.append(Finding("toolkit.environment", str(info.python), message, hint))
    if info.commit != PINNED_COMMIT:
        at = info.commit[:12] if info.commit else "an unknown commit"
        message = f"AI-Toolkit is at {at}, not at {PINNED_COMMIT[:12]}"
        known = "the keys and faults that chromiq knows are those of the pinned commit"
        findings.append(Finding("toolkit.commit", info.folder, message, f"Run '{SETUP_COMMAND}'; {known}."))
    if info.dirty:
        message = "AI-Toolkit has changed files"
        hint = "Run 'git stash' there, or ignore this: run.json records a digest of the changes."
        findings.append(Finding("toolkit.dirty", info.folder, message, hint, "warning"))
    return findings


def bounded_environment(device: str = "cuda") -> dict[str, str]:
    """The environment variables for the trainer, in which only a config's device is visible.

    Raises:
        UsageError: if fewer GPUs are visible.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    shown = device_environment(device, os.environ)
    return {**passed, **shown, "PYTHONUNBUFFERED": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}


def output_of(command: Sequence[str], cwd: Path | None = None, device: str = "cuda") -> str | None:
    """What a command prints in the trainer's environment variables; None if it fails.

    Raises:
        ChromiqError: if it takes too long, as imports may on a busy machine or a slow file system.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=bounded_environment(device),
            capture_output=True,
            text=True,
            timeout=_ASK_PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired as error:
        message, hint = f"no answer within {_ASK_PATIENCE_S} s", "Run it again when the machine is less busy."
        raise ChromiqError.of(Finding("toolkit.slow", str(command[0]), message, hint)) from error
    return done.stdout.strip() if done.returncode == 0 else None
