"""CSV tables as spreadsheets save them: commas, semicolons or tabs; UTF-8, UTF-16 or Windows-1252."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chromiq.documents import MAX_TEXT_BYTES
from chromiq.errors import Finding, UnsoundError
from chromiq.files import as_stored

MAX_CSV_ROWS = 1_000_000
_DELIMITERS = (",", ";", "\t")
_SURPLUS = "\0surplus"  # no column can have this name
_NOT_TEXT = {
    b"PK\x03\x04": "an Excel or OpenDocument workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"%PDF": "a PDF",
}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# UTF-16 of Latin text: every second byte is zero.
_ZERO_SHARE = 0.3
_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: its number in the file; the header is usually line 1.
        values: by column, without surrounding spaces; a missing field is empty.
        surplus: fields beyond the last column that are not empty.
    """

    line: int
    values: dict[str, str]
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        names: the columns in lower case with underscores, as `Row.values` has them; of several columns called
            the same, the first has that name, and the others have names of their own.
        rows: without empty lines.
        error: why reading stopped before the end, or empty.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str
    error: str = ""


def read_table(path: Path, known: Collection[str]) -> Table:
    """Read a CSV file of any dialect that spreadsheets write.

    Args:
        known: columns that are read, by their names in `Table.names`; the others are only kept.

    Raises:
        UnsoundError: with one `Finding`: ``csv.unreadable`` if it is no text or cannot be opened,
            ``csv.twice`` if several columns have one known name.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}", "Check the path.") from error
    if len(data) > MAX_TEXT_BYTES:
        raise _unreadable(path, f"more than {MAX_TEXT_BYTES // 1024**2} MB", "Split it.")
    lines = io.StringIO(_decoded(path, data), newline=None)
    first = lines.readline()
    separator = first.strip().lower().removeprefix("sep=")  # Excel's own way to name the delimiter
    skipped = 0
    if first.lower().startswith("sep=") and (separator in _DELIMITERS or "\t" in first):
        delimiter, skipped = separator or "\t", 1
    else:
        delimiter = max(_DELIMITERS, key=lambda each: len(_fields(first, each)))
        lines.seek(0)
    reader = csv.DictReader(lines, restkey=_SURPLUS, strict=True, delimiter=delimiter)
    rows: list[Row] = []
    stopped = ""
    columns: tuple[str, ...] = ()
    names: list[str] = []
    try:
        columns = tuple(reader.fieldnames or ())
        every = [column_name(column) for column in columns]
        if twice := [name for name in known if every.count(name) > 1]:
            message = f"several columns are called {' and '.join(twice)}"
            raise UnsoundError.of(Finding("csv.twice", str(path), message, "Rename or remove all but one."))
        for name in every:
            names.append(f"{name}\0{len(names)}" if name in names else name)
        reader.fieldnames = names
        rows.extend(_rows(reader, skipped))
    except csv.Error as problem:
        stopped = str(problem)
    return Table(columns, tuple(names), tuple(rows), delimiter, stopped)


def write_table(columns: list[str], rows: list[list[str]], delimiter: str = ",") -> bytes:
    """A table as Excel opens it without asking: UTF-8 with a byte order mark, lines ending in CR LF."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows([columns, *rows])
    return codecs.BOM_UTF8 + buffer.getvalue().encode("utf-8")


def as_text(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe.

    >>> as_text("=1+1.jpg"), as_text("7.jpg")
    ("'=1+1.jpg", '7.jpg')
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def listed_path(folder: Path, name: str) -> Path:
    """A file that a table names, from its folder on; backslashes as Windows writes them separate folders."""
    path = folder / name
    with suppress(OSError):  # such as a name that is too long, which is reported where it is read
        if "\\" in name and not path.exists():
            path = folder / name.replace("\\", "/")
        return as_stored(path)
    return path


def column_name(text: str) -> str:
    """A column's name as it is compared.

    >>> column_name(" Still-life "), column_name("On model")
    ('still_life', 'on_model')
    """
    return text.strip().lower().replace("-", "_").replace(" ", "_")


def _rows(reader: csv.DictReader[str], skipped: int) -> Iterator[Row]:
    for fields in reader:
        if reader.line_num > MAX_CSV_ROWS:
            raise csv.Error(f"more than {MAX_CSV_ROWS} lines")
        surplus: object = fields.pop(_SURPLUS, None) or []
        assert isinstance(surplus, list)
        values = {name: (value or "").strip() for name, value in fields.items()}
        beyond = tuple(field.strip() for field in surplus if field.strip())
        if beyond or any(values.values()):
            yield Row(reader.line_num + skipped, values, beyond)


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _decoded(path: Path, data: bytes) -> str:
    for start, name in _NOT_TEXT.items():
        if data.startswith(start):
            raise _unreadable(path, f"{name}, not a CSV file", "Save it as CSV in the spreadsheet.")
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    head = data[:_SNIFFED_BYTES]
    if encoding is None and len(head) >= 2:
        even, odd = (head[start::2].count(0) / len(head[start::2]) for start in (0, 1))
        encoding = "utf-16-le" if odd > _ZERO_SHARE else "utf-16-be" if even > _ZERO_SHARE else None
    # Excel in Western Europe saves "CSV" as Windows-1252; as UTF-8 its letters are hardly ever valid.
    for name in [encoding] if encoding else ["utf-8", "cp1252"]:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    hint = "Save it as 'CSV UTF-8' in the spreadsheet."
    raise _unreadable(path, f"not text in {encoding or 'UTF-8, UTF-16 or Windows-1252'}", hint)


def _unreadable(path: Path, message: str, hint: str) -> UnsoundError:
    return UnsoundError.of(Finding("csv.unreadable", str(path), message, hint))
