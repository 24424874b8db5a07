"""Output of all verbs: results on stdout, messages on stderr, one JSON document with ``--json``."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from chromiq.errors import ChromiqError, Finding
from chromiq.files import json_text
from chromiq.progress import console
from chromiq.wording import interval_text, printable

if TYPE_CHECKING:
    from chromiq.evaluate.score.scores import ImageScore

_SHOWN_OF_A_KIND = 50
_MESSAGES = ("error", "hint", "message", "problem", "reason")
"""Keys of JSON documents whose values a library wrote as messages."""


def say(message: str) -> None:
    """Print a message of one line on stderr, with options as flags and control characters escaped."""
    console().print(escape(printable(with_flags(message))), highlight=False, soft_wrap=True)


def with_flags(message: str) -> str:
    """A library's message with the options that it names in backquotes as flags.

    >>> with_flags("Set `min_gain`.")
    'Set --min-gain.'
    """
    return re.sub(r"`([a-z_]+)`", lambda option: "--" + option[1].replace("_", "-"), message)


def print_json(document: Any) -> None:
    """Print `document` as JSON on stdout; options in its messages are flags, as `say` prints them."""
    sys.stdout.write(json_text(_messages_with_flags(document), sys.stdout.encoding or "utf-8"))


def _messages_with_flags(value: Any, key: object = None) -> Any:
    if isinstance(value, Mapping):
        return {name: _messages_with_flags(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_messages_with_flags(item) for item in value]
    return with_flags(value) if isinstance(value, str) and key in _MESSAGES else value


def print_line(text: str) -> None:
    """Print one line of results on stdout; control characters are escaped."""
    sys.stdout.write(printable(text) + "\n")


def print_result(document: Any, *lines: str, as_json: bool) -> None:
    """Print the result of a verb on stdout: as one JSON document, or as lines."""
    if as_json:
        print_json(document)
    else:
        for line in lines:
            print_line(line)


def print_document(text: str) -> None:
    """Print a text of several lines on stdout as it is, such as a config."""
    sys.stdout.write(text.removesuffix("\n") + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table of results on stdout; the first column is text, the others are numbers."""
    from rich.console import Console

    table = Table(title=title)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def print_scores(scores: Sequence[ImageScore], titles: Mapping[str, str] | None = None) -> None:
    """Print the mean dE00 of each image and column, averages and gains, on stdout."""
    from chromiq.evaluate.score.scores import (
        average,
        average_interval,
        average_of,
        by_garment,
        column_title,
        compare,
    )

    columns = list(scores[0].differences)

    def row(name: str, values: Sequence[float]) -> list[str]:
        return [name, *(f"{value:.3f}" for value in values)]

    cells = [row(score.name, [score.differences[column].mean for column in columns]) for score in scores]
    for kind, members in by_garment(scores).items():
        title = f"{kind} (average of {len(members)})"
        cells.append(row(title, [average(members, column) for column in columns]))
    cells.append(row("average", [average(scores, column) for column in columns]))
    bounds = [average_interval(scores, column) for column in columns]
    cells.append(["95 % interval", *(interval_text(each, len(scores)) for each in bounds)])
    means = [average_of(scores, column, "of_means") or 0.0 for column in columns]
    cells.append(row("of the mean colours", means))
    print_table(
        ["image", *(column_title(column, titles) for column in columns)],
        cells,
        "mean dE00 from the true photo",
    )
    for column in columns:
        if column != "control" and "control" in columns:
            found = compare(scores, column)
            bounds_text = interval_text(found.interval, len(scores), "+.2f", title="95 % interval ")
            title = column_title(column, titles)
            print_line(
                f"{title} against uncorrected: {found.mean_change:+z.3f} ({bounds_text}), "
                f"{found.wins} better, {found.losses} worse; worst {found.worst} "
                f"{found.worst_change:+z.3f}"
            )


def print_findings(findings: Sequence[Finding]) -> None:
    """Print findings on stderr, one per line, errors first; at most 50 of one code, then a count."""
    counts = Counter(finding.code for finding in findings)
    shown: Counter[str] = Counter()
    for finding in sorted(findings, key=lambda item: item.severity != "error"):
        shown[finding.code] += 1
        if shown[finding.code] <= _SHOWN_OF_A_KIND:
            say(f"{finding.severity}: {finding}")
    for code, count in counts.items():
        if count > _SHOWN_OF_A_KIND:
            say(f"... and {count - _SHOWN_OF_A_KIND} more [{code}]; --json lists all")


def report_error(error: ChromiqError, *, as_json: bool) -> None:
    """Report why the work stopped: on stderr, and as JSON on stdout if asked."""
    if as_json:
        document = {
            "error": str(error),
            "exit_code": error.exit_code,
            "findings": [finding.as_dict() for finding in error.findings],
        }
        with suppress(OSError):  # stdout may be what failed; stderr follows
            print_json(document)
    print_findings(error.findings)
    if str(error) not in map(str, error.findings):
        say(f"chromiq: {error}")
