"""Move the pin of the vendored trainer, and say what that changes for configs."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chromiq.errors import ChromiqError, OptionError, UnsoundError
from chromiq.toolkit_configs.schema.trainer_source import (
    TrainerSource,
    differences,
    read_source,
    source_file,
    trainer_source,
    write_source,
)
from chromiq.toolkit_configs.trainer.checkout import bounded_environment, toolkit_folder

_READ = ("jobs", "toolkit", "extensions", "extensions_built_in")


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


def update_toolkit(
    commit: str, *, dry_run: bool = False, say: Callable[[str], None] = lambda _: None
) -> Update:
    """Check out another commit of the trainer and record its keys, defaults and architectures.

    Args:
        commit: any name that git knows, or that its remote ``origin`` gives.
        dry_run: only say what would change.
        say: called with a line about what is being done.

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
    before = trainer_source()
    source = _source_at(folder, after)
    lines = tuple(differences(before, source))
    if dry_run:
        return Update(before.commit, after, lines, None)
    if _git(folder, "status", "--porcelain", "--untracked-files=no").strip():
        raise UnsoundError(f"{folder}: AI-Toolkit has changed files. Run 'git -C {folder} stash' first.")
    say(f"checking out {after[:12]}")
    _git(folder, "checkout", "--quiet", "--detach", after)
    return Update(before.commit, after, lines, write_source(source, source_file()))


def _source_at(folder: Path, commit: str) -> TrainerSource:
    with TemporaryDirectory() as temporary:
        present = _git(folder, "ls-tree", "--name-only", commit).decode().split()
        archive = _git(
            folder, "archive", "--format=tar", commit, *(name for name in _READ if name in present)
        )
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(temporary, filter="data")
            return read_source(Path(temporary)).model_copy(update={"commit": commit})
        except (OSError, SyntaxError, KeyError, tarfile.TarError) as error:
            raise ChromiqError(f"{folder}: the source of {commit[:12]} cannot be read: {error!r}") from error


def _knows(folder: Path, commit: str) -> bool:
    try:
        _git(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except ChromiqError:
        return False
    return True


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        command, env=bounded_environment("cpu"), capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ChromiqError(f"{' '.join(command)} failed: {said[-1] if said else 'no message'}")
    return done.stdout
