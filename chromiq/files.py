"""Atomic writes, folder locks and safe file names."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from chromiq.errors import ChromiqError, Finding, LockedError, UsageError, raise_findings
from chromiq.wording import path_text

LOCK_NAME = ".chromiq.lock"
_Value = TypeVar("_Value")
_TEMPORARY_PREFIX = ".chromiq-part-"
_FAULTS_OF_THE_MACHINE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.ESTALE,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)


@contextmanager
def atomic_path(path: Path, needed_bytes: int | None = None, *, synced: bool = True) -> Iterator[Path]:
    """Yield a temporary file in the same folder; on success it is renamed to `path`, otherwise removed.

    It has the suffix of `path`, for writers that select the format by suffix.

    Args:
        path: the file to write.
        needed_bytes: its size, if known, for the message when the disk is full.
        synced: whether to sync it to disk before renaming it.

    Raises:
        UsageError: if `path` is a folder, a pipe or a device, which a rename would replace.
        ChromiqError: if the folder cannot be written to or the disk is full.
    """
    if path.exists() and not path.is_file():
        got = "a folder" if path.is_dir() else "a device or a pipe"
        raise UsageError(f"{path}: is {got}, not a file. Choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
    except OSError as error:
        raise _cannot_write(path, error, needed_bytes) from error
    temporary = Path(name)
    try:
        yield temporary
        if synced:
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error, needed_bytes) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write bytes atomically; if not `synced`, a power failure soon after may empty the file."""
    with atomic_path(path, len(data), synced=synced) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write text atomically as UTF-8, without converting newlines."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Write a document atomically as `json_text`."""
    write_text(path, json_text(document))


def json_text(document: Any, encoding: str = "utf-8") -> str:
    """Indented JSON with a final newline; unencodable characters are escaped, and NaN is refused.

    >>> json_text("\N{LATIN SMALL LETTER E WITH ACUTE}", "ascii")
    '"\\\\u00e9"\\n'
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:  # such as a path that is not UTF-8, or any text on an ASCII terminal
        return json.dumps(document, indent=2, allow_nan=False) + "\n"
    return text


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def record_made(record: Path, file: Path, made_of: str, **more: Any) -> None:
    """Record the inputs of a finished file.

    Args:
        record: the JSON file to write.
        file: the finished file.
        made_of: a digest of everything that determines it.
        more: other plain data to record.
    """
    write_json(record, {"made_of": made_of, "image": sha256_file(file), **more})


def made_before(record: Path, file: Path, made_of: str) -> dict[str, Any] | None:
    """The record of a file that was made of the same inputs and has not changed since, or None.

    None is also returned for a damaged record, so that the file is made again.
    """
    if not (file.is_file() and record.is_file()):
        return None
    try:
        written: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        same = written["made_of"] == made_of and written["image"] == sha256_file(file)
    except (ValueError, KeyError, TypeError):
        return None
    return written if same else None


def ensure_output_folder(path: Path) -> Path:
    """Create a folder and check that it is writable.

    Raises:
        UsageError: if `path` is a file.
        ChromiqError: if it cannot be created or written to.
    """
    refuse_file(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=_TEMPORARY_PREFIX, dir=path):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def refuse_file(path: Path) -> None:
    """Raise an error if a file is in the place of a folder.

    Raises:
        UsageError: if it is a file.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, not a folder. Choose another folder or move the file.")


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Raise an error if a file or folder to write is an input.

    Args:
        outputs: files and folders; with a file its folder, unless that may be one of the inputs.
        inputs: files and folders; None for those that were not given.

    Raises:
        UsageError: if the results would replace originals, or be mixed up with them.
    """
    # Not `Path.resolve`, which raises RuntimeError at a loop of links.
    given = {os.path.realpath(path): path for path in inputs if path}
    for path in outputs:
        if taken := given.get(os.path.realpath(path)):
            raise UsageError(
                f"{path}: the results would overwrite {taken} or lie among the inputs. Choose another output."
            )


@contextmanager
def folder_lock(folder: Path, purpose: str) -> Iterator[None]:
    """Lock a folder for this process, and remove temporary files of killed processes from it.

    The kernel releases the lock when the process ends, so there are no stale locks; the text in the lock file
    only identifies the holder. The file is not removed, because a second process could then wait for the
    removed file while a third locks a new one.

    Raises:
        LockedError: if another process holds it; the message names that process.
    """
    ensure_output_folder(folder)
    path = folder / LOCK_NAME
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise LockedError(
                f"{folder}: in use by {holder}. Wait until it ends or choose another folder."
            ) from error
        try:
            _write_holder(stream, f"process {os.getpid()} ({purpose})")
            remove_leftovers(folder)
            yield
        finally:
            stream.truncate(0)


def is_locked(folder: Path) -> bool:
    """Whether a process holds the `folder_lock` of a folder."""
    try:
        with (folder / LOCK_NAME).open(encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def machine_error(error: OSError) -> ChromiqError | None:
    """The message for an error caused by permissions, disk space or a file name; otherwise None.

    >>> print(machine_error(PermissionError(errno.EACCES, "Permission denied", "photos")))
    photos: cannot read or write: Permission denied. Check permissions and free space.
    >>> machine_error(FileNotFoundError(errno.ENOENT, "No such file", "photos")) is None
    True
    """
    if error.errno == errno.ENOENT and error.filename is None:  # as os.getcwd() raises it
        return ChromiqError("the working directory no longer exists. Change to another one.")
    if error.errno not in _FAULTS_OF_THE_MACHINE:
        return None
    of_name = error.errno in {errno.ENAMETOOLONG, errno.ELOOP}
    hint = "Choose another path." if of_name else "Check permissions and free space."
    where = path_text(error.filename or "the disk")
    return ChromiqError(f"{where}: cannot read or write: {error.strerror}. {hint}")


def safe_stem(text: str) -> str:
    """A file stem that is a single path component and valid on every file system.

    Letters, digits, dot, dash and underscore are kept, everything else becomes an underscore; leading dots
    and dashes are removed. The result is NFC and at most 120 bytes long. Different texts may give the same
    stem, so callers must check for collisions.

    >>> safe_stem("../a b")
    '_a_b'
    >>> safe_stem("pair1"), safe_stem("--rf")
    ('pair1', 'rf')

    Raises:
        UsageError: if nothing is left.
    """
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in composed_name(text)).lstrip(".-")
    while len(kept.encode("utf-8")) > 120:
        kept = kept[:-1]
    if not kept:
        raise UsageError(f"{text!r}: no letter or digit in the name. Rename it.")
    return kept


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """A sort key that orders numbers inside names by value.

    >>> sorted(["pair10", "pair9", "pair1"], key=natural_key)
    ['pair1', 'pair9', 'pair10']
    """
    # ASCII digits only: int() rejects some of the characters that isdigit() accepts.
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


def composed_name(name: str) -> str:
    """A name as Unicode composes it (NFC): macOS stores é as two code points, others mostly as one.

    >>> len("e\u0301"), len(composed_name("e\u0301"))
    (2, 1)
    """
    return unicodedata.normalize("NFC", name)


def as_stored(path: Path) -> Path:
    """A path with each name in the Unicode form, composed or not, in which it exists; else as it is."""
    if str(path).isascii() or _exists(path):
        return path
    found = Path(path.anchor)
    for part in path.relative_to(found).parts:
        forms = (found / unicodedata.normalize(form, part) for form in ("NFC", "NFD"))
        found = next(filter(_exists, (found / part, *forms)), found / part)
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long, as a Korean one may be once it is decomposed
        return False


def by_composed_name(entries: Iterable[tuple[str, _Value]], where: Path, code: str) -> dict[str, _Value]:
    """The entries of a file or folder by composed name.

    Args:
        where: the file or folder, for the findings.
        code: of the findings.

    Raises:
        UnsoundError: with each name that has two different entries.
    """
    found: dict[str, _Value] = {}
    findings = []
    for name, value in entries:
        if found.setdefault(composed_name(name), value) != value:
            message = f"two different entries for {name!r}, perhaps in two Unicode forms"
            findings.append(Finding(code, str(where), message, "Remove one of the two."))
    raise_findings(findings, str(where))
    return found


def file_finder(folder: Path) -> Callable[[str], Path | None]:
    """A function that finds a folder's file by its name, in whatever Unicode form and case it is stored.

    A file that has exactly this name comes first. Nothing is found if there is no such folder.
    """
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    known = {collision_key(path.name): path for path in paths} | {path.name: path for path in paths}

    def find(name: str) -> Path | None:
        path = known.get(name) or known.get(collision_key(name))
        return path if path and path.is_file() else None

    return find


def collision_key(name: str) -> str:
    """A key that is equal for names that some file system treats as the same.

    >>> collision_key("A.jpg") == collision_key("a.jpg")
    True
    """
    return composed_name(composed_name(name).casefold())


def _write_holder(stream: IO[str], holder: str) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(holder)
    stream.flush()


def is_leftover(path: Path) -> bool:
    """Whether a file is the temporary file of a process, which may have been killed."""
    return path.name.startswith(_TEMPORARY_PREFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder that no process writes to."""
    for leftover in folder.rglob(f"{_TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _cannot_write(path: Path, error: OSError, needed_bytes: int | None = None) -> ChromiqError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        folder = next(folder for folder in path.absolute().parents if folder.is_dir())
        free = f"{shutil.disk_usage(folder).free / 1e6:.1f} MB free"
        needed = "" if needed_bytes is None else f", {needed_bytes / 1e6:.1f} MB needed"
        return ChromiqError(
            f"{path}: cannot write: {error.strerror}{needed}, {free}. "
            "Free some space; the same command then resumes."
        )
    return ChromiqError(
        f"{path}: cannot write: {error.strerror or error}. Check permissions and free space, or choose "
        "another folder."
    )
