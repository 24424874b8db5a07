"""What the page works on: the folders that were opened, what each is, and the lock of each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chromiq.correction.garment_work import records_folder
from chromiq.correction.results import BatchRun, read_run
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import UsageError
from chromiq.files import folder_lock
from chromiq.toolkit_configs.runs.record import RUN_FILE

Kind = Literal["corrections", "dataset", "run", "photos"]
_DEPTH = 3
_MOST_FOLDERS = 2000


@dataclass(frozen=True)
class OpenedFolder:
    """A folder that the page shows.

    Attributes:
        id: short name of it in addresses; the same at every start.
        kind: results of a batch of corrections, a dataset, a training run, or only photos.
    """

    id: str
    path: Path
    kind: Kind

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.path.name or str(self.path)


class OutsideError(Exception):
    """A path that is not below one of the folders given."""


@dataclass
class Workplace:
    """The folders that were given, and those found in them.

    Attributes:
        roots: the folders given; nothing outside them is read or written.
        folders: what was found, by id.
    """

    roots: tuple[Path, ...]
    folders: dict[str, OpenedFolder] = field(default_factory=dict)
    _locks: dict[Path, _SharedLock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def inside(self, path: Path) -> Path:
        """A path, resolved, if it is below a folder given.

        Raises:
            OutsideError: if it is not, or leads out by a link.
        """
        resolved = path.resolve()
        if not any(resolved.is_relative_to(root) for root in self.roots):
            raise OutsideError(str(path))
        return resolved

    def add(self, path: Path, kind: Kind) -> OpenedFolder:
        """Show a folder, too.

        Raises:
            OutsideError: if it is not below a folder given.
        """
        path = self.inside(path)
        short = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return self.folders.setdefault(short, OpenedFolder(short, path, kind))

    def of_kind(self, *kinds: Kind) -> list[OpenedFolder]:
        """The folders of some kinds, by path."""
        found = [folder for folder in self.folders.values() if folder.kind in kinds]
        return sorted(found, key=lambda folder: folder.path)

    @contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """Hold the lock that the command line takes; threads of this process share it one after another.

        Raises:
            LockedError: if a command is at work in the folder.
        """
        with self._lock_of(folder).held():
            yield

    @contextmanager
    def keeping(self, folder: Path) -> Iterator[None]:
        """Keep commands out of a folder for long, without keeping the page's own changes out.

        Raises:
            LockedError: as `writing`.
        """
        with self._lock_of(folder).kept():
            yield

    def _lock_of(self, folder: Path) -> _SharedLock:
        with self._guard:
            return self._locks.setdefault(folder, _SharedLock(folder))


class _SharedLock:
    """The lock of a folder, held once for all threads and background work of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._guard = folder, threading.Lock()
        self._writing = threading.RLock()
        self._holders, self._lock = 0, ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self.kept(), self._writing:
            yield

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep commands out, without keeping other threads of this process out."""
        with self._guard:
            if not self._holders:
                self._lock.enter_context(folder_lock(self._folder, "chromiq studio"))
            self._holders += 1
        try:
            yield
        finally:
            with self._guard:
                self._holders -= 1
                if not self._holders:
                    self._lock.close()


def open_workplace(folders: Sequence[Path]) -> Workplace:
    """The workplace of some folders: what they are, or what lies in them down to three levels.

    The folders from which results were made count as given: `Workplace.roots` names them.

    Raises:
        UsageError: if one is no folder.
    """
    roots = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"{folder}: not a folder; give a folder of corrections, a dataset, a run, or photos"
            )
        roots.append(folder.resolve())
    workplace = Workplace(tuple(dict.fromkeys(roots)))
    for root in roots:
        for path, kind in _found(root):
            workplace.add(path, kind)
            run = read_run(path) if kind == "corrections" else None
            workplace.roots += tuple(
                source for source in _sources(run) if not any(map(source.is_relative_to, workplace.roots))
            )
        if not any(folder.path.is_relative_to(root) for folder in workplace.folders.values()):
            workplace.add(root, "photos")
    return workplace


def _sources(run: BatchRun | None) -> list[Path]:
    """The folders of photos and of masks that a batch was made from."""
    if run is None:
        return []
    photos = run.source.parent if run.source.is_file() else run.source  # moved photos open nothing
    folders = [photos, *([run.masks] if run.masks else [])]
    return [folder.resolve() for folder in folders if folder.is_dir() and folder.parent != folder]


def kind_of(folder: Path) -> Kind | None:
    """What a folder is, by what chromiq left in it; None if nothing."""
    if records_folder(folder).is_dir():
        return "corrections"
    if DatasetLayout(folder).manifest.is_file():
        return "dataset"
    return "run" if (folder / RUN_FILE).is_file() else None


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones and links."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    )


def _found(root: Path) -> Iterator[tuple[Path, Kind]]:
    level, seen = [root], 0
    for _ in range(_DEPTH + 1):
        below = []
        for folder in level:
            kind = kind_of(folder)
            if kind:
                yield folder, kind
            else:
                below += subfolders(folder)
        seen += len(below)
        if seen > _MOST_FOLDERS:
            return
        level = below
