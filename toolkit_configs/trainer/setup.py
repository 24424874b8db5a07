"""Install the vendored trainer: its pinned commit, in its own environment; check that it trains.

Also pin another commit.

Each step of an installation first checks whether it is done, so the same command resumes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import ChromiqError, OptionError, UnsoundError
from chromiq.files import folder_lock, sha256_text, write_text
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.toolkit_configs.launch import train_config
from chromiq.toolkit_configs.render.job import render_job
from chromiq.toolkit_configs.schema.trainer_source import (
    SOURCE_FILE,
    TrainerSource,
    differences,
    pinned_source,
    read_source,
)
from chromiq.toolkit_configs.smoke_engine import tiny_checkpoint
from chromiq.toolkit_configs.trainer.checkout import (
    BRING_COMMAND,
    ENVIRONMENT,
    PINNED_COMMIT,
    REPOSITORY,
    ToolkitInfo,
    bounded_environment,
    chromiq_root,
    output_of,
    toolkit_folder,
    toolkit_info,
    toolkit_python,
)

Say = Callable[[str], None]

_LOG = "chromiq-setup.log"
_STAMP = "chromiq-installed.txt"
CONSTRAINTS = Path(__file__).with_name("environment") / "constraints.txt"
"""The versions that the trainer was tested with."""
# Its README installs these by hand, before its requirements.
_FROM_ITS_README = ("torch", "torchvision", "torchaudio")
_GIT = re.compile(r"^git\+.*/(?P<name>[\w.-]+?)(\.git)?(@\S+)?$")
_NEEDS_CUDA = "torchaudio/lib/_torchaudio*.so"
_UNUSED_SUFFIX = ".needs-cuda"
# What `read_source` reads of a commit.
_SOURCE_FOLDERS = ("jobs", "toolkit", "extensions", "extensions_built_in")


def set_up_toolkit(say: Say) -> ToolkitInfo:
    """Check out the pinned commit and install its environment.

    Raises:
        ChromiqError: if a step fails; the message names its log.
        UnsoundError: if the trainer's files were changed and another commit has to be checked out.
        LockedError: if another setup is running.
    """
    folder = toolkit_folder()
    bring_commit(folder, say)
    environment = folder / ENVIRONMENT
    environment.mkdir(exist_ok=True)
    with folder_lock(environment, "chromiq toolkit setup"):
        python = toolkit_python(folder) or _make_environment(environment, say)
        install(python, folder, say)
        if fix_cpu_build(python):
            say("torch is a CPU build: torchvision and torchaudio were made importable with it")
    say("reading the versions of the environment")
    info = toolkit_info()
    if info.problem:
        raise ChromiqError(f"{info.problem} The log is {environment / _LOG}")
    return info


def bring_commit(folder: Path, say: Say) -> None:
    """Check out the pinned commit in the submodule, or in the checkout that ``CHROMIQ_AI_TOOLKIT`` names.

    Raises:
        ChromiqError: if git fails.
        UnsoundError: if it is at another commit and has changes.
    """
    own = (folder / "run.py").is_file() and (folder / ".git").exists()
    at = _git(folder, "rev-parse", "HEAD").decode().strip() if own else None
    if at == PINNED_COMMIT:
        return
    if own and _git(folder, "status", "--porcelain").strip():
        raise UnsoundError(
            f"{folder}: AI-Toolkit is at {str(at)[:12]} with changed files, not at {PINNED_COMMIT[:12]}. "
            f"Run 'git -C {folder} stash', then setup again."
        )
    say(f"checking out AI-Toolkit at {PINNED_COMMIT[:12]}")
    if own:
        if not _knows(folder, PINNED_COMMIT):
            _git(folder, "fetch", "--quiet", "origin", PINNED_COMMIT)
        _git(folder, "checkout", "--quiet", "--detach", PINNED_COMMIT)
        return
    if folder != chromiq_root() / "vendor" / "ai-toolkit" or not (chromiq_root() / ".gitmodules").is_file():
        raise ChromiqError(
            f"{folder}: no checkout of AI-Toolkit. Run 'git clone {REPOSITORY} {folder}', or set "
            "CHROMIQ_AI_TOOLKIT to an existing checkout; setup then checks out the pinned commit."
        )
    _git(chromiq_root(), *BRING_COMMAND.split()[1:])


def requirements(folder: Path) -> list[str]:
    """The trainer's requirements, installable from the package index alone.

    A git address is replaced by the package at the version that the constraints file pins.

    Raises:
        ChromiqError: if the constraints file does not pin such a package.
    """
    found = list(_FROM_ITS_README)
    for line in _requirement_lines(folder / "requirements.txt"):
        git = _GIT.match(line)
        if git is None:
            found.append(line)
        elif git["name"] in pins():
            found.append(f"{git['name']}=={pins()[git['name']]}")
        else:
            raise ChromiqError(
                f"{folder / 'requirements.txt'}: {line} is not pinned in {CONSTRAINTS}. "
                f"Pin {git['name']} there."
            )
    return found


def pins() -> dict[str, str]:
    """Package name to version, of the constraints file."""
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def install(python: Path, folder: Path, say: Say) -> None:
    """Install the requirements with pip, unless the same set is already installed.

    Raises:
        ChromiqError: if pip fails; its last line is in the message.
    """
    wanted = "\n".join(requirements(folder))
    digest = sha256_text(wanted + CONSTRAINTS.read_text(encoding="utf-8"))
    environment = folder / ENVIRONMENT
    stamp = environment / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest:
        return
    listed = environment / "chromiq-requirements.txt"
    write_text(listed, wanted + "\n")
    say(f"installing {len(pins())} packages, about 3 GB on a CPU; the log is {environment / _LOG}")
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    command = [*pip, "--requirement", str(listed), "--constraint", str(CONSTRAINTS)]
    seen, last = 0, ""
    with (
        (environment / _LOG).open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command,
            env={**bounded_environment(), **_pip_variables()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None  # PIPE was asked for
        for line in process.stdout:
            log.write(line)
            last = line.strip() or last
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                seen += 1
                say(f"{min(seen, len(pins()))} of {len(pins())}: {line.split('(')[0].strip()[:70]}")
            elif line.startswith("Installing collected"):
                say("everything is downloaded; unpacking takes minutes")
    if process.returncode:
        raise ChromiqError(
            f"{environment}: pip could not install AI-Toolkit's requirements: '{last[-300:]}'. "
            f"See {environment / _LOG}; running setup again resumes."
        )
    write_text(stamp, digest + "\n")


def fix_cpu_build(python: Path) -> bool:
    """Make torchvision and torchaudio importable with a CPU build of torch; return whether that was needed.

    torchvision lacks operators, which `environment/chromiq_cpu_torch.py` declares; torchaudio does without
    its native library when that file is absent, so the file is renamed.
    """
    code = (
        "import sysconfig, torch\n"
        "print(sysconfig.get_path('purelib'), torch.version.cuda or torch.version.hip or 'cpu', sep='\\n')"
    )
    lines = (output_of([str(python), "-c", code]) or "").splitlines()
    if lines[-1:] != ["cpu"]:
        return False
    site = Path(lines[-2])
    module = CONSTRAINTS.with_name("chromiq_cpu_torch.py").read_text(encoding="utf-8")
    write_text(site / "chromiq_cpu_torch.py", module)
    write_text(site / "chromiq_cpu_torch.pth", "import chromiq_cpu_torch\n")
    for library in site.glob(_NEEDS_CUDA):
        library.rename(library.with_name(library.name + _UNUSED_SUFFIX))
    return True


@dataclass(frozen=True)
class Update:
    """What another commit of the trainer changes.

    Attributes:
        before: the commit that was pinned.
        after: the commit that is pinned now, or would be.
        differences: in keys, defaults, architectures and processes, a line each.
        written: the file that holds them, None if nothing was written.
    """

    before: str
    after: str
    differences: tuple[str, ...]
    written: Path | None

    def as_dict(self) -> dict[str, Any]:
        """The update as plain data for JSON."""
        return {**asdict(self), "written": str(self.written) if self.written else None}


def update_toolkit(commit: str, *, dry_run: bool = False, say: Say = lambda _: None) -> Update:
    """Check out another commit of the trainer and record its keys, defaults and architectures.

    Args:
        commit: any name that git knows, or that its remote ``origin`` gives.
        dry_run: only say what would change.

    Raises:
        ChromiqError: if there is no checkout, git fails, or the commit's source cannot be read.
        UnsoundError: if the checkout has changed files.
    """
    folder = toolkit_folder()
    if commit.startswith("-"):
        raise OptionError("commit", f"{commit} is not a commit")
    if not (folder / ".git").exists():
        raise ChromiqError(f"{folder}: no checkout of AI-Toolkit. Run 'chromiq toolkit setup' first.")
    if not _knows(folder, commit):
        say(f"fetching {commit}")
        _git(folder, "fetch", "--quiet", "origin", commit)
        commit = "FETCH_HEAD"
    after = _git(folder, "rev-parse", f"{commit}^{{commit}}").decode().strip()
    before = pinned_source()
    source = _source_at(folder, after)
    lines = tuple(differences(before, source))
    if dry_run:
        return Update(before.commit, after, lines, None)
    if _git(folder, "status", "--porcelain", "--untracked-files=no").strip():
        raise UnsoundError(f"{folder}: AI-Toolkit has changed files. Run 'git -C {folder} stash' first.")
    say(f"checking out {after[:12]}")
    _git(folder, "checkout", "--quiet", "--detach", after)
    write_text(SOURCE_FILE, source.as_text())
    return Update(before.commit, after, lines, SOURCE_FILE)


def _source_at(folder: Path, commit: str) -> TrainerSource:
    with tempfile.TemporaryDirectory() as temporary:
        present = _git(folder, "ls-tree", "--name-only", commit).decode().split()
        read = [name for name in _SOURCE_FOLDERS if name in present]
        archive = _git(folder, "archive", "--format=tar", commit, *read)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(temporary, filter="data")
            return read_source(Path(temporary)).model_copy(update={"commit": commit})
        except (OSError, SyntaxError, KeyError, tarfile.TarError) as error:
            raise ChromiqError(f"{folder}: the source of {commit[:12]} cannot be read: {error!r}") from error


def _make_environment(environment: Path, say: Say) -> Path:
    say(f"creating a virtual environment in {environment}")
    hint = "Install Python's venv module, and run it again"
    _run(
        [sys.executable, "-m", "venv", str(environment)],
        f"{environment}: cannot create a virtual environment. {hint}",
        more_variables=_pip_variables(),
    )
    return environment / "bin" / "python"


def _requirement_lines(path: Path) -> list[str]:
    found: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        # A # inside a git address is part of it.
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text.startswith("-r "):
            found += _requirement_lines(path.parent / text.removeprefix("-r ").strip())
        elif text:
            found.append(text)
    return found


def _pip_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def _knows(folder: Path, commit: str) -> bool:
    return output_of(["git", "-C", str(folder), "cat-file", "-e", f"{commit}^{{commit}}"]) is not None


def _git(folder: Path, *arguments: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise ChromiqError("git is not on the PATH. Install git.")
    failed = f"git -C {folder} {' '.join(arguments)} failed"
    return _run([git, "-C", str(folder), *arguments], failed, more_variables={"GIT_TERMINAL_PROMPT": "0"})


def _run(
    command: Sequence[str], failed: str, *, more_variables: Mapping[str, str] = {}, cwd: Path | None = None
) -> bytes:
    """The output of a command; if it fails, a `ChromiqError` of `failed` and the last line."""
    done = subprocess.run(
        command,
        env={**bounded_environment(), **more_variables},
        cwd=cwd,
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or b"no message").decode(errors="replace")
        raise ChromiqError(f"{failed}: '{' '.join(said.split())[-300:]}'")
    return done.stdout


def smoke_test(python: Path, say: Say) -> None:
    """Train two steps of a tiny checkpoint on drawn pairs, through the code that launches real runs."""
    with tempfile.TemporaryDirectory(prefix="chromiq-setup-") as name:
        root = Path(name)
        write_catalogue(root / "catalogue", pairs=2, size_wh=(224, 280))
        build(root / "catalogue", root / "dataset", BuildOptions(segmenter="classic"))
        # The core has no model libraries; the trainer's environment does.
        command = [str(python), "-I", str(tiny_checkpoint.__file__), str(root / "tiny")]
        _run(command, f"{python}: cannot build a tiny checkpoint", cwd=root)
        overrides = {"model.name_or_path": str(root / "tiny"), "train.steps": "2", "save.save_every": "1"}
        text = render_job("kontext", root / "dataset", preset="smoke", name="smoke", overrides=overrides)
        write_text(root / "config.yaml", text)
        final = train_config(root / "config.yaml", "ai-toolkit")
        say(f"trained 2 steps; its LoRA has {final.stat().st_size / 1e3:.0f} kB")
