"""The exceptions that chromiq raises, and their exit codes.

::

    ChromiqError                 exit 1    the work failed
    ├── UsageError               exit 2    the command line asks for something impossible
    │   └── OptionError             which option it is
    ├── UnsoundError             exit 10   a dataset, photo or config is not fit for use
    ├── LockedError              exit 11   another process works in the same place
    ├── AccessError              exit 12   a token or an accepted licence is missing; takes precedence
    └── InterruptedRunError      exit 130  stopped by the user

Exit 0 is success and 3 (`EXIT_SKIPPED`) a finished run that left items out.
A `Finding` names the file, says what is wrong and how to fix it. An `UnsoundError` carries *all*
findings of a check, not only the first. An option is named by its Python name in backquotes, such as
```min_gain```; the command line prints the flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

Severity = Literal["error", "warning"]

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SKIPPED = 3
EXIT_UNSOUND = 10
EXIT_LOCKED = 11
EXIT_ACCESS = 12
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Finding:
    """A problem and how to fix it.

    Attributes:
        code: a stable identifier, such as ``"photo.truncated"``.
        where: the file, key or item, as the user knows it.
        message: what is wrong, a clause without a full stop.
        hint: how to fix it, a sentence.
        severity: ``"error"`` stops the work, ``"warning"`` does not.
        wanted: the expected value, for ``--json``.
        got: the value found, for ``--json``.

    Examples:
        >>> print(Finding("pair.missing", "still-life7.jpg", "no on_model7 photo", "Add it to the folder."))
        still-life7.jpg: no on_model7 photo. Add it to the folder. [pair.missing]
    """

    code: str
    where: str
    message: str
    hint: str = ""
    severity: Severity = "error"
    wanted: str | None = None
    got: str | None = None

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"

    @property
    def text(self) -> str:
        """Where, the message and the hint."""
        hint = self.hint and ("; " if self.hint[0].islower() else ". ") + self.hint
        return f"{self.where}: {self.message}{hint}"

    def within(self, file: str) -> Finding:
        """The finding with a file before the key that it names."""
        return replace(self, where=f"{file}: {self.where}")

    def as_dict(self) -> dict[str, str]:
        """The finding as plain data for ``--json``, without fields that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class ChromiqError(Exception):
    """The work failed; base class of all chromiq errors."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings: tuple[Finding, ...] = tuple(findings)

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """An error with one finding, whose text is the message."""
        return cls(str(finding), [finding])


class UsageError(ChromiqError):
    """The command line asks for something impossible."""

    exit_code = EXIT_USAGE


class OptionError(UsageError):
    """One option has an impossible value."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"`{option}`: {message}")


class UnsoundError(ChromiqError):
    """A dataset, photo or config is unusable; `findings` lists every reason."""

    exit_code = EXIT_UNSOUND


class LockedError(ChromiqError):
    """Another process uses the same folder."""

    exit_code = EXIT_LOCKED


class AccessError(ChromiqError):
    """A token, an accepted licence or downloaded weights are missing."""

    exit_code = EXIT_ACCESS


class InterruptedRunError(ChromiqError):
    """Stopped by the user; what was saved is named in the message."""

    exit_code = EXIT_INTERRUPTED


@contextmanager
def needing(extra: str, what: str, instead: str = "") -> Iterator[None]:
    """Around the imports of optional packages.

    Args:
        extra: that brings them, such as ``"models"``.
        what: needs them, such as ``"generating"``.
        instead: what else the user can do, such as ``"use the segmenter classic"``.

    Raises:
        UsageError: if one cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        said = f"{what} needs packages that are missing or too old ({error}); "
        raise UsageError(said + (instead and f"{instead}, or ") + f"run: {install_command(extra)}") from error


def install_command(extra: str) -> str:
    """The command that installs the optional packages of an extra; last in a message, to be copied whole."""
    return f"pip install 'chromiq[{extra}]'"


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that stop the work."""
    return [finding for finding in findings if finding.severity == "error"]


def raise_findings(findings: Sequence[Finding], what: str) -> None:
    """Raise one `UnsoundError` that carries every finding of severity ``"error"``, if there is any.

    Args:
        findings: all that a check found, warnings included.
        what: what was checked, for the headline over several errors; a single one is the message itself.

    Raises:
        UnsoundError: if at least one finding is an error.
    """
    errors = errors_of(findings)
    if errors:
        one = str(errors[0]) if len(errors) == 1 else f"{what}: {len(errors)} faults"
        raise UnsoundError(one, findings)
