"""The vendored trainer: where it lies, which commit it is at, and which Python runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.errors import ChromiqError, Finding
from chromiq.files import sha256_text
from chromiq.toolkit_configs.trainer.devices import device_environment

PINNED_COMMIT = "27a03a91f23eb1b757d5ec2e80ee3e129cfcc350"
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
# What the trainer may see of the environment: nothing that it does not need, no PYTHONPATH above all.
_PASSED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "SSL_CERT_FILE",
     "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
     "OMP_NUM_THREADS", "SEED"}
)  # fmt: skip
_PASSED_PREFIXES = ("HF_", "CUDA_", "NVIDIA_", "NCCL_", "PYTORCH_")


@dataclass(frozen=True)
class ToolkitInfo:
    """The vendored trainer as it is here.

    Attributes:
        folder: where it is expected.
        present: whether it is there.
        commit: it is at, or None if that cannot be told.
        pinned: the commit that chromiq was checked against.
        dirty: whether its files were changed; None if that cannot be told.
        changes_sha256: of what was changed, None if nothing was.
        python: the interpreter of its environment, or None without one.
        versions: of the libraries in it; empty if it does not work.
        device: that its torch sees, or None.
        problem: what keeps it from training, with the cure; None if nothing does.
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
    problem: str | None


def toolkit_folder() -> Path:
    """Where the trainer lies: ``CHROMIQ_AI_TOOLKIT``, else ``vendor/ai-toolkit`` of this checkout."""
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
        ChromiqError: if either is missing; the message says the command that brings it.
    """
    folder = toolkit_folder()
    if not (folder / "run.py").is_file():
        cure = (
            f"bring it with '{BRING_COMMAND}' in chromiq's checkout, or set CHROMIQ_AI_TOOLKIT to a checkout "
            f"of it, then '{SETUP_COMMAND}'"
        )
        raise _missing(Finding.expected("toolkit.missing", str(folder), "AI-Toolkit", "nothing", cure))
    python = toolkit_python(folder)
    if python is None:
        wanted, cure = f"an environment of its own in {ENVIRONMENT}/", f"make it with '{SETUP_COMMAND}'"
        raise _missing(Finding.expected("toolkit.environment", str(folder), wanted, "none", cure))
    return folder, python


def _missing(finding: Finding) -> ChromiqError:
    return ChromiqError(str(finding), [finding])


def toolkit_info(device: str = "cuda") -> ToolkitInfo:
    """All that can be told about the trainer; runs git and its interpreter (seconds), changes nothing.

    Args:
        device: as in a config; its torch is asked for the name of that one.
    """
    folder = toolkit_folder()
    present = (folder / "run.py").is_file()
    # An empty submodule folder lies within chromiq's own repository, whose commit would answer.
    own = present and (folder / ".git").exists()
    commit = _output(["git", "-C", str(folder), "rev-parse", "HEAD"]) if own else None
    changes = _output(["git", "-C", str(folder), "status", "--porcelain"]) if own else None
    difference = _output(["git", "-C", str(folder), "diff", "HEAD"]) if changes else None
    python = toolkit_python(folder) if present else None
    answer = _output([str(python), "-c", _ASK], folder, device) if python else None
    # Libraries may have printed before.
    known = json.loads(answer.splitlines()[-1]) if answer else {"device": None, "versions": {}}
    problem = None
    try:
        require_toolkit()
        if not answer:
            problem = (
                f"{python}: wanted its libraries to be importable, got an error; '{SETUP_COMMAND}' mends it"
            )
        elif commit and commit != PINNED_COMMIT:
            problem = (
                f"{folder}: wanted AI-Toolkit at {PINNED_COMMIT[:12]}, got {commit[:12]}; "
                f"'{SETUP_COMMAND}' moves it"
            )
    except ChromiqError as error:
        problem = str(error)
    return ToolkitInfo(
        folder=str(folder),
        present=present,
        commit=commit,
        pinned=PINNED_COMMIT,
        dirty=bool(changes) if changes is not None else None,
        changes_sha256=sha256_text(f"{changes}\n{difference}") if changes else None,
        python=str(python) if python else None,
        versions=known["versions"],
        device=known["device"],
        problem=problem,
    )


def toolkit_findings(info: ToolkitInfo) -> list[Finding]:
    """What speaks against training with the trainer as it is: another commit, files that were changed.

    Args:
        info: of a trainer that is there and works.
    """
    findings = []
    if info.commit != PINNED_COMMIT:
        wanted, got = f"AI-Toolkit at {PINNED_COMMIT[:12]}", (info.commit or "a commit nobody can tell")[:25]
        cure = f"'{SETUP_COMMAND}' moves it; the keys and faults that chromiq knows are that commit's"
        findings.append(Finding.expected("toolkit.commit", info.folder, wanted, got, cure))
    if info.dirty:
        wanted, cure = "AI-Toolkit as committed", "'git stash' there, or know that run.json records a digest"
        findings.append(
            Finding.expected("toolkit.dirty", info.folder, wanted, "changed files", cure, "warning")
        )
    return findings


def bounded_environment(device: str = "cuda") -> dict[str, str]:
    """The environment that the trainer gets.

    Args:
        device: as in a config; the trainer is shown no other.

    Raises:
        UsageError: if fewer GPUs can be seen.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    shown = device_environment(device, os.environ)
    return {**passed, **shown, "PYTHONUNBUFFERED": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}


def _output(command: Sequence[str], cwd: Path | None = None, device: str = "cuda") -> str | None:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=bounded_environment(device), capture_output=True, text=True,
            timeout=_ASK_PATIENCE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
